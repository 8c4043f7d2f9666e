"""OpenVINO on the CPU: used when installed, 1.4 to 1.8 times as fast as ONNX Runtime's float32.

OpenVINO picks its own precision: bfloat16 on processors that have it. What it picked is reported.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino
from openvino.frontend import FrontEndManager

from howfar.errors import ModelError
from howfar.models.network import TensorSpec

PRECISIONS = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


class OpenVinoRuntime:
    """A compiled model of OpenVINO.

    Args:
        path: ONNX file.
        threads: threads within one run.
        precision: `float32` to force it, None for OpenVINO's own choice.

    Raises `ModelError` where OpenVINO cannot read or compile the file.
    """

    def __init__(self, path: Path, threads: int, precision: str | None = None) -> None:
        config: dict[str, object] = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        if precision == "float32":
            config["INFERENCE_PRECISION_HINT"] = "f32"
        try:
            _check_onnx(path)
            model = openvino.Core().read_model(str(path))
            self._compiled = openvino.Core().compile_model(model, "CPU", config)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1:] or ["no reason given"]
            raise ModelError(f"{path}: OpenVINO cannot load it ({reason[0]})") from error
        used = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        self.name = f"openvino {openvino.__version__.split('-')[0]}"
        self.precision = PRECISIONS.get(used, used)
        self.threads = threads
        self.inputs = tuple(_spec(port) for port in self._compiled.inputs)
        self.outputs = tuple(_spec(port) for port in self._compiled.outputs)
        self.metadata: Mapping[str, str] = {}
        self._lock = threading.Lock()
        self._request = self._compiled.create_infer_request()
        self._path = path

    def run(
        self, feeds: Mapping[str, npt.NDArray[np.generic]]
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Run once: {input name: array} -> {output name: array}."""
        tensors = zip(self.outputs, self._compiled.outputs, strict=True)
        try:
            with self._lock:  # a request runs one picture at a time
                self._request.infer(dict(feeds))
                return {
                    spec.name: self._request.get_tensor(port).data.copy() for spec, port in tensors
                }
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1:] or ["no reason given"]
            raise ModelError(f"{self._path}: the network failed ({reason[0]})") from error


def _check_onnx(path: Path) -> None:
    """Refuse what is no ONNX file: else every other reader tries it, and some print warnings."""
    reader = FrontEndManager().load_by_framework("onnx")
    if path.suffix == ".onnx" and path.is_file() and not reader.supported(str(path)):
        raise RuntimeError("it is no ONNX network")


def _spec(port: openvino.ConstOutput) -> TensorSpec:
    shape = tuple(size.get_length() if size.is_static else None for size in port.partial_shape)
    return TensorSpec(_name(port), shape, np.dtype(port.element_type.to_dtype()).name)


def _name(port: openvino.ConstOutput) -> str:
    """The file's name of an input or output. One that OpenVINO joined with what comes before it,
    such as a cast from float16, has several; the node is called after the file's."""
    own = str(port.node.friendly_name).rpartition("/")[0]
    return own if own in port.get_names() else str(port.any_name)
