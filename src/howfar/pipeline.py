"""Image -> Result: detector and depth network joined, distances measured, objects filtered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.detections import Detections
from howfar.core.distance import OUTSIDE, Distance, Distances, measure
from howfar.core.foreground import SizePrior
from howfar.core.fusion import SOURCE as SIZED
from howfar.core.image import Image
from howfar.core.result import ModelUse, Result
from howfar.core.scale import (
    CameraHeight,
    GivenScale,
    KnownDistance,
    ObjectSizes,
    Scale,
    ScaleSource,
    apply_scale,
    find_scale,
)
from howfar.core.semantics import LabelMap
from howfar.errors import HowfarError, PictureError, ScaleError, UsageError
from howfar.inputs import (
    Picture,
    as_detections,
    as_image,
    fit_depth,
    image_camera,
    through_camera,
)
from howfar.io.ahead import abreast, available_cores
from howfar.io.clip import make_clip
from howfar.io.frames import Frames, check_max_frames, sort_out
from howfar.io.sources import Item, expand
from howfar.models.classes import NO_CLASS
from howfar.models.network import GATE, Network
from howfar.options import Options, filter_record, make_options, split_by_distance
from howfar.parts import DepthLike, DetectorLike, Join, JointLike, SemanticLike
from howfar.ranging import make_objects, size_prior


@dataclass(eq=False)
class Ranger:
    """Finds objects in pictures and says how far away they are.

    Attributes:
        detector: finds objects, or None where callers bring boxes.
        depth: estimates depth, or None where callers bring depth maps.
        joint: one network that gives both, in place of the two.
        semantic: labels every pixel, if wanted.
        join: how detector and depth network work together.
        both: runs two jobs and returns both results: one after the other, or side by side.
    """

    detector: DetectorLike | None = None
    depth: DepthLike | None = None
    joint: JointLike | None = None
    semantic: SemanticLike | None = None
    join: Join = Join.PARALLEL
    both: Callable[[Callable[[], Any], Callable[[], Any]], tuple[Any, Any]] = field(
        default=lambda first, second: (first(), second()), repr=False
    )

    def __call__(
        self,
        picture: Picture | Sequence[Picture],
        *,
        depth: DepthMap | npt.ArrayLike | None = None,
        boxes: Detections | npt.ArrayLike | None = None,
        **options: Any,
    ) -> Any:
        """Objects of a picture with their distances.

        Args:
            picture: path, (H, W, 3) uint8 RGB array, PIL image, `Image`, or a list of these.
            depth: your own depth map of it: a `DepthMap`, or an (h, w) array of metres.
            boxes: your own boxes: `Detections`, or an (N, 4) array of `xyxy` pixels.
            options: see below.

        Options: `conf` (.25), `iou` (.6), `max_det` (300), `classes` (names), `multi_label`,
        `agnostic`, `diou` (0), `min_distance` and `max_distance` in metres, inclusive, `by` ("z"
        or "range"), `stat` (`Statistic`), `focal_px` or `fov_deg`, `scale` (text as on the command
        line, or a request of `howfar.core.scale`), `camera` (a `CameraProfile`, or its file).

        Returns a `Result`, or a list of them for a list. Raises `UsageError`, `PictureError`,
        `ScaleError`, `ProfileError` or `ModelError`.
        """
        asked = make_options(options)
        if isinstance(picture, list | tuple):
            if depth is not None or boxes is not None:
                raise UsageError("give your own depth or boxes with one picture at a time")
            return [self.run(as_image(item), asked) for item in picture]
        return self.run(as_image(picture), asked, depth, boxes)

    def stream(
        self,
        source: str | int | Path | Sequence[str | Path],
        *,
        vid_stride: int = 1,
        start: float | str | None = None,
        end: float | str | None = None,
        max_frames: int | None = None,
        drop_old: bool | None = None,
        fps: float | None = None,
        on_error: Callable[[str, HowfarError], None] | None = None,
        **options: Any,
    ) -> Iterator[Result]:
        """Results of pictures, or of the frames of videos, cameras and streams, one at a time.

        Frames are decoded in a thread, a few ahead, so that memory stays flat; their results have
        `image.time_s` and `image.frame_index`. What happened to a source, a damaged frame or a
        camera that was lost, is in the notes of the next result.

        Args:
            source: file, folder, glob pattern, http(s) or rtsp(s) address, number of a camera, or
                several of these.
            vid_stride: every how manieth frame of a video.
            start, end: part of a video, in seconds or as `1:23.5`; the end is left out.
            max_frames: most frames of each video.
            drop_old: where results come slower than frames, skip to the newest frame. Cameras and
                streams do, unless False; files cannot.
            fps: all pictures are the frames of one video of this rate.
            on_error: gets (source, error) of what fails, which is then passed over; without it
                the error is raised.
            options: as in a call.

        Raises as a call, and `PictureError` where a video cannot be opened or is given up.
        """
        asked = make_options(options)
        clip = make_clip(vid_stride, start, end)
        check_max_frames(max_frames)
        sources = [source] if isinstance(source, str | int | Path) else source
        for thing in sort_out(expand([str(one) for one in sources]), fps):
            if isinstance(thing, Item):
                images = (item.load() for item in (thing,))
                yield from self._results(thing.source, images, asked, on_error)
                continue
            try:
                frames = Frames(thing.open(clip), drop_old, max_frames)
            except HowfarError as error:
                _tell(thing.name, error, on_error)
                continue
            with frames:
                yield from self._results(thing.name, frames, asked, on_error)
            for text in frames.take_news():
                _tell(thing.name, PictureError(f"{thing.name}: {text}"), on_error)

    def _results(
        self,
        name: str,
        images: Iterator[Image],
        asked: Options,
        on_error: Callable[[str, HowfarError], None] | None,
    ) -> Iterator[Result]:
        jobs = self.jobs(images, lambda image: self.run(image, asked))
        while True:
            try:
                job = next(jobs, None)
                if job is None:
                    return
                result = job()
            except HowfarError as error:
                _tell(name, error, on_error)
                continue
            yield result

    def jobs(
        self, images: Iterator[Image], work: Callable[[Image], Result]
    ) -> Iterator[Callable[[], Result]]:
        """Functions that give `work(image)` for each image in turn, or raise its error.

        Frames that wait (not the newest ones of a camera) are worked on two at a time where the
        networks have one thread and leave another core idle: the networks of one frame then run
        beside the rest of the work on the other, and never beside each other.
        """
        waits = isinstance(images, Frames) and not images.drops
        if not (waits and self._leaves_a_core()):
            for image in images:
                yield partial(work, image)
            return
        gate = Lock()
        yield from abreast(work, images, 2, lambda: GATE.set(gate))

    def _leaves_a_core(self) -> bool:
        used = [one for one in (self.detector, self.depth, self.joint) if one is not None]
        alone = all(isinstance(one, Network) and one.runtime.threads == 1 for one in used)
        return alone and self.semantic is None and available_cores() > 1

    def run(
        self,
        image: Image,
        options: Options,
        depth: DepthMap | npt.ArrayLike | None = None,
        boxes: Detections | npt.ArrayLike | None = None,
    ) -> Result:
        """As a call, with everything ready made."""
        given_depth = None if depth is None else fit_depth(depth, image)
        given_boxes = None if boxes is None else as_detections(boxes)
        options, image, given_depth, given_boxes = through_camera(
            options, image, given_depth, given_boxes
        )
        job = _Job(self, image, options, image_camera(image, options))
        return job.run(given_depth, given_boxes)


def _tell(
    name: str, error: HowfarError, on_error: Callable[[str, HowfarError], None] | None
) -> None:
    """Hand an error on, or raise it: always where the call is wrong."""
    if on_error is None or isinstance(error, UsageError):
        raise error
    on_error(name, error)


SIZES_COUNT = (
    "The distances of people and vehicles that are seen whole count their usual size as well; the "
    "statistic median reads the depth map alone."
)
_DOMAIN = {True: "familiar", False: "unfamiliar"}


class _Job:
    """One picture on its way through: collects times, notes and networks."""

    def __init__(
        self, ranger: Ranger, image: Image, options: Options, camera: Camera | None
    ) -> None:
        self.ranger, self.image, self.options, self.camera = ranger, image, options, camera
        self.timing_ms: dict[str, float] = {}
        self.notes = list(image.notes)
        self.models: list[ModelUse] = []
        self.own_depth = False

    def run(self, depth: DepthMap | None, found: Detections | None) -> Result:
        """Detect, range, filter."""
        start = time.perf_counter()
        options = self.options
        self.own_depth = depth is not None
        join = self.ranger.join
        if join is Join.CROP and depth is not None:
            raise UsageError(
                "join 'crop' sends cut-outs through a depth network and cannot use your own depth "
                "map; use join 'parallel'"
            )
        if join is Join.MASK:
            depth, found, scale = self._masked(depth, found)
        else:
            if join is Join.CROP:
                found = found if found is not None else self._detect(self.image)
            else:
                depth, found = self._detect_and_estimate(depth, found)
            scale = self._scale(depth, found)
        if depth is not None and scale is not None:
            depth = apply_scale(depth, scale)
        distances: Sequence[Distance] | Distances | None
        prior = None
        if join is Join.CROP:
            distances, metric = self._crop_distances(found, scale)
        else:
            metric = depth is not None and depth.is_metric
            prior = None if depth is None else size_prior(depth, found, options, self.camera)
            distances = None if depth is None else self._measure(depth, found, prior)
        self._check_filter(metric, have_depth=distances is not None)
        source = None
        if metric:
            source = str(scale.source) if scale else self._own_source()
        uncertainty = scale.uncertainty if scale else 0.0
        own = depth if metric and scale is None and join is not Join.CROP else None
        objects = make_objects(
            found, distances, self.image, self.camera, source, uncertainty, own, prior
        )
        if options.classes is not None:
            self._check_classes(found)
            objects = [thing for thing in objects if thing.label in options.classes]
        kept, left_out = split_by_distance(objects, options)
        semantics = self._segment()
        if any(thing.scale_source == SIZED for thing in objects):
            self.notes.append(SIZES_COUNT)
        familiar = None if own is None else own.familiar
        self._note_domain(metric and scale is None, familiar)
        if distances is not None and not metric:
            self.notes.append(
                "There are no metres: the depth is relative. Give a scale (2.5m@chair, object-size "
                "or a factor), calibrate the camera, or use a metric depth network."
            )
        self.timing_ms["total"] = (time.perf_counter() - start) * 1e3
        return Result(
            image=self.image,
            objects=tuple(kept),
            left_out=tuple(left_out),
            depth=depth,
            semantics=semantics,
            camera=self.camera,
            scale=scale,
            join="joint" if self.ranger.joint and not self.own_depth else str(join),
            statistic=str(options.stat),
            filter=filter_record(options),
            timing_ms=self.timing_ms,
            models=tuple(self.models),
            notes=tuple(self.notes),
            domain=None if familiar is None else _DOMAIN[familiar],
        )

    # -- networks ---------------------------------------------------------------------------

    def _timed(self, stage: str, job: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        value = job()
        self.timing_ms[stage] = self.timing_ms.get(stage, 0.0) + (time.perf_counter() - start) * 1e3
        return value

    def _detect(self, image: Image) -> Detections:
        detector = self.ranger.detector
        if detector is None:
            raise UsageError("there is no detector; load one, or give boxes")
        self.models.append(detector.use("detector"))
        found: Detections = self._timed(
            "detect", lambda: detector.detect(image, self.options.detect)
        )
        return found

    def _estimate(self, image: Image, camera: Camera | None) -> DepthMap:
        network = self.ranger.depth
        if network is None:
            raise UsageError("there is no depth network; load one, or give a depth map")
        if not any(use.role == "depth" for use in self.models):
            self.models.append(network.use("depth"))
        depth: DepthMap = self._timed("depth", lambda: network.estimate(image, camera))
        return depth

    def _detect_and_estimate(
        self, depth: DepthMap | None, found: Detections | None
    ) -> tuple[DepthMap | None, Detections]:
        """Whatever the caller did not bring; side by side where both are missing."""
        image, camera, joint = self.image, self.camera, self.ranger.joint
        if joint is not None and (depth is None or found is None):
            self.models.append(joint.use("joint"))
            new, estimated = self._timed(
                "joint", lambda: joint.detect_and_estimate(image, self.options.detect, camera)
            )
            return estimated if depth is None else depth, new if found is None else found
        if depth is None and found is None and self.ranger.depth is not None:
            found, depth = self.ranger.both(
                lambda: self._detect(image), lambda: self._estimate(image, camera)
            )
            self.models.sort(key=lambda use: use.role != "detector")
            assert found is not None  # noqa: S101 - set one line above
            return depth, found
        if depth is None and self.ranger.depth is not None:
            depth = self._estimate(image, camera)
        return depth, self._detect(image) if found is None else found

    def _masked(
        self, depth: DepthMap | None, found: Detections | None
    ) -> tuple[DepthMap, Detections, Scale | None]:
        """Join `mask`: the detector sees only what is near enough."""
        far = self.options.max_distance
        if far is None:
            raise UsageError("join 'mask' blanks what is beyond max_distance; give max_distance")
        if depth is None:
            depth = self._estimate(self.image, self.camera)
        if isinstance(self.options.scale, ObjectSizes | KnownDistance | CameraHeight):
            raise UsageError(
                "join 'mask' needs metres before it detects anything; give a scale factor, or use "
                "join 'parallel' with this scale"
            )
        scale = self._scale(depth, Detections.empty())
        metric = depth if scale is None else apply_scale(depth, scale)
        self._check_filter(metric.is_metric, have_depth=True)
        if found is None:
            near = metric.valid & (metric.values <= far)
            pixels = self.image.pixels * near[..., None]
            found = self._detect(replace(self.image, pixels=pixels))
        return depth, found, scale

    def _segment(self) -> LabelMap | None:
        network = self.ranger.semantic
        if network is None:
            return None
        self.models.append(network.use("semantic"))
        labels: LabelMap = self._timed("semantic", lambda: network.segment(self.image))
        return labels

    # -- distances --------------------------------------------------------------------------

    def _scale(self, depth: DepthMap | None, found: Detections) -> Scale | None:
        request = self.options.scale
        if request is None:
            return self._profile_scale(depth)
        if depth is None:
            if self.ranger.join is Join.CROP and isinstance(request, GivenScale):
                return Scale(request.factor, ScaleSource.GIVEN, request.uncertainty)
            raise UsageError("a scale needs a depth map of the whole picture; join 'crop' has none")
        return find_scale(request, depth, found, self.options.stat, self.camera)

    def _profile_scale(self, depth: DepthMap | None) -> Scale | None:
        """The camera profile's scale of the depth network that ran, and of no other."""
        profile = self.options.camera
        if profile is None or not profile.scales or self.own_depth:
            return None
        if depth is None:
            self.notes.append(
                f"The scale of {profile.name} is not used: it is for whole pictures, which this "
                "run gives to no depth network."
            )
            return None
        use = next(use for use in self.models if use.role in ("depth", "joint"))
        scale = profile.scale_for(use.name, use.sha256)
        if scale is None:
            self.notes.append(profile.why_no_scale(use.name))
        return scale

    def _measure(self, depth: DepthMap, found: Detections, prior: SizePrior | None) -> Distances:
        distances: Distances = self._timed(
            "distance",
            lambda: measure(depth, found.boxes, self.options.stat, prior),
        )
        return distances

    def _crop_distances(
        self, found: Detections, scale: Scale | None
    ) -> tuple[list[Distance], bool]:
        """Join `crop`: one run of the depth network a box."""
        distances: list[Distance] = []
        metric = True
        limit = (self.image.width, self.image.height)
        for box in found.boxes:
            x1, y1 = (int(v) for v in np.clip(np.floor(box[:2]), 0, limit))
            x2, y2 = (int(v) for v in np.clip(np.ceil(box[2:]), 0, limit))
            pixels = self.image.pixels[y1:y2, x1:x2]
            if not pixels.size:
                distances.append(Distance(None, None, 0, self.options.stat, OUTSIDE))
                continue
            camera = self.camera and self.camera.cropped(x1, y1, x2 - x1, y2 - y1)
            cut = Image(np.ascontiguousarray(pixels), self.image.source)
            depth = self._estimate(cut, camera)
            depth = depth if scale is None else apply_scale(depth, scale)
            metric = metric and depth.is_metric
            distances.append(measure(depth, [0, 0, x2 - x1, y2 - y1], self.options.stat)[0])
        return distances, metric

    def _own_source(self) -> str:
        """Where unscaled metres come from."""
        return "given-depth" if self.own_depth else str(ScaleSource.NETWORK)

    def _note_domain(self, trusts_network: bool, familiar: bool | None) -> None:
        """Say what pictures the metres were learnt from, unless the network knows this one to be
        such a picture."""
        for use in self.models:
            if not trusts_network or familiar or use.role == "detector" or not use.domain:
                continue
            where = "on other pictures" if familiar is None else "this picture is unlike those:"
            self.notes.append(
                f"The metres come from {use.name}, which was made for {use.domain}; {where} they "
                "are unreliable."
            )

    def _check_classes(self, found: Detections) -> None:
        """A class that the detector cannot find is wrong use; own boxes may have any classes."""
        known = [name for name in found.class_names if name != NO_CLASS]
        for name in self.options.classes or ():
            if name not in known and self.ranger.detector is not None:
                raise UsageError(
                    f"class {name!r} is unknown; the detector knows {', '.join(known)}"
                )

    def _check_filter(self, metric: bool, have_depth: bool) -> None:
        if not self.options.filters:
            return
        if not have_depth:
            raise UsageError("a distance filter needs depth; load a depth network or give a map")
        if not metric:
            raise UsageError(
                "a distance filter needs metres, but this depth is relative; give a scale "
                "(2.5m@chair, object-size or a factor) or use a metric depth network"
            )
        if self.options.by == "range" and self.camera is None:
            raise ScaleError(
                "filtering by range needs the focal length, which this picture does not tell; "
                "give focal_px or fov_deg, or filter by z"
            )
