"""Networks, in PyTorch (extra `train`): one family a file, each made by a plain builder function.

Every network maps pictures (B, 3, H, W), prepared as its recipe says, to a dictionary: "depth"
(B, 1, h, w) in the unit that it was trained for and, for `ds-net`, "semantics" (B, classes, h, w)
logits. Weights are drawn from torch's global generator, in the way of the source.
"""
