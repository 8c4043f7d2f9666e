"""`howfar models`: list, describe, fetch and verify, without a network connection."""

import json
import shutil
from dataclasses import replace

import pytest

from howfar.models import store
from howfar.models.card import SIDECAR_SUFFIX, ModelCard
from howfar.models.catalog import CATALOG, SHIPPED, Source
from howfar.models.store import file_sha256

BRING_YOUR_OWN = next(
    name
    for name, entry in CATALOG.items()
    if name not in SHIPPED and not any(source.url for source in entry.sources)
)
TO_FETCH = next(
    name
    for name, entry in CATALOG.items()
    if all(source.url and source.sha256 for source in entry.sources)
)
UNVERIFIED = next(
    name
    for name, entry in CATALOG.items()
    if all(source.url and not source.sha256 for source in entry.sources)
)

FETCHED = "nanodet-plus-m"
OURS = f"howfar-s: whole, {store.EMBEDDED / 'howfar-s.onnx'}\n"


@pytest.fixture
def models_folder(tmp_path, monkeypatch):
    """An empty folder that HOWFAR_MODELS names."""
    folder = tmp_path / "my models"
    folder.mkdir()
    monkeypatch.setenv("HOWFAR_MODELS", str(folder))
    return folder


@pytest.fixture
def known(models_folder, networks, monkeypatch):
    """A detector, as if the tiny one were it, and its file in the folder."""
    path = models_folder / "known.onnx"
    shutil.copy(networks["detector"], path)
    entry = CATALOG[FETCHED]
    source = Source("known.onnx", file_sha256(path), "https://127.0.0.1:9/known.onnx")
    monkeypatch.setitem(CATALOG, FETCHED, replace(entry, sources=(source,)))
    return path


def rows_of(answer):
    assert answer.code == 0, answer.err
    return {row["name"]: row for row in json.loads(answer.out)}


# -- list -------------------------------------------------------------------------------------


def test_list_names_every_network(howfar, models_folder):
    rows = rows_of(howfar("models", "list", "--json"))
    assert list(rows) == list(CATALOG)
    for name, row in rows.items():
        assert row["task"] == CATALOG[name].card.task
        assert row["licence"] == CATALOG[name].card.licence
    assert rows["howfar-s"]["where"] == "in the package"
    assert rows[BRING_YOUR_OWN]["where"] == "bring your own"
    assert rows[TO_FETCH]["where"] == "to fetch"
    assert rows[UNVERIFIED]["where"] == "to fetch, unverified"


def test_list_shows_what_is_here_and_what_is_damaged(howfar, known):
    assert rows_of(howfar("models", "list", "--json"))[FETCHED]["where"] == str(known)
    known.write_bytes(b"damaged")
    where = rows_of(howfar("models", "list", "--json"))[FETCHED]["where"]
    assert where == "damaged: see `howfar models verify`"


def test_list_for_a_person(howfar):
    answer = howfar("models", "list")
    assert answer.code == 0
    first_words = [line.split(" ")[0] for line in answer.out.splitlines()]
    assert [word for word in first_words if word in CATALOG] == list(CATALOG)


# -- info -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CATALOG)
def test_info_as_json_is_the_card(howfar, name):
    answer = howfar("models", "info", name, "--json")
    assert answer.code == 0
    assert ModelCard.from_dict(json.loads(answer.out)) == CATALOG[name].card


def test_info_for_a_person(howfar, known):
    answer = howfar("models", "info", FETCHED)
    assert answer.code == 0
    card = CATALOG[FETCHED].card
    for text in (card.licence, card.origin, str(known), "127.0.0.1", file_sha256(known)):
        assert text in answer.out
    assert "unverified" in howfar("models", "info", UNVERIFIED).out
    assert "bring your own: " in howfar("models", "info", BRING_YOUR_OWN).out


def test_info_of_a_file_with_a_card_beside_it(howfar, networks):
    answer = howfar("models", "info", networks["metric"][-1], "--json")
    assert answer.code == 0
    card = ModelCard.from_dict(json.loads(answer.out))
    assert (card.name, card.depth_kind, card.preprocess.width) == ("tiny-metric", "metric", 32)


def test_info_of_an_ultralytics_export(howfar, networks):
    card = ModelCard.from_dict(
        json.loads(howfar("models", "info", networks["detector"], "--json").out)
    )
    assert (card.decoder, card.preprocess.width, len(card.classes)) == ("yolov8", 64, 80)


def test_a_card_printed_by_info_works_for_a_file_of_ones_own(howfar, networks, picture, tmp_path):
    """What the documentation says: start from a printed card."""
    mine = tmp_path / "mine.onnx"
    shutil.copy(networks["metric"][-1], mine)
    assert howfar("models", "info", mine).code == 1
    printed = howfar("models", "info", networks["metric"][-1], "--json").out
    mine.with_name("mine" + SIDECAR_SUFFIX).write_text(printed)
    args = ("--detector", networks["detector"], "--depth", mine, "--runtime", "onnx", "--json")
    (record,) = howfar("predict", picture, *args).records
    assert record["objects"][0]["distance_m"] == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("nosuch", 2, "network 'nosuch' is unknown"),
        ("nosuch.onnx", 1, "nosuch.onnx: no such file"),
        ("ftp://x/a.onnx", 2, "ftp://x/a.onnx"),
        ("hf://owner", 2, "hf://owner/repo"),
        ("https://127.0.0.1:9/page.html", 2, "does not end in a .onnx file"),
    ],
)
def test_info_of_what_is_not_there(howfar, name, code, told):
    answer = howfar("models", "info", name)
    assert (answer.code, answer.out) == (code, "")
    (line,) = answer.err.splitlines()
    assert line.startswith("howfar: error: ")
    assert told in line


# -- verify -----------------------------------------------------------------------------------


def test_verify_what_is_here(howfar, known):
    answer = howfar("models", "verify")
    assert (answer.code, answer.out) == (0, f"{OURS}{FETCHED}: whole, {known}\n")
    answer = howfar("models", "verify", FETCHED, TO_FETCH)
    assert answer.code == 0
    assert answer.out.splitlines() == [
        f"{FETCHED}: whole, {known}",
        f"{TO_FETCH}: not on this machine",
    ]


def test_verify_finds_damage(howfar, known):
    data = bytearray(known.read_bytes())
    data[len(data) // 2] ^= 1
    known.write_bytes(data)
    answer = howfar("models", "verify")
    assert (answer.code, answer.out) == (1, OURS)
    (line,) = answer.err.splitlines()
    assert line.startswith(f"howfar: error: {known} is not {FETCHED}: its sha256 is ")
    assert "delete it" in line
    assert known.exists()


def test_verify_goes_on_past_failures_and_ends_with_the_gravest(howfar, known):
    answer = howfar("models", "verify", "nosuch", FETCHED)
    assert answer.code == 2
    assert answer.out == f"{FETCHED}: whole, {known}\n"
    assert "network 'nosuch' is unknown; `howfar models list` shows the names" in answer.err
    known.write_bytes(b"damaged")
    answer = howfar("models", "verify", FETCHED, "nosuch")
    assert answer.code == 2
    assert len(answer.lines("howfar: error: ")) == 2


# -- fetch ------------------------------------------------------------------------------------


def test_fetch_finds_what_is_here(howfar, known):
    answer = howfar("models", "fetch", FETCHED)
    assert (answer.code, answer.out) == (0, f"{FETCHED}: {known}\n")


def test_fetch_downloads_checks_and_keeps(howfar, known, monkeypatch, tmp_path):
    data = known.read_bytes()
    known.unlink()

    def pretend(source, folder, place, progress):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / source.filename
        path.write_bytes(data)
        return path

    monkeypatch.setenv("HOWFAR_OFFLINE", "0")
    monkeypatch.setattr(store, "_retrieve", pretend)
    answer = howfar("models", "fetch", FETCHED)
    cached = tmp_path / "howfar-cache" / "known.onnx"
    assert (answer.code, answer.out) == (0, f"{FETCHED}: {cached}\n")
    assert howfar("models", "verify").out == f"{OURS}{FETCHED}: whole, {cached}\n"


def test_fetch_offline_says_where_to_put_the_file(howfar, tmp_path):
    answer = howfar("models", "fetch", TO_FETCH)
    assert (answer.code, answer.out) == (1, "")
    (line,) = answer.err.splitlines()
    assert line.startswith("howfar: error: offline")
    assert str(tmp_path / "howfar-cache") in line
    assert "HOWFAR_MODELS" in line


def test_fetch_of_the_unverified_asks_for_trust(howfar, monkeypatch):
    monkeypatch.setenv("HOWFAR_OFFLINE", "0")
    answer = howfar("models", "fetch", UNVERIFIED)
    assert (answer.code, answer.out) == (1, "")
    assert "unverified" in answer.err
    assert "--trust" in answer.err


def test_fetch_of_what_has_no_address(howfar):
    answer = howfar("models", "fetch", BRING_YOUR_OWN)
    assert (answer.code, answer.out) == (1, "")
    (line,) = answer.err.splitlines()
    assert "no known download address" in line
    assert "HOWFAR_MODELS" in line


def test_fetch_goes_on_past_failures(howfar, known):
    answer = howfar("models", "fetch", "nosuch", TO_FETCH, FETCHED)
    assert answer.code == 2
    assert answer.out == f"{FETCHED}: {known}\n"
    assert len(answer.lines("howfar: error: ")) == 2


def test_help(howfar):
    assert "howfar models fetch" in howfar("models", "fetch", "--help").out
    assert howfar("models").code == 2
