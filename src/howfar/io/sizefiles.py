"""A user's own typical sizes, as a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from howfar.core.sizes import TYPICAL_SIZES, TypicalSize
from howfar.errors import PictureError, UsageError


def read_sizes(path: Path) -> dict[str, TypicalSize]:
    """`TYPICAL_SIZES` with the rows of a TOML file added or replaced.

    One table a class: `["fire truck"]` with `metres`, `spread` and, if not `height`, `side`.

    Raises `PictureError` where the file cannot be read, `UsageError` for rows that make no sense.
    """
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no TOML ({error})") from error
    sizes = dict(TYPICAL_SIZES)
    for label, row in rows.items():
        if not isinstance(row, dict):
            raise UsageError(f"{path}: {label!r} is no table; write [{label}] and metres = 1.7")
        try:
            sizes[label] = TypicalSize(**row)
        except (TypeError, UsageError) as error:
            raise UsageError(f"{path}: [{label}]: {error}") from error
    return sizes
