"""Moves of a whole scene: picture, depth, boxes, classes of pixels and camera together.

Matrices (3, 3) map positions of the old picture to the new one in pixels, where the first pixel
covers 0..1. Depth and classes of pixels are never mixed: they move by nearest neighbour.

**Zoom.** A picture magnified by s can be told in two ways: the camera has s times its focal length
and depth stays, or the camera stays and all is s times nearer. Both are right for a pinhole:
s f X / Z = f X / (Z / s).
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from howfar.core.boxes import FloatArray, box_areas, clip_boxes
from howfar.core.camera import Camera
from howfar.core.depth import BoolArray
from howfar.core.resize import resize
from howfar.core.semantics import IGNORE
from howfar.data.scene import Scene
from howfar.errors import UsageError

Matrix = npt.NDArray[np.float64]

MIN_VISIBLE = 0.25
"""Boxes are dropped where less than this share of their area stays in the frame."""
MAX_SKEW = 0.01
"""Skew of a camera, as a share of its focal length, that is neglected: 1 % displaces a position by
1 % of its height over the middle. It comes from turning a camera with fx != fy, or from shear."""
WARPS = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
"""OpenCV's flags by name, for `warp`."""


def flip(scene: Scene) -> Scene:
    """The scene mirrored left to right: points of the camera frame get X -> -X."""
    boxes = scene.boxes.copy()
    boxes[:, [0, 2]] = scene.width - scene.boxes[:, [2, 0]]
    return replace(
        scene,
        image=np.ascontiguousarray(scene.image[:, ::-1]),
        depth=None if scene.depth is None else np.ascontiguousarray(scene.depth[:, ::-1]),
        boxes=boxes,
        semantics=None
        if scene.semantics is None
        else np.ascontiguousarray(scene.semantics[:, ::-1]),
        camera=None if scene.camera is None else scene.camera.flipped(),
    )


def crop(
    scene: Scene, x: int, y: int, width: int, height: int, *, min_visible: float = MIN_VISIBLE
) -> Scene:
    """The part of `width` x `height` pixels whose top-left corner is pixel (x, y).

    Depth and focal length stay. Boxes are clipped, and dropped below the share `min_visible` of
    their area. Raises `UsageError` where the part leaves the picture.
    """
    if x < 0 or y < 0 or width < 1 or height < 1:
        raise UsageError(f"a crop of {width}x{height} at ({x}, {y}); give a part of the picture")
    if x + width > scene.width or y + height > scene.height:
        raise UsageError(
            f"a crop of {width}x{height} at ({x}, {y}) leaves the {scene.width}x{scene.height} "
            "picture"
        )
    part = np.s_[y : y + height, x : x + width]
    shifted = scene.boxes - np.array([x, y, x, y], np.float32)
    boxes, kept = visible_boxes(shifted, width, height, min_visible)
    return Scene(
        image=scene.image[part].copy(),
        depth=None if scene.depth is None else scene.depth[part].copy(),
        boxes=boxes[kept],
        labels=scene.labels[kept],
        semantics=None if scene.semantics is None else scene.semantics[part].copy(),
        camera=None if scene.camera is None else scene.camera.cropped(x, y, width, height),
    )


def resize_scene(scene: Scene, width: int, height: int, *, interpolation: str = "area") -> Scene:
    """The scene at another size; the focal lengths change with it, depth does not.

    `interpolation` is of the picture: `nearest`, `bilinear`, `cubic` or `area`.
    """
    factors = np.array([width / scene.width, height / scene.height] * 2, np.float32)
    depth, semantics = scene.depth, scene.semantics
    return Scene(
        image=resize(scene.image, width, height, interpolation),
        depth=None if depth is None else resize(depth, width, height, "nearest"),
        boxes=scene.boxes * factors,
        labels=scene.labels,
        semantics=None if semantics is None else resize(semantics, width, height, "nearest"),
        camera=None if scene.camera is None else scene.camera.resized(width, height),
    )


def resize_to_cover(scene: Scene, width: int, height: int, *, interpolation: str = "area") -> Scene:
    """The scene at the least size of its own shape that has `width` x `height` pixels or more."""
    factor = max(width / scene.width, height / scene.height)
    new_width = max(width, round(scene.width * factor))
    new_height = max(height, round(scene.height * factor))
    return resize_scene(scene, new_width, new_height, interpolation=interpolation)


def warp(
    scene: Scene,
    matrix: Matrix,
    width: int,
    height: int,
    *,
    depth_zoom: float = 1.0,
    interpolation: str = "bilinear",
    fill: int = 0,
    min_visible: float = MIN_VISIBLE,
) -> Scene:
    """The scene under an affine map, in a frame of `width` x `height` pixels.

    Args:
        scene: to move.
        matrix: (3, 3) affine, of positive determinant (`flip` mirrors).
        width, height: of the new frame.
        depth_zoom: part of the magnification that is told as nearness: depth and focal length are
            divided by it. 1 leaves depth and changes the focal length; the magnification itself
            leaves the focal length and divides depth.
        interpolation: of the picture, `nearest`, `bilinear` or `cubic`.
        fill: grey level 0..255 outside the old picture; depth there is NaN, the class 255.
        min_visible: boxes with a smaller share of their area in the frame are dropped. A turned
            box becomes the one that encloses it.

    The camera becomes None where the map shears, so that no pinhole camera with straight axes
    takes the new picture (`MAX_SKEW`). Raises `UsageError` for a matrix that is no such map.
    """
    _check_matrix(matrix)
    if not depth_zoom > 0:
        raise UsageError(f"depth_zoom is {depth_zoom}; give a positive number")
    half = translation(0.5, 0.5)  # OpenCV puts pixel centres at whole numbers
    centres = (np.linalg.inv(half) @ matrix @ half)[:2]
    size = (width, height)
    flag, nearest = WARPS[interpolation], cv2.INTER_NEAREST
    image = cv2.warpAffine(scene.image, centres, size, flags=flag, borderValue=(fill,) * 3)
    depth: FloatArray | None = None
    if scene.depth is not None:
        moved = cv2.warpAffine(scene.depth, centres, size, flags=nearest, borderValue=math.nan)
        depth = (moved / np.float32(depth_zoom)).astype(np.float32)
    semantics = None
    if scene.semantics is not None:
        moved = cv2.warpAffine(scene.semantics, centres, size, flags=nearest, borderValue=IGNORE)
        semantics = moved.astype(np.uint8)
    boxes, kept = visible_boxes(moved_boxes(scene.boxes, matrix), width, height, min_visible)
    camera = scene.camera
    if camera is not None:
        camera, _ = warped_camera(camera, matrix, width, height, depth_zoom=depth_zoom)
    return Scene(
        image=image.astype(np.uint8),
        depth=depth,
        boxes=boxes[kept],
        labels=scene.labels[kept],
        semantics=semantics,
        camera=camera,
    )


def _check_matrix(matrix: Matrix) -> None:
    affine = matrix.shape == (3, 3) and np.array_equal(matrix[2], [0, 0, 1])
    if not (affine and np.isfinite(matrix).all() and np.linalg.det(matrix) > 0):
        raise UsageError(
            f"matrix {np.asarray(matrix).tolist()} is no affine (3, 3) map with a positive "
            "determinant; mirror with `flip`"
        )


def warped_camera(
    camera: Camera, matrix: Matrix, width: int, height: int, *, depth_zoom: float = 1.0
) -> tuple[Camera | None, float]:
    """The camera of a warped picture, and how far the world turned about its optical axis.

    Args:
        camera: of the old picture.
        matrix: (3, 3) affine from old to new positions, of positive determinant.
        width, height: of the new picture.
        depth_zoom: as for `warp`.

    Returns the camera, None where the map shears (`MAX_SKEW`), and the roll in radians: a point
    (X, Y, Z) of the old camera frame lies at (X cos - Y sin, X sin + Y cos, Z / depth_zoom) in the
    new one.
    """
    (a, b), (c, d) = matrix[:2, :2] * [camera.fx, camera.fy]
    fy = math.hypot(c, d)
    sin, cos = c / fy, d / fy
    fx, skew = a * cos - b * sin, a * sin + b * cos
    roll_rad = math.atan2(sin, cos)
    if abs(skew) > MAX_SKEW * fx:
        return None, roll_rad
    cx, cy, _ = matrix @ [camera.cx, camera.cy, 1]
    focal = float(fx / depth_zoom), float(fy / depth_zoom)
    return Camera(width, height, *focal, float(cx), float(cy), camera.source), roll_rad


def moved_boxes(boxes: FloatArray, matrix: Matrix) -> FloatArray:
    """Boxes (N, 4) that enclose the mapped corners of boxes (N, 4)."""
    corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].astype(np.float64)
    moved = corners @ matrix[:2, :2].T + matrix[:2, 2]
    return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1).astype(np.float32)


def visible_boxes(
    boxes: FloatArray, width: int, height: int, min_visible: float = MIN_VISIBLE
) -> tuple[FloatArray, BoolArray]:
    """Boxes (N, 4) clipped to a frame, and which (N,) keep at least `min_visible` of their area.

    A box without area is never kept.
    """
    clipped = clip_boxes(boxes, width, height)
    left = box_areas(clipped)
    kept: BoolArray = (left > 0) & (left >= min_visible * box_areas(boxes))
    return clipped, kept


def translation(x: float, y: float) -> Matrix:
    """(3, 3) map that moves by (x, y) pixels."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def about(
    x: float, y: float, *, scale: float = 1.0, angle_deg: float = 0.0, shear_deg: float = 0.0
) -> Matrix:
    """(3, 3) map that shears along x, then turns and scales, all about the position (x, y).

    A positive angle turns clockwise as seen (from X to Y).
    """
    angle, shear = math.radians(angle_deg), math.tan(math.radians(shear_deg))
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    slant = np.array([[1, shear, 0], [0, 1, 0], [0, 0, 1]])
    found: Matrix = translation(x, y) @ turn @ slant @ translation(-x, -y)
    return found
