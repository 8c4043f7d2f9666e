"""From a checkpoint to an ONNX file that runs at once: card inside, checked against PyTorch."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from howfar.core.image import Image, RgbArray
from howfar.errors import ModelError, OutputError, UsageError
from howfar.export_nms import add_nms
from howfar.export_scales import whole_scales
from howfar.io.sinks import make_folder
from howfar.loading import sized
from howfar.models.card import METADATA_KEY, ModelCard, Task
from howfar.models.network import DetectOptions
from howfar.nets.aligned import aligned
from howfar.nets.files import open_weights
from howfar.runtimes.onnx import OnnxRuntime
from howfar.runtimes.torch import INPUT, TorchRuntime

PRECISIONS = {
    "fp32": "float32",
    "fp16-weights": "float32",
    "fp16": "float16",
    "int8": "int8",
}
"""Arithmetic of each kind of file."""
TOLERANCE = 1e-3
"""Largest difference between PyTorch and the fp32 file, as a share of the largest output."""
OPSET = 18
SMALL = 256
"""Weights of fewer numbers stay float32."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        precision: `fp32`, `fp16` or `int8`.
        megabytes: its size.
        difference: for each output, the largest difference to PyTorch on the same input as a share
            of the largest output, and the mean difference as a share of the mean output.
        pictures: on how many pictures that was measured; 0 means on noise.
    """

    path: Path
    precision: str
    megabytes: float
    difference: dict[str, tuple[float, float]]
    pictures: int


@dataclass(frozen=True)
class Suppression:
    """Non-maximum suppression inside the file; see `howfar.export_nms.add_nms`."""

    conf: float = 0.25
    iou: float = 0.6
    max_det: int = 300

    def __post_init__(self) -> None:
        DetectOptions(conf=self.conf, iou=self.iou, max_det=self.max_det)  # checks them


def export_checkpoint(
    checkpoint: Path,
    out: Path,
    precision: str = "fp32",
    images: Sequence[Image] = (),
    imgsz: int | tuple[int, int] | None = None,
    nms: Suppression | None = None,
) -> Exported:
    """Write a checkpoint as ONNX with its card, and compare it with PyTorch.

    Args:
        checkpoint: file of `howfar train`, or of others that `open_weights` reads.
        out: ONNX file; it is whole or not there.
        precision: `fp32`; `fp16-weights`: a file of half the size, whose weights become float32 as
            it is loaded, so that it runs like `fp32`; `fp16`: weights and arithmetic, while inputs
            and outputs stay float32; `int8`: static quantisation, weights per channel.
        images: pictures to compare on; for `int8` they also calibrate the ranges, so at least
            one is needed (some dozens are usual).
        imgsz: input size of the file in pixels, or (height, width), in place of the card's.
        nms: the file gives finished boxes, for one picture at a time; differences are measured
            before that.

    Raises `UsageError` for unknown precisions and missing pictures, `ModelError` where the file
    cannot be read, exported or differs from PyTorch by more than `TOLERANCE` in fp32.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}")
    if precision == "int8" and not images:
        raise UsageError("int8 needs pictures to calibrate on; give --images FOLDER")
    found = open_weights(checkpoint)
    module, half = found.module(), precision == "fp16"
    card = replace(found.card, precision=PRECISIONS[precision])
    if imgsz is not None:
        card = replace(card, preprocess=sized(card.preprocess, imgsz))
    pictures = [image.pixels for image in images] or [_noise(card)]
    feeds = [np.asarray(card.preprocess(pixels)[0], np.float32) for pixels in pictures]
    make_folder(out.parent)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
        graph = Path(folder) / "network.onnx"
        quick = aligned(module)
        write_onnx(quick.half() if half else quick, feeds[0], graph)
        if precision == "fp16-weights":
            halve_weights(graph)
        if precision == "int8":
            graph = to_int8(graph, feeds, keep_decoder=card.serves(Task.DETECT))
        difference = compare(module, graph, card, feeds)
        worst = max(largest for largest, _ in difference.values())
        if precision == "fp32" and worst > TOLERANCE:
            raise ModelError(
                f"{checkpoint}: the exported network differs from PyTorch by {worst:.2g} of its "
                f"largest output (allowed: {TOLERANCE}); nothing was written"
            )
        embed_card(graph, card if nms is None else add_nms(graph, card, **vars(nms)))
        try:
            graph.replace(out)
        except OSError as error:
            raise OutputError(f"{out}: cannot be written ({error.strerror})") from error
    return Exported(out, precision, out.stat().st_size / 1e6, difference, len(images))


class _Tuple(nn.Module):
    """A network of any precision between float32 images and a tuple of float32 outputs."""

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.module, self.names = module, tuple(names)
        self.dtype = dtype_of(module)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        found = self.module(images.to(self.dtype))
        return tuple(found[name].float() for name in self.names)


def dtype_of(module: nn.Module) -> torch.dtype:
    """Precision of a module's weights; float32 for one without."""
    return next((weight.dtype for weight in module.parameters()), torch.float32)


def write_onnx(module: nn.Module, feed: npt.NDArray[np.float32], path: Path) -> None:
    """Write a module as ONNX with a batch of any size; outputs keep the names of its dictionary."""
    sample = torch.from_numpy(np.concatenate([feed, feed]))
    with torch.no_grad():
        names = list(module.eval()(sample.to(dtype_of(module))))
    try:
        with _quiet():
            torch.onnx.export(
                _Tuple(module, names).eval(),
                (sample,),
                str(path),
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=names,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            )
    except Exception as error:  # the exporter's errors share no base
        raise ModelError(f"the network cannot be exported ({_first_line(error)})") from error
    model = onnx.load(path)
    forget_source(model.graph)
    whole_scales(model)
    onnx.save(model, path)


def forget_source(graph: onnx.GraphProto) -> None:
    """Take out what the exporter notes of the source code: its folders are nobody's business, and
    they are a tenth of a small file."""
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]


def halve_weights(path: Path) -> None:
    """Store the weights of a graph as float16, each with a cast that runtimes fold away when they
    load it."""
    model = onnx.load(path)
    graph, casts = model.graph, []
    for weights in graph.initializer:
        values = onnx.numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        name = weights.name
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ModelError(f"weights {name!r} are too large for float16; export fp32")
        weights.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


def to_int8(path: Path, feeds: Sequence[npt.NDArray[np.float32]], keep_decoder: bool) -> Path:
    """The graph quantised to int8 (QDQ, weights per channel) with ranges from `feeds`.

    `keep_decoder` leaves what comes after the last convolutions in float32: 256 steps over the
    whole input are too few for a detector's box positions.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._feeds = iter(feeds)

        def get_next(self) -> dict[str, Any] | None:
            feed = next(self._feeds, None)
            return None if feed is None else {INPUT: feed}

    prepared, target = path.with_name("prepared.onnx"), path.with_name("int8.onnx")
    with _quiet():
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            Reader(),
            nodes_to_exclude=after_convolutions(prepared) if keep_decoder else None,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    return target


def after_convolutions(path: Path) -> list[str]:
    """Names of the nodes of a graph from which no convolution takes its input."""
    nodes = onnx.load(path).graph.node
    wanted: set[str] = set()
    after = []
    for node in reversed(nodes):  # a graph lists nodes before those that use them
        if node.op_type == "Conv" or wanted & set(node.output):
            wanted |= set(node.input)
        else:
            after.append(node.name)
    return after


def embed_card(path: Path, card: ModelCard) -> None:
    """Write a model card into the metadata of an ONNX file."""
    model = onnx.load(path)
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(card.to_dict())
    onnx.save(model, path)


def compare(
    module: nn.Module, path: Path, card: ModelCard, feeds: Sequence[npt.NDArray[np.float32]]
) -> dict[str, tuple[float, float]]:
    """Largest and mean difference of each output between PyTorch and a file; see `Exported`."""
    runtime, reference = OnnxRuntime(path, 1, card.precision), TorchRuntime(module)
    largest: dict[str, float] = {}
    sums: dict[str, npt.NDArray[np.float64]] = {}
    tops: dict[str, float] = {}
    for feed in feeds:
        given, wanted = runtime.run({INPUT: feed}), reference.run({INPUT: feed})
        for name, answer in wanted.items():
            value = np.asarray(answer, np.float64)
            gap = np.abs(np.asarray(given[name], np.float64) - value)
            largest[name] = max(largest.get(name, 0.0), float(gap.max()))
            tops[name] = max(tops.get(name, 0.0), float(np.abs(value).max()))
            means = np.array([gap.mean(), np.abs(value).mean()])
            sums[name] = sums.get(name, np.zeros(2)) + means
    return {
        name: (
            largest[name] / max(tops[name], 1e-9),
            float(sums[name][0] / max(sums[name][1], 1e-9)),
        )
        for name in largest
    }


def _noise(card: ModelCard) -> RgbArray:
    size = card.preprocess.height, card.preprocess.width, 3
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' own chatter on the terminal."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
