"""What a recipe is: everything that decides how a network is trained, in one flat record."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from howfar.core.preprocess import Fit, Preprocess
from howfar.errors import CardError, UsageError

TARGETS = ("metres", "unit", "image-max", "min-max", "log", "disparity")
OPTIMISERS = ("adam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("constant", "linear", "cosine", "steps")
PRECISIONS = ("auto", "bf16", "fp32")
AUGMENTS = {"depth": ("none", "flip", "hybrid", "usual"), "detection": ("none", "mosaic")}
ERRORS = ("abs_rel", "rmse", "rmse_log", "log10", "silog", "rmse_log1p")
"""What depth may be chosen by; lower is better."""
SCORES = ("fitness", "AP", "AP50", "AP75", "AR100")
"""What detection may be chosen by; higher is better. fitness = .9 AP + .1 AP50."""
MONITORS = {"depth": ERRORS, "detection": SCORES}
FITS = {"depth": (Fit.STRETCH,), "detection": (Fit.STRETCH, Fit.LETTERBOX)}
DECAYS = ("all", "weights")
SLOW = 0.1
"""Share of the learning rate of a recipe's `slow` parameters."""
NOT_NEGATIVE = (
    "weight_decay",
    "warmup_epochs",
    "warmup_batches",
    "clip_norm",
    "patience",
    "semantic_weight",
    "nominal_batch",
)


@dataclass(frozen=True)
class Recipe:
    """How one network is trained.

    Attributes:
        name: of the recipe, as in `howfar train NAME`.
        net: name of the network, a key of `howfar.nets.builders.NETS`.
        net_options: arguments of its builder.
        task: `depth` or `detection`.
        preprocess: the input: size, channel order, mean and std. Depth recipes stretch pictures.
        classes: names that a detector learns, in their order; () are those of the data.
        class_map: name in the data -> name that is learned; "" leaves such objects out.
        target: what the network's numbers mean: `metres`; `unit` (10 m); `image-max` and
            `min-max` (of each picture's own depths); `log` (natural logarithm of metres, from 0.1 m
            up to the picture's 99th percentile); `disparity` (1 / metres).
        max_depth_m: depths beyond count as this many metres, or are left out where `clamp` is off.
        clamp: see `max_depth_m`.
        loss: name in `howfar.train.objectives.LOSSES`; `yolov5` or `yolov4` for detection.
        loss_options: its arguments.
        semantic_weight: weight of the cross-entropy of the labels, for networks that give them.
        stressed: classes whose pixels count eleven times in the loss of depth.
        augment: `none`, `flip`, `hybrid` (scale, rotation, crop, colour, flip) or `usual` for
            depth; `none` or `mosaic` for detection.
        augment_options: arguments of `howfar.data.mosaic.MosaicOptions`.
        multi_scale: the input of each detection batch is resized by up to this share, each way.
        optimiser: `adam`, `adamw`, `rmsprop` or `sgd`.
        optimiser_options: its further arguments (momentum, amsgrad, alpha, ...).
        lr: learning rate after warm-up.
        weight_decay: of the weights that `decay` names.
        decay: `all` parameters decay, or only `weights` of convolutions and linear layers.
        slow: beginnings of the names of parameters that learn at `SLOW` times the rate, such as
            those that start from another network's.
        schedule: of the learning rate: `constant`, `linear` or `cosine` (to `lr_end`), or `steps`.
        lr_steps: for `steps`: (epoch, learning rate) from which on it applies.
        lr_end: share of the rate that `linear` and `cosine` end with.
        warmup_epochs, warmup_batches: the longer of both is how long the rate grows from 0.
        warmup_power: it grows as the position to this power.
        warmup_bias_lr: rate that biases start from instead, with `decay="weights"`.
        warmup_momentum: momentum that the warm-up starts from.
        clip_norm: largest norm of the gradient; 0 is no limit.
        batch: pictures of one process in one forward pass.
        accumulate: forward passes an optimiser step, whose gradients are averaged.
        nominal_batch: pictures that an optimiser step sums over, in forward passes of `batch`;
            0 leaves it to `accumulate`.
        epochs: passes over the data.
        init: `random`, or `encoder`: the encoder starts from ImageNet weights (--encoder FILE).
        frozen_norm: batch norms keep the statistics of the weights that training starts from, as
            small data cannot better them.
        ema: decay of the moving average of the weights that is evaluated; 0 is none.
        precision: `bf16` (autocast; weights stay float32), `fp32`, or `auto`: what the device is
            fast in.
        patience: epochs without a better `monitor` after which training stops; 0 is never.
        monitor: error or score that decides which checkpoint is best.
        protocol: how validation measures, as in `howfar val depth --protocol`.
        align: how predictions are brought to metres for validation; None for metric networks.
        seed: of weights, order and augmentation.
        source: the document or paper.
        data: what the source trained on, with its split.
        published: what the source reports.
        remarks: where we knowingly differ from the source.
    """

    name: str
    net: str
    preprocess: Preprocess
    loss: str
    task: str = "depth"
    classes: tuple[str, ...] = ()
    class_map: Mapping[str, str] = field(default_factory=dict)
    target: str = "metres"
    net_options: Mapping[str, Any] = field(default_factory=dict)
    max_depth_m: float = 80.0
    clamp: bool = False
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    semantic_weight: float = 1.0
    stressed: tuple[str, ...] = ()
    augment: str = "none"
    augment_options: Mapping[str, Any] = field(default_factory=dict)
    multi_scale: float = 0.0
    optimiser: str = "adam"
    optimiser_options: Mapping[str, Any] = field(default_factory=dict)
    lr: float = 1e-4
    weight_decay: float = 0.0
    decay: str = "all"
    slow: tuple[str, ...] = ()
    schedule: str = "constant"
    lr_steps: tuple[tuple[int, float], ...] = ()
    lr_end: float = 0.0
    warmup_epochs: float = 0.0
    warmup_batches: int = 0
    warmup_power: float = 1.0
    warmup_bias_lr: float | None = None
    warmup_momentum: float | None = None
    clip_norm: float = 0.0
    batch: int = 16
    accumulate: int = 1
    nominal_batch: int = 0
    epochs: int = 10
    init: str = "random"
    frozen_norm: bool = False
    ema: float = 0.0
    precision: str = "auto"
    patience: int = 0
    monitor: str = "abs_rel"
    protocol: str = "rgbd"
    align: str | None = None
    seed: int = 0
    source: str = ""
    data: str = ""
    published: str = ""
    remarks: str = ""

    def __post_init__(self) -> None:
        for name in ("classes", "stressed", "slow"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            self._need(_all_text(getattr(self, name)), name, "a list of names")
        names = (*self.class_map, *self.class_map.values())
        self._need(_all_text(names), "class_map", "an object of names")
        pairs = all(isinstance(s, tuple | list) and len(s) == 2 for s in self.lr_steps)
        self._need(pairs, "lr_steps", "pairs of epoch and rate, such as [[10, 0.001]]")
        steps = tuple((int(epoch), float(lr)) for epoch, lr in self.lr_steps)
        object.__setattr__(self, "lr_steps", steps)
        self._need(self.task in MONITORS, "task", f"one of {', '.join(MONITORS)}")
        for name, known in {
            "target": TARGETS,
            "optimiser": OPTIMISERS,
            "schedule": SCHEDULES,
            "precision": PRECISIONS,
            "decay": DECAYS,
            "augment": AUGMENTS[self.task],
            "monitor": MONITORS[self.task],
            "preprocess.fit": FITS[self.task],
            "init": ("random", "encoder"),
        }.items():
            self._need(self._value(name) in known, name, f"one of {', '.join(known)}")
        for name in ("batch", "accumulate", "epochs"):
            self._need(getattr(self, name) >= 1, name, "at least 1")
        for name in NOT_NEGATIVE:
            self._need(getattr(self, name) >= 0, name, "at least 0")
        self._need(0 < self.lr < float("inf"), "lr", "above 0")
        self._need(self.max_depth_m > 0, "max_depth_m", "above 0")
        for name in ("ema", "multi_scale"):
            self._need(0 <= getattr(self, name) < 1, name, "0 or more, below 1")
        self._need(0 <= self.lr_end <= 1, "lr_end", "from 0 to 1")

    def _value(self, name: str) -> Any:
        value: Any = self
        for part in name.split("."):
            value = getattr(value, part)
        return value

    def _need(self, good: bool, name: str, wanted: str) -> None:
        if not good:
            raise UsageError(
                f"recipe {self.name}: {name} is {self._value(name)!r}; it must be {wanted}"
            )

    def to_dict(self) -> dict[str, Any]:
        """A record for JSON, with every field."""
        record: dict[str, Any] = json.loads(json.dumps(asdict(self), default=dict))
        return record


def _all_text(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) and value == value.strip() for value in values)


def from_dict(record: Mapping[str, Any]) -> Recipe:
    """The recipe of a record; raises `UsageError` for fields that are unknown or missing."""
    known = {item.name: item for item in fields(Recipe)}
    unknown = sorted(set(record) - set(known))
    if unknown:
        raise UsageError(f"recipe field {unknown[0]!r} is unknown; use one of {', '.join(known)}")
    values = dict(record)
    try:
        values["preprocess"] = Preprocess(**values["preprocess"])
        return Recipe(**values)
    except (KeyError, TypeError, CardError) as error:
        raise UsageError(f"this is no recipe: {error}") from error


def overridden(recipe: Recipe, settings: list[str]) -> Recipe:
    """The recipe with `field=value` settings applied, in their order.

    `preprocess.width=160` reaches into the preprocessing, `net_options.width=0.5` and
    `loss_options.weight=1` into options. Values are JSON, or plain text for fields that hold text.

    Raises `UsageError` for fields that do not exist and values of another type.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        name, dot, inner = path.strip().partition(".")
        if not equals or name not in {item.name for item in fields(Recipe)}:
            known = ", ".join(item.name for item in fields(Recipe))
            raise UsageError(f"setting {setting!r}: write FIELD=VALUE with a field of {known}")
        value = _parsed(text)
        if dot:
            value = _inside(getattr(recipe, name), setting, inner, value)
        recipe = _set(recipe, setting, name, value)
    return recipe


def _inside(old: Any, setting: str, inner: str, value: Any) -> Any:
    if isinstance(old, Mapping):
        return {**old, inner: value}
    if not isinstance(old, Preprocess) or inner not in {item.name for item in fields(old)}:
        raise UsageError(f"setting {setting!r}: there is no such field")
    number = isinstance(getattr(old, inner), int | float)
    if number and not isinstance(value, int | float):
        raise UsageError(f"setting {setting!r}: {inner} is a number, true or false")
    try:
        return replace(old, **{inner: value})
    except (CardError, TypeError) as error:
        raise UsageError(f"setting {setting!r}: {error}") from error


def _set(recipe: Recipe, setting: str, name: str, value: Any) -> Recipe:
    kind = typing.get_type_hints(Recipe)[name]
    if kind is str and not isinstance(value, str):
        value = setting.partition("=")[2]
    is_float = float in (kind, *typing.get_args(kind))
    if is_float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, list):
        value = tuple(tuple(v) if isinstance(v, list) else v for v in value)
    if not _fits(value, kind):
        raise UsageError(f"setting {setting!r}: {name} is {_told(kind)}")
    return dataclasses.replace(recipe, **{name: value})


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(kind))
    plain = typing.get_origin(kind) or kind
    if plain in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, plain)


def _told(kind: Any) -> str:
    names: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false"}
    names[float | None] = "a number or null"
    return names.get(kind, f"of type {kind}")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
