import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import numpy_helper

from howfar.export_scales import whole_scales

TEXT = """
<ir_version: 8, opset_import: ["" : 18]>
graph (float[batch, 2, 6, 8] x) => (float[batch, 2, {height}, {width}] y, float[batch, 2, 6, 8] z)
{{
  one = Constant<value_ints = [1]>()
  shape = Shape(x)
  start = Constant<value_ints = [0]>()
  batch = Slice(shape, start, one)
  rest = Constant<value_ints = [2, {height}, {width}]>()
  sizes = Concat<axis = 0>(batch, rest)
  y = Resize<mode = "linear", coordinate_transformation_mode = "half_pixel">(x, , , sizes)
  z = Relu(x)
}}
"""


def answers(model, x):
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})


@pytest.mark.parametrize(("size", "whole"), [((12, 16), True), ((18, 16), True), ((9, 8), False)])
def test_whole_factors_are_stated(size, whole):
    """And only those; the answers stay, for any batch."""
    model = onnx.parser.parse_model(TEXT.format(height=size[0], width=size[1]))
    x = np.random.default_rng(0).random((3, 2, 6, 8)).astype(np.float32)
    before = answers(model, x)
    whole_scales(model)
    graph = model.graph
    node = next(node for node in graph.node if node.op_type == "Resize")
    for found, wanted in zip(answers(model, x), before, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    if not whole:
        assert len(node.input) == 4
        return
    constants = {value.name: numpy_helper.to_array(value) for value in graph.initializer}
    assert constants[node.input[2]].tolist() == [1, 1, size[0] / 6, size[1] / 8]
    assert {node.op_type for node in graph.node} == {"Resize", "Relu"}


def test_a_resize_of_the_channels_is_left_alone():
    text = """
    <ir_version: 8, opset_import: ["" : 18]>
    graph (float[batch, 2, 6, 8] x) => (float[batch, 4, 12, 16] y) {
      one = Constant<value_ints = [1]>()
      shape = Shape(x)
      start = Constant<value_ints = [0]>()
      batch = Slice(shape, start, one)
      rest = Constant<value_ints = [4, 12, 16]>()
      sizes = Concat<axis = 0>(batch, rest)
      y = Resize<mode = "nearest">(x, , , sizes)
    }
    """
    model = onnx.parser.parse_model(text)
    whole_scales(model)
    node = next(node for node in model.graph.node if node.op_type == "Resize")
    assert len(node.input) == 4
