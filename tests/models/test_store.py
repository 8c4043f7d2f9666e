"""Names, paths and addresses to verified files; downloads come from a server on this machine."""

import hashlib
import json
import socket
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from networks import depth_card

from howfar.errors import ChecksumError, DownloadError, ModelError, UntrustedError, UsageError
from howfar.models.catalog import CATALOG, Entry, Source
from howfar.models.store import (
    cache_folder,
    file_sha256,
    find_local,
    find_model,
    hugging_face_url,
    local_model,
    model_folders,
)

BODY = b"the weights of a network " * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()
OTHER = hashlib.sha256(b"another").hexdigest()


class Server:
    """Answers with `pages`, {path: (status, body, length told)}, and lists what was asked for."""

    def __init__(self):
        self.pages = {"/net.onnx": (200, BODY, len(BODY))}
        self.asked = asked = []
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                status, body, length = pages.get(self.path, (404, b"", 0))
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("HOWFAR_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with closing(Server()) as running:
        yield running


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("HOWFAR_CACHE", str(folder))
    return folder


@pytest.fixture
def named(monkeypatch):
    """Puts a network called `tiny` into the catalog, with the given sources."""

    def put(*sources):
        entry = Entry(depth_card(origin="https://example.org"), sources)
        monkeypatch.setitem(CATALOG, "tiny", entry)
        return entry.card

    return put


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two folders of HOWFAR_MODELS."""
    pair = [tmp_path / "first", tmp_path / "second"]
    for folder in pair:
        folder.mkdir()
    monkeypatch.setenv("HOWFAR_MODELS", ":".join(map(str, pair)))
    return pair


def contents(folder):
    return sorted(path.name for path in folder.iterdir())


def no(question):
    return False


def yes(question):
    return True


# -- where things lie -------------------------------------------------------------------------


def test_folders_from_the_environment(monkeypatch):
    assert model_folders() == []
    monkeypatch.setenv("HOWFAR_MODELS", "/a:~/b::c")
    assert model_folders() == [Path("/a"), Path.home() / "b", Path("c")]


def test_cache_from_the_environment_or_the_users(monkeypatch):
    monkeypatch.setenv("HOWFAR_CACHE", "~/networks")
    assert cache_folder() == Path.home() / "networks"
    monkeypatch.delenv("HOWFAR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder().name == "howfar"


def test_checksum(tmp_path):
    path = tmp_path / "empty"
    path.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert file_sha256(path) == empty


# -- names ------------------------------------------------------------------------------------


def test_search_order(named, folders, cache):
    card = named(Source("tiny.onnx", SHA256))
    places = [*folders, cache]
    for folder in reversed(places):
        (folder / "tiny.onnx").write_bytes(BODY)
        found = find_model("tiny")
        assert found.path == folder / "tiny.onnx"
        assert (found.sha256, found.card, found.name) == (SHA256, card, "tiny")
    assert find_local("tiny") == found


def test_any_source_of_an_entry_will_do_and_brings_its_card(named, folders):
    other = depth_card(64, 64)
    card = named(
        Source("a.onnx", OTHER), Source("b.onnx", OTHER), Source("b.onnx", SHA256, card=other)
    )
    assert find_local("tiny") is None
    (folders[1] / "b.onnx").write_bytes(BODY)
    assert find_model("tiny").card == other
    (folders[1] / "a.onnx").write_bytes(b"another")
    assert find_model("tiny").path == folders[1] / "a.onnx"
    assert find_model("tiny").card == card


@pytest.mark.parametrize("where", ["folder", "cache"])
def test_a_file_of_the_right_name_with_wrong_contents(named, folders, cache, where):
    named(Source("tiny.onnx", SHA256, "https://example.org/tiny.onnx"))
    path = (folders[0] if where == "folder" else cache) / "tiny.onnx"
    path.write_bytes(b"another")
    with pytest.raises(ChecksumError) as caught:
        find_model("tiny")
    message = str(caught.value)
    assert message.startswith(f"{path} is not tiny: its sha256 is {OTHER}, expected {SHA256}")
    assert "\n" not in message
    assert path.read_bytes() == b"another"


def test_a_wrong_file_does_not_hide_a_right_one_beside_it(named, folders):
    named(Source("a.onnx", SHA256), Source("b.onnx", SHA256))
    (folders[0] / "a.onnx").write_bytes(b"another")
    (folders[0] / "b.onnx").write_bytes(BODY)
    assert find_model("tiny").path.name == "b.onnx"


def test_an_unknown_name_lists_the_known():
    with pytest.raises(UsageError, match=r"^network 'yolo-99' is unknown; .*nanodet-plus-m"):
        find_model("yolo-99")


def test_a_network_without_an_address_says_where_to_put_it(named):
    named(Source("a.onnx", SHA256), Source("b.onnx", SHA256))
    with pytest.raises(
        DownloadError, match=r"^tiny has no known download address; get a.onnx or b"
    ):
        find_model("tiny")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("nanodet-plus-m", "nanodet_plus_m_416.onnx"),
        ("yolox-nano", "yolox_nano.onnx"),
        ("fastdepth", "fastdepth_nyu.onnx"),
        ("pydnet-kitti", "pydnet_pruned_kitti.onnx"),
    ],
)
def test_real_networks_by_name(shared_models, name, filename):
    found = find_model(name)
    assert found.path == shared_models / filename
    assert found.card == CATALOG[name].card
    assert find_model(shared_models / filename) == found


# -- paths ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path(tmp_path, kind):
    path = tmp_path / "my.net.onnx"
    path.write_bytes(BODY)
    found = find_model(kind(path))
    assert (found.path, found.sha256, found.card, found.name) == (path, SHA256, None, "my.net")


def test_a_path_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "net.onnx").write_bytes(BODY)
    assert find_model("~/net.onnx").path == tmp_path / "net.onnx"


def test_a_file_of_the_catalog_is_known_by_its_checksum(tmp_path, named):
    card = named(Source("tiny.onnx", SHA256))
    path = tmp_path / "renamed.onnx"
    path.write_bytes(BODY)
    assert local_model(path).card == card
    assert local_model(path).name == "tiny"
    own = depth_card(16, 16)
    (tmp_path / "renamed.card.json").write_text(json.dumps(own.to_dict()))
    assert local_model(path).card == own


def test_a_sidecar_names_the_network(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(BODY)
    (tmp_path / "net.card.json").write_text(json.dumps(depth_card().to_dict()))
    assert find_model(path).name == "tiny-depth"


@pytest.mark.parametrize("text", ["none.onnx", "./none", "some/where", "/", "model.pt"])
def test_a_path_that_is_no_file(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=f"^{text}: no such file$"):
        find_model(text)


# -- downloads by name ------------------------------------------------------------------------


class Bar:
    """A progress object that writes down what it is told."""

    def __init__(self):
        self.total, self.count, self.closed = 0, 0, False

    def update(self, amount):
        self.count += amount

    def reset(self):
        self.count = 0

    def close(self):
        self.closed = True


def test_a_download_is_checked_kept_and_not_repeated(server, cache, named):
    card = named(Source("tiny.onnx", SHA256, f"{server.address}/net.onnx"))
    bar = Bar()
    found = find_model("tiny", progress=bar)
    assert (found.path, found.sha256, found.card) == (cache / "tiny.onnx", SHA256, card)
    assert found.path.read_bytes() == BODY
    assert (bar.total, bar.count, bar.closed) == (len(BODY), len(BODY), True)
    assert contents(cache) == ["tiny.onnx"]
    assert find_model("tiny") == found
    assert server.asked == ["/net.onnx"]


def test_the_cache_folder_is_made(server, tmp_path, named):
    named(Source("tiny.onnx", SHA256, f"{server.address}/net.onnx"))
    assert find_model("tiny").path == tmp_path / "howfar-cache" / "tiny.onnx"


def test_a_download_with_a_wrong_checksum_leaves_nothing(server, cache, named):
    url = f"{server.address}/net.onnx"
    named(Source("tiny.onnx", OTHER, url))
    with pytest.raises(ChecksumError) as caught:
        find_model("tiny", confirm=yes)
    assert str(caught.value) == f"{url} is not the file whose sha256 is {OTHER}; nothing was kept"
    assert contents(cache) == []
    assert server.asked == ["/net.onnx"]


def test_a_download_that_breaks_off_leaves_nothing(server, cache, named):
    server.pages["/net.onnx"] = (200, BODY, len(BODY) + 1000)
    named(Source("tiny.onnx", None, f"{server.address}/net.onnx"))
    with pytest.raises(DownloadError, match="cannot be fetched"):
        find_model("tiny", confirm=yes)
    assert contents(cache) == []


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_refuses(server, cache, named, status):
    server.pages["/net.onnx"] = (status, b"no", 2)
    url = f"{server.address}/net.onnx"
    named(Source("tiny.onnx", SHA256, url))
    with pytest.raises(DownloadError) as caught:
        find_model("tiny")
    message = str(caught.value)
    assert message.startswith(f"{url} cannot be fetched (status {status}); get it yourself and put")
    assert str(cache / "tiny.onnx") in message
    assert "\n" not in message
    assert contents(cache) == []


def test_a_server_that_is_not_there(server, cache, named):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/net.onnx"
        named(Source("tiny.onnx", SHA256, url))
        with pytest.raises(DownloadError) as caught:
            find_model("tiny")
    message = str(caught.value)
    assert message.startswith(f"{url} cannot be fetched (ConnectionError); get it yourself")
    assert "\n" not in message
    assert contents(cache) == []


def test_the_next_address_is_tried(server, cache, named):
    good = Source("tiny.onnx", SHA256, f"{server.address}/net.onnx")
    gone = Source("tiny.onnx", SHA256, f"{server.address}/gone.onnx")
    wrong = Source("wrong.onnx", OTHER, f"{server.address}/net.onnx?2")
    server.pages["/net.onnx?2"] = server.pages["/net.onnx"]
    named(gone, wrong, good)
    assert find_model("tiny").path == cache / "tiny.onnx"
    assert server.asked == ["/gone.onnx", "/net.onnx?2", "/net.onnx"]
    assert contents(cache) == ["tiny.onnx"]


def test_all_failures_are_told_in_one_line(server, cache, named):
    named(*(Source("t.onnx", SHA256, f"{server.address}/{name}.onnx") for name in ("a", "b")))
    with pytest.raises(DownloadError, match=r"/a\.onnx .*; http.*/b\.onnx ") as caught:
        find_model("tiny")
    assert "\n" not in str(caught.value)


def test_a_cache_that_cannot_be_written(server, tmp_path, monkeypatch, named):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HOWFAR_CACHE", str(tmp_path / "file"))
    named(Source("tiny.onnx", SHA256, f"{server.address}/net.onnx"))
    with pytest.raises(DownloadError, match="/file cannot be written "):
        find_model("tiny")


# -- offline ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1", "yes"])
def test_offline_says_where_to_put_the_file(server, cache, named, monkeypatch, value):
    monkeypatch.setenv("HOWFAR_OFFLINE", value)
    url = f"{server.address}/net.onnx"
    named(Source("tiny.onnx", SHA256, url))
    with pytest.raises(DownloadError) as caught:
        find_model("tiny", confirm=yes)
    assert str(caught.value) == (
        f"offline, so {url} cannot be fetched; get it yourself and put it at {cache}/tiny.onnx, or "
        "under that name into a folder that HOWFAR_MODELS names"
    )
    assert server.asked == []
    (cache / "tiny.onnx").write_bytes(BODY)
    assert find_model("tiny").path == cache / "tiny.onnx"


def test_offline_zero_is_online(server, named, monkeypatch):
    monkeypatch.setenv("HOWFAR_OFFLINE", "0")
    named(Source("tiny.onnx", SHA256, f"{server.address}/net.onnx"))
    assert find_model("tiny").sha256 == SHA256


@pytest.mark.parametrize("how", ["address", "name"])
def test_offline_what_nobody_verified_is_named_by_its_path(server, named, monkeypatch, how):
    monkeypatch.setenv("HOWFAR_OFFLINE", "1")
    url = f"{server.address}/net.onnx"
    named(Source("tiny.onnx", None, url))
    with pytest.raises(DownloadError, match=f"^offline, so {url} .* and name it by its path$"):
        find_model(url if how == "address" else "tiny", confirm=yes)


# -- trust ------------------------------------------------------------------------------------


@pytest.mark.parametrize("confirm", [None, no])
def test_an_unverified_download_needs_a_yes(server, cache, named, confirm):
    url = f"{server.address}/net.onnx"
    named(Source("tiny.onnx", None, url))
    with pytest.raises(UntrustedError, match=f"^{url} is unverified: .*models fetch tiny --trust"):
        find_model("tiny", confirm)
    assert server.asked == []
    assert contents(cache) == []


def test_a_yes_is_asked_for_once_and_remembered(server, cache, named):
    url = f"{server.address}/net.onnx"
    named(Source("tiny.onnx", None, url))
    questions = []

    def ask(question):
        questions.append(question)
        return True

    found = find_model("tiny", ask)
    assert found.sha256 == SHA256
    assert len(questions) == 1
    assert questions[0].startswith(f"{url} is unverified")
    assert (cache / "tiny.onnx.sha256").read_text().strip() == SHA256
    assert find_model("tiny", no) == found
    assert find_model("tiny") == found
    assert server.asked == ["/net.onnx"]


def test_a_verified_download_asks_nothing(server, named):
    named(Source("tiny.onnx", SHA256, f"{server.address}/net.onnx"))
    assert find_model("tiny", no).sha256 == SHA256


def test_a_trusted_file_that_was_damaged_is_noticed(server, cache, named):
    named(Source("tiny.onnx", None, f"{server.address}/net.onnx"))
    path = find_model("tiny", yes).path
    path.write_bytes(BODY[:-1])
    with pytest.raises(ChecksumError, match=f"^{path} is not tiny: .* one that you confirmed"):
        find_model("tiny", yes)


def test_a_file_that_nobody_confirmed_is_refused_by_name(named, folders):
    named(Source("tiny.onnx", None, "https://example.org/tiny.onnx"))
    path = folders[0] / "tiny.onnx"
    path.write_bytes(BODY)
    with pytest.raises(ChecksumError, match="name it by its path to use it all the same"):
        find_model("tiny", yes)
    assert find_model(path).sha256 == SHA256


# -- addresses --------------------------------------------------------------------------------


def test_an_address_is_unverified(server, cache):
    url = f"{server.address}/net.onnx"
    with pytest.raises(UntrustedError, match=f"^{url} is unverified"):
        find_model(url)
    found = find_model(url, yes)
    assert found.path.parent == cache
    assert found.path.name.endswith("-net.onnx")
    assert (found.sha256, found.card) == (SHA256, None)
    assert find_model(url) == found
    assert server.asked == ["/net.onnx"]


def test_addresses_with_the_same_file_name_do_not_collide(server):
    server.pages["/other/net.onnx"] = (200, b"another", 7)
    first = find_model(f"{server.address}/net.onnx", yes)
    second = find_model(f"{server.address}/other/net.onnx", yes)
    assert (first.sha256, second.sha256) == (SHA256, OTHER)
    assert first.path != second.path


@pytest.mark.parametrize("digest", [SHA256, SHA256.upper()])
def test_a_checksum_in_the_address(server, digest):
    url = f"{server.address}/net.onnx"
    found = find_model(f"{url}#sha256={digest}")
    assert found.sha256 == SHA256
    assert find_model(f"{url}#sha256={digest}") == found
    assert find_model(url) == found
    assert server.asked == ["/net.onnx"]


def test_a_wrong_checksum_in_the_address(server, cache):
    url = f"{server.address}/net.onnx"
    with pytest.raises(ChecksumError, match="nothing was kept"):
        find_model(f"{url}#sha256={OTHER}", yes)
    assert contents(cache) == []
    path = find_model(url, yes).path
    with pytest.raises(ChecksumError, match=f"^{path}: its sha256 is {SHA256}, not the expected"):
        find_model(f"{url}#sha256={OTHER}", yes)


def test_a_damaged_file_of_an_address(server):
    url = f"{server.address}/net.onnx"
    path = find_model(url, yes).path
    path.write_bytes(b"another")
    with pytest.raises(ChecksumError, match=f"^{path}: its sha256 is {OTHER}, not the expected"):
        find_model(url, yes)


def test_a_known_checksum_brings_its_card(server, named):
    card = named(Source("tiny.onnx", SHA256))
    found = find_model(f"{server.address}/net.onnx", yes)
    assert (found.card, found.name) == (card, "tiny")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.org/net.onnx", "fetched by https:// or hf:// only"),
        ("http://127.0.0.1.example.org/net.onnx", "fetched by https:// or hf:// only"),
        ("ftp://example.org/net.onnx", "fetched by https:// or hf:// only"),
        ("file:///etc/net.onnx", "fetched by https:// or hf:// only"),
        ("https://example.org/net.pt", "does not end in a .onnx file"),
        ("https://example.org/", "does not end in a .onnx file"),
        ("https://[1/net.onnx", "this is no address"),
        ("https://example.org/net.onnx#sha512=ab", "#sha512=ab is not understood"),
    ],
)
def test_addresses_that_are_refused(url, message, cache, monkeypatch):
    monkeypatch.delenv("HOWFAR_OFFLINE")  # refused before anything is fetched
    with pytest.raises(UsageError, match=message) as caught:
        find_model(url, yes)
    assert str(caught.value).startswith(url.split("#")[0])
    assert contents(cache) == []


# -- Hugging Face -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("hf://owner/repo/net.onnx", "owner/repo/resolve/main/net.onnx"),
        ("hf://owner/repo/onnx/net.onnx", "owner/repo/resolve/main/onnx/net.onnx"),
        ("hf://owner/repo@v1.0/net.onnx", "owner/repo/resolve/v1.0/net.onnx"),
    ],
)
def test_hugging_face_addresses(monkeypatch, text, path):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert hugging_face_url(text) == f"https://huggingface.co/{path}"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example.org/")
    assert hugging_face_url(text) == f"https://mirror.example.org/{path}"


@pytest.mark.parametrize("text", ["hf://", "hf://owner", "hf://owner/repo", "hf://owner//n.onnx"])
def test_hugging_face_addresses_that_are_incomplete(text):
    with pytest.raises(UsageError, match=f"^'{text}' is not understood; write hf://owner/repo/"):
        find_model(text)


def test_a_download_from_hugging_face(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    page = "/owner/repo/resolve/v2/onnx/net.onnx"
    server.pages[page] = server.pages["/net.onnx"]
    found = find_model(f"hf://owner/repo@v2/onnx/net.onnx#sha256={SHA256}")
    assert found.sha256 == SHA256
    assert server.asked == [page]


def test_another_endpoint_must_be_safe_too(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example.org")
    with pytest.raises(UsageError, match=r"^http://mirror.example.org/.*by https"):
        find_model("hf://owner/repo/net.onnx", yes)
