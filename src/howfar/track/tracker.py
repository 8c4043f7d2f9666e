"""Objects over time: who is who, how far, how fast."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from howfar.core.boxes import iou_matrix
from howfar.core.result import Object, Result
from howfar.errors import UsageError
from howfar.options import Options, split_by_distance
from howfar.track.association import Candidates, assign, check_scipy, likeness
from howfar.track.course import Course
from howfar.track.tracked import Change, TrackedFrame, TrackedObject, TrackSummary

CONF, LEAST_CONF = 0.4, 0.1
"""Least score of a detection that may begin a track, and of one that may go on with one."""
LOST_S, MISSED_S = 2.0, 0.3
"""How long an unseen object is waited for, and after how long it counts as lost."""
ALIKE, ALIKE_UNSURE, ALIKE_NEW = 0.2, 0.5, 0.3
"""Least likeness of sure detections, unsure ones, and the second one of a new track (ByteTrack)."""
ALIKE_LOST, BUFFER, MOST_BUFFER = 0.3, 0.5, 1.0
"""Least likeness of unseen objects, whose boxes are enlarged by this share for each second."""
SAME = 0.7
"""A detection that overlaps an object seen in this frame by more starts no track of its own."""
CONFIRMED = 2
"""Frames that make a track; in the first frame of a video one is enough."""
NO_DISTANCE = "no distance: "


class Tracker:
    """Follows objects through results, one `update` a frame, in the order of time.

    Detect with `conf=LEAST_CONF` (0.1): unsure detections help to go on with tracks.

    Args:
        conf: least score of a detection that may begin a track.
        lost_s: how long an object that is not seen is waited for, in seconds.

    Raises `UsageError` for wrong values, or where scipy is not installed.
    """

    def __init__(self, conf: float = CONF, lost_s: float = LOST_S) -> None:
        if not 0 <= conf <= 1:
            raise UsageError(f"conf is {conf}; give 0..1")
        if not (math.isfinite(lost_s) and lost_s > 0):
            raise UsageError(f"lost_s is {lost_s}; give seconds > 0")
        check_scipy()
        self.conf, self.lost_s = conf, lost_s
        self._courses: list[Course] = []
        self._count = 0
        self._time_s = -math.inf

    def update(self, result: Result, time_s: float | None = None) -> TrackedFrame:
        """What is known after one more frame.

        Args:
            result: of the frame. Objects that its distance filter left out are followed too.
            time_s: when it was taken; `result.image.time_s` unless given. Where time jumps back,
                all tracks end and new ones begin.

        Raises `UsageError` for a frame without a time.
        """
        time_s = result.image.time_s if time_s is None else time_s
        if time_s is None or not math.isfinite(time_s):
            raise UsageError(f"{result.source}: this picture has no time; give time_s (--fps)")
        first, back = self._time_s == -math.inf, time_s < self._time_s
        self._time_s = time_s
        changes: list[Change] = []
        ended = self._end(lambda course: back or course.unseen_s(time_s) > self.lost_s)
        changes += [Change("ended", summary.id, summary.label) for summary in ended]
        things = [*result.objects, *map(_unfiltered, result.left_out)]
        matches = self._match(things, time_s)
        for index, course in matches.items():
            if course.lost:
                changes.append(Change("found", course.id, course.label))
            course.see(time_s, result.image.frame_index, things[index])
        here = set(map(id, matches.values()))  # frames of a stream may share their time
        changes += self._miss(time_s, here)
        for thing in self._unknown(things, matches):
            self._courses.append(Course(time_s, result.image.frame_index, thing))
            here.add(id(self._courses[-1]))
        changes += self._confirm(1 if first else CONFIRMED)
        courses = [course for course in self._courses if course.id]
        seen = [course for course in courses if id(course) in here]
        seen.sort(key=lambda course: -course.thing.score)
        kept, left_out = _split([course.shown(time_s) for course in seen], result)
        return TrackedFrame(
            result=result,
            time_s=time_s,
            tracks=tuple(kept),
            left_out=tuple(left_out),
            lost=tuple(course.missing(time_s) for course in courses if id(course) not in here),
            changes=tuple(changes),
            ended=tuple(ended),
        )

    def close(self) -> list[TrackSummary]:
        """End all tracks; returns the summaries of those that no frame has returned yet."""
        return self._end(lambda _: True)

    def _match(self, things: list[Object], time_s: float) -> dict[int, Course]:
        """Courses by the index of their detection: sure ones first, then unsure ones, then the
        second ones of new courses, then sure ones near where an unseen object was."""
        sure = [i for i, thing in enumerate(things) if thing.score >= self.conf]
        unsure = [i for i, thing in enumerate(things) if thing.score < self.conf]
        old = [course for course in self._courses if course.id]
        new = [course for course in self._courses if not course.id]
        matching = _Matching(things, time_s)
        matching.add(old, sure, ALIKE)
        matching.add([course for course in old if not course.lost], unsure, ALIKE_UNSURE)
        matching.add(new, sure, ALIKE_NEW)
        unseen = [course for course in old if course not in matching.found.values()]
        for course in sorted(unseen, key=lambda course: -course.last_s):
            same = [i for i in sure if things[i].label in course.votes]
            buffer = min(BUFFER * course.unseen_s(time_s), MOST_BUFFER)
            for place_s in (time_s, course.last_s):  # it went on, or it stopped out of sight
                matching.add([course], same, ALIKE_LOST, buffer, place_s)
        return matching.found

    def _miss(self, time_s: float, here: set[int]) -> list[Change]:
        """Unseen objects are lost after a while; those that were seen but once are forgotten."""
        self._courses = [course for course in self._courses if course.id or id(course) in here]
        missed = [
            course
            for course in self._courses
            if not course.lost and course.unseen_s(time_s) > MISSED_S
        ]
        for course in missed:
            course.lost = True
        return [Change("lost", course.id, course.label) for course in missed]

    def _confirm(self, frames: int) -> list[Change]:
        """Number the courses that were seen often enough."""
        fresh = [course for course in self._courses if not course.id and course.frames >= frames]
        for course in fresh:
            self._count += 1
            course.id = self._count
        return [Change("new", course.id, course.label) for course in fresh]

    def _end(self, over: Callable[[Course], bool]) -> list[TrackSummary]:
        ended = [course for course in self._courses if over(course)]
        self._courses = [course for course in self._courses if not over(course)]
        return [course.summary() for course in ended if course.id]

    def _unknown(self, things: list[Object], matches: dict[int, Course]) -> list[Object]:
        """Sure detections of new objects: no second label of an object that was seen here."""
        seen = [things[index] for index in matches]
        fresh: list[Object] = []
        for index, thing in enumerate(things):
            if index in matches or thing.score < self.conf:
                continue
            overlaps = iou_matrix(_candidates([thing]).boxes, _candidates([*seen, *fresh]).boxes)
            if not (overlaps > SAME).any():
                fresh.append(thing)
        return fresh


class _Matching:
    """Which detection belongs to which course; grows step by step."""

    def __init__(self, things: list[Object], time_s: float) -> None:
        self.found: dict[int, Course] = {}
        self._things = _candidates(things)
        self._time_s = time_s

    def add(
        self,
        courses: Sequence[Course],
        among: list[int],
        least: float,
        buffer: float = 0.0,
        place_s: float | None = None,
    ) -> None:
        """Match those of `courses` and of the detections `among` that are still free.

        Boxes are expected where they are at `place_s`, now unless given.
        """
        taken = {id(course) for course in self.found.values()}
        courses = [course for course in courses if id(course) not in taken]
        among = [i for i in among if i not in self.found]
        if courses and among:
            known = _expected(courses, self._time_s, self._time_s if place_s is None else place_s)
            alike = likeness(known, self._things.pick(among), buffer)
            for row, column in assign(alike, least):
                self.found[among[column]] = courses[row]


def _unfiltered(thing: Object) -> Object:
    """An object that the filter left out, with the reason that it had before."""
    if thing.distance_m is not None or thing.reason is None:
        return replace(thing, reason=None)
    return replace(thing, reason=thing.reason.removeprefix(NO_DISTANCE))


def _split(
    things: Sequence[TrackedObject], result: Result
) -> tuple[list[TrackedObject], list[TrackedObject]]:
    """Those that the filter of the result keeps by their smoothed distance, and the rest."""
    bounds = result.filter
    if not bounds:
        return list(things), []
    options = Options(
        min_distance=_number(bounds.get("min_distance")),
        max_distance=_number(bounds.get("max_distance")),
        by=str(bounds.get("by") or "z"),
    )
    kept: list[TrackedObject] = []
    left_out: list[TrackedObject] = []
    for thing in things:
        stays, goes = split_by_distance([thing.object], options)
        kept += [replace(thing, object=one) for one in stays]
        left_out += [replace(thing, object=one) for one in goes]
    return kept, left_out


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)


def _candidates(things: Sequence[Object]) -> Candidates:
    boxes = np.array([thing.box for thing in things], np.float32).reshape(-1, 4)
    log_m = [_log(thing.distance_m) for thing in things]
    return Candidates(boxes, [thing.label for thing in things], np.array(log_m, np.float64))


def _expected(courses: Sequence[Course], time_s: float, place_s: float) -> Candidates:
    boxes = np.array([course.motion.foresee(place_s) for course in courses], np.float32)
    known = [course.known(time_s) for course in courses]
    log_m = [_log(one and one.distance_m) for one in known]
    return Candidates(boxes, [course.label for course in courses], np.array(log_m, np.float64))


def _log(distance_m: float | None) -> float:
    return math.log(distance_m) if distance_m else math.nan
