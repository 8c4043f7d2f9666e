import pytest

from howfar.calibrate.known import assign, parse_known
from howfar.core.scale import KnownDistance
from howfar.errors import UsageError

SOURCES = ["photos/a.jpg", "photos/b.jpg"]


def knowns(*texts, sources=SOURCES):
    return [parse_known(text, sources) for text in texts]


def test_with_and_without_a_picture():
    (known,) = knowns("1.8m@chair")
    assert (known.request, known.picture) == (KnownDistance(1.8, "chair"), None)
    for name in ("a.jpg", "photos/a.jpg"):
        (known,) = knowns(f"{name}:2.5+-0.1m@320,240")
        assert known.picture == "photos/a.jpg"
        assert known.request == KnownDistance(2.5, (320, 240), 0.04)
    (quoted,) = knowns('1.8m@"dining table"')
    assert quoted.request.at == "dining table"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not understood"),
        ("chair", "not understood"),
        ("1.8", "not understood"),
        ("object-size", "not understood"),
        ("0m@chair", "not understood"),
        ("c.jpg:1.8m@chair", "c.jpg.*none of the pictures"),
        ("a.jpg:", "not understood"),
    ],
)
def test_what_is_no_known_distance(text, words):
    with pytest.raises(UsageError, match=words):
        parse_known(text, SOURCES)


def test_one_distance_holds_in_all_pictures():
    (known,) = knowns("1.8m@chair")
    assert assign([known], SOURCES) == {source: [known] for source in SOURCES}


def test_as_many_as_pictures_go_in_order():
    first, second = knowns("1.8m@chair", "3m@person")
    assert assign([first, second], SOURCES) == {SOURCES[0]: [first], SOURCES[1]: [second]}


def test_several_in_one_picture():
    both = knowns("1.8m@chair", "3m@person")
    assert assign(both, SOURCES[:1]) == {SOURCES[0]: both}


def test_named_ones_go_where_they_belong():
    first, second = knowns("b.jpg:1.8m@chair", "b.jpg:3m@person")
    assert assign([first, second], SOURCES) == {SOURCES[0]: [], SOURCES[1]: [first, second]}


def test_a_file_name_that_two_pictures_share_is_asked_for_whole():
    sources = ["near/a.jpg", "far/a.jpg"]
    with pytest.raises(UsageError, match=r"may be near/a\.jpg or far/a\.jpg; write the whole path"):
        parse_known("a.jpg:2m@chair", sources)
    assert parse_known("near/a.jpg:2m@chair", sources).picture == "near/a.jpg"


def test_what_is_left_open():
    with pytest.raises(UsageError, match=r"3 known distances for 2 pictures.*--known a\.jpg:1m@x"):
        assign(knowns("1m@x", "2m@x", "3m@x"), SOURCES)
