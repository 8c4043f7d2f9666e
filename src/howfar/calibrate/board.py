"""Lens of a camera from views of a checkerboard (Zhang 2000, as OpenCV implements it)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np

from howfar.core.boxes import FloatArray
from howfar.core.image import Image
from howfar.core.profile import Lens
from howfar.core.straighten import OPENCV_ORIGIN
from howfar.errors import ProfileError, UsageError

LEAST_VIEWS, MOST_VIEWS = 5, 40
MOVED = 0.015
"""A view counts when its corners lie, on average, this share of the picture's width away from those
of every other view: frames of a resting board add nothing."""
MOST_UNCERTAIN = 0.03
"""Relative standard deviation of the focal length beyond which the views are too alike."""
MOST_ERROR = 0.004
"""Error of the corners, as a share of the picture's width, beyond which something is wrong."""
ODD_VIEW = 3.0
"""A view whose error is this many times the median of all views is left out: it was blurred."""
SURE = 3.0
"""k3 is kept where it is this many standard deviations from zero."""
WELL_COVERED = 0.4
"""Share of the picture that the corners should span."""


@dataclass(frozen=True)
class Board:
    """A checkerboard by its inner corners: one less than squares in each direction."""

    columns: int
    rows: int

    def __post_init__(self) -> None:
        if not (3 <= self.columns <= 50 and 3 <= self.rows <= 50):
            raise UsageError(
                f"a board of {self.columns}x{self.rows} inner corners; give 3 to 50 each way"
            )


@dataclass
class Views:
    """Views of a board, collected picture by picture.

    Attributes:
        board: the board.
        size: (width, height) of the pictures, known from the first.
        corners: of each view that counts, (columns * rows, 2) pixels, first pixel centre (.5, .5).
        seen: pictures looked at.
        found: pictures that show the board.
    """

    board: Board
    size: tuple[int, int] | None = None
    corners: list[FloatArray] = field(default_factory=list)
    seen: int = 0
    found: int = 0

    def add(self, image: Image) -> bool:
        """Look for the board; True where it is there. Raises `ProfileError` for another size."""
        size = image.width, image.height
        width, height = self.size or size
        if size != (width, height):
            raise ProfileError(
                f"{image.source}: {size[0]}x{size[1]} pixels, the pictures of the board before it "
                f"have {width}x{height}: take all in one mode, none turned"
            )
        self.size = size
        self.seen += 1
        corners = find_corners(image, self.board)
        if corners is None:
            return False
        self.found += 1
        apart = MOVED * image.width
        if all(np.mean(np.hypot(*(corners - old).T)) > apart for old in self.corners):
            self.corners.append(corners)
        return True

    @property
    def full(self) -> bool:
        """Whether more views would not help."""
        return len(self.corners) >= MOST_VIEWS

    @property
    def coverage(self) -> float:
        """Share of the picture inside the hull of all corners, 0..1."""
        if not self.corners or self.size is None:
            return 0.0
        hull = cv2.convexHull(np.concatenate(self.corners).astype(np.float32))
        return float(cv2.contourArea(hull)) / (self.size[0] * self.size[1])


def parse_board(text: str) -> Board:
    """`9x6` -> 9 by 6 inner corners. Raises `UsageError` for anything else."""
    match = re.fullmatch(r"(\d{1,3})x(\d{1,3})", text.strip().lower())
    if not match:
        raise UsageError(
            f"corners {text!r} is not understood; write the inner corners of the board, such as 9x6"
        )
    return Board(int(match[1]), int(match[2]))


def find_corners(image: Image, board: Board) -> FloatArray | None:
    """Inner corners (columns * rows, 2) in pixels to a fraction of one, or None without board."""
    grey = cv2.cvtColor(image.pixels, cv2.COLOR_RGB2GRAY)
    flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
    found, corners = cv2.findChessboardCorners(grey, (board.columns, board.rows), flags=flags)
    if not found:
        return None
    grid = np.asarray(corners, np.float32).reshape(board.rows, board.columns, 2)
    steps = [np.hypot(*np.diff(grid, axis=axis).reshape(-1, 2).T).min() for axis in (0, 1)]
    reach = int(np.clip(min(steps) * 0.4, 2, 11))
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 40, 1e-3)
    sharp = cv2.cornerSubPix(grey, np.asarray(corners, np.float32), (reach, reach), (-1, -1), stop)
    return (np.asarray(sharp).reshape(-1, 2) + OPENCV_ORIGIN).astype(np.float32)


def collect_views(pictures: Iterable[Image], board: Board) -> Views:
    """Views of a board in pictures, until there are enough."""
    views = Views(board)
    for picture in pictures:
        views.add(picture)
        if views.full:
            break
    return views


def fit_lens(views: Views) -> Lens:
    """Focal lengths, principal point and distortion that explain the views best.

    k1, k2, p1, p2 are always fitted, k3 where the views show it clearly. A blurred view is left
    out. Raises `ProfileError` where there are too few views, or they contradict or do not settle
    the lens.
    """
    width, height = _check_count(views)
    corners = views.corners
    lens, errors = _solve(corners, views.board, (width, height), keep_k3=False)
    kept = [c for c, error in zip(corners, errors, strict=True) if error <= _limit(errors)]
    if LEAST_VIEWS <= len(kept) < len(corners):
        lens, _ = _solve(kept, views.board, (width, height), keep_k3=False)
    else:
        kept = corners
    wide, _ = _solve(kept, views.board, (width, height), keep_k3=True)
    lens = wide if len(wide.distortion) == 5 else lens
    if lens.error_px > MOST_ERROR * width:
        raise ProfileError(
            f"the corners of the board lie {lens.error_px:.1f} pixels from where any lens puts "
            "them: the board has to be flat and the camera's zoom and focus fixed"
        )
    if not lens.uncertainty < MOST_UNCERTAIN:
        raise ProfileError(
            f"the {lens.views} views leave the focal length uncertain by {lens.uncertainty:.0%}: "
            "tilt the board by 20 to 45 degrees to all sides, near and into the corners"
        )
    return lens


def _limit(errors: FloatArray) -> float:
    return ODD_VIEW * float(np.median(errors))


def _check_count(views: Views) -> tuple[int, int]:
    """Size of the pictures; raises `ProfileError` where views are too few."""
    shape = f"{views.board.columns}x{views.board.rows}"
    if views.size is None or views.found == 0:
        raise ProfileError(
            f"no board of {shape} inner corners was found in {views.seen} pictures; count the "
            "corners between the squares (a board of 10x7 squares has 9x6), show all of it, with "
            "its white border, sharp and evenly lit"
        )
    if len(views.corners) < LEAST_VIEWS:
        raise ProfileError(
            f"only {len(views.corners)} different views of the board in {views.seen} pictures "
            f"({views.found} show it); give at least {LEAST_VIEWS}, better 15, tilted to all "
            "sides and reaching into the corners"
        )
    return views.size


def _solve(
    corners: list[FloatArray], board: Board, size: tuple[int, int], keep_k3: bool
) -> tuple[Lens, FloatArray]:
    """A lens, and the error (V,) of each view in pixels.

    With `keep_k3`, a k3 that is not clearly other than zero gives a lens without it.
    """
    grid = np.zeros((board.columns * board.rows, 3), np.float32)
    grid[:, :2] = np.mgrid[: board.columns, : board.rows].T.reshape(-1, 2)
    points = [(c - OPENCV_ORIGIN).astype(np.float32).reshape(-1, 1, 2) for c in corners]
    flags = 0 if keep_k3 else cv2.CALIB_FIX_K3
    start = np.eye(3), np.zeros(5)
    try:
        error, matrix, distortion, _, _, spread, _, errors = cv2.calibrateCameraExtended(
            [grid] * len(points), points, size, *start, flags=flags
        )
    except cv2.error as failed:
        raise ProfileError(f"no lens explains the views of the board ({failed.err})") from failed
    (fx, _, cx), (_, fy, cy), _ = np.asarray(matrix).tolist()
    values, deviations = np.ravel(distortion), np.ravel(spread)
    sure = keep_k3 and abs(values[4]) > SURE * deviations[8]
    numbers = (fx, fy, cx, cy, float(error), *values.tolist())
    if not (np.isfinite(numbers).all() and min(fx, fy) > 0):
        raise ProfileError("no lens explains the views of the board; take others, all of it sharp")
    uncertainty = float(np.nan_to_num(deviations[:2].max() / min(fx, fy), nan=1.0, posinf=1.0))
    lens = Lens(
        fx,
        fy,
        cx + OPENCV_ORIGIN,
        cy + OPENCV_ORIGIN,
        tuple(values[: 5 if sure else 4].tolist()),
        "checkerboard",
        min(uncertainty, 0.99),
        len(corners),
        float(error),
    )
    return lens, np.ravel(np.asarray(errors, np.float32))
