"""The scale of a depth network on the pictures of a camera."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from howfar.calibrate.known import Known
from howfar.calibrate.pictures import named
from howfar.calibrate.pool import Reading, Request, odd_readings, pool, read_result, without_own
from howfar.core.image import Image
from howfar.core.profile import CameraProfile, ProfileScale
from howfar.core.result import ModelUse, Result
from howfar.core.scale import CameraHeight, KnownDistance, ObjectSizes
from howfar.core.straighten import straightener
from howfar.errors import ScaleError, UsageError
from howfar.inputs import straight_place
from howfar.options import Options
from howfar.pipeline import Ranger

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Calibrated:
    """What was found.

    Attributes:
        scale: for the profile.
        readings: of the single pictures.
    """

    scale: ProfileScale
    readings: tuple[Reading, ...]


def calibrate_scale(
    ranger: Ranger,
    pictures: Iterable[Image],
    wanted: ObjectSizes | CameraHeight | Mapping[str, Sequence[Known]],
    profile: CameraProfile,
    options: Options | None = None,
    tell: Tell = lambda _text: None,
) -> Calibrated:
    """Find the factor that turns a depth network's numbers into metres on a camera's pictures.

    Args:
        ranger: detector and depth network, or one network for both.
        pictures: of the camera.
        wanted: what is known: typical sizes, the camera's height, or distances by picture source.
        profile: of the camera; its lens is used, scales that it has already are not.
        options: of the calls (least score, statistic).
        tell: told why a picture gave nothing.

    A picture that does not hold what is needed is told and passed over; a distance known in one
    picture only has to be there. Raises `ScaleError` where no picture gives a scale, or distances
    contradict each other; `UsageError` where no factor makes this depth metric, or the focal length
    is needed and unknown.
    """
    if not isinstance(wanted, Mapping) and profile.lens is None:
        raise UsageError(
            "sizes and the camera's height need a focal length, which the pictures do not tell; "
            "give --focal-px, --fov-deg or --checkerboard"
        )
    lens_only = replace(profile, scales=())
    options = replace(options or Options(), scale=None, camera=lens_only)
    shared, readings, failures = 0.0, [], []
    use: ModelUse | None = None
    for image in pictures:
        requests = _requests(wanted, image)
        if not requests:
            continue
        result = ranger.run(image, options)
        use = use or _depth_network(result)
        for request, what, alone in requests:
            own, common = (request, 0.0) if alone else without_own(request)
            shared = max(shared, common)
            try:
                readings.append(_read(result, own, what, lens_only, image))
            except ScaleError as error:
                if alone:
                    raise
                failures.append(str(error))
                tell(str(error))
    if not readings or use is None:
        raise ScaleError(_nothing(failures))
    focal_spread = profile.lens.uncertainty if profile.lens else 0.0
    scale = pool(readings, shared, focal_spread)
    for reading in odd_readings(readings) if isinstance(wanted, Mapping) else ():
        tell(
            f"{reading.what} in {reading.source} is left out: it asks for a factor of "
            f"{reading.scale.factor:.3g}, the others for {scale.factor:.3g}"
        )
    count = len({reading.source for reading in readings})
    found = ProfileScale(scale, use.name, use.sha256, count)
    return Calibrated(found, tuple(readings))


def _requests(
    wanted: ObjectSizes | CameraHeight | Mapping[str, Sequence[Known]], image: Image
) -> list[tuple[Request, str, bool]]:
    """What to read in a picture: request, its words, and whether it is this picture's alone."""
    if isinstance(wanted, ObjectSizes):
        return [(wanted, "object sizes", False)]
    if isinstance(wanted, CameraHeight):
        return [(wanted, f"camera height {wanted.height_m:g} m", False)]
    repeated = _repeated(wanted) or image.time_s is not None
    return [(known.request, known.text, not repeated) for known in wanted.get(image.source, ())]


def _repeated(wanted: Mapping[str, Sequence[Known]]) -> bool:
    """Whether one distance holds in several pictures."""
    lists = [list(knowns) for knowns in wanted.values()]
    return len(lists) > 1 and all(knowns == lists[0] for knowns in lists)


def _depth_network(result: Result) -> ModelUse:
    for use in result.models:
        if use.role in ("depth", "joint"):
            return use
    raise UsageError("there is no depth network to calibrate; leave --depth none out")


def _read(
    result: Result, request: Request, what: str, profile: CameraProfile, image: Image
) -> Reading:
    """A reading; pixels of a known distance are those of the picture as it came."""
    moved = straightener(profile, image.width, image.height)
    if isinstance(request, KnownDistance) and moved is not None:
        request = straight_place(request, moved)
    return replace(read_result(result, request, what), source=named(image))


def _nothing(failures: Sequence[str]) -> str:
    if not failures:
        return "no picture gave a scale: none of them has a known distance"
    more = f" (and {len(failures) - 1} pictures more)" if len(failures) > 1 else ""
    return f"no picture gave a scale: {failures[0]}{more}"
