"""Views of a checkerboard with a known lens."""

from functools import cache

import numpy as np

from howfar.core.image import Image
from howfar.core.profile import CameraProfile, Lens
from howfar.data.synthetic.lenses import board_view, random_pose

COLUMNS, ROWS = 7, 5
TRUE = CameraProfile(320, 240, Lens(260, 257, 165, 118, (-0.25, 0.08, 0.001, -0.0008)))


@cache
def board_images(count, seed=0, tilt=0.6, profile=TRUE):
    """Pictures of a board from random sides."""
    rng = np.random.default_rng(seed)
    views = []
    for i in range(count):
        turn, place = random_pose(profile, COLUMNS, ROWS, rng, tilt)
        pixels = board_view(profile, COLUMNS, ROWS, turn, place, rng)
        views.append(Image(pixels, f"board-{i}.png"))
    return tuple(views)
