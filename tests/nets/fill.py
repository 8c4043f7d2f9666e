"""Deterministic numbers for whole networks: facts sheet section 6."""

import math

import numpy as np
import torch
from torch import nn

CHUNK = 1 << 20


def uniform(count, offset=0):
    """`count` float32 numbers in [0, 1) by hashing offset, offset + 1, ..."""
    out = np.empty(count, np.float32)
    for start in range(0, count, CHUNK):
        stop = min(start + CHUNK, count)
        x = (np.arange(start, stop, dtype=np.uint64) + np.uint64(offset)).astype(np.uint32)
        x *= np.uint32(2654435761)
        x ^= x >> np.uint32(16)
        x *= np.uint32(2246822519)
        x ^= x >> np.uint32(13)
        x *= np.uint32(3266489917)
        x ^= x >> np.uint32(16)
        out[start:stop] = x / 2.0**32
    return out


def fill(state, gain):
    """Fill the float tensors of a state_dict in place, each by its name and number of values."""
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        r = torch.from_numpy(uniform(tensor.numel(), 7919 * tensor.numel())).view(tensor.shape)
        if tensor.ndim == 4:
            r = 2 * gain * (r - 0.5) * math.sqrt(6 / math.prod(tensor.shape[1:]))
        elif name.endswith("running_var"):
            r = 1 + 0.2 * r
        elif name.endswith("weight"):
            r = 1 + 0.2 * (r - 0.5)
        else:
            r = 0.1 * (r - 0.5)
        tensor.copy_(r)


def filled(net: nn.Module, gain=0.6):
    """The network with deterministic weights, ready to be evaluated."""
    fill(net.state_dict(), gain)
    return net.eval()


def picture(height, width, batch=1):
    """A deterministic picture (batch, 3, height, width) float32 in 0..1."""
    shape = (batch, 3, height, width)
    return torch.from_numpy(uniform(math.prod(shape))).view(shape)
