"""Routes: answers, files, errors, headers, pages."""

import csv
import io
import json
import random
import re
import time
from collections import Counter
from importlib.resources import files

import cv2
import jsonschema
import numpy as np
import pytest
from webserver import crop_ranger, fake_ranger, known_depth, picture_bytes

import howfar.web.server as server_module
from howfar import DownloadError, ModelError
from howfar.core.profile import CameraProfile, Lens
from howfar.core.scale import parse_scale
from howfar.core.straighten import straightener
from howfar.io.palette import NEAR_TO_FAR
from howfar.io.schema import RESULT_SCHEMA
from howfar.options import Options
from howfar.web.limits import Limits
from howfar.web.server import Settings


def decode(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def test_a_picture_gives_the_record_of_predict(client, image):
    answer = client.post("/v1/predict", files=image)
    record = answer.json()
    assert answer.status_code == 200
    jsonschema.validate(record, RESULT_SCHEMA)
    assert record["source"] == "kitchen.png"
    assert [thing["label"] for thing in record["objects"]] == ["chair", "person", "cup"]
    kept = client.get(answer.headers["content-location"])
    assert kept.json() == record


def test_options_are_query_parameters(client, image):
    query = "max_distance=3&conf=0.6&classes=chair, person&stat=median&fov_deg=60"
    record = client.post(f"/v1/predict?{query}", files=image).json()
    assert [thing["label"] for thing in record["objects"]] == ["chair"]
    assert [thing["label"] for thing in record["left_out"]] == ["person"]
    assert record["statistic"] == "median"
    assert record["filter"]["max_distance"] == 3
    assert record["camera"]["fov_deg"] == pytest.approx(60)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("conf=2", "conf"),
        ("colour=red", "colour"),
        ("by=z&by=x", "by"),
        ("max_distance=nan", "max_distance"),
        ("classes=unicorn", "unicorn"),
        ("focal_px=100&fov_deg=60", "either"),
        ("scale=banana", "banana"),
        ("min_distance=3&max_distance=1", "greater"),
        ("scale=1e300", "scale factor is 1e+300; give a number from 0.000001 to 1000000"),
        ("scale=1" + "0" * 190, "scale factor is 1e+190; give a number"),
        ("scale=1e-300", "scale factor is 1e-300; give a number"),
        ("scale=1e300m@chair", "a known distance is 1e+300 m; give metres"),
        ("scale=camera-height=1e300m", "the camera's height is 1e+300 m; give metres"),
    ],
)
def test_wrong_options_are_422_and_say_which(client, image, query, words):
    answer = client.post(f"/v1/predict?{query}", files=image)
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert set(answer.json()) == {"error", "kind"}


def test_the_document_tells_every_kind_of_scale(client):
    parameters = client.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]["parameters"]
    (text,) = (one["description"] for one in parameters if one["name"] == "scale")
    for kind in ("1.3", "2.5m@chair", "2.5m@320,240", "camera-height=1.65m", "object-size"):
        assert kind in text
        parse_scale(kind)


@pytest.mark.parametrize("kind", ["metric", "relative", None])
def test_any_allowed_options_give_a_record_or_one_clear_line(open_client, image, kind):
    """The fuzzer's pictures are mostly rubbish; here the picture is good and the options vary."""
    client = open_client(fake_ranger(kind))
    draw = random.Random(11)
    values = {
        "conf": (0, 0.3, 0.85, 1),
        "iou": (0, 1),
        "max_det": (1, 3000),
        "diou": (0, 10),
        "min_distance": (0, 1e6),
        "max_distance": (0, 3, 1e6),
        "by": ("z", "range"),
        "stat": ("foreground", "median", "central-mean", "center"),
        "focal_px": (1, 1e6),
        "fov_deg": (1, 179),
        "scale": ("1e-6", "1e6", "1e30", "2m@chair", "1e6m@5,30", "object-size", "1+-90%"),
        "classes": ("chair", "cup,person", ",", "\x00"),
    }
    answers = Counter()
    for _ in range(80):
        names = draw.sample(list(values), draw.randint(0, 4))
        query = {name: draw.choice(values[name]) for name in names}
        answer = client.post("/v1/predict", files=image, params=query)
        assert answer.status_code in (200, 422), (query, answer.text)
        answers[answer.status_code] += 1
        if answer.status_code == 200:
            jsonschema.validate(answer.json(), RESULT_SCHEMA)
            for entry in answer.json()["files"].values():
                assert client.get(entry["path"]).status_code in (200, 404, 422), (query, entry)
    assert min(answers.values()) > 5


def test_depth_png_holds_the_depth_of_the_result(client, image):
    record = client.post("/v1/predict", files=image).json()
    entry = record["files"]["depth.png"]
    values = decode(client.get(entry["path"]).content)
    assert values.dtype == np.uint16
    truth = np.nan_to_num(known_depth(200, 120))
    assert entry["values_per_metre"] == 1000
    np.testing.assert_allclose(values / 1000, truth, atol=0.0006)


def test_metres_without_a_depth_map_filter_files(open_client, image):
    client = open_client(crop_ranger())
    record = client.post("/v1/predict", files=image).json()
    assert record["depth"] is None
    near = {thing["label"]: thing["distance_m"] for thing in record["objects"]}
    assert near == {"chair": 3.0, "person": 2.1429, "cup": 7.5}
    for file in ("annotated.png", "objects.csv"):
        answer = client.get(record["files"][file]["path"], params={"max_distance": 5})
        assert answer.status_code == 200, answer.text
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["label"]: row["left_out"] for row in rows} == {
        "chair": "0",
        "person": "0",
        "cup": "1",
    }


def test_far_depth_is_in_the_unit_that_reaches(open_client, image):
    client = open_client()
    record = client.post("/v1/predict?scale=20", files=image).json()
    entry = record["files"]["depth.png"]
    assert entry["values_per_metre"] == 256
    values = decode(client.get(entry["path"]).content)
    np.testing.assert_allclose(values / 256, 20 * np.nan_to_num(known_depth(200, 120)), atol=0.003)


def test_relative_depth_gives_order_and_no_metres(open_client, image):
    client = open_client(fake_ranger("relative"))
    record = client.post("/v1/predict", files=image).json()
    assert "depth.png" not in record["files"]
    assert "points.ply" not in record["files"]
    assert all(thing["distance_m"] is None for thing in record["objects"])
    base = record["files"]["order.png"]["path"].rpartition("/")[0]
    answer = client.get(f"{base}/order.png")
    values = decode(answer.content).astype(float)
    truth = known_depth(200, 120)
    np.testing.assert_allclose(
        values / values.max(), np.nan_to_num(truth / np.nanmax(truth)), atol=2e-5
    )
    unit = float(answer.headers["howfar-values-per-unit"])
    person = record["objects"][1]
    x, y = (int((person["box"][i] + person["box"][i + 2]) / 2) for i in (0, 1))
    assert values[y, x] / unit == pytest.approx(person["relative_depth"], rel=0.02)
    for name in ("depth.png", "points.ply", "annotated.png?max_distance=2"):
        refused = client.get(f"{base}/{name}")
        assert refused.status_code == 422
        assert "metres" in refused.json()["error"]


def test_a_scale_turns_relative_depth_into_metres(open_client, image):
    client = open_client(fake_ranger("relative"))
    record = client.post("/v1/predict?scale=2m@chair", files=image).json()
    assert record["objects"][0]["distance_m"] == pytest.approx(2, rel=0.01)
    assert record["files"]["depth.png"]["values_per_metre"] == 1000


def test_without_depth_there_are_boxes_only(open_client, image):
    client = open_client(fake_ranger(None))
    record = client.post("/v1/predict", files=image).json()
    assert set(record["files"]) == {"annotated.png", "picture.jpg", "objects.csv"}
    base = record["files"]["picture.jpg"]["path"].rpartition("/")[0]
    assert client.get(f"{base}/depth.png").status_code == 422


def test_other_files_of_a_result(client, image):
    entries = client.post("/v1/predict", files=image).json()["files"]
    for name in ("annotated.png", "picture.jpg", "colours.png"):
        assert decode(client.get(entries[name]["path"]).content).ndim == 3
    ply = client.get(entries["points.ply"]["path"]).content
    assert ply.startswith(b"ply\n")
    assert f"element vertex {200 * 108}".encode() in ply
    rows = list(csv.DictReader(io.StringIO(client.get(entries["objects.csv"]["path"]).text)))
    assert [row["label"] for row in rows] == ["chair", "person", "cup"]
    near = client.get(entries["objects.csv"]["path"] + "?max_distance=2.5").text
    assert [row["left_out"] for row in csv.DictReader(io.StringIO(near))] == ["0", "1", "1"]
    plain = client.get(entries["annotated.png"]["path"]).content
    assert client.get(entries["annotated.png"]["path"] + "?max_distance=2.5").content != plain


def test_a_result_can_be_forgotten(client, image):
    place = client.post("/v1/predict", files=image).headers["content-location"]
    assert client.delete(place).status_code == 204
    for answer in (client.get(place), client.get(f"{place}/depth.png"), client.delete(place)):
        assert answer.status_code == 404
        assert answer.json()["kind"] == "NotFound"


@pytest.mark.parametrize("name", ["x", "../../etc/passwd", "a" * 22 + "%0a", "a" * 23])
def test_names_that_are_none_are_refused(client, name):
    assert client.get(f"/v1/results/{name}").status_code in (404, 422)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"files": {"image": ("a.txt", b"hello", "image/png")}}, 422, "a text file"),
        ({"files": {"image": ("a.png", b"", "image/png")}}, 422, "empty"),
        ({"files": {"image": ("a.png", picture_bytes()[:2000], "image/png")}}, 422, "truncated"),
        ({"files": {"photo": ("a.png", b"x", "image/png")}}, 422, "'image'"),
        ({"data": {"image": "text"}, "files": {"other": b"x"}}, 422, "'image'"),
        ({"content": b"x", "headers": {"content-type": "image/png"}}, 415, "image/png"),
        ({"content": b"x"}, 415, "none"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "boundary"),
        ({"json": {"url": "http://127.0.0.1/"}}, 403, "--allow-urls"),
        ({"json": {"link": "x"}}, 422, "url"),
        ({"json": ["x"]}, 422, "url"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "JSON"),
    ],
)
def test_bad_bodies_get_one_clear_line(client, body, status, words):
    answer = client.post("/v1/predict", **body)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_private_addresses_are_not_fetched(open_client):
    client = open_client(settings=Settings(allow_urls=True))
    for url in ("http://127.0.0.1/a.png", "http://[::1]/", "http://169.254.169.254/", "file:///x"):
        answer = client.post("/v1/predict", json={"url": url})
        assert answer.status_code == 422
        assert answer.json()["kind"] == "UsageError"


def test_addresses_are_fetched_and_named(open_client, monkeypatch):
    client = open_client(settings=Settings(allow_urls=True))
    monkeypatch.setattr(server_module, "fetch_public", lambda *_: picture_bytes())
    record = client.post("/v1/predict", json={"url": "https://example.com/kitchen.png"}).json()
    assert record["source"] == "https://example.com/kitchen.png"
    assert len(record["objects"]) == 3


def test_addresses_that_take_too_long_are_given_up(open_client, monkeypatch):
    client = open_client(settings=Settings(Limits(request_seconds=0.1), allow_urls=True))
    monkeypatch.setattr(server_module, "fetch_public", lambda *_: time.sleep(0.5))
    answer = client.post("/v1/predict", json={"url": "https://example.com/kitchen.png"})
    assert answer.status_code == 422
    assert "in time" in answer.json()["error"]


def test_long_bodies_are_413_told_in_advance_or_not(open_client):
    client = open_client(settings=Settings(Limits(body_bytes=5000)))
    told = client.post("/v1/predict", files={"image": b"x" * 6000})

    def pieces():
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(10):
            yield b"x" * 1000

    kind = {"content-type": "multipart/form-data; boundary=b"}
    untold = client.post("/v1/predict", content=pieces(), headers=kind)
    for answer in (told, untold):
        assert answer.status_code == 413
        assert answer.json()["kind"] == "TooLarge"
        assert "0.005 MB" in answer.json()["error"]


def test_large_pictures_are_422_by_their_header(open_client, image):
    client = open_client(settings=Settings(Limits(pixels=20_000)))
    answer = client.post("/v1/predict", files=image)
    assert answer.status_code == 422
    assert "200 x 120" in answer.json()["error"]
    assert answer.json()["kind"] == "TooLarge"


def test_results_are_forgotten_when_memory_is_full(open_client, image):
    client = open_client(settings=Settings(Limits(results_bytes=500_000)))
    places = [client.post("/v1/predict", files=image).headers["content-location"] for _ in "abc"]
    assert [client.get(place).status_code for place in places] == [404, 200, 200]
    assert "memory" in client.get(places[0]).json()["error"]


def test_failures_of_the_server_are_500_and_named(open_client, image):
    ranger = fake_ranger()

    def fail(*_):
        raise ModelError("fake.onnx: the network failed")

    ranger.detector.detect = fail
    answer = open_client(ranger).post("/v1/predict", files=image)
    assert answer.status_code == 500
    assert answer.json() == {"error": "fake.onnx: the network failed", "kind": "ModelError"}
    assert issubclass(DownloadError, ModelError)


def test_the_camera_of_the_server_holds_for_all(open_client, image):
    lens = Lens(180, 180, 100, 60)
    client = open_client(settings=Settings(options=Options(camera=CameraProfile(200, 120, lens))))
    answer = client.post("/v1/predict?conf=0.6", files=image)
    assert answer.json()["camera"]["fx"] == pytest.approx(180)
    assert "howfar-straightened" not in answer.headers
    other = {"image": picture_bytes(300, 300)}
    assert client.post("/v1/predict", files=other).status_code == 422


def test_a_straightened_picture_is_said_to_be_and_served(open_client, bent_camera):
    client = open_client(settings=Settings(options=Options(camera=bent_camera)))
    smooth = np.repeat(np.arange(200, dtype=np.uint8)[None], 120, 0)
    sent = cv2.imencode(".png", cv2.merge([smooth] * 3))[1].tobytes()
    answer = client.post("/v1/predict", files={"image": sent})
    assert answer.headers["howfar-straightened"] == "1"
    assert any("distortion" in note for note in answer.json()["notes"])
    served = decode(client.get(answer.json()["files"]["picture.jpg"]["path"]).content)[..., 0]
    moved = straightener(bent_camera, 200, 120)
    np.testing.assert_allclose(served, moved.pixels(cv2.merge([smooth] * 3))[..., 0], atol=3)
    assert np.abs(served.astype(int) - smooth).max() > 6  # so the difference can be seen


def test_fetching_counts_towards_the_time_of_an_answer(open_client, monkeypatch):
    settings = Settings(Limits(request_seconds=0.8), allow_urls=True)
    client = open_client(fake_ranger(seconds=0.5), settings)

    def fetch(*_):
        time.sleep(0.6)
        return picture_bytes()

    monkeypatch.setattr(server_module, "fetch_public", fetch)
    answer = client.post("/v1/predict", json={"url": "https://example.com/kitchen.png"})
    assert answer.status_code == 504


def test_invented_methods_are_counted_as_one(client):
    for method in ("ABC", "ABD", "abe"):
        assert client.request(method, "/health").status_code in (403, 405)
    text = client.get("/metrics").text
    assert re.search(r'method="other",status="405"} 3', text)
    assert "ABC" not in text


def test_foreign_hosts_and_pages_are_refused(client, image):
    rebound = client.get("/health", headers={"host": "evil.example"})
    assert rebound.status_code == 403
    assert "evil.example" in rebound.json()["error"]
    own = {"origin": "http://localhost"}
    assert client.post("/v1/predict", files=image, headers=own).status_code == 200
    other = client.post("/v1/predict", files=image, headers={"origin": "http://evil.example"})
    assert other.status_code == 403
    assert other.json()["kind"] == "ForeignOrigin"


def test_allowed_names_are_known(open_client):
    client = open_client(settings=Settings(hosts=("cam.example",)))
    assert client.get("/health", headers={"host": "cam.example:8000"}).status_code == 200


def test_health_metrics_and_about(client, image):
    client.post("/v1/predict", files=image)
    client.post("/v1/predict", files={"image": b"no picture"})
    health = client.get("/health").json()
    assert (health["status"], health["pending"], health["workers"]) == ("ok", 0, 1)
    about = client.get("/v1/about").json()
    assert [model["role"] for model in about["models"]] == ["detector", "depth"]
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.text
    assert 'howfar_requests_total{route="/v1/predict",method="POST",status="200"} 1' in text
    assert 'howfar_requests_total{route="/v1/predict",method="POST",status="422"} 1' in text
    assert re.search(r'howfar_stage_seconds_count\{stage="predict"\} 2', text)
    assert "\nhowfar_results 1\n" in text


def test_every_answer_forbids_outside_requests(client):
    for path in ("/", "/docs", "/static/style.css", "/health", "/nowhere"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
        assert "unsafe" not in policy


def test_static_files_are_those_of_the_package_and_no_others(client):
    root = files("howfar.web") / "static"
    for name in ("style.css", "js/main.js", "examples/room.jpg"):
        answer = client.get(f"/static/{name}")
        assert answer.content == (root / name).read_bytes()
        again = client.get(f"/static/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert client.get("/").content == (root / "index.html").read_bytes()
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/app.py"):
        assert client.get(path).status_code == 404


def test_pages_name_no_other_place():
    root = files("howfar.web") / "static"
    texts = [
        path.read_text() for path in root.rglob("*") if path.suffix in (".html", ".js", ".css")
    ]
    assert len(texts) > 8
    for text in texts:
        links = re.findall(r"(?:src|href)=\"([^\"]+)\"|url\(([^)]+)\)|from \"([^\"]+)\"", text)
        for link in ("".join(parts) for parts in links):
            assert link.startswith(("/", "./", "#")), link
            assert not link.startswith("//"), link
        assert not re.search(r"@import|<script>|onclick=|style=", text)


def test_the_colours_of_the_page_are_those_of_the_pictures():
    text = (files("howfar.web") / "static" / "js" / "ramp.js").read_text()
    written = text.partition("STOPS =")[2].partition(";")[0]
    stops = [bytes.fromhex(one) for one in re.findall(r"\b[0-9a-f]{6}\b", written)]
    known = np.array([list(stop) for stop in stops], float)
    at = np.linspace(0, len(known) - 1, 256)
    table = np.stack([np.interp(at, np.arange(len(known)), known[:, c]) for c in range(3)], 1)
    assert np.abs(table - NEAR_TO_FAR).max() < 4


def test_the_openapi_document_is_whole(open_client):
    document = open_client().get("/openapi.json").json()
    text = json.dumps(document)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in document["components"]["schemas"]
    assert set(document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]) == {
        "multipart/form-data"
    }
    allowing = open_client(settings=Settings(allow_urls=True)).get("/openapi.json").json()
    assert "application/json" in allowing["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
