"""ONNX Runtime on the CPU: the default backend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from howfar.errors import ModelError
from howfar.models.network import TensorSpec

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


class OnnxRuntime:
    """A session of ONNX Runtime.

    Args:
        path: ONNX file.
        threads: threads within one run; waiting threads sleep rather than spin, so that two
            networks can run side by side.
        precision: arithmetic of the file, as its card says.

    Raises `ModelError` where the file is no ONNX network that this version can run.
    """

    def __init__(self, path: Path, threads: int, precision: str = "float32") -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no base but Exception
            raise ModelError(
                f"{path}: ONNX Runtime cannot load it ({first_line(error)})"
            ) from error
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self.precision = precision
        self.threads = threads
        self.inputs = tuple(_spec(node) for node in self._session.get_inputs())
        self.outputs = tuple(_spec(node) for node in self._session.get_outputs())
        self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._path = path

    def run(
        self, feeds: Mapping[str, npt.NDArray[np.generic]]
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Run once: {input name: array} -> {output name: array}."""
        try:
            values = self._session.run(None, dict(feeds))
        except Exception as error:  # as above
            raise ModelError(f"{self._path}: the network failed ({first_line(error)})") from error
        names = (spec.name for spec in self.outputs)
        return dict(zip(names, values, strict=True))


def first_line(error: Exception) -> str:
    """The first line of a backend's message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _spec(node: onnxruntime.NodeArg) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return TensorSpec(node.name, shape, DTYPES.get(node.type, node.type))
