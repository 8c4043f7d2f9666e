"""Moving pictures of the synthetic world: the camera, and things in it, go along given paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from howfar.data.synthetic.optics import Optics
from howfar.data.synthetic.records import SyntheticScene
from howfar.data.synthetic.render import Eye, Placed, build
from howfar.data.synthetic.shade import cast_shadows
from howfar.data.synthetic.shapes import Model
from howfar.data.synthetic.world import SHADOW_REACH_M, setting, view

Path = Callable[[float], tuple[float, float]]
"""Seconds -> X, Z in the world: metres right of and ahead of where the camera began."""


@dataclass(frozen=True, eq=False)
class Mover:
    """A thing that moves over the ground; `yaw` radians turn it, 0 faces to the right."""

    model: Model
    path: Path
    yaw: float = 0.0


def stand(_time_s: float) -> tuple[float, float]:
    """The path of a camera that stays."""
    return 0.0, 0.0


def walk(
    start: tuple[float, float], speed_m_s: tuple[float, float], begin_s: float, end_s: float
) -> Path:
    """Stand at `start`, walk in a straight line from `begin_s` to `end_s`, stand again."""

    def path(time_s: float) -> tuple[float, float]:
        gone_s = min(max(time_s, begin_s), end_s) - begin_s
        return start[0] + speed_m_s[0] * gone_s, start[1] + speed_m_s[1] * gone_s

    return path


def film(
    seed: int,
    times_s: Sequence[float],
    kind: str | None = None,
    width: int = 320,
    height: int = 240,
    *,
    camera: Path = stand,
    movers: Sequence[Mover] = (),
    emptied: bool = False,
    effects: bool = True,
) -> Iterator[SyntheticScene]:
    """Frames of the scene of a number, at the times given.

    The noise of the picture is new in every frame; haze, exposure and blur stay. An object keeps
    its instance number: the scene's own come first, then the movers in order. Things go through
    each other where paths lead them to.

    Args:
        seed, kind, width, height, effects: as of `scene`.
        times_s: times of the frames.
        camera: where the camera goes; it keeps looking along Z.
        movers: things that move.
        emptied: leave out the scene's own objects.
    """
    plan = setting(seed, kind, width, height)
    backdrops, own = plan.world.placed[: plan.world.backdrops], plan.world.placed
    own = () if emptied else own[plan.world.backdrops :]
    optics = plan.optics if effects else Optics()
    world, shadows = None, None
    for number, time_s in enumerate(times_s):
        if world is None or shadows is None or movers:
            world = build(backdrops, [*own, *(_placed(mover, time_s) for mover in movers)])
            shadows = cast_shadows(world, plan.light, SHADOW_REACH_M[plan.kind])
        x, z = camera(time_s)
        eye = Eye(plan.eye.camera, plan.eye.position + np.array([x, 0.0, z]), plan.eye.turn)
        noise = np.random.default_rng([seed, 3, number])
        now = replace(plan, world=world, eye=eye, optics=optics)
        yield view(now, shadows, noise, seed)


def _placed(mover: Mover, time_s: float) -> Placed:
    x, z = mover.path(time_s)
    return Placed(mover.model, (x, 0.0, z), mover.yaw)
