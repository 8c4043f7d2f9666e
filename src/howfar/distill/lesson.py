"""What a joint student learns from a view: a training task for `howfar.train.loop`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from howfar.core.depth import DepthKind
from howfar.core.preprocess import Preprocess
from howfar.data.dataset import Dataset
from howfar.data.sample import Sample
from howfar.data.scene import Scene
from howfar.distill.box_teacher import BoxTeacher
from howfar.distill.credits import OWN, licence_of, origin_of
from howfar.distill.depth_teacher import DepthTeacher
from howfar.distill.mixture import Mixture
from howfar.distill.survey import Kind
from howfar.distill.teachers import Teacher
from howfar.distill.views import LABEL_STRIDE, STRIDE, View, make_view
from howfar.losses import matching
from howfar.losses.segmentation import cross_entropy
from howfar.models.card import Decoder, ModelCard
from howfar.models.classes import COCO80
from howfar.nets.depth_branch import Features
from howfar.nets.joint import CANONICAL_FOCAL
from howfar.nets.nanodet import BINS
from howfar.train.detection import validate_detector
from howfar.train.objectives import NO_LABEL
from howfar.train.precision import uses_bf16
from howfar.train.recipe import Recipe
from howfar.train.task import Draw, Outputs
from howfar.train.validate import validate

MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
"""Of the student's input, BGR 0..255: NanoDet-Plus's."""
CENTRE = 0.25
"""A size prior is compared with the box without this share at each side."""


@dataclass(frozen=True)
class Weights:
    """Factors of the parts of the loss. The metric teacher's is further weighted by the trust in
    each of its answers, which is .4 in the median."""

    truth: float = 2.0
    gradient: float = 0.5
    metric: float = 5.0
    relative: float = 1.0
    sizes: float = 0.2
    rooms: float = 1.0
    steady: float = 2.0
    share: float = 1.0
    scores: float = 1.0
    distributions: float = 0.25
    labels: float = 0.3


class Answers(NamedTuple):
    """What the teachers say of a batch; None where there is no such teacher, or it is not asked.

    Attributes:
        metric: (M, 1, S/4, S/4) canonical log depth of the views that are `asked` about.
        metric_valid: where it is known.
        relative: of each relative teacher (R, 1, S/4, S/4) inverse depth, in no unit, of the views
            with `relative` above 0.
        boxes: of each detector (B, P, classes + 32) scores and logits of box distributions.
    """

    metric: Tensor | None = None
    metric_valid: Tensor | None = None
    relative: tuple[Tensor, ...] | None = None
    boxes: tuple[Tensor, ...] | None = None


@dataclass(frozen=True, eq=False)
class ViewBatch:
    """Views and what is known of them, see `View`.

    Attributes:
        images: (B, 3, S, S) float32, as the student's preprocessing makes them; or what its frozen
            layers said of them.
        log_depth, valid: (B, 1, S/4, S/4).
        priors: (N, 8): number of the view, then a row of `View.priors`.
        metric: (B,) weight of the metric teachers for the student's answer: the trust in the best,
            which one that is trusted less does not lower.
        asked: (B,) bool, views about whose whole pictures they are asked; all with `metric` above
            0.
        wholes: (N, 3, S, S) float32, these pictures.
        parts: (N, 4) the views in them, see `View.part`.
        trust: (N, T) in each metric teacher.
        relative: (B,) that of the relative teachers.
        labels: (B, S/8, S/8) int64 classes of pixels, 255 unknown; None without a semantic head.
        ids: of the samples.
        answers: of the teachers, where they were asked before.
    """

    images: Tensor | Features
    log_depth: Tensor
    valid: Tensor
    priors: Tensor
    metric: Tensor
    asked: Tensor
    wholes: Tensor
    parts: Tensor
    trust: Tensor
    relative: Tensor
    labels: Tensor | None
    ids: tuple[str, ...]
    answers: Answers | None = None

    def to(self, place: torch.device) -> ViewBatch:
        """The batch on a device."""
        return replace(self, **{name: moved(part, place) for name, part in vars(self).items()})


def moved(part: Any, place: torch.device) -> Any:
    """Tensors, alone or in tuples, on a device; anything else as it is."""
    if isinstance(part, Tensor):
        return part.to(place)
    if isinstance(part, Features | Answers):
        return type(part)(*(moved(item, place) for item in part))
    return tuple(moved(item, place) for item in part) if isinstance(part, tuple) else part


@dataclass(eq=False)
class Lesson:
    """Teaches a joint network.

    Attributes:
        recipe: how it is trained; `preprocess` gives the size of the views.
        data: pictures of all sources.
        detectors: teach boxes; none where the student's detector is frozen.
        depths: teach metric depth of indoor pictures.
        relatives: teach depth of roads up to scale, or scale and shift.
        weights: of the parts of the loss.
        labels: names of the pixel classes that a student with a semantic head learns from truth.
        judges: data by which checkpoints are chosen: name -> data with depth or boxes.
        exponent: `ModelCard.focal_exponent` of the student.
        everywhere: the metric teachers are asked about outdoor pictures, too, for what the student
            has of FastDepth (a function is matched the better the more is seen of it), and the
            student itself about whole pictures of which it sees a part.
        before: card of the student from which this one goes on, or None.
        starts: those of other networks with whose weights it starts.
        card: of the student.
    """

    recipe: Recipe
    data: Mixture
    detectors: Sequence[Teacher | BoxTeacher] = ()
    depths: Sequence[Teacher | DepthTeacher] = ()
    relatives: Sequence[Teacher | DepthTeacher] = ()
    weights: Weights = field(default_factory=Weights)
    labels: tuple[str, ...] = ()
    judges: Mapping[str, Dataset] = field(default_factory=dict)
    exponent: float = 1.0
    everywhere: bool = False
    before: ModelCard | None = None
    starts: Sequence[ModelCard] = ()

    def __post_init__(self) -> None:
        card = joint_card(self.recipe.name, self.recipe.preprocess, self.exponent)
        teachers = [one.card for one in (*self.detectors, *self.depths, *self.relatives)]
        learned_from = [*teachers, *self.starts, *([] if self.before is None else [self.before])]
        self.card = replace(
            card,
            labels=self.labels,
            licence=licence_of(learned_from),
            origin=origin_of(teachers, self.before, self.starts),
        )

    def scene(self, sample: Sample) -> Scene:
        """The picture and its depth; its pixel labels where they are learned."""
        bare = replace(sample, boxes=None, labels=(), **_NO_BOXES)
        known = sample.semantics is not None and sample.semantics.class_names == self.labels
        return Scene.from_sample(replace(bare, semantics=sample.semantics if known else None), ())

    def example(self, index: int, draw: Draw, rng: np.random.Generator) -> View:
        """A random view of picture `index` of the mixture."""
        finding = self.data.finding(index)
        size = self.recipe.preprocess.width
        scene, exponent, everywhere = draw(index), self.exponent, self.everywhere
        return make_view(
            scene, finding, COCO80, size, rng, exponent=exponent, everywhere=everywhere
        )

    def stack(self, ids: Sequence[str], examples: Sequence[View]) -> ViewBatch:
        """A batch of views."""
        size = self.recipe.preprocess.width // STRIDE
        images = normalised(np.stack([view.image for view in examples]))
        depth = torch.from_numpy(np.stack([v.log_depth for v in examples])).float()
        valid = torch.from_numpy(np.stack([v.valid for v in examples]))
        rows = [
            np.column_stack([np.full(len(v.priors), i), v.priors]) for i, v in enumerate(examples)
        ]
        priors = torch.from_numpy(np.concatenate(rows).astype(np.float32))
        labels = None
        if self.labels:
            cells = self.recipe.preprocess.width // LABEL_STRIDE
            none = np.full((cells, cells), NO_LABEL, np.uint8)
            rows_of = [none if v.labels is None else v.labels for v in examples]
            labels = torch.from_numpy(np.stack(rows_of)).long()
        known = bool(self.depths)
        best = [max(v.trust, default=0.0) if v.kind is Kind.INDOOR else 0.0 for v in examples]
        ask = [
            known and v.whole is not None and (self.everywhere or trust > 0)
            for v, trust in zip(examples, best, strict=True)
        ]
        asked = [view for view, wanted in zip(examples, ask, strict=True) if wanted]
        worth = best if known else [0.0] * len(best)
        wholes = [v.whole for v in asked if v.whole is not None]
        road = [float(v.kind is Kind.ROAD and bool(self.relatives)) for v in examples]
        return ViewBatch(
            images,
            depth.reshape(-1, 1, size, size),
            valid.reshape(-1, 1, size, size),
            priors,
            torch.tensor(worth),
            torch.tensor(ask),
            normalised(np.stack(wholes)) if wholes else images[:0],
            torch.tensor([v.part for v in asked]).reshape(-1, 4),
            torch.tensor([v.trust for v in asked]).reshape(len(asked), len(self.depths)),
            torch.tensor(road),
            labels,
            tuple(ids),
        )

    def loss(self, module: nn.Module, outputs: Outputs, batch: ViewBatch) -> Tensor:
        """The sum of what truth and teachers say."""
        u, s = outputs["log_depth"], outputs["log_error"]
        answers = batch.answers or self.ask(batch)
        weights = self.weights
        one = torch.ones(len(u), device=u.device)
        known = matching.laplace_nll(u, s, batch.log_depth, batch.valid, one)
        edges = matching.log_gradient(u, batch.log_depth, batch.valid, one)
        loss = weights.truth * (known + weights.gradient * edges)
        loss = loss + weights.sizes * self._sizes(u, batch.priors)
        if answers.metric is not None and answers.metric_valid is not None:
            asked = batch.asked
            target, valid, worth = answers.metric, answers.metric_valid, batch.metric[asked]
            part = matching.laplace_nll(u[asked], s[asked], target, valid, worth)
            edges = matching.log_gradient(u[asked], target, valid, worth)
            loss = loss + weights.metric * (part + weights.gradient * edges)
            if self.everywhere and "rooms" in outputs:
                part = _matched(outputs["rooms"][asked], target, valid, weights.gradient)
                loss = loss + weights.rooms * part
            if self.everywhere:
                loss = loss + weights.steady * self._steady(module, u[asked], batch)
        if answers.relative is not None:
            asked = batch.relative > 0
            for teacher, said in zip(self.relatives, answers.relative, strict=True):
                part = followed(teacher.card, u[asked], said, batch.relative[asked])
                loss = loss + weights.relative / len(self.relatives) * part
        if "share" in outputs:
            loss = loss + weights.share * share_loss(outputs["share"][:, 0], batch)
        if batch.labels is not None:
            part = cross_entropy(outputs["semantics"], batch.labels, ignore=NO_LABEL)
            loss = loss + weights.labels * part
        if answers.boxes is not None:
            for detector, rows in zip(self.detectors, answers.boxes, strict=True):
                part = self._boxes(outputs["detections"], rows, detector.classes)
                loss = loss + part / len(self.detectors)
        return loss

    def ask(self, batch: ViewBatch) -> Answers:
        """What the teachers say of the views, each of those that it knows about."""
        if not isinstance(batch.images, Tensor):
            raise TypeError("teachers look at pictures")
        size = self.recipe.preprocess.width // STRIDE
        found = Answers()
        if self.depths and len(batch.wholes):
            wholes = views_of(batch.wholes)
            said = [teacher.log_depth(wholes, size) for teacher in self.depths]
            target, valid = agreed(said, batch.trust)
            target, valid = part_of(target, valid, batch.parts, self.exponent)
            found = found._replace(metric=target, metric_valid=valid)
        road = batch.relative > 0
        if self.relatives and bool(road.any()):
            views = views_of(batch.images[road])
            inverse = tuple(teacher.inverse_depth(views, size) for teacher in self.relatives)
            found = found._replace(relative=inverse)
        if self.detectors:
            views = views_of(batch.images)
            found = found._replace(boxes=tuple(teacher(views) for teacher in self.detectors))
        return found

    def _steady(self, module: nn.Module, u: Tensor, batch: ViewBatch) -> Tensor:
        """How far what the student says of parts of pictures is from what it says of the whole."""
        some = torch.nonzero((batch.parts[:, 2:] - batch.parts[:, :2]).amin(1) < 1)[:, 0]
        if not len(some):
            return u.new_zeros(())
        bf16 = uses_bf16(self.recipe.precision, u.device)
        with torch.no_grad(), torch.autocast(u.device.type, torch.bfloat16, enabled=bf16):
            whole = _as_used(module, batch.wholes[some])["log_depth"].float()
        known = torch.ones_like(whole) > 0
        target, valid = part_of(whole, known, batch.parts[some], self.exponent)
        return _matched(u[some], target, valid, 0.0)

    def _sizes(self, u: Tensor, priors: Tensor) -> Tensor:
        """Depth of whole people and vehicles against what their size allows."""
        seen = []
        for number, x1, y1, x2, y2 in priors[:, :5].tolist():
            dx, dy = (x2 - x1) * CENTRE, (y2 - y1) * CENTRE
            left, top = int(x1 + dx), int(y1 + dy)
            right, bottom = max(int(x2 - dx), left + 1), max(int(y2 - dy), top + 1)
            seen.append(u[int(number), 0, top:bottom, left:right].float().mean())
        if not seen:
            return u.new_zeros(())
        gap = matching.outside_range(torch.stack(seen), priors[:, 5], priors[:, 6])
        return gap.clamp(max=1).mean()

    def _boxes(self, rows: Tensor, taught: Tensor, classes: Sequence[int] | None) -> Tensor:
        """How far a detector's rows are from a teacher's, of the classes that it knows; None: of
        all."""
        count = rows.shape[2] - 4 * BINS
        logits, scores = rows[..., :count], taught[..., :count]
        if classes is not None:
            numbers = torch.tensor(classes, device=rows.device)
            logits, scores = logits.index_select(2, numbers), scores.index_select(2, numbers)
        part = matching.score_matching(logits, scores)
        boxes = matching.distribution_matching(
            rows[..., count:], taught[..., count:], scores.amax(2), BINS
        )
        return self.weights.scores * part + self.weights.distributions * boxes

    def validate(self, module: nn.Module, data: Dataset, limit: int | None) -> dict[str, float]:
        """`abs_rel_NAME` of each judge with depth, `abs_rel`: their mean; AP and AP50 of the one
        without."""
        del data
        scores: dict[str, float] = {}
        errors = []
        for name, judge in self.judges.items():
            if judge[0].depth is not None:
                labelled = judge[0].semantics is not None
                card = self.card if labelled else replace(self.card, labels=())
                found = validate(module, card, self.recipe, judge, limit)
                errors.append(found["abs_rel"])
                scores[f"abs_rel_{name}"] = found["abs_rel"]
            else:
                found = validate_detector(module, self.card, self.recipe.name, judge, limit)
                scores |= {key: found[key] for key in ("AP", "AP50")}
        return {"abs_rel": float(np.mean(errors)), **scores} if errors else scores


_NO_BOXES: dict[str, Any] = dict.fromkeys(
    (
        *("scores", "occlusion", "truncation", "ignore", "crowd", "difficult", "areas", "boxes3d"),
        "instance_ids",
    )
)


def agreed(said: Sequence[tuple[Tensor, Tensor]], trust: Tensor) -> tuple[Tensor, Tensor]:
    """What metric teachers say together: the mean of log depth by the trust in each, the plain mean
    of pictures where none is trusted; and where anybody who counts says anything.

    Args:
        said: of each teacher log depth (N, 1, H, W) and where it gives one.
        trust: (N, T) in each of them.
    """
    counts = torch.where(trust.amax(1, keepdim=True) > 0, trust, 1)
    weights = [valid * counts[:, i].reshape(-1, 1, 1, 1) for i, (_, valid) in enumerate(said)]
    whole = torch.stack(weights).sum(0)
    total = torch.stack([u * w for (u, _), w in zip(said, weights, strict=True)]).sum(0)
    return total / whole.clamp(min=1e-6), whole > 0


def followed(card: ModelCard, u: Tensor, inverse: Tensor, weight: Tensor) -> Tensor:
    """How far log depth is from a relative teacher's inverse depth, up to what its card leaves
    open; of a metric one only the scale is."""
    shifted = card.depth_kind is DepthKind.RELATIVE_AFFINE
    follow = matching.affine_depth if shifted else matching.relative_depth
    return follow(u, inverse, weight)


def _matched(u: Tensor, target: Tensor, valid: Tensor, gradient: float) -> Tensor:
    """Mean absolute difference of log depth, and `gradient` times that of its gradients."""
    one = torch.ones(len(u), device=u.device)
    loss = matching.laplace_nll(u, torch.zeros_like(u), target, valid, one)
    return loss + gradient * matching.log_gradient(u, target, valid, one)


def _as_used(module: nn.Module, images: Tensor) -> Outputs:
    """What a network that is being trained says when it is not."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    found: Outputs = module(images)
    for part in training:
        part.training = True
    return found


def share_loss(logit: Tensor, batch: ViewBatch) -> Tensor:
    """Cross-entropy of who answers: FastDepth's layers where FastDepth is asked, the other branch
    on roads; where the truth teaches, the error decides."""
    inside, road = functional.softplus(logit), functional.softplus(-logit)
    return (inside * (batch.metric > 0) + road * (batch.relative > 0)).mean()


def part_of(
    log_depth: Tensor, valid: Tensor, parts: Tensor, exponent: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Canonical log depth (B, 1, S, S) of parts of views, enlarged to S, and where it is known.

    What a part shows is as far as before, but its focal length is more of its widths: canonical
    depth shrinks with the width to the power `exponent` (`howfar.nets.joint`).

    Args:
        log_depth, valid: of the whole views.
        parts: (B, 4) x1, y1, x2, y2, 0..1.
        exponent: `ModelCard.focal_exponent` of the student.
    """
    x1, y1, x2, y2 = parts.T
    zero = torch.zeros_like(x1)
    rows = (x2 - x1, zero, x1 + x2 - 1, zero, y2 - y1, y1 + y2 - 1)
    places = functional.affine_grid(
        torch.stack(rows, 1).reshape(-1, 2, 3), list(log_depth.shape), align_corners=False
    )
    both = torch.cat([log_depth, valid.to(log_depth)], 1)
    cut = functional.grid_sample(both, places, padding_mode="border", align_corners=False)
    nearer = exponent * (x2 - x1).log()[:, None, None, None]
    return cut[:, :1] + nearer, cut[:, 1:] > 0.99


def normalised(views: npt.NDArray[np.uint8]) -> Tensor:
    """The student's input (B, 3, S, S) from RGB views (B, S, S, 3)."""
    rgb = torch.from_numpy(views).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return ((rgb.flip(1).float() - mean) / std).contiguous(memory_format=torch.channels_last)


def views_of(images: Tensor) -> Tensor:
    """RGB 0..1 from the student's input."""
    mean, std = (torch.tensor(v, device=images.device).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return ((images * std + mean) / 255).flip(1).clamp(0, 1)


def joint_card(name: str, preprocess: Preprocess, exponent: float = 1.0) -> ModelCard:
    """The card of a joint network; `exponent`: its `focal_exponent`."""
    return ModelCard(
        name=name,
        decoder=Decoder.JOINT,
        preprocess=preprocess,
        classes=COCO80,
        depth_kind=DepthKind.METRIC,
        depth_log=True,
        focal_px=CANONICAL_FOCAL * preprocess.width,
        focal_exponent=exponent,
        licence=OWN,
        origin="howfar distill",
    )
