"""From what a user names to a verified local file.

A network is named by its catalog name, a path, an `https://` address or `hf://owner/repo/file`
(`hf://owner/repo@revision/file`). Search order: the folders of `HOWFAR_MODELS` (separated as in
`PATH`), then the networks inside the package, then the cache (`HOWFAR_CACHE`, else the user's cache
folder), then a download. A checksum
is compared whenever one is known; a mismatch is an error and leaves nothing behind. With
`HOWFAR_OFFLINE=1` nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urldefrag, urlsplit

from howfar.errors import ChecksumError, DownloadError, ModelError, UntrustedError, UsageError
from howfar.models.card import ModelCard, read_sidecar
from howfar.models.catalog import CATALOG, Entry, Source

Confirm = Callable[[str], bool]
TIMEOUT_S = 30
EMBEDDED = Path(__file__).with_name("weights")
"""Folder of the networks that come with the package."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Progress(Protocol):
    """What pooch wants of a progress bar: `total` is set, then `update` is called with bytes."""

    total: int

    def update(self, amount: int) -> None: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class LocalModel:
    """A network file on this machine.

    Attributes:
        path: the file.
        sha256: its checksum.
        card: its card from the catalog or the sidecar, or None: look inside the file.
        name: what to call it.
    """

    path: Path
    sha256: str
    card: ModelCard | None
    name: str


def find_model(
    name: str | Path,
    confirm: Confirm | None = None,
    progress: Progress | None = None,
) -> LocalModel:
    """Find or fetch the network that `name` means.

    Args:
        name: catalog name, path, `https://` address (with `#sha256=...` to have it checked) or
            `hf://owner/repo/file`.
        confirm: asked, with a question, before a download whose checksum nobody verified is
            trusted; None means no.
        progress: told how a download goes.

    Raises `UsageError` for a name that means nothing, `ChecksumError`, `UntrustedError`,
    `DownloadError`, or `ModelError` where a path is no file.
    """
    text = str(name)
    if text in CATALOG:
        return _find_named(text, CATALOG[text], confirm, progress)
    if text.startswith("hf://"):
        return _find_address(hugging_face_url(text), confirm, progress)
    if "://" in text:
        return _find_address(text, confirm, progress)
    path = Path(text).expanduser()
    if path.is_file():
        return local_model(path)
    if path.suffix or "/" in text or os.sep in text:
        raise ModelError(f"{text}: no such file")
    known = ", ".join(CATALOG)
    raise UsageError(f"network {text!r} is unknown; give a file, an address or one of {known}")


def local_model(path: Path) -> LocalModel:
    """A file on disk; a card beside it wins over the catalog's for the same checksum."""
    digest = file_sha256(path)
    card = read_sidecar(path)
    for name, entry in CATALOG.items():
        for source in entry.sources:
            if source.sha256 == digest:
                return LocalModel(path, digest, card or source.card or entry.card, name)
    return LocalModel(path, digest, card, card.name if card else path.stem)


def model_folders() -> list[Path]:
    """The folders of `HOWFAR_MODELS`."""
    value = os.environ.get("HOWFAR_MODELS", "")
    return [Path(part).expanduser() for part in value.split(os.pathsep) if part]


def cache_folder() -> Path:
    """Where downloads are kept."""
    if value := os.environ.get("HOWFAR_CACHE"):
        return Path(value).expanduser()
    import pooch  # slow to import, and rarely needed

    return Path(pooch.os_cache("howfar"))


def hugging_face_url(text: str) -> str:
    """The address of `hf://owner/repo[@revision]/file`; `HF_ENDPOINT` names another host."""
    parts = text.removeprefix("hf://").split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise UsageError(f"{text!r} is not understood; write hf://owner/repo/path/to/file.onnx")
    repo, _, revision = parts[1].partition("@")
    host = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return f"{host}/{parts[0]}/{repo}/resolve/{revision or 'main'}/{parts[2]}"


def file_sha256(path: Path) -> str:
    """Checksum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_local(name: str) -> LocalModel | None:
    """The file of a catalog name that is already here, verified, or None.

    A file of the right name with a wrong checksum is a `ChecksumError` that says so: it is
    either damaged or another network.
    """
    entry = CATALOG[name]
    for folder in model_folders():
        if found := _in_folder(name, entry, folder):
            return found
    return _in_folder(name, entry, EMBEDDED) or _in_folder(name, entry, cache_folder())


def _in_folder(name: str, entry: Entry, folder: Path) -> LocalModel | None:
    wrong: ChecksumError | None = None
    for filename in dict.fromkeys(source.filename for source in entry.sources):
        path = folder / filename
        if not path.is_file():
            continue
        digest = file_sha256(path)
        same = [source for source in entry.sources if source.filename == filename]
        for source in same:
            if digest == (source.sha256 or _trusted_digest(path)):
                return LocalModel(path, digest, source.card or entry.card, name)
        expected = " or ".join(source.sha256 or "one that you confirmed" for source in same)
        wrong = ChecksumError(
            f"{path} is not {name}: its sha256 is {digest}, expected {expected}; "
            "delete it, or name it by its path to use it all the same"
        )
    if wrong:
        raise wrong
    return None


def _find_named(
    name: str, entry: Entry, confirm: Confirm | None, progress: Progress | None
) -> LocalModel:
    if found := find_local(name):
        return found
    remote = [source for source in entry.sources if source.url]
    if not remote:
        files = " or ".join(source.filename for source in entry.sources)
        raise DownloadError(
            f"{name} has no known download address; get {files} from {entry.card.origin} and put "
            "it into a folder that HOWFAR_MODELS names"
        )
    problems: list[DownloadError] = []
    for source in remote:
        try:
            path = _download(name, source, confirm, progress)
        except DownloadError as error:
            problems.append(error)
            continue
        return LocalModel(path, file_sha256(path), source.card or entry.card, name)
    if len(problems) == 1:
        raise problems[0]
    raise DownloadError("; ".join(str(problem) for problem in problems))


def _find_address(url: str, confirm: Confirm | None, progress: Progress | None) -> LocalModel:
    try:
        url, fragment = urldefrag(url)
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{url}: this is no address ({error})") from error
    if fragment and not fragment.startswith("sha256="):
        raise UsageError(f"{url}: #{fragment} is not understood; write #sha256= and the checksum")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise UsageError(f"{url}: networks are fetched by https:// or hf:// only")
    filename = Path(parts.path).name
    if not filename.endswith(".onnx"):
        raise UsageError(f"{url}: the address does not end in a .onnx file")
    digest = fragment.removeprefix("sha256=").lower() or None
    key = hashlib.sha256(url.encode()).hexdigest()[:12]
    path = cache_folder() / f"{key}-{filename}"
    if path.is_file():
        found = file_sha256(path)
        if found == (digest or _trusted_digest(path)):
            return local_model(path)
        raise ChecksumError(f"{path}: its sha256 is {found}, not the expected one; delete it")
    _download(url, Source(path.name, digest, url), confirm, progress)
    _trust(path)  # whoever gave the checksum may leave it out next time
    return local_model(path)


def _download(
    name: str, source: Source, confirm: Confirm | None, progress: Progress | None
) -> Path:
    """Fetch a source into the cache: whole and verified, or not at all."""
    assert source.url is not None  # noqa: S101 - callers choose sources with an address
    folder = cache_folder()
    if source.sha256 is None or name == source.url:
        advice = "get it yourself and name it by its path"
    else:
        advice = (
            f"get it yourself and put it at {folder / source.filename}, or under that name into a "
            "folder that HOWFAR_MODELS names"
        )
    if os.environ.get("HOWFAR_OFFLINE", "") not in ("", "0"):
        raise DownloadError(f"offline, so {source.url} cannot be fetched; {advice}")
    if source.sha256 is None and not (confirm and confirm(_question(source.url))):
        raise UntrustedError(
            f"{source.url} is unverified: nobody confirmed its checksum; to trust it, "
            f"run `howfar models fetch {name} --trust`"
        )
    path = _retrieve(source, folder, advice, progress)
    if source.sha256 is None:
        _trust(path)
    return path


def _retrieve(source: Source, folder: Path, advice: str, progress: Progress | None) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    downloader = pooch.HTTPDownloader(progressbar=progress or False, timeout=TIMEOUT_S)
    known = f"sha256:{source.sha256}" if source.sha256 else None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fetched = pooch.retrieve(source.url, known, source.filename, folder, downloader=downloader)
    except requests.RequestException as error:
        if error.response is not None:
            error.response.close()
        raise DownloadError(
            f"{source.url} cannot be fetched ({_reason(error)}); {advice}"
        ) from error
    except ValueError as error:
        raise ChecksumError(
            f"{source.url} is not the file whose sha256 is {source.sha256}; nothing was kept"
        ) from error
    except OSError as error:
        raise DownloadError(f"{folder} cannot be written ({error.strerror or error})") from error
    return Path(fetched)


def _reason(error: Exception) -> str:
    """A short reason: an HTTP status, or the kind of failure."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"status {response.status_code}"
    return type(error).__name__


def _question(url: str) -> str:
    return f"{url} is unverified: nobody confirmed its checksum. Trust what it gives today?"


def _trust_file(path: Path) -> Path:
    """Where the checksum that a user confirmed is kept."""
    return path.with_name(path.name + ".sha256")


def _trust(path: Path) -> None:
    """Remember what a file holds now as what was confirmed."""
    _trust_file(path).write_text(file_sha256(path) + "\n")


def _trusted_digest(path: Path) -> str | None:
    note = _trust_file(path)
    return note.read_text().strip() if note.is_file() else None
