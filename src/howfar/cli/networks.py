"""Which networks a verb uses, from its options."""

from __future__ import annotations

from typing import Annotated

import typer

from howfar.errors import UsageError

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="One network that gives both boxes and depth: name, file or address.",
        rich_help_panel="Networks",
    ),
]


def detector_and_depth(
    model: str | None, detector: str | None, depth: str | None
) -> tuple[str, str | None]:
    """Names of the two networks: those asked for, `model` for both, or the usual ones.

    `depth="none"` is None. Raises `UsageError` where the options contradict each other.
    """
    from howfar.models.catalog import DEFAULT_DEPTH, DEFAULT_DETECTOR

    for option, named in (("detector", detector), ("depth", depth)):
        if model and named:
            raise UsageError(f"give either --model or --{option}, not both")
    chosen = depth or model or DEFAULT_DEPTH
    return detector or model or DEFAULT_DETECTOR, None if chosen == "none" else chosen
