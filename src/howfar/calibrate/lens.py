"""The lens of a camera where no checkerboard tells it: given, or EXIF."""

from __future__ import annotations

from howfar.core.camera import Camera
from howfar.core.image import Image
from howfar.core.profile import Lens
from howfar.errors import ProfileError

SAME_FOCAL = 0.02
"""Relative difference of focal lengths up to which pictures were taken with the same zoom."""


def lens_from(camera: Camera) -> Lens:
    """A lens without distortion from a camera's intrinsics."""
    source = "exif" if camera.source == "exif" else "given"
    return Lens(camera.fx, camera.fy, camera.cx, camera.cy, source=source)


def check_zoom(lens: Lens, width: int, image: Image) -> None:
    """Raise `ProfileError` where EXIF tells another focal length than the profile's.

    Args:
        lens: of the profile.
        width: of the profile's pictures.
        image: a picture; one without EXIF passes.
    """
    if lens.source != "exif" or image.camera is None:
        return
    focal_px = image.camera.fx * width / image.width
    if abs(focal_px / lens.fx - 1) > SAME_FOCAL:
        raise ProfileError(
            f"{image.source}: its focal length is {focal_px:.0f} pixels by EXIF, that of the "
            f"pictures before it {lens.fx:.0f}: a profile is for one zoom"
        )
