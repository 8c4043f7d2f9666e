import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from howfar.errors import ModelError
from howfar.models.store import find_model
from howfar.nets.onnx_module import OnnxModule

TEACHERS = {
    "nanodet_plus_m_416": (416, 416),
    "fastdepth_nyu": (224, 224),
    "pydnet_pruned_kitti": (192, 640),
    "yolox_nano": (416, 416),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", TEACHERS)
def test_teachers_give_what_onnx_runtime_gives(name, shared_models):
    import onnxruntime

    path = shared_models / f"{name}.onnx"
    session = onnxruntime.InferenceSession(str(path))
    feed = session.get_inputs()[0]
    images = np.random.default_rng(0).random((2, 3, *TEACHERS[name])).astype(np.float32)
    wanted = np.concatenate([session.run(None, {feed.name: one[None]})[0] for one in images])
    with torch.no_grad():
        found = OnnxModule(path)(torch.from_numpy(images))
    (name_of_output,) = found
    assert name_of_output == session.get_outputs()[0].name
    assert found[name_of_output].shape == wanted.shape
    scale = np.abs(wanted).max()
    assert np.abs(found[name_of_output].numpy() - wanted).max() < 5e-4 * scale


def test_the_network_of_the_package_gives_what_onnx_runtime_gives():
    """All its outputs, of several pictures."""
    import onnxruntime

    path = find_model("howfar-s").path
    session = onnxruntime.InferenceSession(str(path))
    images = np.random.default_rng(0).normal(size=(2, 3, 288, 288)).astype(np.float32)
    names = [item.name for item in session.get_outputs()]
    wanted = session.run(names, {session.get_inputs()[0].name: images})
    with torch.no_grad():
        found = OnnxModule(path)(torch.from_numpy(images))
    for name, value in zip(names, wanted, strict=True):
        np.testing.assert_allclose(found[name].numpy(), value, atol=1e-4)


def graph(tmp_path, nodes, constants, shape=(1, 2, 5, 6)):
    """A file of a few nodes from `x` to `y`."""
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()],
    )
    path = tmp_path / "net.onnx"
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (("Slice", ["x", "a", "b", "c", "d"], {}), {"a": [5], "b": [-7], "c": [3], "d": [-2]}),
        (("Slice", ["x", "a", "b", "c"], {}), {"a": [1], "b": [99], "c": [2]}),
        (("Pad", ["x", "p"], {"mode": "edge"}), {"p": [0, 0, 1, 2, 0, 0, 0, 1]}),
        (("Pad", ["x", "p"], {"mode": "reflect"}), {"p": [0, 0, 1, 2, 0, 0, 0, 1]}),
        (
            (
                "MaxPool",
                ["x"],
                {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
            ),
            {},
        ),
        (
            (
                "Resize",
                ["x", "", "s"],
                {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
            ),
            {"s": np.array([1, 1, 2, 2], np.float32)},
        ),
        (("Transpose", ["x"], {"perm": [0, 2, 3, 1]}), {}),
        (("HardSigmoid", ["x"], {"alpha": 0.3}), {}),
        (("Gather", ["x", "i"], {"axis": 1}), {"i": [1]}),
        (("Clip", ["x", "", "h"], {}), {"h": np.float32(0.5)}),
        (("ReduceMean", ["x"], {"axes": [2, 3]}), {}),
        (("ReduceMean", ["x"], {"keepdims": 0}), {}),
        (("ReduceSum", ["x", "a"], {"keepdims": 0}), {"a": [1]}),
        (("MatMul", ["x", "m"], {}), {"m": np.arange(18, dtype=np.float32).reshape(6, 3)}),
        (("Pow", ["x", "e"], {}), {"e": np.float32(2)}),
    ],
)
def test_operators_give_what_onnx_runtime_gives(node, constants, tmp_path):
    import onnxruntime

    kind, inputs, attributes = node
    path = graph(tmp_path, [helper.make_node(kind, inputs, ["y"], **attributes)], constants)
    x = np.random.default_rng(0).normal(size=(1, 2, 5, 6)).astype(np.float32)
    (wanted,) = onnxruntime.InferenceSession(str(path)).run(None, {"x": x})
    found = OnnxModule(path)(torch.from_numpy(x))["y"].numpy()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_unknown_operators_are_named(tmp_path):
    path = graph(tmp_path, [helper.make_node("Erf", ["x"], ["y"])], {})
    with pytest.raises(ModelError, match="Erf"):
        OnnxModule(path)
