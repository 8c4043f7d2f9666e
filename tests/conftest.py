"""Fixtures: the optional folder of real networks and pictures."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch, tmp_path):
    """No test sees the user's networks or cache, or downloads anything."""
    monkeypatch.delenv("HOWFAR_MODELS", raising=False)
    monkeypatch.setenv("HOWFAR_CACHE", str(tmp_path / "howfar-cache"))
    monkeypatch.setenv("HOWFAR_OFFLINE", "1")


@pytest.fixture
def shared_data():
    """The folder of real pictures with ground truth."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the optional folder {SHARED / 'data'}")
    return SHARED / "data"


@pytest.fixture
def shared_models(monkeypatch):
    """The folder of real networks, as `HOWFAR_MODELS`."""
    if not (SHARED / "models").is_dir():
        pytest.skip(f"needs the optional folder {SHARED / 'models'}")
    monkeypatch.setenv("HOWFAR_MODELS", str(SHARED / "models"))
    return SHARED / "models"
