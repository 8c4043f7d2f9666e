"""Reading files of torch without running code of theirs."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from howfar.errors import ModelError


class StandIn:
    """What stands for an object whose class is not trusted: it keeps the state, and does nothing.

    Attributes:
        state: what the file says of the object; None where it says nothing.
    """

    state: Any = None

    def __new__(cls, *_args: Any) -> StandIn:
        """An empty object, whatever the file would construct it with."""
        return object.__new__(cls)

    def __init__(self, *_args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_safely(path: Path, what: str, stand_ins: Iterable[str] = ()) -> Any:
    """The tensors and plain values of a file of `torch.save`, on the CPU.

    Args:
        path: the file.
        what: it should hold, for errors.
        stand_ins: full names of classes whose objects become a `StandIn`. Everything else that a
            file reaches for, but for what torch itself allows in files of weights, is refused.

    Raises `ModelError` for files that hold or need anything else; what they need is named.
    """
    allowed: list[Any] = [(StandIn, name) for name in stand_ins]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(allowed):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: there is no such file") from error
    except Exception as error:  # damaged files raise nearly everything
        told = str(error)
        forbidden = re.search(r"GLOBAL ([\w.]+)", told)
        if forbidden:
            name = forbidden[1] if "." in forbidden[1] else f"builtins.{forbidden[1]}"
            raise ModelError(
                f"{path}: refused: it wants to use {name}, which no {what} needs; nothing of it "
                "was run. If it is another network, and trusted: export it to ONNX, or save its "
                "state_dict alone, where it comes from"
            ) from error
        reason = told.splitlines()[0] if told else type(error).__name__
        if isinstance(
            error, pickle.UnpicklingError | EOFError | KeyError | IndexError | ValueError
        ):
            reason = "it is damaged, or no file of PyTorch at all"
        raise ModelError(f"{path}: no {what} that can be read safely ({reason})") from error
