"""One object over time: what is remembered of it, and what that says at a moment."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from howfar.core.result import Object
from howfar.track.box_motion import BoxMotion
from howfar.track.distance_filter import DistanceFilter, Estimate
from howfar.track.tracked import LostObject, TrackedObject, TrackSummary

LABEL_MEMORY_S = 2.0
"""Votes for labels lose all but 37 % of their weight in this time."""
DISTANCE_MEMORY_S = 2.0
"""A distance that was not measured for longer is not known any more."""


@dataclass(eq=False)
class Course:
    """One object over time, as far as it was seen."""

    first_s: float
    first_frame: int | None
    thing: Object
    id: int = 0
    """0 until it was seen often enough."""
    lost: bool = False
    """Whether it has been out of sight for a while."""
    frames: int = 0
    times_lost: int = 0
    scores: float = 0.0
    votes: dict[str, float] = field(default_factory=dict)
    class_ids: dict[str, int] = field(default_factory=dict)
    distance: DistanceFilter | None = None
    ranged: Object | None = None
    """As last detected with a distance."""
    first_m: float | None = None
    nearest: tuple[float, float] | None = None
    fastest_m_s: float | None = None

    def __post_init__(self) -> None:
        self.motion = BoxMotion(self.first_s, self.thing.box)
        self.see(self.first_s, self.first_frame, self.thing)

    @property
    def last_s(self) -> float:
        """When it was last seen."""
        return self.motion.time_s

    def unseen_s(self, time_s: float) -> float:
        """Seconds since it was last seen."""
        return time_s - self.motion.time_s

    @property
    def label(self) -> str:
        """The label with most votes."""
        return max(self.votes, key=lambda name: self.votes[name])

    def see(self, time_s: float, frame_index: int | None, thing: Object) -> None:
        """Take in a detection."""
        fade = math.exp((self.last_s - time_s) / LABEL_MEMORY_S)
        self.votes = {name: votes * fade for name, votes in self.votes.items()}
        self.votes[thing.label] = self.votes.get(thing.label, 0.0) + thing.score
        self.class_ids[thing.label] = thing.class_id
        self.times_lost += self.lost
        self.lost = False
        self.frames += 1
        self.scores += thing.score
        self.thing, self.last_frame = thing, frame_index
        if self.frames > 1:
            self.motion.update(time_s, thing.box)
        self._range(time_s, thing)

    def _range(self, time_s: float, thing: Object) -> None:
        """Take in its distance, if it has one."""
        if thing.distance_m is None or not thing.distance_m > 0:
            return
        self.ranged = thing
        interval = thing.interval_m or (thing.distance_m, thing.distance_m)
        if self.distance is None:
            self.distance = DistanceFilter(time_s, thing.distance_m, interval)
            self.first_m = thing.distance_m
        else:
            self.distance.update(time_s, thing.distance_m, interval)
        known = self.distance.estimate(time_s)
        if self.nearest is None or known.distance_m < self.nearest[0]:
            self.nearest = (known.distance_m, time_s)
        if known.speed_interval_m_s[0] > 0:
            self.fastest_m_s = max(self.fastest_m_s or 0.0, known.speed_m_s)

    def known(self, time_s: float) -> Estimate | None:
        """Distance and speed, where a distance was measured lately."""
        if self.distance is None or time_s - self.distance.last_s > DISTANCE_MEMORY_S:
            return None
        return self.distance.estimate(time_s)

    def shown(self, time_s: float) -> TrackedObject:
        """As this frame shows it."""
        thing, known = self.thing, self.known(time_s)
        label = self.label
        smooth = replace(thing, label=label, class_id=self.class_ids[label])
        if known is not None:
            smooth = _moved_to(smooth, known, self.ranged)
        contact = known and known.contact_s
        return TrackedObject(
            id=self.id,
            object=smooth,
            measured_m=thing.distance_m,
            speed_m_s=known and known.speed_m_s,
            speed_interval_m_s=known and known.speed_interval_m_s,
            contact_s=contact and contact[0],
            contact_interval_s=contact and contact[1:],
            age_s=time_s - self.first_s,
            frames=self.frames,
        )

    def missing(self, time_s: float) -> LostObject:
        """Where it is expected."""
        known = self.known(time_s)
        return LostObject(
            self.id,
            self.label,
            self.motion.foresee(time_s),
            known and known.distance_m,
            self.unseen_s(time_s),
        )

    def summary(self) -> TrackSummary:
        """Its whole course."""
        known = self.known(self.last_s)
        return TrackSummary(
            id=self.id,
            label=self.label,
            first_s=self.first_s,
            last_s=self.last_s,
            first_frame=self.first_frame,
            last_frame=self.last_frame,
            frames=self.frames,
            times_lost=self.times_lost,
            score=self.scores / self.frames,
            first_m=self.first_m,
            last_m=known and known.distance_m,
            nearest_m=self.nearest and self.nearest[0],
            nearest_s=self.nearest and self.nearest[1],
            fastest_m_s=self.fastest_m_s,
        )


def _moved_to(thing: Object, known: Estimate, ranged: Object | None) -> Object:
    """The object at its smoothed distance; range and position move with it.

    Where this frame gave no distance, `ranged` tells how the last one was obtained.
    """
    moved = replace(thing, distance_m=known.distance_m, interval_m=known.interval_m, reason=None)
    if thing.distance_m is None and ranged is not None:
        return replace(
            moved,
            interval_kind=ranged.interval_kind,
            interval_level=ranged.interval_level,
            scale_source=ranged.scale_source,
        )
    if thing.distance_m is None:
        return moved
    share = known.distance_m / thing.distance_m
    if thing.range_m is not None:
        moved = replace(moved, range_m=thing.range_m * share)
    if thing.xyz_m is not None:
        x, y, z = thing.xyz_m
        moved = replace(moved, xyz_m=(x * share, y * share, z * share))
    return moved
