from dataclasses import replace

import cv2
import numpy as np
import pytest
from boards import COLUMNS, ROWS, TRUE, board_images

from howfar.calibrate.board import (
    Board,
    Views,
    collect_views,
    find_corners,
    fit_lens,
    parse_board,
)
from howfar.core.image import Image
from howfar.core.profile import CameraProfile, Lens
from howfar.core.straighten import opencv_matrix
from howfar.data.synthetic.lenses import board_view, lens_slopes, random_pose
from howfar.errors import ProfileError, UsageError

BOARD = Board(COLUMNS, ROWS)


def test_corners_lie_where_the_lens_puts_them():
    """OpenCV's projection of the pose that was rendered, half a pixel added for our origin."""
    rng = np.random.default_rng(7)
    turn, place = random_pose(TRUE, COLUMNS, ROWS, rng)
    found = find_corners(Image(board_view(TRUE, COLUMNS, ROWS, turn, place, rng)), BOARD)
    grid = np.array([[i, j, 0] for j in range(ROWS) for i in range(COLUMNS)], np.float64)
    expected, _ = cv2.projectPoints(
        grid,
        cv2.Rodrigues(turn)[0],
        place,
        opencv_matrix(TRUE.raw_camera(320, 240)),
        np.array(TRUE.lens.distortion),
    )
    expected = expected.reshape(-1, 2) + 0.5
    offsets = found[:, None] - expected[None]
    offsets = offsets[np.arange(len(found)), np.abs(offsets).max(axis=2).argmin(axis=1)]
    assert np.abs(offsets).max() < 0.4
    assert np.abs(offsets).mean() < 0.15
    assert np.abs(offsets.mean(axis=0)).max() < 0.05  # half a pixel, were the origin wrong


def test_lens_of_twelve_views():
    views = collect_views(board_images(12), BOARD)
    lens = fit_lens(views)
    true = TRUE.lens
    assert lens.fx == pytest.approx(true.fx, rel=0.01)
    assert lens.fy == pytest.approx(true.fy, rel=0.01)
    assert (lens.cx, lens.cy) == pytest.approx((true.cx, true.cy), abs=2)
    assert (lens.source, lens.views) == ("checkerboard", len(views.corners))
    assert lens.error_px < 0.3
    assert abs(lens.fx / true.fx - 1) < 4 * lens.uncertainty
    assert 0 < lens.uncertainty < 0.01


def test_rays_of_the_found_lens():
    """What counts: the direction of each pixel, but for a turn that they all share."""
    lens = fit_lens(collect_views(board_images(12), BOARD))
    found = lens_slopes(CameraProfile(320, 240, lens))
    offset = (found - lens_slopes(TRUE)) * TRUE.lens.fx
    error_px = np.linalg.norm(offset - np.median(offset, axis=(0, 1)), axis=2)
    assert np.abs(np.median(offset, axis=(0, 1))).max() < 2
    assert np.quantile(error_px, 0.5) < 0.3
    assert np.quantile(error_px, 0.9) < 1.5


def test_a_lens_without_distortion():
    plain = replace(TRUE, lens=replace(TRUE.lens, distortion=()))
    lens = fit_lens(collect_views(board_images(10, 3, profile=plain), BOARD))
    assert lens.fx == pytest.approx(260, rel=0.01)
    assert abs(lens.distortion[0]) < 0.03
    assert len(lens.distortion) == 4


def test_one_spoilt_view_is_left_out():
    views = collect_views(board_images(10), BOARD)
    views.corners[4] = views.corners[4] + np.random.default_rng(0).normal(0, 4, (35, 2))
    lens = fit_lens(views)
    assert lens.views == 9
    assert lens.fx == pytest.approx(260, rel=0.01)


def test_a_resting_board_is_one_view():
    one = board_images(1)[0]
    views = collect_views([one] * 8, BOARD)
    assert (views.seen, views.found, len(views.corners)) == (8, 8, 1)
    with pytest.raises(ProfileError, match=r"only 1 different views .* 8 pictures .* tilted"):
        fit_lens(views)


def test_no_board():
    views = collect_views([Image(np.full((240, 320, 3), 128, np.uint8))] * 3, BOARD)
    with pytest.raises(ProfileError, match="no board of 7x5 inner corners was found in 3 pictures"):
        fit_lens(views)
    with pytest.raises(ProfileError, match="in 0 pictures"):
        fit_lens(Views(BOARD))


def test_another_board_is_not_found():
    with pytest.raises(ProfileError, match="9x6"):
        fit_lens(collect_views(board_images(5), Board(9, 6)))


def test_views_that_are_too_alike():
    """A board that is never tilted: focal length and distance cannot be told apart."""
    with pytest.raises(ProfileError, match=r"uncertain by .*tilt the board"):
        fit_lens(collect_views(board_images(8, 1, tilt=0.0005), BOARD))


def test_views_that_no_lens_explains():
    rng = np.random.default_rng(0)
    views = Views(BOARD, (320, 240), seen=6, found=6)
    views.corners = [rng.uniform(0, 240, (35, 2)).astype(np.float32) for _ in range(6)]
    with pytest.raises(ProfileError, match=r"board|views"):
        fit_lens(views)


def test_pictures_of_two_sizes():
    small = Image(np.ascontiguousarray(board_images(1)[0].pixels[:200]), "small.png")
    with pytest.raises(ProfileError, match=r"small\.png: 320x200 .* 320x240.*one mode"):
        collect_views([*board_images(1), small], BOARD)


@pytest.mark.parametrize("text", ["", "9", "9x", "axb", "2x9", "9x99", "9x6x3", "-9x6"])
def test_boards_that_are_none(text):
    with pytest.raises(UsageError):
        parse_board(text)


def test_board_as_text():
    assert parse_board(" 9X6 ") == Board(9, 6)


def test_profiles_from_a_board_can_be_used():
    lens = fit_lens(collect_views(board_images(10), BOARD))
    assert isinstance(lens, Lens)
    assert lens.distorts
