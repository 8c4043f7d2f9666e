"""Which networks a verb uses and how they run: options that several verbs have."""

from __future__ import annotations

from typing import Annotated

import typer

from howfar.errors import UsageError

NETWORKS = "Networks"
"""The panel of these options in the help."""

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="One network that gives both boxes and depth: name, file or address.",
        rich_help_panel=NETWORKS,
    ),
]
ImgszOption = Annotated[
    str | None,
    typer.Option(
        help="Input size of the detector, 640 or 384x640; of files that allow more than one.",
        rich_help_panel=NETWORKS,
    ),
]
ThreadsOption = Annotated[
    int | None, typer.Option(help="CPU threads; all unless given.", rich_help_panel=NETWORKS)
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
