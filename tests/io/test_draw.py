import time
from dataclasses import replace

import numpy as np
import pytest

from howfar.core.boxes import Box
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.image import Image
from howfar.core.result import Object, Result
from howfar.errors import UsageError
from howfar.io import draw
from howfar.io.palette import (
    NEAR_TO_FAR,
    UNKNOWN,
    Ramp,
    depth_ramp,
    given_ramp,
    ink_on,
    luminance,
    rounded_ramp,
    text_block,
    text_extent,
    text_size_px,
)

GROUND = (10, 20, 130)


def picture(width, height):
    return Image(np.full((height, width, 3), GROUND, np.uint8))


def thing(box, distance_m=None, label="chair", **more):
    return Object(label, 0, 0.9, Box(*box), distance_m=distance_m, **more)


def drawn(width, height, *objects, **more):
    return draw.annotated(Result(picture(width, height), objects, **more))


def changed(pixels):
    return (pixels != np.array(GROUND, np.uint8)).any(axis=2)


def has_colour(pixels, colour):
    return (pixels == np.array(colour, np.uint8)).all(axis=2)


def plate_places(width, height, boxes, text="chair 2.3 m"):
    """Places (N, 4) that the plates of boxes get, without drawing."""
    rects = np.array(boxes, np.float32).reshape(-1, 4)
    plates = [draw._plate(draw.Mark(Box(*b), text, (255, 0, 0)), width, height) for b in boxes]
    size = np.array([width, height], np.float32)
    corners = draw._place(plates, rects, np.zeros((0, 4), np.float32), size, 1)
    sides = [(p.shape[1], p.shape[0]) for p in plates]
    return np.array([(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners, sides, strict=True)])


@pytest.mark.parametrize(
    ("metres", "text"),
    [
        (0.0, "0.00 m"),
        (0.854, "0.85 m"),
        (0.994, "0.99 m"),
        (0.996, "1.0 m"),
        (2.34, "2.3 m"),
        (9.94, "9.9 m"),
        (9.96, "10 m"),
        (14.4, "14 m"),
        (120.0, "120 m"),
    ],
)
def test_metres_are_written_as_people_say_them(metres, text):
    assert draw.distance_text(metres) == text


def test_a_label_says_the_distance_or_that_it_is_unknown():
    assert draw.object_label(thing((0, 0, 1, 1), 2.34), DepthKind.METRIC) == "chair 2.3 m"
    assert draw.object_label(thing((0, 0, 1, 1), 2.34), None) == "chair 2.3 m"
    assert draw.object_label(thing((0, 0, 1, 1)), DepthKind.METRIC) == "chair ? m"
    assert draw.object_label(thing((0, 0, 1, 1)), None) == "chair ? m"


@pytest.mark.parametrize("kind", [DepthKind.RELATIVE, DepthKind.RELATIVE_AFFINE])
@pytest.mark.parametrize("metres", [None, 2.3])
def test_relative_depth_never_becomes_metres_in_a_label(kind, metres):
    relative = thing((0, 0, 1, 1), metres, relative_depth=0.4)
    assert draw.object_label(relative, kind) == "chair (no scale)"


def test_without_a_depth_map_the_object_knows_that_it_has_no_scale():
    relative = thing((0, 0, 1, 1), relative_depth=0.4)
    assert draw.object_label(relative, None) == "chair (no scale)"


def test_the_picture_keeps_its_size_and_the_source_is_not_touched():
    image = picture(320, 240)
    pixels = draw.annotated(Result(image, (thing((50, 60, 150, 200), 2.0),)))
    assert pixels.shape == (240, 320, 3)
    assert pixels.dtype == np.uint8
    assert not changed(image.pixels).any()
    assert changed(pixels).any()


def test_no_objects_leave_the_picture_as_it_is():
    assert not changed(drawn(64, 48)).any()


def test_only_the_frame_and_the_plate_change():
    pixels = drawn(640, 480, thing((200, 200, 400, 400), 2.0))
    touched = changed(pixels)
    frame = np.zeros_like(touched)
    frame[195:405, 195:405] = True
    frame[210:390, 210:390] = False
    height = text_extent("", text_size_px(640, 480))[1]
    plate = np.zeros_like(touched)
    plate[199 - height - 1 : 205, 195:405] = True
    assert not (touched & ~frame & ~plate).any()
    assert touched[300, 200]
    assert not touched[300, 300]


def test_the_frame_lies_on_the_pixels_of_the_box():
    pixels = drawn(640, 480, thing((200, 150, 400, 380), 2.0))
    colour = tuple(pixels[300, 200])
    row = np.flatnonzero(has_colour(pixels, colour)[300])
    column = np.flatnonzero(has_colour(pixels, colour)[:, 390])
    assert (row.min(), row.max()) == (200, 399)
    assert column.max() == 379


@pytest.mark.parametrize("box", [(0, 0, 60, 50), (260, 0, 320, 50), (0, 190, 60, 240)])
def test_boxes_in_the_corners_have_a_whole_plate(box):
    pixels = drawn(320, 240, thing(box, 0.5), filter={})
    ramp = draw.object_ramp(Result(picture(320, 240), (thing(box, 0.5),)))
    colour = ramp.colour(0.5)
    size_px = text_size_px(320, 240)
    plate = text_block("chair 0.50 m", size_px, ink_on(colour), colour, max(2, size_px // 4))
    h, w = plate.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (h, w, 3))[:, :, 0]
    assert (windows == plate).all(axis=(2, 3, 4)).any()


def test_plates_stand_above_their_box_where_there_is_room():
    place = plate_places(640, 480, [(100, 100, 300, 300)])[0]
    assert place[3] == 99
    assert place[0] == 99


@pytest.mark.parametrize("corner", [(0, 0), (600, 0), (0, 440), (600, 440)])
def test_plates_lie_inside_the_picture(corner):
    x, y = corner
    place = plate_places(640, 480, [(x, y, x + 40, y + 40)])[0]
    assert (place[:2] >= 0).all()
    assert (place[2:] <= (640, 480)).all()


def test_plates_of_the_same_box_do_not_overlap():
    places = plate_places(640, 480, [(200, 200, 300, 300)] * 6)
    for i in range(6):
        for j in range(i):
            apart = (places[i, :2] >= places[j, 2:]) | (places[j, :2] >= places[i, 2:])
            assert apart.any(), (i, j)


def test_nearest_objects_are_drawn_last_and_unknown_ones_first():
    near, far, unknown = (
        thing((9, 9, 99, 99), d, name) for d, name in ((1, "a"), (7, "b"), (None, "c"))
    )
    marks = draw.object_marks(Result(picture(100, 100), (near, unknown, far)))
    assert [mark.text[0] for mark in marks] == ["c", "b", "a"]
    pixels = drawn(640, 480, near, unknown, far)
    assert tuple(pixels[60, 9]) == marks[2].colour


def test_near_is_brighter_than_far():
    lightness = [luminance(tuple(int(c) for c in row)) for row in NEAR_TO_FAR]
    assert lightness[0] > 0.6
    assert lightness[-1] > 0.05
    assert np.all(np.diff(lightness[::8]) < 0)


def test_text_is_readable_on_every_plate():
    for row in NEAR_TO_FAR.tolist():
        ink, ground = sorted((luminance(ink_on(tuple(row))), luminance(tuple(row))))
        assert (ground + 0.05) / (ink + 0.05) >= 4.5


def test_an_unknown_distance_has_a_grey_dashed_box():
    side = drawn(640, 480, thing((200, 200, 400, 400)))[:, 200]
    grey = has_colour(side[None], UNKNOWN)[0, 220:380]
    assert 40 < grey.sum() < 120
    assert np.abs(np.diff(grey.astype(int))).sum() >= 8


def test_a_given_range_fixes_the_colours():
    result = Result(picture(200, 200), (thing((9, 50, 99, 99), 3.0),))
    assert draw.object_marks(result, (3.0, 20.0))[0].colour == tuple(NEAR_TO_FAR[0].tolist())
    assert draw.object_marks(result, (1.0, 3.0))[0].colour == tuple(NEAR_TO_FAR[-1].tolist())


def test_relative_depth_orders_the_colours():
    depth = DepthMap(np.linspace(1.0, 0.1, 10000).reshape(100, 100), "relative")
    near, far = thing((0, 0, 9, 9), relative_depth=1.0), thing((9, 9, 99, 99), relative_depth=10.0)
    result = Result(picture(100, 100), (near, far), depth=depth)
    marks = draw.object_marks(result, (0.1, 0.2))
    assert luminance(marks[0].colour) < luminance(marks[1].colour)
    assert [mark.text for mark in marks] == ["chair (no scale)"] * 2


def test_boxes_outside_the_picture_are_not_drawn():
    assert not changed(drawn(100, 80, thing((200, 200, 300, 300), 2.0))).any()
    assert changed(drawn(100, 80, thing((-50, -50, 300, 300), 2.0)))[:, 0].any()


@pytest.mark.parametrize("size", [(1, 1), (20, 8000), (8000, 20), (3, 2), (160, 120)])
def test_every_size_can_be_drawn_on(size):
    width, height = size
    everywhere = thing((0, 0, width, height), 2.0)
    middle = thing((width / 3, height / 3, width / 2, height / 2), 1.0)
    pixels = drawn(
        width, height, everywhere, middle, thing((0, 0, 0.1, 0.1)), filter={"max_distance": 3.0}
    )
    assert pixels.shape == (height, width, 3)


def test_a_hole_in_the_depth_leaves_the_colours_alone():
    values = np.full((48, 64), np.nan, np.float32)
    result = Result(picture(64, 48), (thing((9, 9, 40, 40)),), depth=DepthMap(values))
    assert draw.object_marks(result)[0].colour is None
    assert draw.annotated(result).shape == (48, 64, 3)


def test_the_note_counts_what_the_filter_hid():
    result = Result(
        picture(640, 480),
        (thing((300, 200, 400, 300), 2.0),),
        left_out=(thing((0, 0, 9, 9), 9.0),) * 2,
        filter={"min_distance": None, "max_distance": 4.0, "by": "distance"},
    )
    assert draw.filter_note(result) == "within 4.0 m: 1 shown, 2 hidden"
    assert changed(draw.annotated(result))[-5:, :20].any()
    nearest = replace(result, filter={"min_distance": 1.0, "max_distance": 12.0, "by": "range"})
    assert draw.filter_note(nearest) == "from 1.0 m, within 12 m (range): 1 shown, 2 hidden"
    assert draw.filter_note(replace(result, filter={})) == ""


def test_the_note_does_not_cover_an_object():
    small = (thing((5, 462, 60, 479), 2.0), thing((560, 462, 635, 479), 2.0))
    touched = [changed(drawn(640, 480, *small, filter=f)) for f in ({}, {"max_distance": 4.0})]
    assert (touched[0] == touched[1]).all()


@pytest.mark.parametrize("bad", [(5.0, 2.0), (-1.0, 4.0), (2.0, 2.0), (1.0, np.inf), (np.nan, 2.0)])
def test_a_senseless_range_is_refused(bad):
    with pytest.raises(UsageError, match="range_m"):
        given_ramp(bad)


def test_a_ramp_is_even_up_to_ten_times_and_logarithmic_beyond():
    assert Ramp(1.0, 5.0).position(3.0) == pytest.approx(0.5)
    assert Ramp(1.0, 100.0).position(10.0) == pytest.approx(0.5)
    assert Ramp(1.0, 5.0).position([0.0, 9.0]).tolist() == [0.0, 1.0]
    assert given_ramp((0.0, 80.0)).near == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("low", "high", "ramp"),
    [
        (1.83, 3.37, (1.8, 3.4)),
        (4.7, 58.0, (4.0, 60.0)),
        (2.0, 2.0, (2.0, 2.1)),
        (0.001, 80, (0.8, 80)),
    ],
)
def test_a_chosen_range_has_few_digits_and_holds_what_was_seen(low, high, ramp):
    assert rounded_ramp(low, high) == pytest.approx(ramp)


def test_the_range_of_a_large_map_is_sampled_and_ignores_outliers():
    values = np.full((1000, 1000), 3.0, np.float32)
    values[:500] = 2.0
    values[0, 0], values[-1, -1] = 1e-3, 1e4
    assert depth_ramp(DepthMap(values)) == pytest.approx((2.0, 3.0))
    assert depth_ramp(DepthMap(np.zeros((4, 4)))) is None


def test_thirty_objects_are_drawn_in_no_time():
    rng = np.random.default_rng(0)
    corners = rng.uniform((0, 0), (1000, 500), (30, 2))
    found = tuple(thing((x, y, x + 200, y + 150), 1 + x / 100) for x, y in corners)
    result = Result(picture(1280, 720), found)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        draw.annotated(result)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.2  # about 0.015 s on a quiet machine


def test_a_plate_that_stands_apart_is_tied_to_its_box():
    canvas = np.zeros((240, 320, 3), np.uint8)
    rect, place = (
        np.array([150, 100, 160, 110], np.float32),
        np.array([140, 40, 200, 55], np.float32),
    )
    draw._draw_leader(canvas, place, rect, (255, 0, 0), 2)
    assert (canvas[60:95, 150:160, 0] == 255).any(axis=1).all()  # a line from the plate to the box
    near = np.array([140, 84, 200, 99], np.float32)
    blank = np.zeros_like(canvas)
    draw._draw_leader(blank, near, rect, (255, 0, 0), 2)
    assert not blank.any()
