"""Camera profiles as small TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from howfar.core.profile import CameraProfile, Lens, ProfileScale
from howfar.core.scale import Scale, ScaleSource
from howfar.errors import ProfileError, UsageError

FORMAT = 1
"""Number of the file's format; another number is refused."""
MOST_BYTES = 1 << 20
SCALE_KEYS = ("factor", "source", "uncertainty", "objects", "network", "sha256", "pictures")
SOURCES = tuple(source for source in ScaleSource if source is not ScaleSource.NETWORK)
DIGITS = 10


def load_profile(path: str | Path) -> CameraProfile:
    """Read a camera profile.

    Raises `UsageError` where there is no such file, `ProfileError` where it is no profile.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise UsageError(f"{path}: no such camera profile; `howfar calibrate` makes one")
        if path.stat().st_size > MOST_BYTES:
            raise ProfileError(f"{path}: too large for a camera profile")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: no camera profile: no TOML ({error})") from error
    try:
        return _profile(content, str(path))
    except (KeyError, TypeError, ValueError) as error:  # UsageError is a ValueError
        told = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        told = told.removeprefix(f"{path}: ")
        raise ProfileError(
            f"{path}: no camera profile of howfar: {told}; make one with `howfar calibrate`"
        ) from error


def save_profile(profile: CameraProfile, path: str | Path) -> None:
    """Write a camera profile; an existing file is replaced as a whole. Raises `OutputError`."""
    from howfar.io.sinks import write_whole

    write_whole(Path(path), profile_text(profile).encode())


def profile_text(profile: CameraProfile) -> str:
    """A camera profile as TOML."""
    lines = [
        "# Camera profile of howfar: `howfar predict PICTURE --camera THIS_FILE`",
        f"format = {FORMAT}",
        f"width = {profile.width}",
        f"height = {profile.height}",
    ]
    if profile.lens is not None:
        lens = profile.lens
        lines += ["", "[lens]  # pixels; distortion as OpenCV's k1, k2, p1, p2, k3"]
        lines += [f"{item.name} = {_toml(getattr(lens, item.name))}" for item in fields(Lens)]
    for entry in profile.scales:
        scale = entry.scale
        values = (scale.factor, str(scale.source), scale.uncertainty, scale.objects)
        rest = (entry.network, entry.sha256, entry.pictures)
        lines += ["", "[[scale]]  # only for the depth network that it names"]
        pairs = zip(SCALE_KEYS, (*values, *rest), strict=True)
        lines += [f"{key} = {_toml(value)}" for key, value in pairs]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        plain = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in plain) + '"'
    if isinstance(value, int):
        return str(value)
    return repr(float(f"{value:.{DIGITS}g}"))


def _profile(content: Mapping[str, Any], name: str) -> CameraProfile:
    if content.get("format") != FORMAT:
        raise UsageError(f"format is {content.get('format')!r}, not {FORMAT}")
    _known(content, ("format", "width", "height", "lens", "scale"), "the file")
    width, height = _whole(content, "width"), _whole(content, "height")
    lens = _lens(content["lens"]) if "lens" in content else None
    rows = content.get("scale", [])
    if not isinstance(rows, list):
        raise UsageError("scale is no list of tables; write [[scale]]")
    return CameraProfile(width, height, lens, tuple(_scale(row) for row in rows), name)


def _lens(row: Any) -> Lens:
    _known(row, [item.name for item in fields(Lens)], "[lens]")
    distortion = row.get("distortion", [])
    if not isinstance(distortion, list):
        raise UsageError("distortion is no list of numbers")
    return Lens(
        fx=_number(row, "fx"),
        fy=_number(row, "fy"),
        cx=_number(row, "cx"),
        cy=_number(row, "cy"),
        distortion=tuple(_as_number(value, "distortion") for value in distortion),
        source=_text(row, "source") if "source" in row else "given",
        uncertainty=_number(row, "uncertainty") if "uncertainty" in row else 0.0,
        views=_whole(row, "views") if "views" in row else 0,
        error_px=_number(row, "error_px") if "error_px" in row else 0.0,
    )


def _scale(row: Any) -> ProfileScale:
    _known(row, SCALE_KEYS, "[[scale]]")
    source = _text(row, "source")
    if source not in SOURCES:
        raise UsageError(f"scale has source {source!r}; use one of {', '.join(SOURCES)}")
    objects = _whole(row, "objects") if "objects" in row else 0
    scale = Scale(_number(row, "factor"), ScaleSource(source), _number(row, "uncertainty"), objects)
    sha256 = _text(row, "sha256") if "sha256" in row else ""
    pictures = _whole(row, "pictures") if "pictures" in row else 0
    return ProfileScale(scale, _text(row, "network"), sha256, pictures)


def _known(row: Any, keys: Any, place: str) -> None:
    if not isinstance(row, dict):
        raise UsageError(f"{place} is no table")
    for key in row:
        if key not in keys:
            raise UsageError(f"{place} has an unknown key {key!r}; known: {', '.join(keys)}")


def _number(row: Mapping[str, Any], key: str) -> float:
    return _as_number(row[key], key)


def _as_number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{key} is {value!r}, no number")
    return float(value)


def _whole(row: Mapping[str, Any], key: str) -> int:
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"{key} is {value!r}, no whole number")
    return value


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise UsageError(f"{key} is {value!r}, no text")
    return value
