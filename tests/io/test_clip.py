"""Which frames of a video are wanted."""

import pytest

from howfar.errors import UsageError
from howfar.io.clip import Clip, make_clip, parse_time


def picked(clip, times):
    return [index for index, _, _ in clip.pick((i, t, None) for i, t in enumerate(times))]


TIMES = [i / 10 for i in range(20)]


def test_all_frames_unless_asked_otherwise():
    assert picked(Clip(), TIMES) == list(range(20))


def test_the_start_is_part_of_it_and_the_end_is_not():
    assert picked(Clip(start_s=0.5, end_s=0.8), TIMES) == [5, 6, 7]


def test_the_stride_counts_from_the_first_frame_of_the_part():
    assert picked(Clip(stride=4, start_s=0.5), TIMES) == [5, 9, 13, 17]


def test_the_stride_does_not_shift_where_frames_are_missing():
    frames = [(i, i / 10, None) for i in range(20) if i not in (4, 5)]
    assert [index for index, _, _ in Clip(stride=4).pick(frames)] == [0, 8, 12, 16]


def test_nothing_is_read_after_the_end():
    def frames():
        yield from ((i, i / 10, None) for i in range(5))
        raise AssertionError("read on")

    assert [index for index, _, _ in Clip(end_s=0.3).pick(frames())] == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0), (1.5, 1.5), ("83.5", 83.5), ("1:23.5", 83.5), ("0:01:23.5", 83.5), ("90:00", None)],
)
def test_times_as_people_write_them(value, seconds):
    if seconds is None:
        with pytest.raises(UsageError, match="start is '90:00'; give seconds"):
            parse_time(value, "start")
    else:
        assert parse_time(value, "start") == seconds


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "soon", "", "1:2:3:4", True])
def test_no_times(value):
    with pytest.raises(UsageError, match=r"end is .*; give seconds"):
        make_clip(end=value)


@pytest.mark.parametrize("stride", [0, -2, 1.5, True, "2"])
def test_no_strides(stride):
    with pytest.raises(UsageError, match=r"vid_stride is .*; give a whole number >= 1"):
        make_clip(stride)


def test_an_end_before_the_start():
    with pytest.raises(UsageError, match="the end, 1 s, is not after the start, 2 s"):
        make_clip(start=2, end="1")
