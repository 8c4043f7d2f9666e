"""The one typed sample that every data set reader yields."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray, as_boxes, clip_boxes
from howfar.core.camera import Camera
from howfar.core.depth import BoolArray, DepthMap
from howfar.core.detections import IntArray
from howfar.core.image import Image
from howfar.core.semantics import LabelMap
from howfar.errors import DatasetError, UsageError

UNKNOWN_OCCLUSION = 3
"""KITTI's levels: 0 visible, 1 partly, 2 largely occluded, 3 unknown (object devkit readme)."""
OUTSIDE_PX = 1.5
"""How far a box may reach over the edge of its picture (rounding of the annotators); it is clipped.
Farther is an error of the data."""
SAME_VIEW = 0.02
"""Relative difference of aspect ratios up to which a depth map shows the same view."""


@dataclass(frozen=True)
class Box3D:
    """An upright 3-D box in the frame of the picture's camera: X right, Y down, Z forward.

    Attributes:
        height_m, width_m, length_m: size along the box's own Y, Z and X axes.
        x_m, y_m, z_m: centre of the bottom face.
        yaw_rad: rotation about Y; at 0 the length lies along X, positive turns X towards -Z.

    The convention of KITTI's labels (object devkit readme), whose positions are moved from the
    reference camera to the picture's.
    """

    height_m: float
    width_m: float
    length_m: float
    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float

    def __post_init__(self) -> None:
        values = (self.height_m, self.width_m, self.length_m, self.x_m, self.y_m, self.z_m)
        if not all(map(math.isfinite, (*values, self.yaw_rad))):
            raise UsageError(f"a 3-D box holds a value that is not finite: {self}")
        if min(values[:3]) <= 0:
            raise UsageError(f"a 3-D box has a side that is not positive: {self}")

    @property
    def center_m(self) -> tuple[float, float, float]:
        """Centre (x, y, z) of the box in metres."""
        return self.x_m, self.y_m - self.height_m / 2, self.z_m

    def corners(self) -> FloatArray:
        """Corners (8, 3) in metres: the four of the bottom face, then those above them."""
        along = np.array([1, 1, -1, -1] * 2) * self.length_m / 2
        across = np.array([1, -1, -1, 1] * 2) * self.width_m / 2
        up = np.repeat([0.0, -self.height_m], 4)
        cos, sin = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        x, z = cos * along + sin * across, -sin * along + cos * across
        return np.stack([x + self.x_m, up + self.y_m, z + self.z_m], axis=1).astype(np.float32)

    def contains(self, points_m: FloatArray) -> BoolArray:
        """Which of the points (M, 3) lie in the box, surface included: (M,) bool."""
        x, y, z = (points_m - np.array([self.x_m, self.y_m, self.z_m], np.float32)).T
        cos, sin = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        along, across = cos * x - sin * z, sin * x + cos * z
        inside: BoolArray = (
            (np.abs(along) <= self.length_m / 2)
            & (np.abs(across) <= self.width_m / 2)
            & (y <= 0)
            & (y >= -self.height_m)
        )
        return inside


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """One picture of a data set and all that the set knows about it; None where it knows nothing.

    Attributes:
        id: unique in its data set.
        picture: the picture, or a function that reads it; `image` gives it either way.
        size: (width, height) in pixels; needed only where `picture` is a function.
        source: file that errors about this sample name.
        depth: truth, at its own size where it is smaller than the picture (same view).
        boxes: (N, 4) float32 `xyxy` pixels of `image`, half-open; (0, 4) in an empty picture.
        labels: N class names.
        scores: (N,) float32 0..1, where the file is a list of detections.
        occlusion: (N,) int8: 0 visible, 1 partly, 2 largely occluded, 3 unknown.
        truncation: (N,) float32, share outside the picture 0..1, NaN unknown.
        ignore: (N,) bool, regions that count neither for nor against a detector (KITTI DontCare).
        crowd: (N,) bool, COCO's `iscrowd`.
        difficult: (N,) bool, VOC's `difficult`.
        areas: (N,) float32 square pixels of the segment, as COCO's size ranges need them.
        boxes3d: N boxes in the camera frame, None for objects without one.
        instances: (H, W) int32, 0 where no object is.
        instance_ids: (N,) int64, the value in `instances` of each box.
        semantics: class of every pixel.
        camera: intrinsics of `image`.
        right: the right picture of a rectified pair, of the same size.
        baseline_m: distance of the two cameras.
        disparity: pixels by which the right picture's content lies to the left; inverse depth.
        ordinal: (H, W) int8 group of each pixel for ordinal losses, 0 no group.
        ordinal_pairs: (P, 5) float32: y and x of point A and B as shares of height and width, and
            the order 1 (A farther), -1 (A nearer) or 0 (equal).
        lidar_m: (M, 3) float32 points in the camera frame, metres.

    Raises `DatasetError` at birth where shapes, lengths or ranges do not fit together.
    """

    id: str
    picture: Image | Callable[[], Image]
    size: tuple[int, int] | None = None
    source: str = ""
    depth: DepthMap | None = None
    boxes: FloatArray | None = None
    labels: tuple[str, ...] = ()
    scores: FloatArray | None = None
    occlusion: npt.NDArray[np.int8] | None = None
    truncation: FloatArray | None = None
    ignore: BoolArray | None = None
    crowd: BoolArray | None = None
    difficult: BoolArray | None = None
    areas: FloatArray | None = None
    boxes3d: tuple[Box3D | None, ...] | None = None
    instances: npt.NDArray[np.int32] | None = None
    instance_ids: IntArray | None = None
    semantics: LabelMap | None = None
    camera: Camera | None = None
    right: Image | None = None
    baseline_m: float | None = None
    disparity: DepthMap | None = None
    ordinal: npt.NDArray[np.int8] | None = None
    ordinal_pairs: FloatArray | None = None
    lidar_m: FloatArray | None = None

    def __post_init__(self) -> None:
        if isinstance(self.picture, Image):
            self._set("size", (self.picture.width, self.picture.height))
        if not self.source:
            named = isinstance(self.picture, Image) and self.picture.source != "array"
            self._set("source", self.picture.source if named else self.id)  # type: ignore[union-attr]
        self._need(self.size is not None, "a picture that is read later needs its size")
        self._check_objects()
        self._check_maps()

    @cached_property
    def image(self) -> Image:
        """The picture, read now where it was not yet; raises `HowfarError` where it cannot be."""
        if isinstance(self.picture, Image):
            return self.picture
        image = self.picture()
        if (image.width, image.height) != self.size:
            raise DatasetError(
                f"{image.source}: the picture has {image.width}x{image.height} pixels, "
                f"its labels say {self.width}x{self.height}"
            )
        return image

    @property
    def width(self) -> int:
        """Columns of the picture."""
        return self.size[0]  # type: ignore[index]  # never None after birth

    @property
    def height(self) -> int:
        """Rows of the picture."""
        return self.size[1]  # type: ignore[index]

    @property
    def ignored(self) -> BoolArray:
        """(N,) bool: objects that evaluation leaves out: ignore, crowd or difficult."""
        left_out = np.zeros(0 if self.boxes is None else len(self.boxes), bool)
        for flags in (self.ignore, self.crowd, self.difficult):
            if flags is not None:
                left_out |= flags
        return left_out

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _need(self, good: bool, message: str) -> None:
        if not good:
            raise DatasetError(f"{self.source}: {message}")

    def _array(self, name: str, dtype: npt.DTypeLike, *shape: int) -> npt.NDArray[Any] | None:
        """Field `name` as a read-only array of `dtype`; -1 in `shape` is any length."""
        given = getattr(self, name)
        if given is None:
            return None
        array = np.asarray(given, dtype=dtype).view()
        fits = array.ndim == len(shape) and all(
            want in (-1, have) for want, have in zip(shape, array.shape, strict=True)
        )
        self._need(fits, f"{name} have shape {array.shape}; expected {shape}, -1 for any")
        array.flags.writeable = False
        self._set(name, array)
        return array

    def _check_objects(self) -> None:
        if self.boxes is not None:
            try:
                boxes = as_boxes(self.boxes)
            except UsageError as error:
                raise DatasetError(f"{self.source}: {error}") from error
            clipped = clip_boxes(boxes, self.width, self.height)
            far = np.flatnonzero(np.abs(clipped - boxes).max(axis=1, initial=0) > OUTSIDE_PX)
            if len(far):
                box = boxes[far[0]].round(2).tolist()
                self._need(False, f"box {box} leaves the {self.width}x{self.height} picture")
            self._set("boxes", clipped)
            self._array("boxes", np.float32, -1, 4)
        count = 0 if self.boxes is None else len(self.boxes)
        self._set("labels", tuple(self.labels))
        self._need(len(self.labels) == count, f"{count} boxes but {len(self.labels)} labels")
        for name in ("scores", "truncation", "areas"):
            self._array(name, np.float32, count)
        for name in ("ignore", "crowd", "difficult"):
            self._array(name, np.bool_, count)
        self._array("instance_ids", np.int64, count)
        levels = self._array("occlusion", np.int8, count)
        known = levels is None or bool(((levels >= 0) & (levels <= UNKNOWN_OCCLUSION)).all())
        self._need(known, "an occlusion level is outside 0..3")
        for name in ("scores", "truncation"):
            shares = getattr(self, name)
            inside = shares is None or not ((shares < 0) | (shares > 1)).any()
            self._need(inside, f"{name} are outside 0..1")
        if self.boxes3d is not None:
            self._need(len(self.boxes3d) == count, f"{count} boxes, {len(self.boxes3d)} 3-D boxes")

    def _check_maps(self) -> None:
        width, height = self.width, self.height
        for name in ("depth", "disparity"):
            found: DepthMap | None = getattr(self, name)
            if found is not None:
                ratio = found.width / found.height / (width / height)
                told = f"{found.width}x{found.height}, the picture {width}x{height}"
                self._need(abs(ratio - 1) <= SAME_VIEW, f"the {name} map has {told}")
        for name in ("right", "semantics", "camera"):
            self._check_size(name)
        self._array("instances", np.int32, height, width)
        self._array("ordinal", np.int8, -1, -1)
        self._array("ordinal_pairs", np.float32, -1, 5)
        self._array("lidar_m", np.float32, -1, 3)

    def _check_size(self, name: str) -> None:
        found = getattr(self, name)
        if found is None:
            return
        if isinstance(found, LabelMap):
            have: tuple[int, ...] = found.labels.shape[::-1]
        else:
            have = (found.width, found.height)
        told = f"{have[0]}x{have[1]} pixels, the picture {self.width}x{self.height}"
        self._need(have == self.size, f"{name} has {told}")
