"""The one decoder: bytes of a picture file -> an upright RGB image, or one clear error.

Pillow reads the file. Colour: grey, palette, CMYK and 16-bit pictures become 8-bit RGB (16-bit ones
are divided by 257); transparency is laid over white. Only the first frame of an animation is read.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
from PIL import ExifTags

from howfar.core.camera import Camera
from howfar.core.image import Image, RgbArray
from howfar.errors import PictureError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""As Pillow names them; a stereo pair (MPO) opens as the JPEG that it starts with."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jfif"})
SAME_ASPECT = 0.01
"""Relative difference of aspect ratios up to which a picture counts as resized, not cropped."""
PLAUSIBLE_FOCAL = (0.05, 500.0)
"""Focal lengths by the longer side of the picture; EXIF that tells another is rubbish."""
INCH_MM, CM_MM = 25.4, 10.0
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
)
"""What Pillow raises on damaged files."""


def read_image(path: Path) -> Image:
    """Read a picture file.

    Raises `PictureError` where it is missing, empty, no picture, truncated or too large.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise PictureError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"{path}: cannot be read ({reason})") from error
    return decode_image(data, str(path))


def decode_image(data: bytes, source: str) -> Image:
    """Decode the bytes of a picture file; `source` names it in results and errors."""
    if not data:
        raise PictureError(f"{source}: the file is empty")
    with _reading(source, data), PIL.Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        return _read(picture, source)


def image_from_pil(picture: PIL.Image.Image) -> Image:
    """An `Image` of a PIL image, converted and turned as one from a file; it is not changed."""
    source = str(getattr(picture, "filename", "") or "PIL")
    with _reading(source):
        return _read(picture.copy(), source)


@contextmanager
def _reading(source: str, data: bytes = b"") -> Iterator[None]:
    """Turns what Pillow raises into a `PictureError` that names the picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata, sizes below Pillow's hard limit
            yield
    except PIL.UnidentifiedImageError:
        raise PictureError(f"{source}: {_what_it_is(data)}") from None
    except PIL.Image.DecompressionBombError as error:
        raise PictureError(
            f"{source}: too many pixels to be read safely ({error}); make it smaller first"
        ) from error
    except MemoryError:
        raise PictureError(f"{source}: not enough memory for its pixels; make it smaller") from None
    except DAMAGE as error:
        text = str(error) or type(error).__name__
        broken = "truncated" in text.lower() or isinstance(error, EOFError)
        reason = "the picture is truncated" if broken else f"the picture is damaged ({text})"
        raise PictureError(f"{source}: {reason}") from error


def _read(picture: PIL.Image.Image, source: str) -> Image:
    notes: list[str] = []
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":
        notes.append(f"An animation or stack of {frames} pictures: only the first was read.")
    stored = picture.size
    picture.load()  # before EXIF, whose damage is no reason to refuse the picture
    try:
        exif = picture.getexif()
        detail = exif.get_ifd(ExifTags.IFD.Exif)
    except DAMAGE:
        notes.append("The EXIF data are damaged, so neither orientation nor focal length is known.")
        detail = {}
    else:
        PIL.ImageOps.exif_transpose(picture, in_place=True)
    pixels = _to_rgb(picture, notes)
    height, width = pixels.shape[:2]
    camera = _exif_camera(detail, stored, (width, height), notes)
    return Image(pixels, source, camera, tuple(notes))


def _to_rgb(picture: PIL.Image.Image, notes: list[str]) -> RgbArray:
    """(H, W, 3) uint8 of any mode that Pillow gives."""
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        sixteen = mode.startswith("I;16") or picture.format == "PNG"
        return _deep_to_rgb(np.asarray(picture), sixteen, notes)
    if mode == "RGB" and "transparency" not in picture.info:
        return np.asarray(picture)
    if "A" in mode or "a" in mode or "transparency" in picture.info:
        layers = picture.convert("RGBA")
        white = PIL.Image.new("RGBA", layers.size, "white")
        return np.asarray(PIL.Image.alpha_composite(white, layers).convert("RGB"))
    return np.asarray(picture.convert("RGB"))


def _deep_to_rgb(grey: np.ndarray, sixteen: bool, notes: list[str]) -> RgbArray:
    """Grey of more than 8 bits: 16-bit numbers are divided by 257, floats in 0..1 multiplied.

    32-bit numbers and floats above 1 whose largest is at most 255 are 8-bit values already.
    """
    values = np.nan_to_num(grey.astype(np.float64))
    top = float(values.max(initial=0.0))
    if np.issubdtype(grey.dtype, np.floating) and top <= 1:
        factor = 255.0
    else:
        factor = 1.0 if top <= 255 and not sixteen else 255 / 65535
    notes.append("A grey picture of more than 8 bits: reduced to 8.")
    small = np.clip(np.rint(values * factor), 0, 255).astype(np.uint8)
    return np.repeat(small[..., None], 3, axis=2)


def _exif_camera(
    detail: dict[int, Any], stored: tuple[int, int], upright: tuple[int, int], notes: list[str]
) -> Camera | None:
    """The camera that EXIF tells, if its picture size agrees with the file's.

    From `FocalLengthIn35mmFilm` by the diagonal, else from `FocalLength` and the resolution of
    the focal plane. A picture of the same shape but another size was resized and is believed,
    with a note; one of another shape was cropped and is not.
    """
    recorded = (
        _number(detail.get(ExifTags.Base.ExifImageWidth)),
        _number(detail.get(ExifTags.Base.ExifImageHeight)),
    )
    film_mm = _number(detail.get(ExifTags.Base.FocalLengthIn35mmFilm))
    plane_px = _focal_plane_px(detail)
    if not film_mm and not plane_px:
        return None
    ratio = 1.0
    told = ""
    if all(recorded) and sorted(recorded) != sorted(stored):
        told = f"{recorded[0]:.0f}x{recorded[1]:.0f}, the file has {stored[0]}x{stored[1]} pixels"
        shape, expected = max(stored) / min(stored), max(recorded) / min(recorded)
        if abs(shape / expected - 1) > SAME_ASPECT:
            notes.append(
                f"The EXIF focal length is not used: EXIF says {told}, so the picture was cropped "
                "or edited. Give --focal-px or --fov-deg."
            )
            return None
        ratio = max(stored) / max(recorded)
    if film_mm:
        camera = Camera.from_focal_35mm(film_mm, *upright)
    else:
        camera = Camera.from_focal(plane_px * ratio, *upright, source="exif")
    low, high = PLAUSIBLE_FOCAL
    if not low <= camera.fx / max(upright) <= high:
        notes.append(f"The EXIF focal length is not used: {camera.fx:.3g} pixels cannot be.")
        return None
    if told:
        notes.append(
            f"The EXIF focal length is used as for a resized picture: EXIF says {told}. "
            "If it was cropped, give --focal-px or --fov-deg."
        )
    return camera


def _focal_plane_px(detail: dict[int, object]) -> float:
    """Focal length in recorded pixels from millimetres and pixels per unit, or 0."""
    focal_mm = _number(detail.get(ExifTags.Base.FocalLength))
    per_unit = _number(detail.get(ExifTags.Base.FocalPlaneXResolution))
    unit = _number(detail.get(ExifTags.Base.FocalPlaneResolutionUnit)) or 2
    unit_mm = {2: INCH_MM, 3: CM_MM, 4: 1.0, 5: 0.001}.get(int(unit))
    return focal_mm * per_unit / unit_mm if unit_mm else 0.0


def _number(value: object) -> float:
    """A positive number of an EXIF field that can be meant, or 0 for anything else."""
    try:
        number = float(value)  # type: ignore[arg-type]  # rationals, ints, strings, None
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return 0.0
    return number if 0 < number < 1e9 else 0.0


def _what_it_is(data: bytes) -> str:
    """What bytes that are no picture seem to be."""
    head = data[:512].lstrip()
    if head[:5].lower() in (b"<html", b"<!doc"):
        return "a web page, not a picture"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "a text file, not a picture"
    return f"no picture of a known format ({', '.join(FORMATS)})"
