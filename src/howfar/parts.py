"""What a `Ranger` is made of: protocols that networks, fakes and callers' own code can fulfil."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.core.result import ModelUse
from howfar.core.semantics import LabelMap
from howfar.models.network import DetectOptions


class Join(StrEnum):
    """How detector and depth network work together."""

    PARALLEL = "parallel"
    """Both see the same picture; distances are read from the map (source 003)."""
    CROP = "crop"
    """Each box is cut out of the picture and sent alone through the depth network (source 000,
    facts 1i). The network sees no surroundings, so its scale is usually lost."""
    MASK = "mask"
    """Depth first; pixels beyond `max_distance` are blanked before the detector (source 003)."""


class DetectorLike(Protocol):
    """What finds objects."""

    def detect(self, image: Image, options: DetectOptions) -> Detections:
        """Objects of one picture in its own pixels."""

    def use(self, role: str) -> ModelUse:
        """What a result says about it."""


class DepthLike(Protocol):
    """What estimates depth."""

    def estimate(self, image: Image, camera: Camera | None = None) -> DepthMap:
        """Depth of one picture at its own size."""

    def use(self, role: str) -> ModelUse:
        """What a result says about it."""


class JointLike(Protocol):
    """One network that gives both at once."""

    def detect_and_estimate(
        self, image: Image, options: DetectOptions, camera: Camera | None = None
    ) -> tuple[Detections, DepthMap]:
        """Objects and depth of one picture."""

    def use(self, role: str) -> ModelUse:
        """What a result says about it."""


class SemanticLike(Protocol):
    """What labels every pixel."""

    def segment(self, image: Image) -> LabelMap:
        """Class of every pixel of one picture at its own size."""

    def use(self, role: str) -> ModelUse:
        """What a result says about it."""
