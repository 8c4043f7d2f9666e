"""Losses for training, in PyTorch (extra `train`): one family a file.

Every loss of depth is called `loss(prediction, target, valid, *, options)`: prediction and target
are (B, 1, H, W) floats, valid is (B, 1, H, W) bool, and the answer is a scalar. What is not valid
may hold anything, NaN included; it changes neither value nor gradient. Where nothing is valid the
loss and its gradient are 0. Half precision is computed in float32, under autocast too.
"""
