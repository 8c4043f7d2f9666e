"""What a synthetic scene says about itself: exact truth of every pixel and object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howfar.core.boxes import Box, FloatArray
from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import RgbArray
from howfar.core.semantics import LabelMap

InstanceArray = npt.NDArray[np.int32]
KINDS = ("solid", "hollow", "curved")
"""How an object fills its box: wholly, with holes, or roundly."""


@dataclass(frozen=True)
class Box3D:
    """A box around an object in the camera's frame (X right, Y down, Z forward), in metres.

    Attributes:
        x_m, y_m, z_m: middle of the box's bottom face, as in KITTI labels.
        height_m, width_m, length_m: its sides.
        yaw: KITTI's rotation_y in radians: 0 faces along X, turning about the world's vertical.
        pitch: tilt of the camera in radians, downwards positive; the box stands upright in the
            world. 0 where the camera is level (KITTI has no such number).
    """

    x_m: float
    y_m: float
    z_m: float
    height_m: float
    width_m: float
    length_m: float
    yaw: float
    pitch: float

    def corners(self) -> FloatArray:
        """The eight corners (8, 3) in metres, the four of the bottom first."""
        x = np.array([1, 1, -1, -1] * 2) * self.length_m / 2
        y = np.array([0.0] * 4 + [-self.height_m] * 4)
        z = np.array([1, -1, -1, 1] * 2) * self.width_m / 2
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        level = np.stack([c * x + s * z, y, c * z - s * x])
        p, q = np.cos(self.pitch), np.sin(self.pitch)
        tilt = np.array([[1, 0, 0], [0, p, -q], [0, q, p]])
        middle = np.array([self.x_m, self.y_m, self.z_m])
        corners: FloatArray = ((tilt @ level).T + middle).astype(np.float32)
        return corners


@dataclass(frozen=True)
class SyntheticObject:
    """One object of a scene.

    Attributes:
        instance: its number in the instance map, from 1.
        label: class name, a COCO name where one fits.
        kind: `solid`, `hollow` or `curved`.
        detected: False for occluders that no detector knows (poles, hedges).
        box: tight around the visible pixels.
        full_box: tight around the object as if nothing hid it, clipped to the image.
        visible_share: visible pixels / pixels of the object if nothing hid it.
        occlusion: 0 where visible_share > 0.9, 1 where > 0.5, else 2.
        truncation: share of the object's box that lies outside the image, 0..1.
        hidden_by: listed instance that hides most of its hidden pixels, 0 where none does.
        distance_m: median depth z of its visible pixels.
        pixels: number of visible pixels.
        box3d: where it stands.
    """

    instance: int
    label: str
    kind: str
    detected: bool
    box: Box
    full_box: Box
    visible_share: float
    occlusion: int
    truncation: float
    hidden_by: int
    distance_m: float
    pixels: int
    box3d: Box3D


@dataclass(frozen=True, eq=False)
class SyntheticScene:
    """One rendered picture with its truth.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        depth: metres; the sky is infinite and not valid.
        instances: (H, W) int32, `SyntheticObject.instance` or 0.
        semantics: class of every pixel, over `semantic_classes`.
        objects: those with at least `truth.MIN_PIXELS` visible pixels.
        camera: intrinsics.
        camera_height_m: height of the camera above the ground.
        pitch: downward tilt of the camera in radians.
        baseline_m: distance to the right camera.
        right: the same scene from the right camera, where asked for.
        kind: `indoor` or `street`.
        seed: what it was made from.
    """

    image: RgbArray
    depth: DepthMap
    instances: InstanceArray
    semantics: LabelMap
    objects: tuple[SyntheticObject, ...]
    camera: Camera
    camera_height_m: float
    pitch: float
    baseline_m: float
    kind: str
    seed: int
    right: SyntheticScene | None = None

    @property
    def right_image(self) -> RgbArray | None:
        """(H, W, 3) uint8 RGB of the right camera, None unless asked for."""
        return None if self.right is None else self.right.image
