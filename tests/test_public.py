"""The public surface: complete, lazy, and true to the documents."""

import subprocess
import sys
from pathlib import Path

import pytest

import howfar
from howfar import errors

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_there():
    for name in howfar.__all__:
        assert getattr(howfar, name) is not None
    assert sorted(howfar.__all__) == list(howfar.__all__)
    assert set(howfar.__all__) == set(howfar._HOME)


def test_unknown_name():
    with pytest.raises(AttributeError, match="nonsense"):
        howfar.nonsense  # noqa: B018


def test_every_error_is_public():
    kinds = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.HowfarError)
    }
    assert kinds <= set(howfar.__all__)


def test_import_pulls_in_nothing_heavy():
    code = (
        "import sys, howfar; heavy = {'numpy', 'cv2', 'onnxruntime', 'PIL', 'pooch', 'openvino', "
        "'typer'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


TORCH = ("nets", "losses", "train", "distill")
ALSO_TORCH = ("export.py", "runtimes/torch.py")


def test_no_torch_where_it_must_not_be():
    for path in (ROOT / "src" / "howfar").rglob("*.py"):
        place = path.relative_to(ROOT / "src" / "howfar")
        if place.parts[0] not in TORCH and str(place) not in ALSO_TORCH:
            assert "import torch" not in path.read_text(), path


def test_type_marker_is_shipped():
    assert (ROOT / "src" / "howfar" / "py.typed").is_file()
