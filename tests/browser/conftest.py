"""Headless Chromium before a real server with fake networks."""

import shutil

import pytest
from webserver import fake_ranger, running

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="session")
def chromium():
    """The path of Chromium."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium: run tests/browser/install_chromium.sh")
    return found


@pytest.fixture(scope="module")
def playwright():
    """Its event loop runs until it is stopped, and other tests want loops of their own."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright, chromium):
    started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
    yield started
    started.close()


@pytest.fixture
def serve():
    """Starts servers: `serve(ranger, settings)` gives the address of one."""
    opened = []

    def start(ranger=None, settings=None):
        context = running([ranger or fake_ranger()], settings)
        port, app = context.__enter__()
        opened.append(context)
        return f"http://127.0.0.1:{port}/", app

    yield start
    for context in opened:
        context.__exit__(None, None, None)


@pytest.fixture
def open_page(browser, serve):
    """Opens pages: `open_page(ranger, settings, width, height ...)`.

    Every request that leaves the server and every error of the page's own code fails the test.
    """
    contexts, wrong = [], []

    def start(ranger=None, settings=None, size=(1280, 860), url=None, **more):
        address = url or serve(ranger, settings)[0]
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                request.url.startswith((address, "blob:", "data:"))
                or wrong.append(f"outside request: {request.url}")
            ),
        )
        page.on(
            "console",
            lambda message: (
                "Content Security Policy" in message.text and wrong.append(message.text)
            ),
        )
        page.goto(address)
        return page

    yield start
    for context in contexts:
        context.close()
    assert wrong == []
