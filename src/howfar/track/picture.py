"""The annotated frame: boxes coloured by smoothed distance, with number and speed."""

from __future__ import annotations

from dataclasses import replace

from howfar.core.image import RgbArray
from howfar.core.result import Object
from howfar.io.draw import distance_text, filter_note, object_label, object_marks, paint
from howfar.track.tracked import TrackedFrame, TrackedObject

LEAST_SPEED_M_S = 0.1
"""Slower objects are drawn without a speed."""
SOON_S = 3.0
"""A contact within this time is written at the object."""


def annotated(frame: TrackedFrame, *, range_m: tuple[float, float] | None = None) -> RgbArray:
    """The frame with its tracked objects drawn on it, (H, W, 3) uint8 RGB.

    `range_m`: nearest and farthest distance of the colours; give the same for all frames.
    """
    result = frame.smoothed()
    kind = result.depth.kind if result.depth else None
    texts = {
        id(thing.object): object_label(numbered(thing), kind) + speed_text(thing)
        for thing in frame.tracks
    }
    marks = object_marks(result, range_m, lambda thing: texts[id(thing)])
    return paint(result.image.pixels, marks, filter_note(result))


def speed_text(thing: TrackedObject) -> str:
    """`, 1.2 m/s nearer, contact 1.9 s`; nothing where the object may as well stand still."""
    if thing.speed_m_s is None or thing.speed_interval_m_s is None:
        return ""
    low, high = thing.speed_interval_m_s
    if low <= 0 <= high or abs(thing.speed_m_s) < LEAST_SPEED_M_S:
        return ""
    words = f", {abs(thing.speed_m_s):.1f} m/s {'nearer' if low > 0 else 'away'}"
    if thing.contact_s is not None and thing.contact_s < SOON_S:
        words += f", contact {thing.contact_s:.1f} s"
    return words


def numbered(thing: TrackedObject) -> Object:
    """The object with its number in the label: `person #3`."""
    return replace(thing.object, label=f"{thing.object.label} #{thing.id}")


def track_words(thing: TrackedObject) -> str:
    """An object in a line of text: `person #3 2.4 m, 1.2 m/s nearer`."""
    distance = thing.object.distance_m
    where = "?" if distance is None else distance_text(distance)
    return f"{numbered(thing).label} {where}{speed_text(thing)}"
