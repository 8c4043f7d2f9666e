"""The application called in this process, with fake networks."""

import pytest
from starlette.testclient import TestClient
from webserver import fake_ranger, picture_bytes

from howfar.core.profile import CameraProfile, Lens
from howfar.web.app import make_app
from howfar.web.server import Settings


@pytest.fixture
def open_client():
    """Makes clients of applications: `open_client(ranger, settings)`."""
    clients = []

    def make(ranger=None, settings=None):
        app = make_app([ranger or fake_ranger()], settings or Settings())
        client = TestClient(app, base_url="http://localhost")
        client.__enter__()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(open_client):
    return open_client()


@pytest.fixture
def image():
    """The form of a picture of 200 x 120."""
    return {"image": ("kitchen.png", picture_bytes(), "image/png")}


@pytest.fixture
def bent_camera():
    """Profile of a camera of 200 x 120 pixels whose lens distorts."""
    return CameraProfile(200, 120, Lens(180, 180, 100, 60, (-0.3, 0.1, 0.0, 0.0)))
