import pytest
from conftest import Finder

from howfar.distill.mixture import Mixture, Source
from howfar.distill.survey import ask
from howfar.errors import UsageError


def test_shares(pictures, walls):
    findings = [ask(sample.image, Finder("chair"), []) for sample in pictures]
    mixture = Mixture([Source(pictures, 3, findings), Source(walls, 1)], 40)
    assert len(mixture) == 40
    with_depth = [sample.depth is not None for sample in mixture]
    assert sum(with_depth) == 10
    known = [mixture.finding(i) is not None for i in range(len(mixture))]
    assert known == [not depth for depth in with_depth]
    assert {sample.id for sample in mixture if sample.depth is None} == set("01234")


def test_samples_are_read_once(pictures):
    read = []

    class Counted:
        name, class_names, left_out = "counted", (), ()

        def __len__(self):
            return len(pictures)

        def __getitem__(self, index):
            read.append(index)
            return pictures[index]

    mixture = Mixture([Source(Counted(), 1)], 20)
    for _ in range(2):
        list(mixture)
    assert sorted(read) == [0, 1, 2, 3, 4]


def test_wrong_use(pictures):
    with pytest.raises(UsageError, match="share is 0"):
        Source(pictures, 0)
    with pytest.raises(UsageError, match="5 pictures, 1 surveyed"):
        Source(pictures, 1, [ask(pictures[0].image, Finder(), [])])
