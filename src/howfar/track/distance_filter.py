"""The distance of one object over time: a Kalman filter in log distance.

State: level = ln(distance) and rate = its change per second, so that speed is -distance * rate and
the time to contact 1 / -rate. Two motions are followed side by side and weighed by how well each
foresees the measurements (interacting multiple models: Blom and Bar-Shalom, IEEE Transactions on
Automatic Control 33(8), 1988):

- still: the rate is 0 and the level creeps as far as `STILL_BANDWIDTH` lets it.
- moving: at a steady speed in metres, but for a random acceleration that is never so small that
  the filter becomes slower than `LEAST_BANDWIDTH`, whatever the noise: this bounds the lag. After a
  sudden start a filter of bandwidth w is behind by at most .46 / w seconds of motion: .21 s.

One filter alone has to choose between the two: at 10 frames a second, a bandwidth that halves the
jitter is behind by a quarter of a second (docs/decisions/011).

Measurement noise comes from the interval of each frame's result, as the standard deviation s of
log distance. An interval says how far off a distance may be, or how much the depths inside the
object differ; from frame to frame the distance jumps by less. Which share of s it is, is learnt for
each object from second differences of the measurements, which no steady motion touches (Gasser,
Sroka and Jennen-Steinmetz, Biometrika 73(3), 1986). So the intervals decide how much a frame counts
beside others, and the object's own record how much all of them flicker. A frame's interval is
averaged with the object's usual one first: a box in which the statistic picks the wrong surface has
a narrow interval now and then.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

Z80 = 1.2816
"""Standard deviations from the middle to either end of an 80 % interval."""
LEAST_SIGMA = 0.02
"""No interval is taken for narrower than this; that of `center`, one pixel, has no width."""
MOST_SIGMA = 1.0
"""Nor for wider."""
USUAL_S = 1.0
"""Seconds over which the usual interval of an object is averaged."""
MARGIN = 1.5
"""Noise is taken this much larger than second differences show: they do not see the slow part of
the flicker of depth networks."""
SHARE, SHARE_WEIGHT = 0.5, 6.0
"""Share of the interval that flickers, before anything is known; as many frames that counts for;"""
SHARE_MEMORY = 60.0
"""frames that the learnt share looks back;"""
SPAN_S = 0.25
"""frames this far apart are compared: flicker of neighbouring frames is alike."""
STILL_BANDWIDTH = 0.5
"""Of the filter of a still object, in radians a second: it averages over about two seconds."""
STILL_RATE = 0.01
"""Of a still object: standard deviation of the rate, per second."""
START_RATE = 0.4
"""Of an object that begins to move: standard deviation of the rate, per second."""
LEAST_BANDWIDTH = 2.2
"""Of the filter of a moving object, in radians a second."""
LEAST_GROWTH = 0.4
"""An object is not foreseen to come nearer than this share of its distance before it is measured
again."""
LEAST_ACCELERATION = 0.03
"""Of a moving object: spectral density of the change of the rate, 1/s³."""
STAYS_STILL_S, STAYS_MOVING_S = 3.0, 3.0
"""Mean time that an object goes on being still, or moving."""
OUTLIER = 5.0
"""A measurement this many standard deviations off is set aside,"""
OUTLIER_S = 0.25
"""unless such ones go on for this long: then the filter begins anew with them."""


class Estimate(NamedTuple):
    """What is known at one moment.

    Attributes:
        distance_m: smoothed distance.
        interval_m: (low, high): the interval of the frames without the flicker that smoothing has
            removed.
        speed_m_s: approach speed, positive where the distance shrinks.
        speed_interval_m_s: (low, high); holds the speed in 80 % of frames or more, since it allows
            for speeding up and slowing down.
        contact_s: time to contact at this rate, and its 80 % interval (low, high), where the whole
            interval of the speed says that the object comes nearer; else None.
    """

    distance_m: float
    interval_m: tuple[float, float]
    speed_m_s: float
    speed_interval_m_s: tuple[float, float]
    contact_s: tuple[float, float, float] | None


class State(NamedTuple):
    """Mean and covariance of level and rate."""

    level: float
    rate: float
    var_level: float
    cov: float
    var_rate: float


Mixture = tuple[tuple[float, float], tuple[State, State]]
"""Chance and state of each motion, still and moving."""


@dataclass
class Flicker:
    """The share of the intervals that changes from frame to frame."""

    squared: float = SHARE**2
    frames: float = SHARE_WEIGHT
    _seen: deque[tuple[float, float, float]] = field(default_factory=deque)

    def learn(self, time_s: float, level: float, sigma: float) -> None:
        """One more measurement: compare that of `SPAN_S` ago with its neighbours on both sides."""
        seen = self._seen
        seen.append((time_s, level, sigma))
        middle = _newest(seen, time_s - SPAN_S)
        oldest = middle and _newest(seen, middle[0] - SPAN_S)
        if not middle or not oldest:
            return
        while seen[0] is not oldest:
            seen.popleft()
        if time_s - oldest[0] > 4 * SPAN_S:
            return
        a = (time_s - middle[0]) / (time_s - oldest[0])
        spread = middle[2] ** 2 + (a * oldest[2]) ** 2 + ((1 - a) * sigma) ** 2
        ratio = (middle[1] - a * oldest[1] - (1 - a) * level) ** 2 / spread
        self.frames = min(self.frames + 1, SHARE_MEMORY)
        self.squared += (min(ratio, 9 * self.squared) - self.squared) / self.frames

    def noise(self, sigma: float) -> float:
        """Variance of a measurement whose interval says `sigma`."""
        return max(MARGIN**2 * self.squared * sigma**2, (LEAST_SIGMA / 2) ** 2)

    def rest(self, sigma: float) -> float:
        """Variance of what an interval that says `sigma` knows and no averaging removes."""
        return max(1 - self.squared, 0.0) * sigma**2


class DistanceFilter:
    """Smooths the distances of one object; times in seconds, never frames."""

    def __init__(self, time_s: float, distance_m: float, interval_m: tuple[float, float]) -> None:
        self.flicker = Flicker()
        self.last_s = time_s
        self._sigma = interval_sigma(interval_m)
        """Usual one of the intervals."""
        self._aside: list[tuple[float, float, float]] = []
        self._foreseen: tuple[float, Mixture] | None = None
        self._begin(time_s, math.log(distance_m), self._sigma)

    def update(self, time_s: float, distance_m: float, interval_m: tuple[float, float]) -> None:
        """Take in the distance of a later frame with its interval, all in metres and > 0."""
        level, own = math.log(distance_m), interval_sigma(interval_m)
        sigma = math.sqrt((own**2 + self._sigma**2) / 2)
        self._sigma += (own - self._sigma) * min(max(time_s - self.last_s, 0.0) / USUAL_S, 1.0)
        self.last_s = time_s
        self.flicker.learn(time_s, level, sigma)
        self._foreseen = None
        if self._is_outlier(time_s, level, sigma):
            self._aside.append((time_s, level, sigma))
            if time_s - self._aside[0][0] < OUTLIER_S:
                return
            first, *others = self._aside
            self._begin(*first)
            for other in others:
                self._take(*other)
        else:
            self._take(time_s, level, sigma)
        self._aside = []

    def estimate(self, time_s: float) -> Estimate:
        """What is known at `time_s`, which may lie after the last measurement."""
        state = _merge(self._chance, self._foresee(time_s)[1])
        distance = math.exp(state.level)
        half = math.exp(Z80 * math.sqrt(state.var_level + self.flicker.rest(self._sigma)))
        spread = Z80 * math.sqrt(state.var_rate)
        slow, fast = -state.rate - spread, -state.rate + spread
        contact = (1 / -state.rate, 1 / fast, 1 / slow) if slow > 0 else None
        return Estimate(
            distance,
            (distance / half, distance * half),
            0.0 - distance * state.rate,
            (distance * slow, distance * fast),
            contact,
        )

    def _begin(self, time_s: float, level: float, sigma: float) -> None:
        noise = self.flicker.noise(sigma)
        self._time_s, self._foreseen = time_s, None
        self._chance = (0.5, 0.5)
        self._states = (
            State(level, 0.0, noise, 0.0, STILL_RATE**2),
            State(level, 0.0, noise, 0.0, START_RATE**2),
        )

    def _foresee(self, time_s: float) -> Mixture:
        """Chance and state of each motion, still and moving, at a later time."""
        if self._foreseen is not None and self._foreseen[0] == time_s:
            return self._foreseen[1]
        dt = max(time_s - self._time_s, 0.0)
        starts, stops = 1 - math.exp(-dt / STAYS_STILL_S), 1 - math.exp(-dt / STAYS_MOVING_S)
        still, moving = self._chance
        states, starting = self._states, self._states[0]._replace(var_rate=START_RATE**2)
        before = _merge((still * (1 - starts), moving * stops), states)
        stays = _merge((still * starts, moving * (1 - stops)), (starting, states[1]))
        chance = still * (1 - starts) + moving * stops
        noise = self.flicker.noise(self._sigma)
        push = max(LEAST_BANDWIDTH**4 * noise * dt, LEAST_ACCELERATION)
        creep = STILL_BANDWIDTH**2 * noise * dt**2
        foreseen = (chance, 1 - chance), (_creep(before, creep), _move(stays, dt, push))
        self._foreseen = (time_s, foreseen)
        return foreseen

    def _is_outlier(self, time_s: float, level: float, sigma: float) -> bool:
        state = _merge(*self._foresee(time_s))
        if self._aside:
            return abs(level - self._aside[-1][1]) < abs(level - state.level)
        spread = math.sqrt(state.var_level + self.flicker.noise(sigma))
        return abs(level - state.level) > OUTLIER * spread

    def _take(self, time_s: float, level: float, sigma: float) -> None:
        noise = self.flicker.noise(sigma)
        chance, states = self._foresee(time_s)
        still, fits_still = _correct(states[0], level, noise)
        moving, fits_moving = _correct(states[1], level, noise)
        best = max(fits_still, fits_moving)
        weights = (
            chance[0] * math.exp(fits_still - best),
            chance[1] * math.exp(fits_moving - best),
        )
        total = sum(weights)
        self._chance = (weights[0] / total, weights[1] / total)
        self._states, self._time_s, self._foreseen = (still, moving), time_s, None


def _newest(
    seen: deque[tuple[float, float, float]], until_s: float
) -> tuple[float, float, float] | None:
    """The last measurement that is not later than `until_s`."""
    return next((one for one in reversed(seen) if one[0] <= until_s + 1e-6), None)


def interval_sigma(interval_m: tuple[float, float]) -> float:
    """Standard deviation of log distance that an 80 % interval in metres means, bounded."""
    low, high = interval_m
    if not 0 < low <= high:
        return MOST_SIGMA
    return min(max(math.log(high / low) / (2 * Z80), LEAST_SIGMA), MOST_SIGMA)


def _creep(state: State, creep: float) -> State:
    return State(state.level, 0.0, state.var_level + creep, 0.0, STILL_RATE**2)


def _move(state: State, dt: float, push: float) -> State:
    """At a steady speed in metres distance grows by the factor 1 + rate * dt, and the rate falls by
    as much; linearised for the covariance (extended Kalman filter)."""
    level, rate, var_level, cov, var_rate = state
    grown = max(1 + rate * dt, LEAST_GROWTH)
    a, b = dt / grown, 1 / grown**2
    return State(
        level + math.log(grown),
        rate / grown,
        var_level + 2 * a * cov + a**2 * var_rate + push * dt**3 / 3,
        b * (cov + a * var_rate) + push * dt**2 / 2,
        b**2 * var_rate + push * dt,
    )


def _correct(state: State, measured: float, noise: float) -> tuple[State, float]:
    """The state after a measurement of the level, and the log likelihood of that."""
    level, rate, var_level, cov, var_rate = state
    total, off = var_level + noise, measured - state.level
    a, b = var_level / total, cov / total
    after = State(
        level + a * off,
        rate + b * off,
        var_level - a * var_level,
        cov - a * cov,
        var_rate - b * cov,
    )
    return after, -0.5 * (off**2 / total + math.log(total))


def _merge(weights: tuple[float, float], states: tuple[State, State]) -> State:
    """One state with the mean and covariance of a mixture of two."""
    total = sum(weights)
    w, v = (weights[0] / total, weights[1] / total) if total > 0 else (0.5, 0.5)
    a, b = states
    level, rate = a.level - b.level, a.rate - b.rate
    return State(
        w * a.level + v * b.level,
        w * a.rate + v * b.rate,
        w * a.var_level + v * b.var_level + w * v * level**2,
        w * a.cov + v * b.cov + w * v * level * rate,
        w * a.var_rate + v * b.var_rate + w * v * rate**2,
    )
