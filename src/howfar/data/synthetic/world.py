"""Scenes by number: everything random comes from the seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

import numpy as np

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.semantics import LabelMap
from howfar.data.synthetic import indoor, street
from howfar.data.synthetic.classes import SEMANTIC_CLASSES
from howfar.data.synthetic.optics import Optics, a_shot, expose
from howfar.data.synthetic.palette import Rng, tone
from howfar.data.synthetic.records import SyntheticScene
from howfar.data.synthetic.render import Eye, World, build, eye_at, trace
from howfar.data.synthetic.shade import Light, Shadows, cast_shadows, shade
from howfar.data.synthetic.truth import find_objects
from howfar.errors import UsageError

SCENE_KINDS = ("indoor", "street")
BASELINE_M = {"indoor": 0.12, "street": 0.532725}
"""Distance of the right camera; streets: Virtual KITTI 2 (facts sheet, section 2, from memory)."""
FOCAL = (0.6, 1.1)
"""Focal lengths as a share of the picture's width: 80 to 49 degrees."""
AHEAD = 8
"""Scenes that each worker may be ahead of the caller: bounds the memory."""
SHADOW_REACH_M = {"indoor": 12.0, "street": 60.0}


@dataclass(frozen=True, eq=False)
class Setting:
    """A scene before it is rendered."""

    kind: str
    world: World
    eye: Eye
    light: Light
    optics: Optics


def setting(
    seed: int, kind: str | None, width: int, height: int, *, level: bool = False
) -> Setting:
    """Everything that the number of a scene decides; see `scene`."""
    if kind is not None and kind not in SCENE_KINDS:
        raise UsageError(f"scene kind {kind!r} is unknown; use one of {', '.join(SCENE_KINDS)}")
    if seed < 0 or width < 8 or height < 8:
        raise UsageError(f"seed {seed} of {width}x{height} pixels; give seed >= 0 and sides >= 8")
    rng = np.random.default_rng([seed, 0])
    drawn = SCENE_KINDS[int(rng.integers(2))]
    kind = kind or drawn
    eye = _an_eye(rng, kind, width, height, level)
    light, optics = _a_light(rng, kind), a_shot(rng, kind, width)
    furnish = indoor.furnish if kind == "indoor" else street.furnish
    return Setting(kind, build(*furnish(rng, eye)), eye, light, optics)


def scene(
    seed: int,
    kind: str | None = None,
    width: int = 320,
    height: int = 240,
    *,
    stereo: bool = False,
    level: bool = False,
    effects: bool = True,
) -> SyntheticScene:
    """Render the scene of a number.

    Args:
        seed: which scene, >= 0; the same number gives the same pixels.
        kind: `indoor` or `street`; drawn from the seed where None.
        width, height: pixels of the picture.
        stereo: render the right camera too (`SyntheticScene.right`).
        level: keep the camera level, as KITTI's labels assume.
        effects: haze, exposure, blur and noise; without them colours are as painted.

    Raises `UsageError` for an unknown kind, a negative seed or an empty picture.
    """
    plan = setting(seed, kind, width, height, level=level)
    optics = plan.optics if effects else Optics()
    eyes = [plan.eye, plan.eye.shifted(BASELINE_M[plan.kind])][: 1 + stereo]
    shadows = cast_shadows(plan.world, plan.light, SHADOW_REACH_M[plan.kind])
    views = []
    for number, eye in enumerate(eyes, start=1):
        noise = np.random.default_rng([seed, number])
        views.append(view(replace(plan, eye=eye, optics=optics), shadows, noise, seed))
    return replace(views[0], right=views[1]) if stereo else views[0]


def scenes(
    count: int,
    seed: int = 0,
    kind: str | None = None,
    width: int = 320,
    height: int = 240,
    *,
    stereo: bool = False,
    level: bool = False,
    effects: bool = True,
    workers: int = 1,
) -> Iterator[SyntheticScene]:
    """Scenes `seed`, `seed` + 1, ... in order; see `scene`.

    With several `workers` they are rendered by that many processes, a few scenes ahead of the
    caller; the scenes are the same.
    """
    if workers < 1:
        raise UsageError(f"workers is {workers}; give at least 1")
    render = partial(
        scene,
        kind=kind,
        width=width,
        height=height,
        stereo=stereo,
        level=level,
        effects=effects,
    )
    numbers = range(seed, seed + count)
    if workers == 1:
        yield from map(render, numbers)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        ahead: deque[Future[SyntheticScene]] = deque()
        for number in numbers:
            ahead.append(pool.submit(render, number))
            if len(ahead) > AHEAD * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def view(plan: Setting, shadows: Shadows, noise: Rng, seed: int) -> SyntheticScene:
    """Render what one eye sees."""
    world, eye, light = plan.world, plan.eye, plan.light
    traced = trace(world, eye, np.array(light.direction))
    depth, part = traced.buffers.depth, traced.buffers.part
    objects, instances = find_objects(world, traced, eye)
    names = [thing.model.semantic or thing.model.label for thing in world.placed]
    classes = np.array([SEMANTIC_CLASSES.index(name) for name in names], np.uint8)
    labels = np.take(classes[world.owner], part, mode="clip")
    labels[part < 0] = SEMANTIC_CLASSES.index("sky")
    color = shade(world, traced, eye, light, shadows)
    return SyntheticScene(
        image=expose(color, depth, plan.optics, light, noise),
        depth=DepthMap(depth),
        instances=instances,
        semantics=LabelMap(labels, SEMANTIC_CLASSES),
        objects=objects,
        camera=eye.camera,
        camera_height_m=float(eye.position[1]),
        pitch=float(np.arcsin(-eye.turn[1, 2])),
        baseline_m=BASELINE_M[plan.kind],
        kind=plan.kind,
        seed=seed,
    )


def _an_eye(rng: Rng, kind: str, width: int, height: int, level: bool) -> Eye:
    focal_px = width * float(np.exp(rng.uniform(np.log(FOCAL[0]), np.log(FOCAL[1]))))
    camera = Camera.from_focal(focal_px, width, height)
    if kind == "indoor":
        height_m, pitch = rng.uniform(0.9, 1.75), rng.normal(0.12, 0.07)
    else:
        height_m, pitch = rng.uniform(1.2, 2.3), rng.normal(0.03, 0.03)
    return eye_at(camera, float(height_m), 0.0 if level else float(np.clip(pitch, -0.1, 0.3)))


def _a_light(rng: Rng, kind: str) -> Light:
    around, rise = rng.uniform(-np.pi, np.pi), rng.uniform(0.6, 1.3)
    direction = (
        float(np.cos(rise) * np.sin(around)),
        float(np.sin(rise)),
        float(np.cos(rise) * np.cos(around)),
    )
    overcast = float(rng.random()) < 0.3
    indoors = kind == "indoor"
    gray = tone(rng, (0.55, 0.6), 0.1, (0.7, 0.9))
    return Light(
        direction=direction,
        ambient=float(rng.uniform(0.35, 0.6)) + 0.15 * overcast,
        shadow=float(rng.uniform(0.3, 0.6))
        if indoors or overcast
        else float(rng.uniform(0.6, 0.9)),
        color=tone(rng, (0.06, 0.14) if rng.random() < 0.6 else (0.55, 0.62), 0.15, (0.95, 1.1)),
        zenith=gray if overcast else tone(rng, (0.56, 0.62), 0.65, (0.6, 0.95)),
        horizon=gray if overcast else tone(rng, (0.5, 0.62), 0.2, (0.8, 1.0)),
        clouds=float(rng.uniform(0, 1)),
    )
