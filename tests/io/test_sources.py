"""From what a user points at to a list of pictures."""

import io
import sys

import numpy as np
import PIL.Image
import pytest

from howfar.errors import PictureError, UsageError
from howfar.io.sources import Item, expand, is_url, output_names


def touch(folder, *names):
    """Empty files; `expand` does not look inside."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def sources_of(*sources):
    return [item.source for item in expand([str(source) for source in sources])]


def names_below(folder, items):
    return [item.source.removeprefix(f"{folder}/") for item in items]


def png_bytes(colour="red"):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (4, 3), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_file_is_itself_whatever_it_is_called(tmp_path):
    touch(tmp_path, "a.jpg", "notes.txt", "no suffix")
    for name in ("a.jpg", "notes.txt", "no suffix"):
        assert expand([str(tmp_path / name)]) == [Item(str(tmp_path / name))]


def test_a_folder_is_read_with_its_sub_folders_and_sorted(tmp_path):
    touch(tmp_path, "b.jpg", "a.PNG", "sub/c.JpEg", "sub/deep/er/d.webp", "e.TIF", "f.bmp", "g.gif")
    touch(tmp_path, "notes.txt", "sub/video.mp4", "picture", "h.jpg.bak", "i.json")
    (tmp_path / "folder.jpg").mkdir()
    items = expand([str(tmp_path)])
    assert names_below(tmp_path, items) == [
        "a.PNG",
        "b.jpg",
        "e.TIF",
        "f.bmp",
        "g.gif",
        "sub/c.JpEg",
        "sub/deep/er/d.webp",
    ]
    assert {item.root for item in items} == {tmp_path}


def test_a_folder_without_pictures(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(UsageError, match=r"no pictures in this folder \(.*\.jpg.*\)"):
        expand([str(tmp_path)])


def test_patterns(tmp_path):
    touch(tmp_path, "b1.jpg", "b2.jpg", "c.png", "sub/b3.jpg", "sub/deep/b4.jpg")
    (tmp_path / "b5.jpg").mkdir()
    assert names_below(tmp_path, expand([f"{tmp_path}/b*.jpg"])) == ["b1.jpg", "b2.jpg"]
    assert names_below(tmp_path, expand([f"{tmp_path}/b?.jp[g]"])) == ["b1.jpg", "b2.jpg"]
    assert names_below(tmp_path, expand([f"{tmp_path}/*/*.jpg"])) == ["sub/b3.jpg"]
    assert names_below(tmp_path, expand([f"{tmp_path}/**/*.jpg"])) == [
        "b1.jpg",
        "b2.jpg",
        "sub/b3.jpg",
        "sub/deep/b4.jpg",
    ]


def test_a_pattern_that_matches_nothing(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    for pattern in ("*.jpg", "nothing*"):
        with pytest.raises(UsageError, match="the pattern matches no file"):
            expand([f"{tmp_path}/{pattern}"])


def test_a_name_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"none\.jpg: no such file or folder"):
        expand([str(tmp_path / "none.jpg")])


@pytest.mark.parametrize(
    "name", ["a b.jpg", "ünïcode 図.jpg", "[brackets].jpg", "star*.jpg", "q?.jpg"]
)
def test_odd_names_that_exist_are_taken_literally(tmp_path, name):
    touch(tmp_path, name, "b.jpg", "starfish.jpg", "qq.jpg")
    assert sources_of(tmp_path / name) == [str(tmp_path / name)]


def test_a_folder_with_brackets_in_its_name(tmp_path):
    touch(tmp_path, "photos [2024]/a.jpg")
    assert sources_of(tmp_path / "photos [2024]") == [str(tmp_path / "photos [2024]/a.jpg")]


def test_the_home_folder(tmp_path, monkeypatch):
    touch(tmp_path, "a.jpg")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sources_of("~/a.jpg") == sources_of("~/*.jpg") == [str(tmp_path / "a.jpg")]


def test_each_picture_once(tmp_path, monkeypatch):
    touch(tmp_path, "a.jpg", "b.jpg")
    a, b = str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")
    assert sources_of(b, a, b, tmp_path, f"{tmp_path}/*.jpg") == [b, a]
    monkeypatch.chdir(tmp_path)
    assert sources_of("a.jpg", "./a.jpg", "*.jpg") == ["a.jpg", "b.jpg"]


def test_addresses_and_standard_input():
    urls = ["http://x/a.jpg", "https://x/b.jpg?c=d", "HTTPS://x/c.jpg"]
    assert expand([*urls, "-"]) == [*(Item(url) for url in urls), Item("-")]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/a.jpg", "udp://camera", "://"])
def test_other_schemes_are_refused(url):
    with pytest.raises(UsageError, match="only http://, https://, rtsp:// and rtsps"):
        expand([url])


def test_is_url():
    assert is_url("http://x/a.jpg")
    assert not is_url("c:/pictures/a.jpg")
    assert not is_url("http/a.jpg")


@pytest.mark.parametrize("name", ["clip.mp4", "CLIP.MOV", "clip.webm"])
def test_videos_are_named_like_pictures(tmp_path, name):
    touch(tmp_path, name)
    assert expand([str(tmp_path / name)]) == [Item(str(tmp_path / name))]


def test_cameras_and_streams():
    names = ["0", "rtsp://user:secret@10.0.0.2:554/live?a=b", "rtsps://cam", "1"]
    items = expand(names)
    assert items == [Item(name) for name in names]
    assert [str(name) for name in output_names(items)] == ["camera0", "live", "cam", "camera1"]


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(png_bytes())))
    image = Item("-").load()
    assert image.source == "stdin"
    assert (image.pixels == (255, 0, 0)).all()


def test_empty_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(PictureError, match="stdin: the file is empty"):
        Item("-").load()


def test_missing_files_fail_when_they_are_loaded(tmp_path):
    (tmp_path / "a.png").write_bytes(png_bytes("blue"))
    good, gone = expand([str(tmp_path / "a.png"), str(tmp_path / "gone.png")])
    assert np.array_equal(good.load().pixels[0, 0], (0, 0, 255))
    with pytest.raises(PictureError, match="no such file"):
        gone.load()


@pytest.mark.parametrize("name", ["~nosuchuser/x.jpg", "x" * 5000 + ".jpg", "a\0b.jpg"])
def test_names_that_no_file_can_have(name, tmp_path):
    touch(tmp_path, "a.png")
    _, odd = expand([str(tmp_path / "a.png"), name])
    with pytest.raises(PictureError):
        odd.load()
    with pytest.raises(UsageError, match="no such file"):
        expand([name])


def test_own_pictures_of_an_earlier_run_are_passed_over(tmp_path):
    touch(tmp_path, "a.jpg", "out/a.annotated.jpg", "out/a.depth.png", "out/a.depth16.png")
    assert sources_of(tmp_path) == [str(tmp_path / "a.jpg")]
    assert sources_of(tmp_path / "**" / "*.jpg") == [str(tmp_path / "a.jpg")]


# -- names of results -----------------------------------------------------------------------


def output_of(*sources):
    return [str(name) for name in output_names(expand([str(source) for source in sources]))]


def test_output_names_of_a_folder_keep_its_sub_folders(tmp_path):
    touch(tmp_path, "a.jpg", "sub/a.jpg", "sub/b.c.jpg")
    assert output_of(tmp_path) == ["a", "sub/a", "sub/b.c"]


def test_output_names_of_files_are_their_stems(tmp_path):
    touch(tmp_path, "x/a.jpg", "y/b.tar.png")
    assert output_of(tmp_path / "x/a.jpg", tmp_path / "y/b.tar.png") == ["a", "b.tar"]


def test_output_names_of_addresses_and_standard_input():
    assert output_of("http://x/y/a.jpg?size=3", "https://x/y/", "-") == ["a", "y", "stdin"]


def test_output_names_that_would_collide(tmp_path):
    touch(tmp_path, "a.jpg", "a.png", "A.webp", "sub/a.jpg", "sub/a.jpeg")
    assert output_of(tmp_path) == ["A", "a_jpg", "a_png", "sub/a", "sub/a_jpg"]


@pytest.mark.parametrize(
    "names",
    [
        ["a.jpg", "a.png", "a_png.jpg", "a_png.png", "a_png_png.jpg"],
        ["1/a.jpg", "2/a.jpg", "3/a.jpg", "4/a.png", "4/a_2.jpg", "5/a_jpg.jpg", "5/a_jpg_2.jpg"],
        ["a.jpg", "A.JPG", "a.JPEG", "A.jpeg"],
        ["stdin.jpg", "..jpg", "...jpg", " .jpg", "a..jpg"],
    ],
)
def test_output_names_never_collide_and_stay_inside(tmp_path, names):
    touch(tmp_path, *names)
    for sources in ([tmp_path], [tmp_path / name for name in names], [f"{tmp_path}/**/*", "-"]):
        found = output_of(*sources)
        assert len(found) >= len([name for name in names if not name.startswith(".")])
        assert len({name.lower() for name in found}) == len(found)
        for name in found:
            assert name
            assert not name.startswith("/")
            assert not {"", ".", ".."} & set(name.split("/"))


@pytest.mark.parametrize("url", ["http://x/..", "http://x/../..", "http://x", "http://x/?a=b/c"])
def test_an_address_cannot_name_a_file_outside(url):
    (name,) = output_of(url)
    assert name not in ("", ".", "..")
    assert "/" not in name
