"""From true metres to what a network learns, and the card that says how to come back."""

from __future__ import annotations

import numpy as np

from howfar.core.boxes import FloatArray
from howfar.core.depth import BoolArray, DepthKind
from howfar.models.card import Decoder, ModelCard
from howfar.train.recipe import Recipe

UNIT_M = 10.0
"""Metres of the target 1 in `unit`: what 255 stands for in the 8-bit NYU pairs."""
LOG_FLOOR_M, LOG_FLOOR = 0.1, 0.1
"""`log`: depths below 10 cm count as 10 cm, logarithms below 0.1 as 0.1 (the DIODE U-Net)."""


def make_target(depth_m: FloatArray, recipe: Recipe) -> tuple[FloatArray, BoolArray]:
    """Target (h, w) float32 and where it counts (h, w) bool, of metres (h, w), NaN unknown.

    Targets are 0 where they do not count.
    """
    known = np.isfinite(depth_m) & (depth_m > 0)
    depth = np.where(known, depth_m, 1.0).astype(np.float32)
    if recipe.clamp:
        depth = np.minimum(depth, np.float32(recipe.max_depth_m))
    else:
        known &= depth <= recipe.max_depth_m
    target = _target(depth, known, recipe.target)
    return np.where(known, target, 0).astype(np.float32), known


def _target(depth: FloatArray, known: BoolArray, kind: str) -> FloatArray:
    if kind == "metres" or not known.any():
        return depth
    if kind == "unit":
        return depth / np.float32(UNIT_M)
    if kind == "disparity":
        inverse: FloatArray = np.float32(1) / depth
        return inverse
    seen = depth[known]
    low, top = float(seen.min()), float(seen.max())
    if kind == "image-max":
        return depth / np.float32(top)
    if kind == "min-max":
        return (depth - np.float32(low)) / np.float32(max(top - low, 1e-6))
    high = max(float(np.percentile(seen, 99)), LOG_FLOOR_M)
    logs: FloatArray = np.log(np.clip(depth, LOG_FLOOR_M, high))
    return np.maximum(logs, np.float32(LOG_FLOOR))


def recipe_card(recipe: Recipe, classes: tuple[str, ...] = ()) -> ModelCard:
    """The card of a network that was trained by a recipe.

    `classes` are the labels of its semantic output, where it has one.
    """
    relative = {
        "image-max": DepthKind.RELATIVE,
        "min-max": DepthKind.RELATIVE_AFFINE,
        "disparity": DepthKind.RELATIVE_AFFINE,
    }
    kind = relative.get(recipe.target, DepthKind.METRIC)
    return ModelCard(
        name=recipe.name,
        decoder=Decoder.DEPTH,
        preprocess=recipe.preprocess,
        classes=classes,
        outputs={"depth": "depth", "semantics": "semantics"} if classes else {"depth": "depth"},
        depth_kind=kind,
        depth_inverse=None if kind is DepthKind.METRIC else recipe.target == "disparity",
        depth_log=recipe.target == "log",
        depth_unit_m=UNIT_M if recipe.target == "unit" else 1.0,
        licence="that of its training data",
        origin=f"howfar train {recipe.name}",
    )
