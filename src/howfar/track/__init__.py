"""Identities, smoothed distances and speeds of objects over the frames of a video.

>>> from howfar.track import Tracker
>>> tracker = Tracker()
>>> for result in ranger.stream("street.mp4", conf=0.1):            # doctest: +SKIP
...     for thing in tracker.update(result).tracks:
...         print(thing.id, thing.object.label, thing.object.distance_m, thing.speed_m_s)
"""

from howfar.track.alerts import Alert, Alerts
from howfar.track.tracked import (
    Change,
    LostObject,
    TrackedFrame,
    TrackedObject,
    TrackSummary,
)
from howfar.track.tracker import Tracker

__all__ = [
    "Alert",
    "Alerts",
    "Change",
    "LostObject",
    "TrackSummary",
    "TrackedFrame",
    "TrackedObject",
    "Tracker",
]
