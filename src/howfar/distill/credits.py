"""Who taught a student, and by which licences: what its card says, and what a user should know."""

from __future__ import annotations

from collections.abc import Sequence

from howfar.models.card import ModelCard

PERMISSIVE = ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT")
"""Licences that ask nothing of what is made with the weights but naming them."""
OWN = "Apache-2.0"
"""Of students whose teachers ask for nothing else."""


def origin_of(teachers: Sequence[ModelCard], before: ModelCard | None = None) -> str:
    """Where a student comes from; `before`: the card of the one that it goes on from."""
    names = dict.fromkeys(f"{card.name} ({card.licence})" for card in teachers)
    told = f"howfar distill; taught by {', '.join(names) or 'data alone'}"
    if before is None or before.origin == told or before.origin.startswith(f"{told}; before: "):
        return told if before is None else before.origin
    return f"{told}; before: {before.origin}"


def licence_of(cards: Sequence[ModelCard]) -> str:
    """The licence of a student that learned from networks with these cards."""
    return "that of its teachers, see origin" if licence_notes(cards) else OWN


def licence_notes(cards: Sequence[ModelCard]) -> list[str]:
    """What to look at before a student is given on, one sentence for each of its teachers."""
    others = {card.name: card.licence for card in cards if card.licence not in PERMISSIVE}
    return [
        f"the licence of {name} is {licence}: see whether what it teaches may be given on under "
        "other terms"
        for name, licence in others.items()
    ]
