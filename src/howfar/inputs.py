"""What callers bring, turned into core values: pictures, boxes, depth maps, cameras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray, as_boxes
from howfar.core.camera import Camera
from howfar.core.depth import DepthKind, DepthMap
from howfar.core.detections import Detections
from howfar.core.image import Image
from howfar.core.scale import KnownDistance
from howfar.core.straighten import Straightener, straightener
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


def through_camera(
    options: Options, image: Image, depth: DepthMap | None, found: Detections | None
) -> tuple[Options, Image, DepthMap | None, Detections | None]:
    """A picture with the camera of `options`, straightened where the lens distorts.

    So are own depth, own boxes and the place of a known distance, all given in pixels of the
    picture as it came. Raises `ProfileError` where the picture is not of this camera.
    """
    profile = options.camera
    if profile is None:
        return options, image, depth, found
    profile.check_size(image.width, image.height, image.source)
    if profile.lens is None:
        return options, image, depth, found
    moved = straightener(profile, image.width, image.height)
    if moved is None:
        image = replace(image, camera=profile.raw_camera(image.width, image.height))
        return options, image, depth, found
    if isinstance(options.scale, KnownDistance):
        options = replace(options, scale=straight_place(options.scale, moved))
    notes = (*image.notes, f"The lens distortion of {profile.name} was taken out of the picture.")
    pixels = moved.pixels(image.pixels)
    image = replace(image, pixels=pixels, camera=moved.camera, notes=notes)
    depth = None if depth is None else moved.depth(depth)
    found = None if found is None else replace(found, boxes=moved.boxes(found.boxes))
    return options, image, depth, found


def straight_place(known: KnownDistance, moved: Straightener) -> KnownDistance:
    """A known distance whose pixel or box is that of the straight picture."""
    if isinstance(known.at, str):
        return known
    if len(known.at) == 2:
        x, y = moved.points(np.array([known.at])).tolist()[0]
        return replace(known, at=(x, y))
    x1, y1, x2, y2 = moved.boxes(np.array([known.at], np.float32)).tolist()[0]
    return replace(known, at=(x1, y1, x2, y2))


def image_camera(image: Image, options: Options) -> Camera | None:
    """Intrinsics: what the caller gives, else what the profile or EXIF tells, else None."""
    if options.focal_px is not None:
        return Camera.from_focal(options.focal_px, image.width, image.height)
    if options.fov_deg is not None:
        return Camera.from_fov(options.fov_deg, image.width, image.height)
    return image.camera
