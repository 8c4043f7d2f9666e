"""Who has come near: one alert an object and entry."""

from __future__ import annotations

import math
from dataclasses import dataclass

from howfar.errors import UsageError
from howfar.track.tracked import TrackedFrame, TrackedObject

RELEASE = 1.15
"""An object has left when it is farther than this times the distance of the alert."""
LEAST_FRAMES = 2
"""Frames that an object must have been seen in: one frame may be a detector's mistake."""


@dataclass(frozen=True)
class Alert:
    """An object came within the distance.

    Attributes:
        time_s, frame_index: when.
        id, label: which object.
        within_m: the distance that was asked for.
        distance_m: where it is, smoothed, with `interval_m`; the range where the range counts.
        speed_m_s: approach speed, positive where it comes nearer.
        contact_s: seconds until contact at this speed, where it surely comes nearer, else None.
    """

    time_s: float
    frame_index: int | None
    id: int
    label: str
    within_m: float
    distance_m: float
    interval_m: tuple[float, float] | None
    speed_m_s: float | None
    contact_s: float | None


class Alerts:
    """Watches tracked frames for objects within `within_m`.

    An object raises one alert when it comes within, and another only after it was beyond 1.15 times
    that distance in between. Losing and finding it again changes nothing. With the filter
    `by` "range" its range counts, else its distance along the optical axis.
    """

    def __init__(self, within_m: float) -> None:
        if not (math.isfinite(within_m) and within_m > 0):
            raise UsageError(f"alerts within {within_m} m; give metres > 0")
        self.within_m = within_m
        self._inside: set[int] = set()

    def update(self, frame: TrackedFrame) -> list[Alert]:
        """The alerts of one more frame. Raises `UsageError` where its depth is in no unit."""
        result = frame.result
        if result.depth is not None and not result.depth.is_metric:
            raise UsageError(
                f"an alert within {self.within_m:g} m needs metres, but the depth is relative; "
                "give a scale (2.5m@chair, object-size or a factor) or use a metric depth network"
            )
        self._inside -= {track.id for track in frame.ended}
        by_range = result.filter.get("by") == "range"
        alerts = []
        for thing in (*frame.tracks, *frame.left_out):
            distance = thing.object.range_m if by_range else thing.object.distance_m
            if distance is None or thing.frames < LEAST_FRAMES:
                continue
            if distance > RELEASE * self.within_m:
                self._inside.discard(thing.id)
            elif distance <= self.within_m and thing.id not in self._inside:
                self._inside.add(thing.id)
                alerts.append(self._alert(frame, thing, distance))
        return alerts

    def _alert(self, frame: TrackedFrame, thing: TrackedObject, distance: float) -> Alert:
        interval, along = thing.object.interval_m, thing.object.distance_m
        if interval is not None and along:  # a range is as uncertain as the distance
            interval = (interval[0] * distance / along, interval[1] * distance / along)
        return Alert(
            time_s=frame.time_s,
            frame_index=frame.result.image.frame_index,
            id=thing.id,
            label=thing.object.label,
            within_m=self.within_m,
            distance_m=distance,
            interval_m=interval,
            speed_m_s=thing.speed_m_s,
            contact_s=thing.contact_s,
        )
