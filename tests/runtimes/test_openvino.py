"""OpenVINO as a backend: the same numbers as ONNX Runtime."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnx.parser
import pytest
from networks import constant_network, patch_weights, yolov8_network
from onnx import TensorProto

from howfar.errors import ModelError
from howfar.models.network import TensorSpec
from howfar.runtimes.onnx import OnnxRuntime

pytest.importorskip("openvino", reason="needs the optional package openvino")

from howfar.runtimes.openvino import PRECISIONS, OpenVinoRuntime


@pytest.fixture
def path(tmp_path):
    weights = {16: patch_weights(np.random.default_rng(0), 6, 16)}
    return yolov8_network(tmp_path / "net.onnx", weights, ("h", "w"), {"stride": "16"})


def noise(seed=1, height=48, width=64):
    return np.random.default_rng(seed).random((1, 3, height, width), np.float32)


def test_says_what_it_is(path):
    runtime = OpenVinoRuntime(path, 2, "float32")
    assert runtime.name.startswith("openvino 20")
    assert "-" not in runtime.name
    assert (runtime.threads, runtime.precision) == (2, "float32")
    assert runtime.inputs == (TensorSpec("images", (1, 3, None, None), "float32"),)
    assert runtime.outputs == (TensorSpec("output0", (1, 6, None), "float32"),)


def test_its_own_precision_is_reported(path):
    runtime = OpenVinoRuntime(path, 1)
    used = runtime._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    assert runtime.precision == PRECISIONS[used]


def test_several_threads_share_one_network(path):
    runtime, feeds = OpenVinoRuntime(path, 1, "float32"), {"images": noise()}
    expected = runtime.run(feeds)["output0"]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: runtime.run(feeds)["output0"], range(60)):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_reach_the_model(path, threads):
    compiled = OpenVinoRuntime(path, threads)._compiled
    assert compiled.get_property("INFERENCE_NUM_THREADS") == threads


@pytest.mark.parametrize("threads", [1, 2])
def test_float32_equals_onnx_runtime(path, threads):
    ours, other = OpenVinoRuntime(path, threads, "float32"), OnnxRuntime(path, threads)
    for feeds in ({"images": noise()}, {"images": noise(2, 32, 96)}):
        found, expected = ours.run(feeds), other.run(feeds)
        assert list(found) == list(expected) == ["output0"]
        assert expected["output0"].std() > 1
        np.testing.assert_allclose(found["output0"], expected["output0"], rtol=1e-3, atol=1e-3)


def test_its_own_precision_is_near(path):
    feeds = {"images": noise()}
    found, expected = OpenVinoRuntime(path, 1).run(feeds), OnnxRuntime(path, 1).run(feeds)
    np.testing.assert_allclose(found["output0"], expected["output0"], rtol=0.1, atol=1)


def test_results_stay_when_the_next_picture_runs(path):
    runtime = OpenVinoRuntime(path, 1, "float32")
    first = runtime.run({"images": noise(1)})["output0"]
    kept = first.copy()
    runtime.run({"images": noise(2)})
    np.testing.assert_array_equal(first, kept)


def test_outputs_by_name(tmp_path):
    values = {"b": np.arange(3, dtype=np.float32), "a": np.array([[7]], np.int64)}
    runtime = OpenVinoRuntime(constant_network(tmp_path / "net.onnx", values), 1, "float32")
    found = runtime.run({"images": np.zeros((1, 3, 32, 32), np.float32)})
    assert list(found) == ["b", "a"]
    assert found["b"].tolist() == [0, 1, 2]
    assert found["a"].tolist() == [[7]]


def test_outputs_of_half_precision_keep_their_names(tmp_path):
    """OpenVINO joins the casts at the end of the graph with what they cast."""
    text = """
    <ir_version: 8, opset_import: ["" : 18]>
    graph (float[1, 4] x) => (float[1, 4] first, float[1, 4] second) {
      small = Cast<to = 10>(x)
      a = Relu(small)
      b = Neg(small)
      first = Cast<to = 1>(a)
      second = Cast<to = 1>(b)
    }
    """
    onnx.save(onnx.parser.parse_model(text), tmp_path / "a.onnx")
    found = OpenVinoRuntime(tmp_path / "a.onnx", 1).run({"x": np.array([[-1, 0, 1, 2]], "f4")})
    assert {name: values.tolist() for name, values in found.items()} == {
        "first": [[0, 0, 1, 2]],
        "second": [[1, 0, -1, -2]],
    }


def test_half_precision_graph(tmp_path):
    weights = {16: patch_weights(np.random.default_rng(0), 6, 16)}
    path = yolov8_network(tmp_path / "half.onnx", weights, (32, 32), {}, dtype=TensorProto.FLOAT16)
    runtime = OpenVinoRuntime(path, 1, "float32")
    assert runtime.inputs == (TensorSpec("images", (1, 3, 32, 32), "float16"),)
    feeds = {"images": noise(1, 32, 32).astype(np.float16)}
    found, expected = runtime.run(feeds), OnnxRuntime(path, 1).run(feeds)
    np.testing.assert_allclose(
        np.float32(found["output0"]), np.float32(expected["output0"]), rtol=0.05, atol=0.05
    )


@pytest.mark.parametrize("content", [b"", b"this is no network\n" * 20, b"\x08\x07"])
def test_a_file_that_is_no_network(tmp_path, capfd, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        OpenVinoRuntime(path, 1)
    message = str(caught.value)
    assert message.startswith(f"{path}: OpenVINO cannot load it (")
    assert "\n" not in message
    assert capfd.readouterr().err == ""


def test_a_truncated_network(path, capfd):
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelError, match="OpenVINO cannot load it") as caught:
        OpenVinoRuntime(path, 1)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="OpenVINO cannot load it"):
        OpenVinoRuntime(tmp_path / "none.onnx", 1)


def test_a_run_that_fails(tmp_path):
    path = constant_network(tmp_path / "net.onnx", {"y": np.ones(2, np.float32)})
    with pytest.raises(ModelError) as caught:
        OpenVinoRuntime(path, 1).run({"images": np.zeros((1, 3, 16, 16), np.float32)})
    assert str(caught.value).startswith(f"{path}: the network failed (")
    assert "\n" not in str(caught.value)


def test_a_feed_of_an_unknown_name(path):
    with pytest.raises(ModelError, match="the network failed"):
        OpenVinoRuntime(path, 1).run({"pictures": noise()})
