"""Pinhole camera intrinsics.

Frame: X right, Y down, Z forward along the optical axis. Pixel (0, 0) covers the square from
(0, 0) to (1, 1), so its centre is at (0.5, 0.5) and the middle of an image is (W/2, H/2). Files
that put pixel centres at whole numbers (KITTI) need half a pixel added to their cx and cy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from howfar.core.boxes import FloatArray
from howfar.errors import UsageError

FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
"""Diagonal to which "35 mm equivalent" focal lengths refer (CIPA DCG-001)."""


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one image.

    Attributes:
        width, height: image size in pixels.
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels, image centre unless told.
        source: how the focal length is known: `given`, `exif`, `profile` or `assumed`.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    source: str = "given"

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise UsageError(f"a camera has an image of {self.width}x{self.height} pixels")
        for name in ("fx", "fy"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise UsageError(
                    f"focal length {name} is {value}; give a positive number of pixels"
                )

    @classmethod
    def from_focal(cls, focal_px: float, width: int, height: int, source: str = "given") -> Camera:
        """A camera with square pixels and its principal point in the image centre."""
        return cls(width, height, focal_px, focal_px, width / 2, height / 2, source)

    @classmethod
    def from_fov(cls, fov_deg: float, width: int, height: int, source: str = "given") -> Camera:
        """A camera from its horizontal field of view in degrees, 0 < fov_deg < 180."""
        if not 0 < fov_deg < 180:
            raise UsageError(f"field of view is {fov_deg} degrees; give one between 0 and 180")
        focal_px = width / 2 / math.tan(math.radians(fov_deg) / 2)
        return cls.from_focal(focal_px, width, height, source)

    @classmethod
    def from_focal_35mm(
        cls, focal_mm: float, width: int, height: int, source: str = "exif"
    ) -> Camera:
        """A camera from its 35 mm equivalent focal length, by the diagonal of the image."""
        focal_px = focal_mm * math.hypot(width, height) / FULL_FRAME_DIAGONAL_MM
        return cls.from_focal(focal_px, width, height, source)

    @property
    def fov_deg(self) -> float:
        """Horizontal field of view in degrees."""
        return math.degrees(2 * math.atan(self.width / 2 / self.fx))

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the same view at another size."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=self.cx * sx,
            cy=self.cy * sy,
        )

    def cropped(self, x: float, y: float, width: int, height: int) -> Camera:
        """The camera of a cut-out whose top-left corner is at (x, y)."""
        return replace(self, width=width, height=height, cx=self.cx - x, cy=self.cy - y)

    def flipped(self) -> Camera:
        """The camera of the image mirrored left to right."""
        return replace(self, cx=self.width - self.cx)

    def unproject(self, x: FloatArray, y: FloatArray, depth_m: FloatArray) -> FloatArray:
        """Points (..., 3) in metres of image positions (x, y) in pixels at depth z.

        The three arguments broadcast against each other.
        """
        x, y, z = np.broadcast_arrays(x, y, depth_m)
        points = np.stack([(x - self.cx) / self.fx * z, (y - self.cy) / self.fy * z, z], axis=-1)
        return points.astype(np.float32)

    def project(self, points: FloatArray) -> FloatArray:
        """Image positions (..., 2) in pixels of points (..., 3) in metres with z > 0."""
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        pixels = np.stack([x / z * self.fx + self.cx, y / z * self.fy + self.cy], axis=-1)
        return pixels.astype(np.float32)

    def range_m(self, x: float, y: float, depth_m: float) -> float:
        """Euclidean distance from the camera, in metres, of position (x, y) at depth z."""
        slope = math.hypot((x - self.cx) / self.fx, (y - self.cy) / self.fy)
        return depth_m * math.hypot(1.0, slope)
