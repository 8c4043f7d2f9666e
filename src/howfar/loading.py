"""Names and paths -> a ready `Ranger`."""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from howfar.core.preprocess import Preprocess
from howfar.errors import CardError, UsageError
from howfar.models.card import METADATA_KEY, ModelCard, Task, sidecar_path
from howfar.models.catalog import DEFAULT_DEPTH, DEFAULT_DETECTOR
from howfar.models.infer import infer_card
from howfar.models.network import Network, Runtime
from howfar.models.store import Confirm, LocalModel, Progress, find_model
from howfar.parts import Join
from howfar.pipeline import Ranger
from howfar.runtimes.remembering import RememberingRuntime

A = TypeVar("A")
B = TypeVar("B")

RUNTIMES = ("auto", "onnx", "openvino")
PRECISIONS = ("auto", "float32")
TEMPLATE = "nanodet-plus-m"
"""Whose card others can start from."""
WEIGHTS_SUFFIXES = (".pt", ".pth", ".safetensors", ".weights")
"""Of files that run in PyTorch; `howfar.nets.files` reads them."""


def load(
    detector: str | Path | None = DEFAULT_DETECTOR,
    depth: str | Path | None = DEFAULT_DEPTH,
    *,
    semantic: str | Path | None = None,
    join: Join | str = Join.PARALLEL,
    runtime: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    imgsz: int | tuple[int, int] | None = None,
    confirm: Confirm | None = None,
    progress: Progress | None = None,
) -> Ranger:
    """Make a `Ranger` from networks given by name, file or address.

    One network that does both, named as detector and as depth, runs once for both; the embedded
    one does unless others are named.

    Args:
        detector: what finds objects; None where you bring boxes.
        depth: what estimates depth; None where you bring depth maps, or want boxes only.
        semantic: what labels every pixel; None for none, unless the depth network does it too.
        join: `parallel`, `crop` or `mask`.
        runtime: `onnx` (ONNX Runtime), `openvino`, or `auto`: OpenVINO where it is installed.
        precision: `float32` to force it, `auto` for the runtime's own choice. What ran is in
            `Result.models`.
        threads: CPU threads in all; None for all cores that the process may use.
        imgsz: input size of the detector in pixels, or (height, width), where its file allows it.
        confirm: asked before a download whose checksum nobody verified is trusted.
        progress: told how a download goes.

    Raises `UsageError` for unknown names and values, `ModelError` and its kinds where a network
    cannot be had or run.
    """
    if join not in tuple(Join):
        raise UsageError(f"join {join!r} is unknown; use one of {', '.join(Join)}")
    if runtime not in RUNTIMES:
        raise UsageError(f"runtime {runtime!r} is unknown; use one of {', '.join(RUNTIMES)}")
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}")
    count = available_threads() if threads is None else threads
    if not isinstance(count, int) or count < 1:
        raise UsageError(f"threads is {threads!r}; give a whole number, at least 1")

    def network(name: str | Path | None, task: Task, size: Any = None) -> Network | None:
        if name is None:
            return None
        found = find_model(name, confirm, progress)
        return load_network(found, task, runtime, precision, count, size)

    finder = network(detector, Task.DETECT, imgsz)
    both = finder is not None and finder.card.task is Task.JOINT and depth == detector
    ranging = finder if both else network(depth, Task.DEPTH)
    labels = network(semantic, Task.SEMANTIC)
    labels_too = ranging is not None and ranging.card.serves(Task.SEMANTIC)
    if ranging is not None and labels_too and labels is None:
        ranging = labels = replace(ranging, runtime=RememberingRuntime(ranging.runtime))
    return Ranger(
        detector=finder,
        depth=ranging,
        joint=ranging if both and join == Join.PARALLEL else None,
        semantic=labels,
        join=Join(join),
        both=Alternating() if count > 1 else lambda first, second: (first(), second()),
    )


def load_network(
    found: LocalModel,
    task: Task | None = None,
    runtime: str = "onnx",
    precision: str = "auto",
    threads: int = 1,
    imgsz: int | tuple[int, int] | None = None,
) -> Network:
    """A network from a local file. Its card: beside it, of the catalog, inside it, or inferred.

    Files of weights (checkpoints of `howfar train`, YOLOv5's files) run in PyTorch.

    Raises `CardError` where no card can be had, `UsageError` where the network is for another task.
    """
    card, engine = _opened(found, runtime, precision, threads)
    if task is not None and not card.serves(task):
        raise UsageError(f"{found.name} is a {card.task.noun} network, not a {task.noun} one")
    if imgsz is not None:
        card = replace(card, preprocess=sized(card.preprocess, imgsz))
    return Network(card, engine, found.sha256)


def _opened(
    found: LocalModel, runtime: str, precision: str, threads: int
) -> tuple[ModelCard, Runtime]:
    """The card of a file, and what runs it."""
    if found.path.suffix in WEIGHTS_SUFFIXES:
        network = load_weights(found, threads)
        return network.card, network.runtime
    engine = make_runtime(found.path, runtime, precision, threads, found.card)
    card = found.card or _embedded_card(found, engine, threads)
    if found.card is None and card.precision != "float32":
        engine = make_runtime(found.path, runtime, precision, threads, card)  # reports it
    return card, engine


def load_weights(found: LocalModel, threads: int = 0) -> Network:
    """A file of weights, in PyTorch. Raises `ModelError` for files that cannot be read."""
    if importlib.util.find_spec("torch") is None:
        raise UsageError(
            f"{found.path}: a file of weights needs PyTorch; run: pip install 'howfar[train]', or "
            "use the ONNX file that `howfar export` makes of it"
        )
    from howfar.nets.files import open_weights
    from howfar.runtimes.torch import TorchRuntime

    checkpoint = open_weights(found.path)
    runtime = TorchRuntime(checkpoint.module(), threads)
    return Network(found.card or checkpoint.card, runtime, found.sha256)


def make_runtime(
    path: Path, runtime: str, precision: str, threads: int, card: ModelCard | None = None
) -> Runtime:
    """The backend that runs a file; `auto` is OpenVINO where it is installed."""
    if runtime == "openvino" or (runtime == "auto" and has_openvino()):
        if not has_openvino():
            raise UsageError("openvino is not installed; run `pip install 'howfar[openvino]'`")
        from howfar.runtimes.openvino import OpenVinoRuntime

        return OpenVinoRuntime(path, threads, None if precision == "auto" else precision)
    from howfar.runtimes.onnx import OnnxRuntime

    return OnnxRuntime(path, threads, card.precision if card else "float32")


def _embedded_card(found: LocalModel, engine: Runtime, threads: int) -> ModelCard:
    """The card in the file's metadata, or one inferred from it."""
    metadata = engine.metadata
    if not metadata and "openvino" in engine.name:  # OpenVINO does not hand it out
        from howfar.runtimes.onnx import OnnxRuntime

        metadata = OnnxRuntime(found.path, threads).metadata
    if METADATA_KEY in metadata:
        return ModelCard.from_json(metadata[METADATA_KEY], str(found.path))
    card = infer_card(found.path.stem, engine.inputs, engine.outputs, metadata)
    if card is None:
        raise CardError(
            f"{found.path}: nothing says how to feed this network and read its outputs; write "
            f"{sidecar_path(found.path).name} beside it (start from `howfar models info "
            f"{TEMPLATE} --json`)"
        )
    return card


def sized(preprocess: Preprocess, imgsz: int | tuple[int, int]) -> Preprocess:
    """The same preprocessing to another input size: a side, or (height, width)."""
    sides = (imgsz, imgsz) if isinstance(imgsz, int) else tuple(imgsz)
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise UsageError(f"imgsz is {imgsz!r}; give a number of pixels, or (height, width)")
    height, width = sides
    if height < 32 or width < 32:
        raise UsageError(f"imgsz is {imgsz}; give at least 32 pixels")
    return replace(preprocess, width=width, height=height)


def parse_imgsz(text: str | None) -> int | tuple[int, int] | None:
    """An input size as written on the command line: `640`, or `384x640` (height x width).

    None where there is no text. Raises `UsageError` for anything else.
    """
    parts = text.lower().split("x") if text else []
    if not all(part.isdecimal() for part in parts) or len(parts) > 2:
        raise UsageError(
            f"imgsz {text!r} is not understood; write 640, or 384x640 (height x width)"
        )
    sizes = [int(part) for part in parts]
    return None if not sizes else sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1])


def available_threads() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_openvino() -> bool:
    """Whether the package openvino is installed."""
    return importlib.util.find_spec("openvino") is not None


class Alternating:
    """Runs two jobs one after the other or side by side, whichever proves faster.

    Which is faster depends on the two networks and the machine, so it is measured on the first
    pictures: one to warm up, then each way twice; the faster stays.
    """

    TRIALS = (False, False, True, False, True)

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="howfar")
        self._lock = threading.Lock()
        self._times: list[float] = []

    def __call__(self, first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
        """Both results."""
        if len(self._times) >= len(self.TRIALS):
            return self._run(first, second, self.side_by_side)
        with self._lock:  # trials of several callers must not time each other
            trial = min(len(self._times), len(self.TRIALS) - 1)
            start = time.perf_counter()
            both = self._run(first, second, self.TRIALS[trial])
            self._times.append(time.perf_counter() - start)
        return both

    def _run(
        self, first: Callable[[], A], second: Callable[[], B], side_by_side: bool
    ) -> tuple[A, B]:
        if not side_by_side:
            return first(), second()
        later = self._pool.submit(first)
        result = second()
        return later.result(), result

    @property
    def side_by_side(self) -> bool:
        """Whether side by side has been faster so far."""
        pairs = list(zip(self.TRIALS, self._times, strict=False))[1:]
        together = [seconds for beside, seconds in pairs if beside]
        apart = [seconds for beside, seconds in pairs if not beside]
        return bool(together) and min(together) < min(apart)
