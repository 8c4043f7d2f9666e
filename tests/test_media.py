"""Pictures as they come: every format, mode, orientation, camera and kind of damage."""

import io
import os
import random
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from PIL import ExifTags
from PIL.TiffImagePlugin import IFDRational

from howfar.core.image import Image
from howfar.errors import PictureError
from howfar.media import decode_image, read_image

HEIGHT, WIDTH = 24, 32
GREY_NOTE = "A grey picture of more than 8 bits: reduced to 8."


def smooth_pixels(height=HEIGHT, width=WIDTH):
    """A picture that JPEG keeps well and that no flip or turn leaves the same."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack(
        [x * 255 // (width - 1), y * 255 // (height - 1), np.full_like(x, 90)], axis=-1
    ).astype(np.uint8)


def encode(picture, kind, **options):
    if isinstance(picture, np.ndarray):
        picture = PIL.Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def decode(data, source="some.jpg"):
    return decode_image(data, source)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width, height, bits, colour, rows, extra=b""):
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + extra
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def exif_of(orientation=None, **fields):
    exif = PIL.Image.Exif()
    if orientation:
        exif[ExifTags.Base.Orientation] = orientation
    if fields:
        exif[ExifTags.IFD.Exif] = {ExifTags.Base[name]: value for name, value in fields.items()}
    return exif.tobytes()


# -- formats and modes ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_are_read_exactly(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    image = decode(encode(pixels, kind), "a")
    assert np.array_equal(image.pixels, pixels)
    assert (image.source, image.camera, image.notes) == ("a", None, ())


@pytest.mark.parametrize("options", [{"kind": "JPEG", "quality": 95}, {"kind": "WEBP"}])
def test_lossy_formats_are_read_closely(options):
    pixels = smooth_pixels()
    image = decode(encode(pixels, **options))
    assert image.pixels.shape == pixels.shape
    assert np.abs(image.pixels.astype(int) - pixels).mean() < 6


def test_lossless_webp_and_compressed_tiff_are_read_exactly():
    pixels = smooth_pixels()
    assert np.array_equal(decode(encode(pixels, "WEBP", lossless=True)).pixels, pixels)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        data = encode(pixels, "TIFF", compression=compression)
        assert np.array_equal(decode(data).pixels, pixels), compression


def test_grey_becomes_three_equal_channels():
    grey = smooth_pixels()[..., 0]
    for kind in ("PNG", "BMP", "TIFF"):
        assert np.array_equal(decode(encode(grey, kind)).pixels, np.stack([grey] * 3, -1)), kind


def test_one_bit_is_black_and_white():
    picture = PIL.Image.new("1", (4, 3), 1)
    picture.putpixel((0, 0), 0)
    pixels = decode(encode(picture, "PNG")).pixels
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[2, 3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_laid_over_white(kind):
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    colours = {0: (255, 255, 255), 255: (100, 40, 0), 128: (177, 147, 127)}
    for alpha, expected in colours.items():
        picture = PIL.Image.new("RGBA", (4, 3), (100, 40, 0, alpha))
        found = decode(encode(picture, kind, **options)).pixels[1, 1]
        assert np.abs(found.astype(int) - expected).max() <= 1, alpha


def test_grey_with_alpha_is_laid_over_white():
    picture = PIL.Image.new("LA", (4, 3), (100, 0))
    picture.putpixel((0, 0), (100, 255))
    pixels = decode(encode(picture, "PNG")).pixels
    assert pixels[0, 0].tolist() == [100] * 3
    assert pixels[1, 1].tolist() == [255] * 3


def test_palette_with_and_without_transparency():
    picture = PIL.Image.new("P", (4, 3), 0)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((0, 0), 1)
    plain = decode(encode(picture, "PNG")).pixels
    clear = decode(encode(picture, "PNG", transparency=0)).pixels
    assert plain[0, 0].tolist() == clear[0, 0].tolist() == [0, 255, 0]
    assert plain[1, 1].tolist() == [255, 0, 0]
    assert clear[1, 1].tolist() == [255, 255, 255]


def test_a_transparent_colour_of_rgb_and_grey_is_white():
    rgb = raw_png(2, 1, 8, 2, b"\0" + bytes([9, 9, 9, 1, 2, 3]), png_chunk(b"tRNS", b"\0\x09" * 3))
    assert decode(rgb).pixels.tolist() == [[[255, 255, 255], [1, 2, 3]]]
    grey = raw_png(2, 1, 8, 0, b"\0" + bytes([9, 4]), png_chunk(b"tRNS", b"\0\x09"))
    assert decode(grey).pixels.tolist() == [[[255, 255, 255], [4, 4, 4]]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_divided_by_257(kind):
    values = np.array([[0, 257, 257 * 100, 65535], [128, 129, 200, 257 * 7 + 3]], np.uint16)
    image = decode(encode(values, kind))
    expected = np.rint(values / 257).astype(np.uint8)
    assert np.array_equal(image.pixels, np.stack([expected] * 3, -1))
    assert image.notes == (GREY_NOTE,)


def test_a_dark_sixteen_bit_picture_stays_dark():
    """No value above 255, and yet these are 16-bit numbers."""
    for kind in ("PNG", "TIFF"):
        assert decode(encode(np.full((3, 4), 200, np.uint16), kind)).pixels.max() == 1, kind


def test_sixteen_bit_colour():
    rows = b"\0" + struct.pack(">6H", *(257 * v for v in (9, 20, 30, 40, 50, 60)))
    assert decode(raw_png(2, 1, 16, 2, rows)).pixels.tolist() == [[[9, 20, 30], [40, 50, 60]]]


def test_big_endian_sixteen_bit_tiff():
    data = encode(np.full((3, 4), 257 * 100, ">u2"), "TIFF")
    assert data[:2] == b"MM"
    assert (decode(data).pixels == 100).all()


def test_float_tiff():
    assert (decode(encode(np.full((3, 4), 0.2, np.float32), "TIFF")).pixels == 51).all()
    assert (decode(encode(np.full((3, 4), 77.0, np.float32), "TIFF")).pixels == 77).all()
    holes = np.array([[np.nan, 1.0, -1.0]], np.float32)
    assert decode(encode(holes, "TIFF")).pixels[..., 0].tolist() == [[0, 255, 0]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind):
    for ink, expected in (((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 0, 255), (0, 0, 0))):
        data = encode(PIL.Image.new("CMYK", (16, 16), ink), kind)
        found = decode(data).pixels[8, 8].astype(int)
        assert np.abs(found - expected).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_read_and_said_so(kind):
    frames = [PIL.Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime")]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    image = decode(data)
    assert np.abs(image.pixels.astype(int) - (255, 0, 0)).max() <= 2
    assert image.notes == ("An animation or stack of 3 pictures: only the first was read.",)


def test_a_still_gif_has_no_note():
    assert decode(encode(PIL.Image.new("RGB", (8, 6), "red"), "GIF")).notes == ()


def test_a_stereo_jpeg_reads_as_its_first_picture():
    left, right = PIL.Image.new("RGB", (16, 16), "red"), PIL.Image.new("RGB", (16, 16), "blue")
    image = decode(encode(left, "MPO", save_all=True, append_images=[right]))
    assert image.pixels[8, 8, 0] > 250
    assert image.pixels[8, 8, 2] < 5
    assert image.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_30_000_pixels_wide(kind):
    data = encode(PIL.Image.new("RGB", (30_000, 40), "red"), kind)
    assert decode(data).pixels.shape == (40, 30_000, 3)


def test_one_pixel():
    image = decode(encode(np.array([[[1, 2, 3]]], np.uint8), "PNG"))
    assert (image.width, image.height) == (1, 1)
    assert image.pixels.tolist() == [[[1, 2, 3]]]


# -- orientation ----------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(kind, orientation):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(smooth_pixels(), kind, exif=exif_of(orientation), **options)
    with PIL.Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(PIL.ImageOps.exif_transpose(picture))
    found = decode(data).pixels
    assert np.array_equal(found, expected)
    assert found.shape[:2] == ((WIDTH, HEIGHT) if orientation > 4 else (HEIGHT, WIDTH))


def test_orientation_of_grey_and_deep_pictures():
    grey = smooth_pixels()[..., 0]
    turned = np.rot90(grey, -1)  # 6: turn clockwise to see it upright
    assert np.array_equal(decode(encode(grey, "PNG", exif=exif_of(6))).pixels[..., 0], turned)
    deep = grey.astype(np.uint16) * 257
    assert np.array_equal(decode(encode(deep, "PNG", exif=exif_of(6))).pixels[..., 0], turned)


def test_an_orientation_that_does_not_exist_is_passed_over():
    pixels = smooth_pixels()
    assert np.array_equal(decode(encode(pixels, "PNG", exif=exif_of(99))).pixels, pixels)


# -- camera ---------------------------------------------------------------------------------


def camera_of(width=WIDTH, height=HEIGHT, orientation=None, kind="JPEG", **fields):
    picture = PIL.Image.new("RGB", (width, height), "grey")
    image = decode(encode(picture, kind, exif=exif_of(orientation, **fields)))
    return image.camera, image.notes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_focal_length_in_35mm_film_by_the_diagonal(kind):
    camera, notes = camera_of(400, 300, kind=kind, FocalLengthIn35mmFilm=28)
    assert camera.fx == camera.fy == pytest.approx(28 * 500 / 43.2666153, rel=1e-6)
    assert (camera.cx, camera.cy) == (200, 150)
    assert (camera.width, camera.height, camera.source) == (400, 300, "exif")
    assert notes == ()


@pytest.mark.parametrize(("unit", "unit_mm"), [(2, 25.4), (3, 10.0), (4, 1.0), (None, 25.4)])
def test_focal_length_with_the_resolution_of_the_focal_plane(unit, unit_mm):
    fields = {
        "FocalLength": IFDRational(50, 10),
        "FocalPlaneXResolution": IFDRational(20_000, 10),
    }
    if unit:
        fields["FocalPlaneResolutionUnit"] = unit
    camera, notes = camera_of(800, 600, **fields)
    assert camera.fx == camera.fy == pytest.approx(5 * 2000 / unit_mm, rel=1e-6)
    assert notes == ()


def test_the_35mm_focal_length_wins_over_the_focal_plane():
    camera, _ = camera_of(
        400, 300, FocalLengthIn35mmFilm=28, FocalLength=5.0, FocalPlaneXResolution=999.0
    )
    assert camera.fx == pytest.approx(28 * 500 / 43.2666153, rel=1e-6)


def test_a_resized_picture_scales_the_focal_plane_and_says_so():
    camera, notes = camera_of(
        400,
        300,
        FocalLength=5.0,
        FocalPlaneXResolution=10_000.0,
        ExifImageWidth=800,
        ExifImageHeight=600,
    )
    assert camera.fx == pytest.approx(5 * 10_000 / 25.4 / 2, rel=1e-6)
    assert len(notes) == 1
    assert "resized" in notes[0]
    assert "800x600" in notes[0]
    assert "400x300" in notes[0]


def test_a_resized_picture_keeps_its_35mm_focal_length_and_says_so():
    camera, notes = camera_of(
        400, 300, FocalLengthIn35mmFilm=28, ExifImageWidth=4000, ExifImageHeight=3000
    )
    assert camera.fx == pytest.approx(28 * 500 / 43.2666153, rel=1e-6)
    assert "resized" in notes[0]


def test_a_cropped_picture_has_no_camera_and_says_so():
    camera, notes = camera_of(
        300, 300, FocalLengthIn35mmFilm=28, ExifImageWidth=4000, ExifImageHeight=3000
    )
    assert camera is None
    assert len(notes) == 1
    assert "not used" in notes[0]
    assert "4000x3000" in notes[0]
    assert "--focal-px" in notes[0]


def test_a_size_that_agrees_when_turned_is_no_disagreement():
    camera, notes = camera_of(
        300, 400, FocalLengthIn35mmFilm=28, ExifImageWidth=400, ExifImageHeight=300
    )
    assert camera.fx == pytest.approx(28 * 500 / 43.2666153, rel=1e-6)
    assert notes == ()


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_the_camera_turns_with_the_picture(kind, orientation):
    camera, notes = camera_of(
        400,
        300,
        orientation,
        kind,
        FocalLengthIn35mmFilm=28,
        ExifImageWidth=400,
        ExifImageHeight=300,
    )
    size = (400, 300) if orientation == 3 else (300, 400)
    assert (camera.width, camera.height) == size
    assert (camera.cx, camera.cy) == (size[0] / 2, size[1] / 2)
    assert camera.fx == pytest.approx(28 * 500 / 43.2666153, rel=1e-6)
    assert notes == ()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"FocalLength": 5.0},
        {"FocalPlaneXResolution": 1000.0},
        {"FocalLengthIn35mmFilm": 0},
        {"FocalLength": IFDRational(0, 0), "FocalPlaneXResolution": 1000.0},
        {"FocalLength": 5.0, "FocalPlaneXResolution": IFDRational(0, 0)},
        {"FocalLength": 5.0, "FocalPlaneXResolution": IFDRational(1000, 0)},
        {"FocalLength": 5.0, "FocalPlaneXResolution": 999.0, "FocalPlaneResolutionUnit": 77},
        {"FocalLength": IFDRational(2**32 - 1, 1), "FocalPlaneXResolution": 1000.0},
    ],
)
def test_rubbish_focal_lengths_are_ignored(fields):
    assert camera_of(**fields) == (None, ())


@pytest.mark.parametrize("film_mm", [65535, 1])
def test_a_focal_length_that_cannot_be_is_not_used_and_said_so(film_mm):
    fields = {"FocalLength": 0.001, "FocalPlaneXResolution": 10.0}
    if film_mm != 1:
        fields = {"FocalLengthIn35mmFilm": film_mm}
    camera, notes = camera_of(400, 300, **fields)
    assert camera is None
    assert len(notes) == 1
    assert "cannot be" in notes[0]


def test_a_rubbish_recorded_size_does_not_matter():
    camera, notes = camera_of(
        400, 300, FocalLengthIn35mmFilm=28, ExifImageWidth=0, ExifImageHeight=300
    )
    assert camera is not None
    assert notes == ()


def test_damaged_exif_does_not_lose_the_picture():
    pixels = smooth_pixels()
    data = bytearray(encode(pixels, "WEBP", lossless=True, exif=exif_of(6)))
    at = data.rindex(b"MM\x00*")
    data[at : at + 4] = b"RUIN"
    image = decode(bytes(data))
    assert np.array_equal(image.pixels, pixels)
    assert image.camera is None
    assert len(image.notes) == 1
    assert "EXIF data are damaged" in image.notes[0]


# -- what is no picture ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"])
def test_a_truncated_picture_is_an_error_at_every_length(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    data = encode(pixels, kind)
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98):
        with pytest.raises(PictureError, match=r"^some\.jpg: "):
            decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_error_of_a_truncated_picture_says_so(kind):
    data = encode(np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8), kind)
    for share in (0.3, 0.6, 0.95):
        with pytest.raises(PictureError, match="truncated"):
            decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("colours", [16, 256])
def test_damaged_pixels_of_a_png_are_an_error(colours):
    """Pillow lets a second reading of such a file pass."""
    data = bytearray(encode(PIL.Image.fromarray(smooth_pixels()).quantize(colours), "PNG"))
    at = data.index(b"IDAT")
    length = int.from_bytes(data[at - 4 : at], "big")
    data[at + 4 + length // 2] ^= 255
    with pytest.raises(PictureError):
        decode(bytes(data))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty"),
        (b"hello\nthere, this is text\n" * 20, "a text file, not a picture"),
        (b"x", "a text file, not a picture"),
        (b"<!DOCTYPE html><html><body>no</body></html>", "a web page, not a picture"),
        (b"\n  <HTML>gone</HTML>", "a web page, not a picture"),
        (bytes(range(256)) * 4, "no picture of a known format"),
        (b"\x00" * 500, "no picture of a known format"),
        (b"%PDF-1.7\n\xff\xfe\x00", "no picture of a known format"),
        (b"\xff\xd8\xff", "no picture of a known format"),
    ],
)
def test_bytes_that_are_no_picture_are_named(data, told):
    with pytest.raises(PictureError) as caught:
        decode(data)
    assert str(caught.value).startswith("some.jpg: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_random_bytes_are_never_a_picture():
    rng = random.Random(3)
    for size in (1, 2, 10, 100, 1000, 10_000):
        with pytest.raises(PictureError):
            decode(rng.randbytes(size))


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_no_pixels(width, height):
    with pytest.raises(PictureError):
        decode(raw_png(width, height, 8, 2, b""))
    gif = bytearray(encode(PIL.Image.new("RGB", (5, 5)), "GIF"))
    gif[6:10] = struct.pack("<HH", width, height)
    at = gif.index(b",", 10)
    gif[at + 5 : at + 9] = struct.pack("<HH", width, height)
    with pytest.raises(PictureError):
        decode(bytes(gif))


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (2_000_000, 2000)])
def test_a_decompression_bomb_is_refused_fast(width, height):
    start = time.perf_counter()
    with pytest.raises(PictureError, match="too many pixels"):
        decode(raw_png(width, height, 8, 2, b"\0" * 10_000))
    assert time.perf_counter() - start < 1


def test_a_decompression_bomb_takes_no_memory(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(raw_png(60_000, 60_000, 8, 2, b"\0" * 10_000))
    code = """
import resource, sys
from pathlib import Path
from howfar.errors import PictureError
from howfar.media import read_image

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_image(Path(sys.argv[1]))
except PictureError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 30_000  # KiB; its pixels would be 10 GB


def test_a_bomb_in_a_text_chunk_is_refused():
    text = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 50_000_000))
    with pytest.raises(PictureError, match=r"some\.jpg"):
        decode(raw_png(1, 1, 8, 2, b"\0\1\2\3", text))


# -- files ----------------------------------------------------------------------------------


def test_a_file_is_read_whatever_its_name(tmp_path):
    path = tmp_path / "picture [1] ü.txt"
    path.write_bytes(encode(smooth_pixels(), "PNG"))
    image = read_image(path)
    assert image.source == str(path)
    assert np.array_equal(image.pixels, smooth_pixels())


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(PictureError, match="no such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(PictureError, match="cannot be read"):
        read_image(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(PictureError, match="cannot be read"):
        read_image(tmp_path / "file" / "below.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(encode(smooth_pixels(), "PNG"))
    path.chmod(0)
    with pytest.raises(PictureError, match="cannot be read"):
        read_image(path)


def test_the_error_names_the_file(tmp_path):
    path = tmp_path / "note.jpg"
    path.write_text("this is text")
    with pytest.raises(PictureError) as caught:
        read_image(Path(path))
    assert str(caught.value) == f"{path}: a text file, not a picture"


# -- damage ---------------------------------------------------------------------------------


def damaged(data, rng):
    """The same bytes with some of them changed, cut off or cut out."""
    data = bytearray(data)
    way = rng.randrange(4)
    if way == 0:
        return bytes(data[: rng.randrange(len(data))])
    if way == 1:
        start = rng.randrange(len(data))
        del data[start : start + rng.randrange(1, 9)]
        return bytes(data)
    stop = len(data) if way == 2 else min(len(data), 200)
    for _ in range(rng.choice([1, 2, 4, 16])):
        data[rng.randrange(stop)] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    return bytes(data)


def sample(kind):
    pixels = smooth_pixels()
    exif = exif_of(6, FocalLengthIn35mmFilm=28, FocalLength=5.0, ExifImageWidth=64)
    if kind == "GIF":
        return encode(
            pixels, kind, save_all=True, append_images=[PIL.Image.fromarray(255 - pixels)]
        )
    if kind == "PALETTE":
        return encode(PIL.Image.fromarray(pixels).quantize(16), "PNG", transparency=3)
    return encode(pixels, kind, exif=exif)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "PALETTE"])
def test_damage_gives_a_picture_or_a_picture_error(kind):
    data = sample(kind)
    rng = random.Random(kind)
    outcomes = {"picture": 0, "error": 0}
    for _ in range(300):
        try:
            assert isinstance(decode(damaged(data, rng)), Image)
            outcomes["picture"] += 1
        except PictureError:
            outcomes["error"] += 1
    assert min(outcomes.values()) > 0  # the damage is neither harmless nor total


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_damage_to_exif_alone_never_loses_the_picture(kind):
    data = sample(kind)
    start, length = data.index(b"MM\x00*"), len(exif_of(6, FocalLengthIn35mmFilm=28))
    rng = random.Random(kind)
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(rng.choice([1, 2, 4, 8])):
            broken[start + rng.randrange(length - 6)] = rng.choice([0, 1, 127, 128, 255])
        image = decode(bytes(broken))
        assert sorted(image.pixels.shape) == [3, HEIGHT, WIDTH]


@pytest.mark.parametrize("tail", [b"\x00", b"", b"!\xf9\x04", b",\x00\x00\x00"])
def test_an_animation_that_breaks_off_in_its_second_frame(tail):
    data = sample("GIF")
    second = data.index(b"\x00,") + 1  # the first frame begins without a block terminator
    outcome = ""
    try:
        outcome = str(decode(data[:second] + tail).pixels.shape)
    except PictureError as error:
        outcome = str(error)
    assert any(told in outcome for told in ("damaged", "truncated", f"({HEIGHT}, {WIDTH}, 3)"))
