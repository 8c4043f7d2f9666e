"""Non-maximum suppression as part of an ONNX file, for programs that want finished boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import onnx.compose
import onnx.parser
import onnx.version_converter

from howfar.errors import ModelError
from howfar.models.card import Decoder, ModelCard

GRAPH = """
<ir_version: {ir}, opset_import: ["" : {opset}]>
suppression (float[1, rows, {columns}] raw) => (float[1, found, 6] boxes_scores_classes)
{{
  zero = Constant<value_ints = [0]>()
  two = Constant<value_ints = [2]>()
  four = Constant<value_ints = [4]>()
  five = Constant<value_ints = [5]>()
  end = Constant<value_ints = [{columns}]>()
  first = Constant<value_ints = [0]>()
  axis = Constant<value_ints = [2]>()
  last = Constant<value_ints = [-1]>()
  half = Constant<value_float = 0.5>()
  nothing = Constant<value_float = 0.0>()
  least = Constant<value_floats = [{conf:.9f}]>()
  overlap = Constant<value_floats = [{iou:.9f}]>()
  most = Constant<value_ints = [{max_det}]>()
  boxes = Slice(raw, zero, four, axis)
  objectness = Slice(raw, four, five, axis)
  classes = Slice(raw, five, end, axis)
  products = Mul(objectness, classes)
  best = ReduceMax<keepdims = 1>(products, axis)
  is_best = Equal(products, best)
  single = Where(is_best, products, nothing)
  scores = Transpose<perm = [0, 2, 1]>(single)
  chosen = NonMaxSuppression<center_point_box = 1>(boxes, scores, most, overlap, least)
  chosen_scores = GatherND(scores, chosen)
  many = Shape(chosen_scores)
  count = Min(many, most)
  top_scores, order = TopK(chosen_scores, count)
  kept = Gather<axis = 0>(chosen, order)
  class_column = Constant<value_ints = [1]>()
  kept_class = Gather<axis = 1>(kept, class_column)
  kept_row = Gather<axis = 1>(kept, two)
  flat_row = Squeeze(kept_row, last)
  flat_boxes = Squeeze(boxes, first)
  kept_boxes = Gather<axis = 0>(flat_boxes, flat_row)
  column = Constant<value_ints = [1]>()
  centre = Slice(kept_boxes, zero, two, column)
  size = Slice(kept_boxes, two, four, column)
  reach = Mul(size, half)
  low = Sub(centre, reach)
  high = Add(centre, reach)
  score_column = Unsqueeze(top_scores, last)
  class_number = Cast<to = 1>(kept_class)
  rows_found = Concat<axis = 1>(low, high, score_column, class_number)
  boxes_scores_classes = Unsqueeze(rows_found, first)
}}
"""
"""Best class of each row; suppression class by class; at most `max_det`, best first."""


def add_nms(path: Path, card: ModelCard, conf: float, iou: float, max_det: int) -> ModelCard:
    """Let a detector's file give (1, M, 6) `x1, y1, x2, y2, score, class` for one picture.

    Args:
        path: ONNX file whose output is (B, N, 5 + C), as `Decoder.YOLOV5` reads it; it is changed.
        card: its card.
        conf: least score.
        iou: overlap above which boxes of a class suppress each other.
        max_det: most boxes.

    Returns the card of the changed file. Raises `ModelError` for other layouts.
    """
    if card.decoder is not Decoder.YOLOV5:
        raise ModelError(f"{card.name}: suppression can be added to YOLO detectors only")
    model = onnx.load(path)
    opset = next(item.version for item in model.opset_import if not item.domain)
    text = GRAPH.format(
        ir=model.ir_version,
        opset=opset,
        columns=5 + len(card.classes),
        conf=conf,
        iou=iou,
        max_det=max_det,
    )
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    suppression = onnx.compose.add_prefix(onnx.parser.parse_model(text), "nms/")
    whole = onnx.compose.merge_models(model, suppression, [("output", "nms/raw")])
    whole.graph.output[0].name = "output"
    for node in whole.graph.node:
        for i, name in enumerate(node.output):
            if name == "nms/boxes_scores_classes":
                node.output[i] = "output"
            elif name == "output":
                node.output[i] = "raw"
        for i, name in enumerate(node.input):
            if name == "output":
                node.input[i] = "raw"
    onnx.checker.check_model(whole)
    onnx.save(whole, path)
    return replace(card, decoder=Decoder.END_TO_END)
