"""A user's own typical sizes."""

import pytest

from howfar.core.sizes import TYPICAL_SIZES, TypicalSize
from howfar.errors import PictureError, UsageError
from howfar.io.sizefiles import read_sizes


def write(folder, text):
    path = folder / "sizes.toml"
    path.write_text(text)
    return path


def test_rows_are_added_and_replaced(tmp_path):
    text = """
        [cup]
        metres = 0.12
        spread = 0.2

        ["fire truck"]
        metres = 3
        spread = 0.1
        side = "width"
    """
    before = dict(TYPICAL_SIZES)
    sizes = read_sizes(write(tmp_path, text))
    assert sizes["cup"] == TypicalSize(0.12, 0.2, "height")
    assert sizes["fire truck"] == TypicalSize(3, 0.1, "width")
    assert sizes["person"] == TYPICAL_SIZES["person"]
    assert before == TYPICAL_SIZES
    assert before["cup"] != sizes["cup"]


def test_an_empty_file_changes_nothing(tmp_path):
    assert read_sizes(write(tmp_path, "")) == TYPICAL_SIZES


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[cup", "no TOML"),
        ("cup = 0.1", "'cup' is no table; write [cup]"),
        ("[cup]\nspread = 0.1", "[cup]: "),
        ("[cup]\nmetres = 0.1", "[cup]: "),
        ("[cup]\nmetres = 0.1\nspread = 0.1\ncolour = 'red'", "colour"),
        ("[cup]\nmetres = -1\nspread = 0.1", "-1 m; give a positive number"),
        ("[cup]\nmetres = inf\nspread = 0.1", "inf m; give a positive number"),
        ("[cup]\nmetres = 'big'\nspread = 0.1", "[cup]: "),
        ("[cup]\nmetres = 1\nspread = 0", "spread"),
        ("[cup]\nmetres = 1\nspread = 'a'", "[cup]: "),
        ("[cup]\nmetres = 1\nspread = 0.1\nside = 'depth'", "use 'height' or 'width'"),
    ],
)
def test_rows_that_make_no_sense(tmp_path, text, told):
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_sizes(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(PictureError, match="cannot be read"):
            read_sizes(path)
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[\xff]")
    with pytest.raises(UsageError, match="no TOML"):
        read_sizes(path)
