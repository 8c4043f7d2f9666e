"""Views through a lens with distortion: of a checkerboard, and of pictures that a pinhole took.

What calibration has to find out is known here exactly.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from howfar.core.camera import Camera
from howfar.core.image import RgbArray
from howfar.core.profile import CameraProfile
from howfar.core.straighten import OPENCV_ORIGIN, opencv_matrix, slopes
from howfar.data.synthetic.palette import Rng
from howfar.errors import UsageError

Array = npt.NDArray[np.float64]

SAMPLES = 2
"""Rays a pixel, in each direction."""
BORDER = 0.7
"""White border around the squares, in squares."""
BLACK, WHITE, WALL = 30, 230, 110
BLUR_PX, NOISE = 0.6, 2.0
TILT = 0.6
"""Largest turn of a random board about X and Y, in radians."""
ATTEMPTS = 1000


@lru_cache(maxsize=2)
def lens_slopes(profile: CameraProfile, samples: int = 1) -> Array:
    """Slopes (samples * H, samples * W, 2) of the rays that a profile's lens sees in each pixel."""
    width, height = profile.width * samples, profile.height * samples
    camera = profile.raw_camera(width, height)
    if camera is None or profile.lens is None:
        raise UsageError(f"{profile.name} has no lens to look through")
    y, x = np.mgrid[:height, :width] + 0.5
    distortion = np.array(profile.lens.distortion or (0.0,) * 4, np.float64)
    pixels = np.stack([x, y], axis=-1).reshape(-1, 2)
    return slopes(pixels, opencv_matrix(camera), distortion).reshape(height, width, 2)


def through_lens(pixels: RgbArray, pinhole: Camera, profile: CameraProfile) -> RgbArray:
    """What a lens shows of a view that a pinhole took; black where the pinhole did not see."""
    seen = lens_slopes(profile).astype(np.float32)
    x = seen[..., 0] * np.float32(pinhole.fx) + np.float32(pinhole.cx - OPENCV_ORIGIN)
    y = seen[..., 1] * np.float32(pinhole.fy) + np.float32(pinhole.cy - OPENCV_ORIGIN)
    return np.asarray(cv2.remap(pixels, x, y, cv2.INTER_LINEAR), np.uint8)


def board_view(
    profile: CameraProfile, columns: int, rows: int, turn: Array, place: Array, noise: Rng
) -> RgbArray:
    """A checkerboard as a lens sees it, (H, W, 3) uint8.

    Args:
        profile: the lens.
        columns, rows: inner corners; corner (i, j) lies at (i, j, 0) on the board, in squares.
        turn: (3, 3) from the board's frame to the camera's.
        place: (3,) of the first inner corner in the camera's frame, in squares.
        noise: random numbers for the noise.
    """
    seen = lens_slopes(profile, SAMPLES)
    rays = np.concatenate([seen, np.ones_like(seen[..., :1])], axis=-1)
    to_board = np.linalg.inv(np.stack([turn[:, 0], turn[:, 1], place], axis=1))
    u, v, w = np.moveaxis(rays @ to_board.T, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = u / w, v / w
    squares = (x > -1) & (x < columns) & (y > -1) & (y < rows) & (w > 0)
    paper = (x > -1 - BORDER) & (x < columns + BORDER) & (y > -1 - BORDER) & (y < rows + BORDER)
    dark = squares & ((np.floor(x) + np.floor(y)) % 2 == 0)
    shades = np.where(dark, BLACK, np.where(paper & (w > 0), WHITE, WALL)).astype(np.float32)
    grey = cv2.resize(shades, (profile.width, profile.height), interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), BLUR_PX), np.float32)
    grey = grey + noise.normal(0, NOISE, grey.shape)
    return np.repeat(np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def random_pose(
    profile: CameraProfile, columns: int, rows: int, rng: Rng, tilt: float = TILT
) -> tuple[Array, Array]:
    """A turn (3, 3) and place (3,) at which a lens sees all of a board."""
    lens = profile.lens
    if lens is None:
        raise UsageError(f"{profile.name} has no lens to look through")
    middle = np.array([(columns - 1) / 2, (rows - 1) / 2, 0])
    edge = np.array(
        [[x, y, 0] for x in (-1.8, columns + 0.8) for y in (-1.8, rows + 0.8)], np.float64
    )
    limit = np.array([profile.width, profile.height])
    distortion = np.array(lens.distortion or (0.0,) * 4, np.float64)
    matrix = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]], np.float64)
    for _ in range(ATTEMPTS):
        turn = np.asarray(cv2.Rodrigues(rng.uniform(-tilt, tilt, 3) * [1, 1, 0.5])[0], np.float64)
        distance = columns * lens.fx / profile.width * rng.uniform(1.3, 2.4)
        sideways = rng.uniform(-0.5, 0.5, 2) * limit / [lens.fx, lens.fy]
        place = np.array([*sideways * distance, distance]) - turn @ middle
        corners = (edge @ turn.T + place).reshape(-1, 1, 3)
        seen = cv2.projectPoints(corners, np.zeros(3), np.zeros(3), matrix, distortion)[0]
        pixels = np.asarray(seen).reshape(-1, 2)
        if (pixels > 2).all() and (pixels < limit - 2).all():
            return turn, place
    raise UsageError(f"{profile.name}: a board of {columns}x{rows} corners never fits in its view")
