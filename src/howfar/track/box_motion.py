"""Where the box of an object will be: a Kalman filter with constant velocity.

As in SORT (arXiv 1602.00763) and ByteTrack (arXiv 2110.06864): centre, width and height move on at
their velocities. The four are filtered independently, and all noise grows with the size of the
object. DeepSORT's noise a frame (arXiv 1703.07402) is turned into noise a second at 30 frames a
second, so that frames may come at any time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import Box

FloatArray = npt.NDArray[np.float64]

READING = 0.05
"""Standard deviation of a detected coordinate, as a share of the object's size."""
WANDER = 0.27
"""Of a coordinate, beyond what its velocity explains, after a second."""
PUSH = 1.0
"""Of a velocity after a second, in sizes a second."""
START_SPEED = 2.0
"""Of the velocity of a new object, in sizes a second."""
COAST_S = 1.0
"""An unseen object is believed to go on for this long, then to stand."""


class BoxMotion:
    """One object's box over time.

    Attributes:
        time_s: of the last box seen.
    """

    def __init__(self, time_s: float, box: Box) -> None:
        self.time_s = time_s
        self._place = _center_size(box)
        self._velocity = np.zeros(4)
        size = self._size()
        self._var_place = np.full(4, (READING * size) ** 2)
        self._cov = np.zeros(4)
        self._var_velocity = np.full(4, (START_SPEED * size) ** 2)

    def foresee(self, time_s: float) -> Box:
        """The box at a later time; its size stays, since a box shrinks as something hides it."""
        dt = min(max(time_s - self.time_s, 0.0), COAST_S)
        x, y = self._place[:2] + self._velocity[:2] * dt
        w, h = np.maximum(self._place[2:], 1.0) / 2
        return Box(float(x - w), float(y - h), float(x + w), float(y + h))

    def update(self, time_s: float, box: Box) -> None:
        """Take in the box of a later frame."""
        dt = max(time_s - self.time_s, 0.0)
        self.time_s = time_s
        size = self._size()
        push = (PUSH * size) ** 2
        place = self._place + self._velocity * dt
        var_place = self._var_place + 2 * dt * self._cov + dt**2 * self._var_velocity
        var_place += (WANDER * size) ** 2 * dt + push * dt**3 / 3
        cov = self._cov + dt * self._var_velocity + push * dt**2 / 2
        var_velocity = self._var_velocity + push * dt
        total = var_place + (READING * size) ** 2
        off = _center_size(box) - place
        self._place = place + var_place / total * off
        self._velocity = self._velocity + cov / total * off
        self._var_place = var_place * (1 - var_place / total)
        self._cov = cov * (1 - var_place / total)
        self._var_velocity = var_velocity - cov**2 / total

    def _size(self) -> float:
        """Geometric mean of width and height, at least a pixel."""
        return float(np.sqrt(np.maximum(self._place[2:], 1.0).prod()))


def _center_size(box: Box) -> FloatArray:
    return np.array([*box.center, box.width, box.height], np.float64)
