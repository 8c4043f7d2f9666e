import numpy as np
import pytest
from PIL import Image as PilImage

from howfar.data.address import open_dataset
from howfar.errors import DatasetError, PictureError


def test_a_folder_with_its_sub_folders(tmp_path):
    (tmp_path / "b").mkdir()
    for number, name in enumerate(["z.png", "b/a.jpg", "b/c.webp"]):
        PilImage.fromarray(np.full((4, 6, 3), 40 * number, np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    data = open_dataset(f"pictures:{tmp_path}")
    assert [sample.id for sample in data] == ["b/a.jpg", "b/c.webp", "z.png"]
    assert all(sample.depth is None and sample.boxes is None for sample in data)
    assert data[2].image.pixels.shape == (4, 6, 3)
    assert data.check() == []


def test_damaged_pictures_and_empty_folders_are_named(tmp_path):
    with pytest.raises(DatasetError, match="no pictures in it"):
        open_dataset(f"pictures:{tmp_path}")
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"bad\.png"):
        open_dataset(f"pictures:{tmp_path}")[0]
    with pytest.raises(DatasetError, match="nowhere"):
        open_dataset(f"pictures:{tmp_path}/nowhere")
