"""Reading files of torch without running code of theirs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from howfar.errors import ModelError


def read_safely(path: Path, what: str) -> Any:
    """The tensors and plain values of a file of `torch.save`, on the CPU.

    Raises `ModelError`, with `what` it was to hold, for files that hold or need anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise nearly everything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: no {what} that can be read safely ({reason})") from error
