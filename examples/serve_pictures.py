"""Makes the example pictures of `howfar serve`'s page: two drawn rooms and two free photographs.

Usage: python examples/serve_pictures.py --photos FOLDER

FOLDER is `skimage/data` of scikit-image's package (`make demo` puts it beside the environment). The
rooms are scenes of howfar's own renderer, so nobody else has a right in them; coffee.png (Rachel
Michetti) and chelsea.png (Stéfan van der Walt) were given to the public domain (CC0).
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from PIL import ExifTags, Image

from howfar.core.camera import FULL_FRAME_DIAGONAL_MM
from howfar.data.synthetic import scene

HERE = Path(__file__).parents[1] / "src" / "howfar" / "web" / "static" / "examples"
ROOMS = {"room": 101, "hall": 136}
PHOTOS = {"coffee": "coffee.png", "cat": "chelsea.png"}
WIDTH, HEIGHT, QUALITY = 960, 640, 85


def main() -> None:
    """Write the pictures into the package."""
    parser = argparse.ArgumentParser(description="example pictures of the page")
    parser.add_argument("--photos", type=Path, required=True)
    photos = parser.parse_args().photos
    HERE.mkdir(parents=True, exist_ok=True)
    for name, seed in ROOMS.items():
        made = scene(seed, "indoor", WIDTH, HEIGHT)
        exif = Image.Exif()
        film_mm = made.camera.fx * FULL_FRAME_DIAGONAL_MM / math.hypot(WIDTH, HEIGHT)
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = round(film_mm)
        Image.fromarray(made.image).save(HERE / f"{name}.jpg", quality=QUALITY, exif=exif)
    for name, file in PHOTOS.items():
        Image.open(photos / file).convert("RGB").save(HERE / f"{name}.jpg", quality=QUALITY)


if __name__ == "__main__":
    main()
