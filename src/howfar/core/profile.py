"""Camera profiles: what was found out once about a camera, and is used for all of its pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from howfar.core.camera import Camera
from howfar.core.scale import Scale
from howfar.errors import ProfileError, UsageError

SAME_ASPECT = 0.01
"""Relative difference of aspect ratios up to which a picture counts as the camera's, resized."""
DISTORTION_COUNTS = (0, 4, 5, 8)
"""Numbers of coefficients that OpenCV's model takes: none; k1 k2 p1 p2; and k3; and k4 k5 k6."""
LENS_SOURCES = ("checkerboard", "exif", "given")


@dataclass(frozen=True)
class Lens:
    """Intrinsics and distortion of a camera, at the picture size of its profile.

    Attributes:
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels; the first pixel's centre is (0.5, 0.5), as everywhere
            here and unlike OpenCV.
        distortion: OpenCV's k1, k2, p1, p2[, k3[, k4, k5, k6]]; empty for none.
        source: `checkerboard`, `exif` or `given`.
        uncertainty: relative standard deviation of the focal length; 0 where none is known.
        views: pictures of the checkerboard that it was fitted to, else 0.
        error_px: root mean square distance of its corners from where the lens puts them, else 0.

    Raises `UsageError` at birth for values that cannot be.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    source: str = "given"
    uncertainty: float = 0.0
    views: int = 0
    error_px: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.fx, self.fy, self.cx, self.cy)):
            raise UsageError("a lens has a focal length or centre that is not finite")
        if min(self.fx, self.fy) <= 0:
            raise UsageError(f"a lens has focal lengths of {self.fx:g} and {self.fy:g} pixels")
        if len(self.distortion) not in DISTORTION_COUNTS:
            raise UsageError(f"a lens has {len(self.distortion)} distortion coefficients, not 4-8")
        if not all(map(math.isfinite, self.distortion)):
            raise UsageError("a lens has a distortion coefficient that is not finite")
        if self.source not in LENS_SOURCES:
            raise UsageError(
                f"a lens has source {self.source!r}; use one of {', '.join(LENS_SOURCES)}"
            )
        if not (0 <= self.uncertainty < 1 and self.views >= 0 and self.error_px >= 0):
            raise UsageError("a lens has an uncertainty, number of views or error that cannot be")

    @property
    def distorts(self) -> bool:
        """Whether pictures have to be straightened."""
        return any(self.distortion)


@dataclass(frozen=True)
class ProfileScale:
    """The factor of one depth network on a camera's pictures.

    Attributes:
        scale: factor, source, uncertainty and number of objects.
        network: name of the depth network that it belongs to.
        sha256: of that network's file; "" where unknown.
        pictures: from which it was found.

    Raises `UsageError` at birth for values that cannot be.
    """

    scale: Scale
    network: str
    sha256: str = ""
    pictures: int = 0

    def __post_init__(self) -> None:
        scale = self.scale
        if not (math.isfinite(scale.factor) and scale.factor > 0):
            raise UsageError(f"a profile has a scale of {scale.factor}; it has to be positive")
        if not (math.isfinite(scale.uncertainty) and scale.uncertainty >= 0):
            raise UsageError(f"a profile has a scale with uncertainty {scale.uncertainty}")
        if not self.network:
            raise UsageError("a scale of a profile does not say for which depth network it is")


@dataclass(frozen=True)
class CameraProfile:
    """A camera: the size of its pictures, its lens, and the scale of depth networks on them.

    Attributes:
        width, height: of its pictures in pixels.
        lens: intrinsics and distortion, or None where only scales are known.
        scales: of depth networks, one each. A scale is never used for another network.
        name: file that it was read from; names it in errors.

    Raises `UsageError` at birth where it holds nothing or contradicts itself.
    """

    width: int
    height: int
    lens: Lens | None = None
    scales: tuple[ProfileScale, ...] = ()
    name: str = "the camera profile"

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise UsageError(f"{self.name}: pictures of {self.width}x{self.height} pixels")
        networks = [(entry.network, entry.sha256) for entry in self.scales]
        if len(set(networks)) < len(networks):
            raise UsageError(f"{self.name}: two scales for the same depth network")
        lens = self.lens
        if lens and not (0 < lens.cx < self.width and 0 < lens.cy < self.height):
            raise UsageError(
                f"{self.name}: its principal point ({lens.cx:g}, {lens.cy:g}) lies outside its "
                f"{self.width}x{self.height} pictures"
            )

    def check_size(self, width: int, height: int, source: str) -> None:
        """Raise `ProfileError` where a picture has another shape than the camera's.

        Smaller or larger pictures of the same shape count as resized.
        """
        if abs(width / height * self.height / self.width - 1) <= SAME_ASPECT:
            return
        turned = abs(height / width * self.height / self.width - 1) <= SAME_ASPECT
        why = "turned by 90 degrees" if turned else "cropped, or from another camera or mode"
        raise ProfileError(
            f"{source}: {width}x{height} pixels do not fit {self.name}, which is for "
            f"{self.width}x{self.height}: the picture is {why}; calibrate for such pictures, or "
            "leave the profile out"
        )

    def raw_camera(self, width: int, height: int) -> Camera | None:
        """Intrinsics of a picture of this size as the camera gives it, its distortion aside."""
        if self.lens is None:
            return None
        lens = self.lens
        camera = Camera(self.width, self.height, lens.fx, lens.fy, lens.cx, lens.cy, "profile")
        return camera.resized(width, height)

    def scale_for(self, network: str, sha256: str) -> Scale | None:
        """The scale of a depth network, or None where the profile has none for this very one.

        Networks are told apart by name, and by the checksum of the file where both are known.
        """
        for entry in self.scales:
            if entry.network == network and (
                entry.sha256 == sha256 or not (entry.sha256 and sha256)
            ):
                return entry.scale
        return None

    def why_no_scale(self, network: str) -> str:
        """What to tell where `scale_for` gives None and the profile has other scales."""
        names = ", ".join(entry.network for entry in self.scales)
        if network in (entry.network for entry in self.scales):
            names = f"another file of {network}"
        return (
            f"{self.name} holds a scale for {names}, not for {network}, so it is not used; run "
            f"`howfar calibrate --depth {network}` to add one."
        )
