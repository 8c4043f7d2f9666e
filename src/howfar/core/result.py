"""What one picture gives: plain data, and thin doors to the functions that write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howfar.core.boxes import Box
from howfar.core.camera import Camera
from howfar.core.depth import DepthMap
from howfar.core.image import Image
from howfar.core.scale import Scale
from howfar.core.semantics import LabelMap

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True)
class Object:
    """One detected thing.

    Attributes:
        label: class name.
        class_id: its number among the detector's classes.
        score: 0..1.
        box: pixels of the oriented image.
        distance_m: depth z along the optical axis in metres, or None: see `reason`.
        interval_m: (low, high) around `distance_m`.
        interval_kind: `calibrated`: it holds the true distance in the share `interval_level` of
            cases, shown on pictures held back from training (of `network+object-size`: what
            follows from such an interval and the size's error); `pixel-spread`: spread of the
            depths used, widened by the uncertainty of the scale where it is known; no error bar.
        interval_level: 0..1, of calibrated intervals.
        range_m: Euclidean distance from the camera in metres; needs the focal length.
        xyz_m: position of the box centre at `distance_m` in the camera frame; likewise.
        valid_pixels: pixels with a valid depth that the statistic could use.
        statistic: how `distance_m` was read.
        scale_source: where the metres come from: `network`, `network+object-size` (both readings
            together, `howfar.core.fusion`), `given`, `known-distance`, `object-size`,
            `camera-height`, `given-depth` for a depth map of the caller's, or None.
        relative_depth: with relative depth, a number that grows with distance within this one
            picture; in no unit and not comparable between pictures.
        reason: why `distance_m` is None, or why the object was left out.
    """

    label: str
    class_id: int
    score: float
    box: Box
    distance_m: float | None = None
    interval_m: tuple[float, float] | None = None
    interval_kind: str | None = None
    interval_level: float | None = None
    range_m: float | None = None
    xyz_m: tuple[float, float, float] | None = None
    valid_pixels: int = 0
    statistic: str | None = None
    scale_source: str | None = None
    relative_depth: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class ModelUse:
    """A network that took part.

    Attributes:
        role: `detector`, `depth` or `joint`.
        name: its catalog name or file name.
        sha256: of its file.
        runtime: what ran it, with version.
        precision: of the arithmetic that ran.
        threads: of its own.
        domain: what pictures it is made for, as its card says; "" where it does not say.
    """

    role: str
    name: str
    sha256: str
    runtime: str
    precision: str
    threads: int
    domain: str = ""


@dataclass(frozen=True, eq=False)
class Result:
    """Objects and depth of one picture.

    Attributes:
        image: the picture.
        objects: what was found, and kept by the filter, best score first.
        left_out: what the distance filter removed, each with its `reason`.
        depth: depth map at the size of the picture, or None (no depth network, or join `crop`).
        semantics: label map at the size of the picture, where the network gives one.
        camera: intrinsics, or None where the focal length is unknown.
        scale: the factor that was applied to the network's depth, or None.
        join: how detector and depth network worked together.
        statistic: the distance statistic.
        filter: `min_distance`, `max_distance` and `by`, where a filter was asked for.
        timing_ms: milliseconds by stage.
        models: the networks that took part.
        notes: what a user should know about this result, in whole sentences.
        domain: `familiar`, or `unfamiliar` where the picture is unlike those that the network
            learned from, so that its intervals are wider; None where it cannot tell.
    """

    image: Image
    objects: tuple[Object, ...]
    left_out: tuple[Object, ...] = ()
    depth: DepthMap | None = None
    semantics: LabelMap | None = None
    camera: Camera | None = None
    scale: Scale | None = None
    join: str = "parallel"
    statistic: str = "foreground"
    filter: Mapping[str, float | str | None] = field(default_factory=dict)
    timing_ms: Mapping[str, float] = field(default_factory=dict)
    models: tuple[ModelUse, ...] = ()
    notes: tuple[str, ...] = ()
    domain: str | None = None

    @property
    def source(self) -> str:
        """Where the picture came from."""
        return self.image.source

    def save(
        self, folder: str | Path, formats: Sequence[str] = ("annotated", "depth", "json")
    ) -> list[Path]:
        """Write files into `folder` and return their paths; `formats` as in `--format`."""
        from howfar.io.sinks import save_result

        return save_result(self, Path(folder), formats)

    def to_dict(self) -> dict[str, Any]:
        """The JSON record of this result (`howfar predict --schema`)."""
        from howfar.io.records import result_record

        return result_record(self)

    def to_supervision(self) -> supervision.Detections:
        """The objects as `supervision.Detections`, distances in its `data`.

        Raises `UsageError` where the package supervision is not installed.
        """
        from howfar.io.records import supervision_detections

        return supervision_detections(self)
