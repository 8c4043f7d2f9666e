"""Known distances as people write them, and which picture each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from howfar.core.scale import KnownDistance, parse_scale
from howfar.errors import UsageError


@dataclass(frozen=True)
class Known:
    """A known distance.

    Attributes:
        request: the distance and where it holds.
        text: as it was written.
        picture: the picture that it was written for, or None.
    """

    request: KnownDistance
    text: str
    picture: str | None = None


def parse_known(text: str, sources: Sequence[str]) -> Known:
    """`1.8m@chair`, or `PICTURE:1.8m@chair` with one of the pictures, by path or by file name.

    Raises `UsageError` for anything else.
    """
    matches: dict[str, list[str]] = {}
    for source in dict.fromkeys(sources):
        for name in dict.fromkeys((source, Path(source).name)):
            matches.setdefault(name, []).append(source)
    for name in sorted(matches, key=len, reverse=True):
        if text.startswith(f"{name}:"):
            meant = [name] if name in sources else matches[name]
            if len(meant) > 1:
                raise UsageError(
                    f"known distance {text!r}: {name!r} may be {' or '.join(meant)}; write the "
                    "whole path"
                )
            return Known(_distance(text[len(name) + 1 :], text), text, meant[0])
    before, colon, after = text.rpartition(":")
    if colon and "m@" in after and "m@" not in before:
        raise UsageError(f"known distance {text!r}: {before!r} is none of the pictures")
    return Known(_distance(text, text), text)


def _distance(text: str, whole: str) -> KnownDistance:
    try:
        request = parse_scale(text)
    except UsageError:
        request = None
    if isinstance(request, KnownDistance):
        return request
    raise UsageError(
        f"known distance {whole!r} is not understood; write 1.8m@chair, 1.8m@320,240 or "
        "1.8+-0.05m@chair, with PICTURE: before it where several pictures are given"
    )


def assign(knowns: Sequence[Known], sources: Sequence[str]) -> dict[str, list[Known]]:
    """Known distances by picture.

    Those that name a picture go there. Of the others: one alone holds in all pictures, several in
    the pictures in their order where there are as many, and in the picture where there is one.
    Raises `UsageError` where that leaves it open.
    """
    found: dict[str, list[Known]] = {source: [] for source in sources}
    free = [known for known in knowns if known.picture is None]
    for known in knowns:
        if known.picture is not None:
            found[known.picture].append(known)
    if len(free) == 1 and not any(found.values()):
        return {source: list(free) for source in sources}
    if len(sources) == 1:
        found[sources[0]] += free
    elif len(free) == len(sources):
        for source, known in zip(sources, free, strict=True):
            found[source].append(known)
    elif free:
        raise UsageError(
            f"{len(free)} known distances for {len(sources)} pictures: say which belongs where, as "
            f"--known {Path(sources[0]).name}:{free[0].text}"
        )
    return found
