"""One function a task: data set and variants in, judges and tally out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from howfar.data.address import Address, parse_address
from howfar.data.dataset import Dataset
from howfar.errors import HowfarError, UsageError
from howfar.evaluate.depth import DepthJudge, depth_protocol
from howfar.evaluate.detection import DetectionJudge
from howfar.evaluate.frames import Tally, Tick, walk
from howfar.evaluate.objects import ObjectJudge, object_protocol
from howfar.evaluate.report import Report
from howfar.evaluate.segmentation import SegmentationJudge
from howfar.evaluate.systems import Loader
from howfar.evaluate.variants import Variant
from howfar.metrics.protocols import find_protocol

Judged = DepthJudge | DetectionJudge | ObjectJudge | SegmentationJudge


@dataclass(frozen=True)
class Request:
    """What to evaluate.

    Attributes:
        task: `depth`, `detection`, `objects` or `segmentation`.
        data: address of the data set.
        variants: at least one; more are compared with the first.
        protocol: name, or None for the data's usual one.
        align: alignment in place of the protocol's, for depth.
        within_m: limits of "is it within X metres?", for objects.
        limit: evaluate this many pictures only.
    """

    task: str
    data: str
    variants: tuple[Variant, ...]
    protocol: str | None = None
    align: str | None = None
    within_m: tuple[float, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found.

    Attributes:
        dataset: the samples.
        judges: one a variant, in their order.
        tally: what became of the pictures, the same for all.
    """

    dataset: Dataset
    judges: tuple[Judged, ...]
    tally: Tally

    def reports(self, command: str = "") -> list[Report]:
        """One a variant."""
        return [replace(judge.report(self.tally), command=command) for judge in self.judges]


def evaluate(
    request: Request, dataset: Dataset, loader: Loader, tick: Tick | None = None
) -> Evaluation:
    """Measure all variants on the same pictures.

    Raises `UsageError` for wrong requests, `ModelError` for networks that cannot be had, and
    `HowfarError` where no picture could be measured.
    """
    address = parse_address(request.data)
    make = _maker(request, address, dataset)
    judges = tuple(make(loader, variant) for variant in request.variants)
    walked: Sequence[Any] = judges
    tally = walk(dataset, walked, request.limit, tick)
    if not tally.frames:
        left = [*tally.failed, *tally.without_truth]
        raise HowfarError(
            f"{tally.data}: none of {len(left)} pictures could be measured; the first, "
            f"{left[0].frame}: {left[0].reason}"
        )
    return Evaluation(dataset, judges, tally)


def _maker(request: Request, address: Address, dataset: Dataset) -> Any:
    """The function that makes a judge of a variant; checks the request first."""
    task = request.task
    if task == "depth":
        protocol = depth_protocol(request.protocol, address.format, request.align)
        return lambda loader, variant: DepthJudge(loader.system(variant), protocol)
    if request.align is not None:
        raise UsageError("an alignment is for depth maps; use `howfar val depth`")
    if task == "objects":
        protocol = object_protocol(request.protocol)
        kitti = address.format == "kitti-object"
        return lambda loader, variant: ObjectJudge(
            loader.system(variant), protocol, dataset.class_names, kitti, request.within_m
        )
    if request.protocol is not None:
        find_protocol(request.protocol)
        raise UsageError(f"protocol {request.protocol} is for depth or objects, not for {task}")
    if task == "detection":
        return lambda loader, variant: DetectionJudge(loader.system(variant), dataset)
    if task == "segmentation":
        return lambda loader, variant: SegmentationJudge(loader.system(variant))
    raise UsageError(f"task {task!r} is unknown; use depth, detection, objects or segmentation")
