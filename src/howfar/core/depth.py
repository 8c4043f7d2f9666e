"""Depth maps that never lose their unit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray
from howfar.core.resize import resize
from howfar.errors import UsageError

BoolArray = npt.NDArray[np.bool_]


class DepthKind(StrEnum):
    """What the numbers of a depth map mean."""

    METRIC = "metric"
    """Depth z along the optical axis, in metres."""
    RELATIVE = "relative"
    """Inverse depth up to an unknown scale: depth is k / value."""
    RELATIVE_AFFINE = "relative-affine"
    """Inverse depth up to an unknown scale and shift: depth is 1 / (a * value + b)."""


@dataclass(frozen=True, eq=False, init=False)
class DepthMap:
    """Depth of every pixel of one image.

    Attributes:
        values: (H, W) float32; metres for `METRIC`, inverse depth without unit otherwise.
        valid: (H, W) bool, where `values` can be used. Values that are not finite are never
            valid, nor are values <= 0, except for `RELATIVE_AFFINE`, whose zero means nothing.
        kind: what `values` mean.
        log_error: (H, W) float32 half-width of a calibrated interval in the logarithm of depth:
            depth / e^log_error to depth * e^log_error; None where nobody calibrated one.
        level: share of true depths that such intervals cover, 0..1; None without `log_error`.
        familiar: whether the picture is like those that the network learned from; None where it
            cannot tell.

    Raises `UsageError` at birth where the shapes do not fit.
    """

    values: FloatArray
    valid: BoolArray
    kind: DepthKind
    log_error: FloatArray | None
    level: float | None
    familiar: bool | None

    def __init__(
        self,
        values: npt.ArrayLike,
        kind: DepthKind | str = DepthKind.METRIC,
        valid: npt.ArrayLike | None = None,
        log_error: FloatArray | None = None,
        level: float | None = None,
        familiar: bool | None = None,
    ) -> None:
        array = np.asarray(values, dtype=np.float32).view()
        if array.ndim != 2 or 0 in array.shape:
            raise UsageError(f"a depth map has shape {array.shape}; expected (height, width)")
        usable = np.isfinite(array)
        if kind != DepthKind.RELATIVE_AFFINE:
            usable &= array > 0
        if valid is not None:
            given = np.asarray(valid, dtype=bool)
            if given.shape != array.shape:
                raise UsageError(f"valid mask {given.shape} does not fit depth map {array.shape}")
            usable &= given
        array.flags.writeable = False
        usable.flags.writeable = False
        object.__setattr__(self, "values", array)
        object.__setattr__(self, "valid", usable)
        object.__setattr__(self, "kind", DepthKind(kind))
        if log_error is not None and log_error.shape != array.shape:
            raise UsageError(f"errors {log_error.shape} do not fit depth map {array.shape}")
        object.__setattr__(self, "log_error", log_error)
        object.__setattr__(self, "level", level)
        object.__setattr__(self, "familiar", familiar)

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.values.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.values.shape[1])

    @property
    def is_metric(self) -> bool:
        """Whether `values` are metres."""
        return self.kind is DepthKind.METRIC

    def ordered(self) -> DepthMap:
        """This map as numbers that grow with distance.

        A `METRIC` map is returned as it is. A relative one becomes pseudo-depth 1 / value, which
        orders pixels from near to far and is in no unit. For `RELATIVE_AFFINE` the least valid
        value first becomes 5 % of the range, so that ratios mean nothing and only order does.
        The result is labelled `METRIC` for arithmetic only; callers must not print it as metres.
        """
        if self.is_metric:
            return self
        values = self.values
        if self.kind is DepthKind.RELATIVE_AFFINE and self.valid.any():
            seen = values[self.valid]
            low, high = float(seen.min()), float(seen.max())
            values = values - low + 0.05 * max(high - low, 1e-6)
        with np.errstate(divide="ignore", invalid="ignore"):
            return DepthMap(np.reciprocal(values), DepthKind.METRIC, self.valid)

    def filled(self) -> DepthMap:
        """This map with the gaps between sparse points closed by their nearest point.

        A pixel takes the value of the nearest valid one within three times the mean distance of
        points (1 / sqrt(share of valid pixels)); what is farther from all of them stays invalid.
        Made for lidar, whose points cover a few per cent of a picture.
        """
        count = int(self.valid.sum())
        if count in (0, self.valid.size):
            return self
        gaps = (~self.valid).astype(np.uint8)
        distance, nearest = cv2.distanceTransformWithLabels(
            gaps, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
        )
        by_label = np.zeros(int(nearest.max()) + 1, np.float32)
        by_label[nearest[self.valid]] = self.values[self.valid]
        reach = 3 / np.sqrt(count / self.valid.size)
        return DepthMap(by_label[nearest], self.kind, distance <= reach)

    def resized(self, width: int, height: int) -> DepthMap:
        """This map at another size: bilinear where all of it is valid, else nearest neighbour.

        Nearest neighbour neither mixes depths across holes nor loses isolated lidar points when
        the map grows.
        """
        if (width, height) == (self.width, self.height):
            return self
        error = None if self.log_error is None else resize(self.log_error, width, height)
        if self.valid.all():
            values = resize(self.values, width, height)
            return DepthMap(values, self.kind, None, error, self.level, self.familiar)
        values = resize(self.values, width, height, "nearest")
        valid = resize(self.valid.astype(np.uint8), width, height, "nearest")
        return DepthMap(values, self.kind, valid > 0, error, self.level, self.familiar)
