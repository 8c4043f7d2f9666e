"""Which arithmetic a device is fast in."""

from __future__ import annotations

import torch


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Whether `precision` (`auto`, `bf16` or `fp32`) means bfloat16 on a device.

    `auto` is bfloat16 on GPUs that have it and on CPUs with AMX or AVX512-BF16; without such units
    bfloat16 is emulated, two to four times slower than float32 (measured, benchmarks/README.md).
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type != "cpu":
        return False
    tests = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # not in every version
    return any(getattr(torch.cpu, name, lambda: False)() for name in tests)
