"""Pickles of frame lists are read without running what they could run."""

import io
import os
import pickle
import subprocess

import numpy as np
import pytest

from howfar.data.frameids import Clip, read_clips
from howfar.errors import DatasetError


def content(**clip):
    return [{"name": "abc", "clips": [{"label": "x", "frames": np.array([1, 5, 9]), **clip}]}]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", ["u1", "<i4", ">i4", "i8", "f8"])
def test_all_protocols(protocol, dtype, tmp_path):
    frames = np.array([1, 5, 200], dtype)
    label = np.int64(3)
    data = pickle.dumps(content(frames=frames, label=label), protocol=protocol)
    (tmp_path / "list.pkl").write_bytes(data)
    assert read_clips(tmp_path / "list.pkl") == [Clip("abc", 0, "3", (1, 5, 200))]


def test_module_names_of_old_and_new_numpy(tmp_path):
    for old, new in ((b"numpy._core", b"numpy.core"), (b"numpy.core", b"numpy._core")):
        data = pickle.dumps(content(), protocol=0).replace(old, new)
        (tmp_path / "list.pkl").write_bytes(data)
        assert read_clips(tmp_path / "list.pkl")[0].frames == (1, 5, 9)


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.parts = function, arguments

    def __reduce__(self):
        return self.parts


MARK = "harmed"
ATTACKS = {
    "os.system": Call(os.system, f"touch {MARK}"),
    "eval": Call(eval, f"open({MARK!r}, 'w')"),
    "exec": Call(exec, f"open({MARK!r}, 'w')"),
    "open": Call(open, MARK, "w"),
    "getattr": Call(getattr, os, "system"),
    "popen": Call(subprocess.Popen, ["touch", MARK]),
    "load": Call(np.load, MARK),
    "import": Call(__import__, "os"),
    "fromfile": Call(np.fromfile, MARK),
    "objects": np.array([Call(os.system, f"touch {MARK}")], object),
    "memory": Call(bytearray, 10**12),
}


@pytest.mark.parametrize("name", sorted(ATTACKS))
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_attacks_are_refused_and_nothing_runs(name, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        data = pickle.dumps(content(frames=ATTACKS[name]), protocol=protocol)
    except TypeError:
        pytest.skip("modules cannot be pickled")
    (tmp_path / "list.pkl").write_bytes(data)
    with pytest.raises(DatasetError, match=r"list\.pkl"):
        read_clips(tmp_path / "list.pkl")
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'touch harmed'\ntR.",
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
        b"cnumpy\nndarray\n(I1\nI2\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000000\ntS'b'\ntR.",
        b"(lp0\n" * 5000 + b".",
        b"P1\n.",
        b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x82\x01.",
        b"I1\n.",
        b"]}a.",
        b".",
    ],
)
def test_hand_made_pickles(data, tmp_path):
    (tmp_path / "list.pkl").write_bytes(data)
    with pytest.raises(DatasetError, match=r"list\.pkl"):
        read_clips(tmp_path / "list.pkl")


def test_every_cut_gives_the_same_kind_of_error(tmp_path):
    data = pickle.dumps(content(), protocol=2)
    for end in range(1, len(data) - 1):
        (tmp_path / "list.pkl").write_bytes(data[:end])
        with pytest.raises(DatasetError):
            read_clips(tmp_path / "list.pkl")


@pytest.mark.parametrize(
    "change",
    [
        {"frames": np.array([0, 1])},
        {"frames": np.array([1.5])},
        {"frames": np.array([np.nan])},
        {"frames": "some text"},
        {"frames": None},
    ],
)
def test_frames_that_are_none(change, tmp_path):
    (tmp_path / "list.pkl").write_bytes(pickle.dumps(content(**change)))
    with pytest.raises(DatasetError):
        read_clips(tmp_path / "list.pkl")


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/b", "", ".hidden"])
def test_video_names_stay_in_their_folder(name, tmp_path):
    listing = content()
    listing[0]["name"] = name
    (tmp_path / "list.pkl").write_bytes(pickle.dumps(listing))
    with pytest.raises(DatasetError, match="plain file name"):
        read_clips(tmp_path / "list.pkl")


def test_plain_lists_of_frames(tmp_path):
    out = io.BytesIO()
    pickle.dump(content(frames=[2, 3]), out)
    (tmp_path / "list.pkl").write_bytes(out.getvalue())
    assert read_clips(tmp_path / "list.pkl")[0].frames == (2, 3)
