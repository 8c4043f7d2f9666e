"""The model card: everything that is needed to run a network, in one small record.

A card is embedded in the metadata of an ONNX file under the key `howfar.card`, or lies beside it as
`NAME.card.json`. `howfar models info NAME --json` prints one to start from.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from howfar.core.depth import DepthKind
from howfar.core.preprocess import Preprocess
from howfar.errors import CardError
from howfar.models.classes import NAMED_CLASSES

METADATA_KEY = "howfar.card"
SIDECAR_SUFFIX = ".card.json"


class Task(StrEnum):
    """What a network is for."""

    DETECT = "detect"
    DEPTH = "depth"
    SEMANTIC = "semantic"
    JOINT = "joint"

    @property
    def noun(self) -> str:
        """As in "a detection network"."""
        return "detection" if self is Task.DETECT else str(self)


class Decoder(StrEnum):
    """How raw outputs are read: `howfar.models.decoders` says what each one expects."""

    NANODET_PLUS = "nanodet-plus"
    YOLOX = "yolox"
    YOLOV5 = "yolov5"
    YOLOV8 = "yolov8"
    END_TO_END = "end-to-end"
    DETR = "detr"
    TF_DETECTION = "tf-detection"
    DEPTH = "depth"
    SEMANTIC = "semantic"
    JOINT = "joint"


DECODER_TASK = dict.fromkeys(Decoder, Task.DETECT) | {
    Decoder.DEPTH: Task.DEPTH,
    Decoder.SEMANTIC: Task.SEMANTIC,
    Decoder.JOINT: Task.JOINT,
}


@dataclass(frozen=True)
class ModelCard:
    """What a network needs and gives.

    Attributes:
        name: name of the network.
        decoder: how its outputs are read; decides its task.
        preprocess: how it wants its picture.
        classes: class names of a detector or a semantic network, or of the labels that a depth
            network gives as a second output, `semantics`. `coco80` and `coco91` may stand for
            those lists in a file.
        labels: names of the pixel classes of a joint network with a semantic head.
        outputs: tensor name for each output that the decoder wants, where the names in the file
            are not the usual ones.
        activation: `sigmoid` or `softmax`, for DETR layouts: how logits become scores. With
            `softmax` the last column is "no object".
        first_class: number that the network gives to the first of `classes` (TensorFlow Object
            Detection API: class ids are already indices into `coco91`, so 0).
        depth_kind: what a depth network's numbers mean.
        depth_inverse: whether they are inverse depth; None is the usual case (metric: no,
            relative: yes).
        depth_log: whether they are natural logarithms.
        depth_unit_m: metres per unit of a metric network (1/m for inverse depth).
        focal_px: focal length in input pixels that a metric network was trained with, where it
            is known; a picture's own focal length then rescales its depth.
        focal_exponent: power of the ratio of the two focal lengths by which it does, 0..1. 1 for a
            network that sees nothing but shares of the picture; less for one that expects usual
            sizes whatever the lens.
        interval_level: share of true depths that the calibrated intervals of a joint network cover,
            0..1; None where it was not calibrated.
        interval_scales, interval_factors: logarithms of the network's own error scale, ascending,
            and the factor by which each is widened to that level; linear between them.
        precision: arithmetic of the file: `float32`, `float16` or `int8`.
        domain: what pictures it is made for, in a few words.
        licence: of the weights.
        origin: where they come from.
        published: accuracy as its authors state it.
    """

    name: str
    decoder: Decoder
    preprocess: Preprocess
    classes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict, hash=False)
    activation: str = "sigmoid"
    first_class: int = 0
    depth_kind: DepthKind | None = None
    depth_inverse: bool | None = None
    depth_log: bool = False
    depth_unit_m: float = 1.0
    focal_px: float | None = None
    focal_exponent: float = 1.0
    interval_level: float | None = None
    interval_scales: tuple[float, ...] = ()
    interval_factors: tuple[float, ...] = ()
    precision: str = "float32"
    domain: str = ""
    licence: str = "unknown"
    origin: str = ""
    published: str = ""

    def __post_init__(self) -> None:
        if self.decoder not in tuple(Decoder):
            known = ", ".join(Decoder)
            raise CardError(f"card {self.name!r}: decoder {self.decoder!r} is not one of {known}")
        object.__setattr__(self, "decoder", Decoder(self.decoder))
        classes = self.classes
        if isinstance(classes, str):
            if classes not in NAMED_CLASSES:
                raise CardError(
                    f"card {self.name!r}: classes {classes!r} is no list and no known set"
                )
            classes = NAMED_CLASSES[classes]
        object.__setattr__(self, "classes", tuple(classes))
        object.__setattr__(self, "labels", tuple(self.labels))
        if self.task is not Task.DEPTH and not self.classes:
            raise CardError(f"card {self.name!r}: a {self.task} network needs its classes")
        if self.task in (Task.DEPTH, Task.JOINT):
            self._check_depth()
        self._check_intervals()
        if self.activation not in ("sigmoid", "softmax"):
            raise CardError(
                f"card {self.name!r}: activation is {self.activation!r}; use 'sigmoid' or 'softmax'"
            )

    def _check_depth(self) -> None:
        if self.depth_kind not in tuple(DepthKind):
            known = ", ".join(DepthKind)
            raise CardError(
                f"card {self.name!r}: depth_kind is {self.depth_kind!r}; use one of {known}"
            )
        object.__setattr__(self, "depth_kind", DepthKind(self.depth_kind))
        if not 0 < self.depth_unit_m < math.inf:
            raise CardError(f"card {self.name!r}: depth_unit_m is {self.depth_unit_m}; must be > 0")
        if self.focal_px is not None and not 0 < self.focal_px < math.inf:
            raise CardError(f"card {self.name!r}: focal_px is {self.focal_px}; must be > 0")
        if not 0 <= self.focal_exponent <= 1:
            raise CardError(
                f"card {self.name!r}: focal_exponent is {self.focal_exponent}; must be 0 to 1"
            )

    def _check_intervals(self) -> None:
        scales, factors = tuple(self.interval_scales), tuple(self.interval_factors)
        object.__setattr__(self, "interval_scales", scales)
        object.__setattr__(self, "interval_factors", factors)
        if self.interval_level is None:
            return
        if not 0 < self.interval_level < 1:
            raise CardError(
                f"card {self.name!r}: interval_level is {self.interval_level}; give a share in 0..1"
            )
        rising = all(a < b for a, b in itertools.pairwise(scales))
        if not scales or len(scales) != len(factors) or not rising or min(factors) <= 0:
            raise CardError(
                f"card {self.name!r}: interval_scales must rise, with one positive factor each"
            )

    @property
    def task(self) -> Task:
        """What the network is for."""
        return DECODER_TASK[self.decoder]

    def serves(self, task: Task) -> bool:
        """Whether the network can be used for a task; a depth network may label pixels as well, and
        a joint one finds objects and estimates depth."""
        if self.task is Task.JOINT:
            return task is not Task.SEMANTIC or bool(self.labels)
        labels = self.task is Task.DEPTH and bool(self.classes)
        return self.task is task or (labels and task is Task.SEMANTIC)

    def to_dict(self) -> dict[str, Any]:
        """A record for JSON; fields that hold their default are left out."""
        record: dict[str, Any] = {"name": self.name, "decoder": str(self.decoder)}
        for item in fields(self)[2:]:
            value = getattr(self, item.name)
            if item.name == "preprocess":
                value = _plain(asdict(value))
            elif item.name == "classes":
                named = [k for k, names in NAMED_CLASSES.items() if names == value]
                value = named[0] if named else list(value)
            elif isinstance(value, Mapping):
                value = dict(value)
            elif isinstance(value, tuple):
                value = list(value)
            if value not in (None, "", [], {}) and value != item.default:
                record[item.name] = value
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ModelCard:
        """Read a record; unknown, missing and mistyped fields are a `CardError` that names them."""
        if not isinstance(record, Mapping):
            raise CardError("a model card is a JSON object with name, decoder and preprocess")
        name = record.get("name", "?")
        _check_fields(f"card {name!r}", record, cls, ("name", "decoder", "preprocess"))
        values = dict(record)
        preprocess = values["preprocess"]
        _check_fields(f"card {name!r}: preprocess", preprocess, Preprocess, ("width", "height"))
        try:
            values["preprocess"] = Preprocess(**preprocess)
        except CardError as error:
            raise CardError(f"card {name!r}: preprocess: {error}") from error
        return cls(**values)

    @classmethod
    def from_json(cls, text: str | bytes, source: str) -> ModelCard:
        """Read a card from JSON text; `source` names it in errors."""
        try:
            record = json.loads(text)
        except ValueError as error:
            raise CardError(f"{source}: the model card is no JSON ({error})") from error
        try:
            return cls.from_dict(record)
        except CardError as error:
            raise CardError(f"{source}: {error}") from error


def read_sidecar(model: Path) -> ModelCard | None:
    """The card beside a network file, or None."""
    path = sidecar_path(model)
    if not path.is_file():
        return None
    return ModelCard.from_json(path.read_bytes(), str(path))


def sidecar_path(model: Path) -> Path:
    """Where the card of a network file lies: `model.card.json` beside `model.onnx`."""
    return model.with_name(model.stem + SIDECAR_SUFFIX)


def embed_card(model: bytes, card: ModelCard) -> bytes:
    """An ONNX file with its card inside.

    A serialised protocol buffer may be extended by appending fields, so the metadata entry
    (`ModelProto.metadata_props`, field 14, of `StringStringEntryProto` with key 1 and value 2) is
    put at the end and the rest is left as it is.

    Raises `CardError` where the file already holds a card.
    """
    if METADATA_KEY.encode() in model:
        raise CardError("the file already holds a card; write a sidecar file to override it")
    value = json.dumps(card.to_dict()).encode()
    entry = _field(1, METADATA_KEY.encode()) + _field(2, value)
    return model + _field(14, entry)


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited protocol buffer field."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _check_fields(
    where: str, record: Mapping[str, Any], kind: type, required: tuple[str, ...]
) -> None:
    known = {item.name for item in fields(kind)}
    unknown = sorted(set(record) - known)
    missing = [name for name in required if name not in record]
    if unknown:
        raise CardError(f"{where}: unknown field {unknown[0]!r}; known: {', '.join(sorted(known))}")
    if missing:
        raise CardError(f"{where}: field {missing[0]!r} is missing")
    for item in fields(kind):
        expected, fits = _FIELD_TYPES[str(item.type)]
        if item.name in record and not fits(record[item.name]):
            raise CardError(
                f"{where}: field {item.name!r} is {record[item.name]!r}; expected {expected}"
            )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_three_numbers(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and all(map(_is_number, value))


def _is_names(value: object) -> bool:
    return _is_text(value) or (isinstance(value, list | tuple) and all(map(_is_text, value)))


def _is_text_mapping(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_is_text, [*value, *value.values()]))


_FIELD_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("text", _is_text),
    "Decoder": ("text", _is_text),
    "Fit": ("text", _is_text),
    "DepthKind | None": ("text or null", lambda v: v is None or _is_text(v)),
    "int": ("a whole number", _is_whole),
    "float": ("a finite number", _is_number),
    "float | None": ("a finite number or null", lambda v: v is None or _is_number(v)),
    "bool": ("true or false", lambda v: isinstance(v, bool)),
    "bool | None": ("true, false or null", lambda v: v is None or isinstance(v, bool)),
    "tuple[float, float, float]": ("three finite numbers", _is_three_numbers),
    "tuple[float, ...]": (
        "a list of finite numbers",
        lambda v: isinstance(v, list | tuple) and all(map(_is_number, v)),
    ),
    "tuple[str, ...]": ("a list of names, or the name of a known list", _is_names),
    "Mapping[str, str]": ("an object of names", _is_text_mapping),
    "Preprocess": ("an object", lambda v: isinstance(v, Mapping)),
}
"""What a record may hold for each type of field: in words, and a check."""


def _plain(preprocess: dict[str, Any]) -> dict[str, Any]:
    """Preprocessing without its defaults, enums as text, tuples as lists."""
    defaults = {item.name: item.default for item in fields(Preprocess)}
    kept = {k: v for k, v in preprocess.items() if v != defaults[k]}
    return {
        k: str(v) if isinstance(v, StrEnum) else list(v) if isinstance(v, tuple) else v
        for k, v in kept.items()
    }
