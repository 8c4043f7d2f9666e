"""ONNX Runtime as a backend."""

import numpy as np
import pytest
from networks import constant_network, patch_weights, yolov8_network
from onnx import TensorProto

from howfar.errors import ModelError
from howfar.models.network import TensorSpec
from howfar.runtimes.onnx import OnnxRuntime


@pytest.fixture
def path(tmp_path):
    weights = {16: patch_weights(np.random.default_rng(0), 6, 16)}
    return yolov8_network(tmp_path / "net.onnx", weights, ("h", "w"), {"stride": "16"})


def test_says_what_it_is(path):
    runtime = OnnxRuntime(path, 2)
    assert runtime.name.startswith("onnxruntime 1.")
    assert (runtime.threads, runtime.precision) == (2, "float32")
    assert OnnxRuntime(path, 1, "int8").precision == "int8"
    assert runtime.inputs == (TensorSpec("images", (1, 3, None, None), "float32"),)
    assert runtime.outputs == (TensorSpec("output0", (1, 6, None), "float32"),)
    assert dict(runtime.metadata) == {"stride": "16"}


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_reach_the_session(path, threads):
    session = OnnxRuntime(path, threads)._session
    assert session.get_session_options().intra_op_num_threads == threads


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (TensorProto.FLOAT, "float32"),
        (TensorProto.FLOAT16, "float16"),
        (TensorProto.DOUBLE, "float64"),
        (TensorProto.UINT8, "uint8"),
        (TensorProto.INT8, "int8"),
        (TensorProto.INT32, "int32"),
        (TensorProto.INT64, "int64"),
        (TensorProto.BOOL, "bool"),
    ],
)
def test_types_of_inputs(tmp_path, dtype, name):
    path = constant_network(tmp_path / "net.onnx", {"y": np.ones(2, np.float32)}, dtype=dtype)
    (spec,) = OnnxRuntime(path, 1).inputs
    assert np.dtype(spec.dtype) == np.dtype(name)


def test_outputs_by_name(tmp_path):
    values = {"b": np.arange(3.0), "a": np.array([[7]], np.int64)}
    runtime = OnnxRuntime(constant_network(tmp_path / "net.onnx", values), 1)
    found = runtime.run({"images": np.zeros((1, 3, 32, 32), np.float32)})
    assert list(found) == ["b", "a"]
    assert found["b"].tolist() == [0, 1, 2]
    assert found["a"].tolist() == [[7]]


@pytest.mark.parametrize("content", [b"", b"this is no network\n" * 20, b"\x08\x07"])
def test_a_file_that_is_no_network(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        OnnxRuntime(path, 1)
    message = str(caught.value)
    assert message.startswith(f"{path}: ONNX Runtime cannot load it (")
    assert "\n" not in message


def test_a_truncated_network(path):
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelError, match="cannot load it"):
        OnnxRuntime(path, 1)


@pytest.mark.parametrize(
    "feeds",
    [
        {"images": np.zeros((1, 4, 32, 32), np.float32)},
        {"images": np.zeros((1, 3, 32, 32), np.float64)},
        {"pictures": np.zeros((1, 3, 32, 32), np.float32)},
        {},
    ],
)
def test_a_run_that_fails(path, feeds):
    with pytest.raises(ModelError) as caught:
        OnnxRuntime(path, 1).run(feeds)
    assert str(caught.value).startswith(f"{path}: the network failed (")
    assert "\n" not in str(caught.value)
