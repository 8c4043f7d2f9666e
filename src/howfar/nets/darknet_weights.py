"""Darknet's `.weights` files (facts 1d): a header and float32 numbers, convolution by convolution.

The header is three int32 (major, minor, revision) and the number of pictures seen: uint64 where
major * 10 + minor >= 2, uint32 before. For each convolution in the order of the `.cfg`: biases;
with batch norm scales, running means and variances; weights (out, in / groups, k, k). A file of the
backbone alone, such as yolov4.conv.137, ends early.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from howfar.errors import ModelError, OutputError
from howfar.nets.darknet import Convolved, Darknet

VERSION = 0, 2, 5
"""What we write, as darknet does."""
MAX_MAJOR = 1000
"""Larger numbers are no version; the file is something else."""


@torch.no_grad()
def load_darknet_weights(network: Darknet, path: Path) -> int:
    """Fill a network from a `.weights` file.

    Returns how many of its convolutions the file has, counted from the first; the others keep
    their values. Raises `ModelError` where the file is none, ends within a convolution or holds
    more than the network; the network is then unchanged.
    """
    numbers = _numbers(path)
    parts = [_tensors(layer) for layer in convolutions(network)]
    sizes = [sum(t.numel() for t in tensors) for tensors in parts]
    ends = np.cumsum([0, *sizes])
    if len(numbers) not in ends:
        told = f"{path}: holds {len(numbers):,} numbers; "
        if len(numbers) > ends[-1]:
            raise ModelError(f"{told}the network has {ends[-1]:,}: it is another network's file")
        layer = int(np.searchsorted(ends, len(numbers)))
        raise ModelError(
            f"{told}it ends within convolution {layer} of {len(sizes)}: cut off, or another "
            "network's file"
        )
    count = int(np.searchsorted(ends, len(numbers)))
    if not count:
        raise ModelError(f"{path}: holds no weights")
    place = 0
    for tensors in parts[:count]:
        for tensor in tensors:
            values = numbers[place : place + tensor.numel()]
            tensor.copy_(torch.from_numpy(values).view(tensor.shape))
            place += tensor.numel()
    return count


def save_darknet_weights(network: Darknet, path: Path, seen: int = 0) -> None:
    """Write a network as a `.weights` file, whole or not at all; `seen` is told in its header."""
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            file.write(struct.pack("<3iQ", *VERSION, seen))
            for layer in convolutions(network):
                for tensor in _tensors(layer):
                    file.write(tensor.detach().cpu().numpy().astype("<f4").tobytes())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def convolutions(network: Darknet) -> list[Convolved]:
    """The convolutions in the order of the `.cfg`."""
    return [layer for layer in network.layers.values() if isinstance(layer, Convolved)]


def _tensors(layer: Convolved) -> list[Tensor]:
    """The tensors of a convolution in the file's order."""
    norm, conv = layer.norm, layer.conv
    if norm is None:
        return [conv.get_parameter("bias"), conv.weight]
    statistics = [norm.get_buffer("running_mean"), norm.get_buffer("running_var")]
    return [norm.get_parameter("bias"), norm.weight, *statistics, conv.weight]


def _numbers(path: Path) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The float32 numbers after the header."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) < 16:
        raise ModelError(f"{path}: {len(content)} bytes are no darknet weights")
    major, minor, _ = struct.unpack("<3i", content[:12])
    if not (0 <= major < MAX_MAJOR and 0 <= minor < MAX_MAJOR):
        raise ModelError(f"{path}: no darknet weights (its version would be {major}.{minor})")
    start = 20 if major * 10 + minor >= 2 else 16
    if len(content) < start or (len(content) - start) % 4:
        raise ModelError(f"{path}: {len(content)} bytes are no whole float32 numbers: cut off?")
    return np.frombuffer(content, "<f4", offset=start).astype(np.float32)
