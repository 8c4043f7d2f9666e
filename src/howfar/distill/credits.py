"""Who taught a student, and by which licences: what its card says, and what a user should know."""

from __future__ import annotations

from collections.abc import Sequence

from howfar.models.card import ModelCard

PERMISSIVE = ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT")
"""Licences that ask nothing of what is made with the weights but naming them."""
OWN = "Apache-2.0"
"""Of students whose teachers ask for nothing else."""


def origin_of(
    teachers: Sequence[ModelCard],
    before: ModelCard | None = None,
    starts: Sequence[ModelCard] = (),
) -> str:
    """Where a student comes from; `before`: the card of the one that it goes on from, `starts`:
    those of other networks whose weights it starts with."""
    told = f"howfar distill; taught by {_named(teachers) or 'data alone'}"
    if starts:
        told += f"; starts as {_named(starts)}"
    if before is None or before.origin == told or before.origin.startswith(f"{told}; "):
        return told if before is None else before.origin
    return f"{told}; before: {before.origin}"


def _named(cards: Sequence[ModelCard]) -> str:
    return ", ".join(dict.fromkeys(f"{card.name} ({card.licence})" for card in cards))


def licence_of(cards: Sequence[ModelCard]) -> str:
    """The licence of a student that learned from, or started as, networks with these cards."""
    return "that of its teachers, see origin" if licence_notes(cards) else OWN


def licence_notes(cards: Sequence[ModelCard]) -> list[str]:
    """What to look at before a student is given on, one sentence for each of these networks."""
    others = {card.name: card.licence for card in cards if card.licence not in PERMISSIVE}
    return [
        f"{name} has the licence {licence!r}: see whether what learns from it may be given on "
        "under other terms"
        for name, licence in others.items()
    ]
