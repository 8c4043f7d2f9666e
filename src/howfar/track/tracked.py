"""What tracking says about a frame: plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from howfar.core.boxes import Box
from howfar.core.result import Object, Result


@dataclass(frozen=True)
class TrackedObject:
    """An object that this frame shows.

    Attributes:
        id: its number, from 1; never used again.
        object: as detected in this frame, but with smoothed distance, interval, range and
            position, and the label that it had most often.
        measured_m: its distance in this frame alone, or None.
        speed_m_s: approach speed along the optical axis, positive where it comes nearer; None
            without metres.
        speed_interval_m_s: (low, high), 80 %.
        contact_s: seconds until its distance is 0 at this rate, where the whole interval of the
            speed says that it comes nearer, else None.
        contact_interval_s: (low, high), 80 %.
        age_s: seconds since it was first seen.
        frames: in how many frames it was seen.
    """

    id: int
    object: Object
    measured_m: float | None
    speed_m_s: float | None
    speed_interval_m_s: tuple[float, float] | None
    contact_s: float | None
    contact_interval_s: tuple[float, float] | None
    age_s: float
    frames: int


@dataclass(frozen=True)
class LostObject:
    """An object that this frame does not show and that is waited for.

    Attributes:
        id, label: which.
        box: where it is expected, in pixels; may lie outside the picture.
        distance_m: how far it is expected, or None.
        unseen_s: seconds since it was last seen.
    """

    id: int
    label: str
    box: Box
    distance_m: float | None
    unseen_s: float


@dataclass(frozen=True)
class Change:
    """What happened to an object in this frame: `new`, `lost`, `found` (again) or `ended`."""

    kind: str
    id: int
    label: str


@dataclass(frozen=True)
class TrackSummary:
    """The whole course of one object.

    Attributes:
        id, label: which.
        first_s, last_s: seconds at which it was first and last seen.
        first_frame, last_frame: numbers of these frames, where they are known.
        frames: in how many frames it was seen.
        times_lost: how often it was lost and found again.
        score: mean of its scores.
        first_m, last_m: smoothed distance there, or None.
        nearest_m, nearest_s: least smoothed distance, and when.
        fastest_m_s: highest approach speed of which the low end of the interval is above 0.
    """

    id: int
    label: str
    first_s: float
    last_s: float
    first_frame: int | None
    last_frame: int | None
    frames: int
    times_lost: int
    score: float
    first_m: float | None
    last_m: float | None
    nearest_m: float | None
    nearest_s: float | None
    fastest_m_s: float | None


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """What is known after one frame.

    Attributes:
        result: what the frame gave by itself.
        time_s: its time.
        tracks: objects in it, best score first; where the result was filtered by distance, those
            whose smoothed distance passes.
        left_out: objects in it that the filter removed, each with its `object.reason`.
        lost: objects that are waited for.
        changes: who is new, lost, found again or ended.
        ended: summaries of the tracks that ended.
    """

    result: Result
    time_s: float
    tracks: tuple[TrackedObject, ...]
    left_out: tuple[TrackedObject, ...] = ()
    lost: tuple[LostObject, ...] = ()
    changes: tuple[Change, ...] = ()
    ended: tuple[TrackSummary, ...] = ()

    def smoothed(self) -> Result:
        """The result with the tracked objects in the place of the detected ones."""
        return replace(
            self.result,
            objects=tuple(thing.object for thing in self.tracks),
            left_out=tuple(thing.object for thing in self.left_out),
        )
