"""What callers bring, turned into core values: pictures, boxes, depth maps, cameras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray, as_boxes
from howfar.core.camera import Camera
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.errors import PictureError, UsageError
from howfar.io.sources import expand
from howfar.media import image_from_pil
from howfar.options import Options

ASPECT_TOLERANCE = 0.02
"""Relative difference of aspect ratios up to which a depth map fits a picture."""

Picture = Image | npt.NDArray[np.uint8] | str | Path | Any


def as_image(picture: Picture) -> Image:
    """An `Image` of a path, an RGB uint8 array, a PIL image or an `Image`.

    Arrays are not copied: do not write into one while its result is in use.
    """
    if isinstance(picture, Image):
        return picture
    if isinstance(picture, str | Path):
        items = expand([str(picture)])
        if len(items) != 1:
            raise UsageError(f"{picture}: {len(items)} pictures; use stream() for a folder")
        return items[0].load()
    if isinstance(picture, np.ndarray):
        return Image(picture)
    if hasattr(picture, "convert") and hasattr(picture, "getexif"):
        return image_from_pil(picture)
    raise UsageError(f"a picture is a path, an array, a PIL image or an Image, not {type(picture)}")


def as_detections(boxes: Detections | npt.ArrayLike) -> Detections:
    """Detections of a caller's own boxes: class `object`, score 1, where only boxes are given."""
    if isinstance(boxes, Detections):
        return boxes
    array: FloatArray = as_boxes(boxes)
    count = len(array)
    return Detections(array, np.ones(count, np.float32), np.zeros(count, np.int64), ("object",))


def fit_depth(depth: DepthMap | npt.ArrayLike, image: Image) -> DepthMap:
    """A caller's depth map at the size of the picture.

    Raises `PictureError` where it has another aspect ratio.
    """
    if not isinstance(depth, DepthMap):
        try:
            depth = DepthMap(np.array(depth, np.float32), DepthKind.METRIC)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"depth is no array of metres ({error}); give a DepthMap or (height, width) numbers"
            ) from error
    ratio = depth.width / depth.height * image.height / image.width
    if abs(ratio - 1) > ASPECT_TOLERANCE:
        raise PictureError(
            f"the depth map is {depth.width}x{depth.height} but {image.source} is "
            f"{image.width}x{image.height}: another shape, so their pixels do not correspond"
        )
    return depth.resized(image.width, image.height)


def image_camera(image: Image, options: Options) -> Camera | None:
    """Intrinsics: what the caller gives, else what EXIF tells, else None."""
    if options.focal_px is not None:
        return Camera.from_focal(options.focal_px, image.width, image.height)
    if options.fov_deg is not None:
        return Camera.from_fov(options.fov_deg, image.width, image.height)
    return image.camera
