"""What augmentation works on: one sample as plain arrays of one size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray, as_boxes
from howfar.core.camera import Camera
from howfar.core.depth import BoolArray, DepthKind
from howfar.core.detections import IntArray
from howfar.core.image import RgbArray
from howfar.core.resize import resize
from howfar.data.sample import Sample
from howfar.errors import UsageError


def _no_boxes() -> FloatArray:
    return np.zeros((0, 4), np.float32)


def _no_labels() -> IntArray:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """A picture and its truth, all of the picture's size, as read-only arrays.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 metres along the optical axis (or the unit of a data set that knows
            no metres), NaN where unknown.
        boxes: (N, 4) float32 `xyxy` pixels, half-open.
        labels: (N,) int64 class of each box.
        semantics: (H, W) uint8 class of each pixel, 255 none.
        camera: intrinsics of the picture.

    Raises `UsageError` at birth where shapes or types do not fit together.
    """

    image: RgbArray
    depth: FloatArray | None = None
    boxes: FloatArray = field(default_factory=_no_boxes)
    labels: IntArray = field(default_factory=_no_labels)
    semantics: npt.NDArray[np.uint8] | None = None
    camera: Camera | None = None

    def __post_init__(self) -> None:
        self._freeze("image", np.uint8, (*self.image.shape[:2], 3))
        size = (self.height, self.width)
        self._freeze("depth", np.float32, size)
        self._freeze("semantics", np.uint8, size)
        object.__setattr__(self, "boxes", as_boxes(self.boxes))
        self._freeze("boxes", np.float32, (len(self.boxes), 4))
        self._freeze("labels", np.int64, (len(self.boxes),))
        if self.camera is not None and (self.camera.height, self.camera.width) != size:
            raise UsageError(
                f"the camera has {self.camera.width}x{self.camera.height} pixels, "
                f"the picture {self.width}x{self.height}"
            )

    def _freeze(self, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
        given: npt.NDArray[Any] | None = getattr(self, name)
        if given is None:
            return
        if given.dtype != dtype or given.shape != shape:
            wanted = f"{np.dtype(dtype)} {shape}"
            raise UsageError(f"{name} of a scene: {given.dtype} {given.shape}; expected {wanted}")
        array = given.view()
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    @classmethod
    def from_sample(cls, sample: Sample, class_names: Sequence[str]) -> Scene:
        """The scene of a sample; reads its picture.

        Depth that is smaller than the picture grows to it by nearest neighbour; inverse depth
        becomes depth. Objects that evaluation leaves out (`Sample.ignored`) are left out.

        Args:
            sample: of any data set.
            class_names: names whose places become `labels`.

        Raises `UsageError` where an object has another class, or depth is only known up to a
        shift, and `HowfarError` where the picture cannot be read.
        """
        image = sample.image.pixels
        kept = [i for i, out in enumerate(sample.ignored) if not out]
        places = {name: i for i, name in enumerate(class_names)}
        unknown = sorted({sample.labels[i] for i in kept} - set(places))
        if unknown:
            raise UsageError(
                f"{sample.source}: class {unknown[0]!r} is none of the {len(places)} classes; "
                "add it, or leave such objects out first"
            )
        labels = np.array([places[sample.labels[i]] for i in kept], np.int64)
        return cls(
            image=image,
            depth=_depth(sample),
            boxes=_no_boxes() if sample.boxes is None else sample.boxes[kept],
            labels=labels,
            semantics=None if sample.semantics is None else sample.semantics.labels,
            camera=sample.camera,
        )

    @property
    def height(self) -> int:
        """Rows of the picture."""
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        """Columns of the picture."""
        return int(self.image.shape[1])

    @property
    def valid(self) -> BoolArray:
        """(H, W) bool: where depth is known."""
        if self.depth is None:
            return np.zeros((self.height, self.width), bool)
        return np.isfinite(self.depth)


def _depth(sample: Sample) -> FloatArray | None:
    """(H, W) depth of a sample at its picture's size, NaN where unknown."""
    if sample.depth is None:
        return None
    if sample.depth.kind is DepthKind.RELATIVE_AFFINE:
        raise UsageError(
            f"{sample.source}: its depth is known up to a shift only; it has no geometry"
        )
    depth = sample.depth.ordered()
    holes = np.where(depth.valid, depth.values, np.float32(np.nan))
    grown = resize(holes, sample.width, sample.height, "nearest")
    return np.asarray(grown, np.float32)
