"""Results in memory: capped, oldest first, by unguessable names."""

import re

import numpy as np
import pytest
from webserver import fake_ranger

from howfar import UsageError
from howfar.web.limits import Refusal
from howfar.web.results import ID_PATTERN, Kept, Results, nearer_than, new_name


@pytest.fixture
def kept():
    result = fake_ranger()(np.zeros((120, 200, 3), np.uint8))
    return Kept(result, {})


def test_size_counts_the_arrays(kept):
    assert 120 * 200 * 8 < kept.size < 120 * 200 * 8 + 20_000


def test_the_oldest_go_first_and_use_renews(kept):
    results = Results(int(kept.size * 2.5))
    results.add("a", kept)
    results.add("b", kept)
    results.get("a")
    results.add("c", kept)
    assert len(results) == 2
    assert results.get("a") is kept
    with pytest.raises(Refusal, match="no longer"):
        results.get("b")
    assert results.bytes == 2 * kept.size
    results.remove("a")
    results.remove("c")
    assert (results.bytes, len(results)) == (0, 0)


def test_what_is_larger_than_all_memory_is_not_kept(kept):
    results = Results(1000)
    results.add("a", kept)
    assert (len(results), results.bytes) == (0, 0)


def test_one_that_is_too_large_does_not_drive_out_the_others(kept):
    large = Kept(fake_ranger()(np.zeros((360, 600, 3), np.uint8)), {})
    results = Results(kept.size * 2)
    results.add("a", kept)
    results.add("large", large)
    assert results.get("a") is kept
    assert results.bytes == kept.size


def test_names():
    names = {new_name() for _ in range(100)}
    assert len(names) == 100
    assert all(re.match(ID_PATTERN, name) for name in names)


def test_filtering_afterwards(kept):
    nearer = nearer_than(kept.result, 3.2)
    assert [thing.label for thing in nearer.objects] == ["chair", "person"]
    assert [thing.label for thing in nearer_than(nearer, 9).objects] == ["chair", "person", "cup"]
    assert nearer_than(kept.result, None) is kept.result
    relative = fake_ranger("relative")(np.zeros((120, 200, 3), np.uint8))
    with pytest.raises(UsageError, match="metres"):
        nearer_than(relative, 3)
