"""The page in real headless Chromium: everything that a visitor does."""

import base64
import csv
import io
import json
import re

import cv2
import numpy as np
import PIL.Image
import pytest
from webserver import (
    FakeDetector,
    crop_ranger,
    fake_ranger,
    known_depth,
    picture_bytes,
    wait_for,
)

from howfar.core.profile import CameraProfile, Lens
from howfar.core.straighten import straightener
from howfar.options import Options
from howfar.web.limits import Limits
from howfar.web.server import Settings

pytestmark = pytest.mark.browser


@pytest.fixture
def picture(tmp_path):
    """A picture file of 200 x 120."""
    path = tmp_path / "kitchen.png"
    path.write_bytes(picture_bytes())
    return path


def upload(page, path):
    """Choose a picture and wait for its result."""
    page.set_input_files("#file", path)
    page.wait_for_function("() => document.getElementById('veil').hidden")
    page.wait_for_selector("#rows tr")
    return page


def set_limit(page, value):
    """Move the slider, 0..1000."""
    page.evaluate(
        "value => { const range = document.getElementById('limit'); range.value = value;"
        " range.dispatchEvent(new Event('input')); }",
        value,
    )


def shown_rows(page):
    """Object and distance of each row that can be seen."""
    return page.evaluate(
        """() => [...document.querySelectorAll("#rows tr")].filter(row => row.checkVisibility())
            .map(row => [...row.cells].slice(0, 2).map(cell => cell.innerText.trim()))"""
    )


def streams_of(page):
    """How many live streams the server counts."""
    text = page.request.get(page.url.rstrip("/") + "/metrics").text()
    return int(re.search(r"^howfar_streams (\d+)", text, re.M).group(1))


def canvas_pixels(page):
    """What the canvas shows, (H, W, 3)."""
    data = page.evaluate("() => document.getElementById('picture').toDataURL('image/png')")
    raw = np.frombuffer(base64.b64decode(data.partition(",")[2]), np.uint8)
    return cv2.imdecode(raw, cv2.IMREAD_COLOR)[..., ::-1]


def point_to(page, x, y, width=200, height=120):
    """Move the mouse over a pixel of the picture."""
    box = page.locator("#view").bounding_box()
    page.mouse.move(
        box["x"] + (x + 0.5) / width * box["width"], box["y"] + (y + 0.5) / height * box["height"]
    )


def test_a_picture_is_uploaded_and_its_objects_are_drawn(open_page, picture):
    page = upload(open_page(), picture)
    assert shown_rows(page) == [["chair", "1.94 m"], ["person", "3.00 m"], ["cup", "4.31 m"]]
    assert page.locator(".tag").all_inner_texts()[::-1] == [
        "chair 1.94 m",
        "person 3.00 m",
        "cup 4.31 m",
    ]
    view = page.locator("#view").bounding_box()
    box = page.locator(".box").last.bounding_box()
    x1, y1, x2, y2 = FakeDetector.BOXES[0]
    assert (box["x"] - view["x"]) / view["width"] == pytest.approx(x1, abs=0.01)
    assert (box["y"] - view["y"]) / view["height"] == pytest.approx(y1, abs=0.01)
    assert box["width"] / view["width"] == pytest.approx(x2 - x1, abs=0.01)
    assert box["height"] / view["height"] == pytest.approx(y2 - y1, abs=0.01)
    assert "3 objects" in page.inner_text("#status")
    own = np.array(PIL.Image.open(picture))
    np.testing.assert_array_equal(canvas_pixels(page), own)


def test_an_example_is_picked(open_page):
    page = open_page()
    assert page.locator("#examples button").count() == 4
    page.click("#example-coffee")
    page.wait_for_selector("#rows tr")
    assert page.locator("#facts").inner_text().startswith("600 × 400 pixels")


def test_a_picture_is_pasted_and_dropped(open_page, picture):
    page = open_page()
    for kind in ("paste", "drop"):
        page.evaluate(
            """([kind, bytes]) => {
                const file = new File([new Uint8Array(bytes)], `${kind}.png`, {type: "image/png"});
                const data = new DataTransfer();
                data.items.add(file);
                const event = kind === "paste"
                    ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true})
                    : new DragEvent("drop", {dataTransfer: data, bubbles: true});
                document.body.dispatchEvent(event);
            }""",
            [kind, list(picture.read_bytes())],
        )
        page.wait_for_selector(f'a[download="{kind}.json"]', state="attached")
        assert len(shown_rows(page)) == 3


def test_the_slider_hides_what_is_farther_without_asking_the_server(open_page, picture):
    page = upload(open_page(), picture)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.fill("#limit-number", "3.5")
    assert shown_rows(page) == [["chair", "1.94 m"], ["person", "3.00 m"]]
    assert page.inner_text("#hidden-count") == "1 object hidden"
    assert page.locator(".box:visible").count() == 2
    own = np.array(PIL.Image.open(picture)).astype(int)
    shown = canvas_pixels(page).astype(int)
    depth = np.nan_to_num(known_depth(200, 120), nan=99)
    inside = (depth < 3.4) & (depth > 0)
    np.testing.assert_array_equal(shown[inside], own[inside])
    beyond = depth > 3.6
    assert shown[beyond].max() < 80  # faded to dark grey
    set_limit(page, 0)
    assert shown_rows(page) == []
    page.click("#show-all")
    assert len(shown_rows(page)) == 3
    np.testing.assert_array_equal(canvas_pixels(page).astype(int), own)
    assert asked == []


def test_the_limit_is_inclusive(open_page, picture):
    page = upload(open_page(), picture)
    record = page.evaluate(
        "async () => (await fetch(document.querySelector('a[download$=json]').href)).json()"
    )
    chair = min(thing["distance_m"] for thing in record["objects"])
    page.fill("#limit-number", str(chair))
    assert [name for name, _ in shown_rows(page)] == ["chair"]
    page.fill("#limit-number", str(chair - 0.001))
    assert shown_rows(page) == []


def test_hovering_reads_the_depth_that_the_api_gives(open_page, picture):
    page = upload(open_page(), picture)
    href = page.get_attribute('a[download$="depth.png"]', "href")
    data = page.request.get(page.url.rstrip("/") + href).body()
    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    for x, y in ((0, 40), (57, 33), (120, 119), (199, 60)):
        point_to(page, x, y)
        metres = values[y, x] / 1000
        assert page.inner_text("#readout").split("\n")[0] == f"{metres:.2f} m"
        assert float(page.get_attribute("#readout", "data-depth")) == pytest.approx(metres)
        assert f"x {x} · y {y}" in page.inner_text("#readout")
    point_to(page, 100, 4)
    assert page.inner_text("#readout").startswith("no depth")


def test_large_pictures_are_read_at_their_own_pixels(open_page, tmp_path):
    path = tmp_path / "large.jpg"
    path.write_bytes(picture_bytes(2400, 1500, "JPEG"))
    page = upload(open_page(), path)
    truth = known_depth(2400, 1500)
    page.focus("#view")
    page.keyboard.press("ArrowRight")
    assert float(page.get_attribute("#readout", "data-depth")) == pytest.approx(
        truth[750, 1200], abs=6e-4
    )
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    assert float(page.get_attribute("#readout", "data-depth")) == pytest.approx(
        truth[870, 1201], abs=6e-4
    )


def test_boxes_and_depth_are_drawn_on_the_picture_as_served(open_page, tmp_path):
    """A camera whose lens distorts: the picture of the result is not what was sent."""
    smooth = np.repeat(np.arange(200, dtype=np.uint8)[None], 120, 0)
    path = tmp_path / "bent.png"
    cv2.imwrite(str(path), smooth)
    camera = CameraProfile(200, 120, Lens(180, 180, 100, 60, (-0.3, 0.1, 0.0, 0.0)))
    page = upload(open_page(settings=Settings(options=Options(camera=camera))), path)
    straight = straightener(camera, 200, 120).pixels(cv2.merge([smooth] * 3)).astype(int)
    assert np.abs(straight[..., 0] - smooth).max() > 6  # so the difference can be seen
    assert np.abs(canvas_pixels(page).astype(int) - straight).max() <= 3


def test_live_pictures_are_drawn_as_served(open_page):
    camera = CameraProfile(640, 360, Lens(500, 500, 320, 180, (-0.4, 0.15, 0.0, 0.0)))
    page = open_page(settings=Settings(options=Options(camera=camera)))
    page.add_init_script(
        "window.made = []; const make = createImageBitmap; createImageBitmap ="
        " async (from) => { const done = await make(from); window.made.push(done); return done; };"
    )
    page.reload()
    page.click('#start [data-do="camera"]')
    page.wait_for_function("() => window.made.length > 2")
    assert page.evaluate("() => [made[0].width, made[0].height]") == [640, 360]
    assert page.is_hidden("#alert")
    page.wait_for_selector("#rows tr")
    page.click("#stop")


def test_views_show_picture_depth_and_blend(open_page, picture):
    page = upload(open_page(), picture)
    shots = {}
    for view in ("picture", "blend", "depth"):
        page.check(f'input[name="view"][value="{view}"]', force=True)
        shots[view] = canvas_pixels(page).astype(int)
    left, right = shots["depth"][60, 2], shots["depth"][60, 197]
    assert left[0] > 230
    assert left[1] > 200
    assert left[2] < 80  # near is yellow
    assert right[2] > right[1] + 60  # far is violet
    assert (shots["depth"][3, 100] == 96).all()  # none is grey
    halfway = (shots["picture"] * 105 + shots["depth"] * 151) / 256
    assert np.abs(shots["blend"] - halfway).max() <= 2


def test_the_slider_holds_what_it_shows(open_page, picture):
    page = upload(open_page(), picture)
    for value in (333, 471, 808):
        set_limit(page, value)
        shown = page.input_value("#limit-number")
        href = page.get_attribute('a[download$="csv"]', "href")
        assert float(href.partition("max_distance=")[2]) == float(shown)
    page.fill("#limit-number", "1.93725")
    assert page.get_attribute('a[download$="csv"]', "href").endswith("max_distance=1.93725")


def test_what_fails_leaves_the_result_before_it(open_page, tmp_path, picture):
    page = upload(open_page(), picture)
    path = tmp_path / "notes.png"
    path.write_text("these are no pixels")
    page.set_input_files("#file", path)
    page.wait_for_selector("#alert:visible")
    page.click("summary")
    page.fill('[name="conf"]', "0.85")
    page.click("#options-form button")
    page.wait_for_function("() => document.querySelectorAll('#rows tr').length === 1")
    assert page.is_hidden("#alert")
    assert page.get_attribute("#downloads a", "download") == "kitchen.annotated.png"


def test_a_row_highlights_its_box(open_page, picture):
    page = upload(open_page(), picture)
    page.click("#rows tr >> nth=1")
    assert page.get_attribute("#rows tr >> nth=1", "aria-current") == "true"
    assert page.locator(".tag.on").inner_text() == "person 3.00 m"
    page.mouse.move(2, 2)
    page.focus("#rows tr >> nth=0")
    page.keyboard.press("Enter")
    assert page.locator(".tag.on").inner_text() == "chair 1.94 m"
    page.keyboard.press("Enter")
    page.mouse.move(2, 2)
    assert page.locator(".tag.on").count() == 0


def test_the_point_cloud_is_drawn_and_turns(open_page, picture):
    page = upload(open_page(), picture)
    page.check('input[name="view"][value="cloud"]', force=True)
    shot = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
        const canvas = document.getElementById("cloud");
        const gl = canvas.getContext("webgl2");
        const data = new Uint8Array(canvas.width * canvas.height * 4);
        gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, data);
        let lit = 0, sum = 0;
        for (let i = 0; i < data.length; i += 4) {
            if (data[i] > 20) { lit++; sum += i * data[i] % 9973; }
        }
        done([lit / (data.length / 4), sum]);
    })))"""
    share, first = page.evaluate(shot)
    assert share > 0.1
    box = page.locator("#cloud").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 220, steps=3)
    page.mouse.up()
    _, turned = page.evaluate(shot)
    assert turned != first
    page.focus("#cloud")
    page.keyboard.press("0")
    assert page.evaluate(shot)[1] == first
    labels = page.locator("#cloud-labels span").all_inner_texts()
    assert "person 3.00 m" in labels
    assert "field of view assumed" in page.inner_text("#cloud-help")
    page.fill("#limit-number", "2")
    nearer, _ = page.evaluate(shot)
    assert nearer < 0.8 * share
    assert "person 3.00 m" not in page.locator("#cloud-labels span").all_inner_texts()


def test_downloads(open_page, picture):
    page = upload(open_page(), picture)
    page.fill("#limit-number", "3.5")
    got = {}
    for link in page.query_selector_all("#downloads a"):
        with page.expect_download() as download:
            link.click()
        got[download.value.suggested_filename] = download.value.path().read_bytes()
    assert set(got) == {
        "kitchen.annotated.png",
        "kitchen.json",
        "kitchen.csv",
        "kitchen.ply",
        "kitchen.depth.png",
        "kitchen.colours.png",
    }
    assert json.loads(got["kitchen.json"])["source"] == "kitchen.png"
    rows = list(csv.DictReader(io.StringIO(got["kitchen.csv"].decode())))
    assert [row["left_out"] for row in rows] == ["0", "0", "1"]  # as the slider says
    assert got["kitchen.ply"].startswith(b"ply")
    assert PIL.Image.open(io.BytesIO(got["kitchen.annotated.png"])).size == (200, 120)
    assert PIL.Image.open(io.BytesIO(got["kitchen.depth.png"])).mode.startswith("I")


def test_relative_depth_shows_no_metres_anywhere(open_page, picture):
    page = upload(open_page(fake_ranger("relative")), picture)
    assert shown_rows(page) == [
        ["chair", "nearest"],
        ["person", "2. nearest"],
        ["cup", "3. nearest"],
    ]
    assert page.locator(".tag").all_inner_texts()[::-1] == ["chair", "person", "cup"]
    assert page.locator("#ticks span").all_inner_texts() == ["near", "far"]
    point_to(page, 150, 60)
    assert "%" in page.inner_text("#readout")
    set_limit(page, 600)
    assert shown_rows(page) == [["chair", "nearest"], ["person", "2. nearest"]]
    assert page.inner_text("#limit-text") == "the nearest 60 %"
    page.check('input[name="view"][value="cloud"]', force=True)
    page.wait_for_selector("#cloud-labels span", state="attached")
    assert page.locator("#cloud-labels span").all_inner_texts() == ["chair", "person"]
    text = page.inner_text("#work")
    assert not re.search(r"\d ?m\b", text.replace("2.5m@chair", ""))
    spoken = page.evaluate(
        """() => [...document.querySelectorAll("#work *")].filter(one => one.checkVisibility())
            .flatMap(one => ["aria-label", "aria-valuetext", "title"].map(
                name => one.getAttribute(name) ?? ""))"""
    )
    assert not [words for words in spoken if re.search(r"metre|\d ?m\b", words)]
    assert "no metres" in page.inner_text("#notes")


def test_without_depth_there_are_boxes(open_page, picture):
    page = upload(open_page(fake_ranger(None)), picture)
    assert shown_rows(page) == [["chair", "unknown"], ["person", "unknown"], ["cup", "unknown"]]
    assert page.is_disabled("#limit")
    assert page.is_disabled('input[value="depth"]')


def test_metres_without_a_depth_map_are_hidden_by_the_slider(open_page, picture):
    """Join `crop` looks at each object by itself."""
    page = upload(open_page(crop_ranger()), picture)
    every = [["person", "2.14 m"], ["chair", "3.00 m"], ["cup", "7.50 m"]]
    assert shown_rows(page) == every
    assert page.is_disabled('input[value="depth"]')
    assert page.is_enabled("#limit")
    assert page.locator("#ticks span").count() > 2
    page.fill("#limit-number", "3")
    assert shown_rows(page) == every[:2]
    assert page.inner_text("#hidden-count") == "1 object hidden"
    assert page.locator(".box:visible").count() == page.locator(".tag:visible").count() == 2
    with page.expect_download() as download:
        page.click('a[download$="csv"]')
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert {row["label"] for row in rows if row["left_out"] == "1"} == {"cup"}
    for value, shown in ((999, 2), (0, 0), (500, 2), (1000, 3)):
        set_limit(page, value)
        assert len(shown_rows(page)) == shown
    own = np.array(PIL.Image.open(picture))
    set_limit(page, 500)
    np.testing.assert_array_equal(canvas_pixels(page), own)  # nobody knows how far pixels are
    colours = page.evaluate(
        "() => [...document.querySelectorAll('#marks i')].map(i => i.style.getPropertyValue('--c'))"
    )
    assert len(set(colours)) == 3


def test_live_metres_without_a_depth_map_are_hidden_by_the_slider(open_page):
    page = open_page(crop_ranger())
    page.click('#start [data-do="camera"]')
    page.wait_for_selector("#rows tr")
    page.fill("#limit-number", "1.5")
    page.wait_for_function("() => document.querySelectorAll('#rows tr.gone').length === 1")
    assert [name for name, _ in shown_rows(page)] == ["person", "chair"]
    page.click("#stop")


def test_options_look_again(open_page, picture):
    page = upload(open_page(), picture)
    page.click("summary")
    page.fill('[name="conf"]', "0.85")
    page.fill('[name="scale"]', "2")
    page.click("#options-form button")
    page.wait_for_function("() => document.querySelectorAll('#rows tr').length === 1")
    page.wait_for_function("() => document.getElementById('facts').innerText.includes('scale ×2')")
    assert shown_rows(page) == [["chair", "3.87 m"]]
    page.fill('[name="scale"]', "banana")
    page.click("#options-form button")
    page.wait_for_selector("#alert:visible")
    assert "banana" in page.inner_text("#alert-text")


def test_errors_are_said_in_words(open_page, tmp_path, picture):
    page = open_page(settings=Settings(Limits(body_bytes=300_000)))
    path = tmp_path / "notes.png"
    path.write_text("these are no pixels")
    page.set_input_files("#file", path)
    page.wait_for_selector("#alert:visible")
    assert page.inner_text("#alert-text") == "notes.png: a text file, not a picture"
    assert page.get_attribute("#alert", "role") == "alert"
    assert page.is_visible("#start")
    large = tmp_path / "large.png"
    large.write_bytes(picture_bytes(500, 400))
    page.set_input_files("#file", large)
    page.wait_for_function(
        "() => /MB|answer/.test(document.getElementById('alert-text').innerText)"
    )
    page.click("#alert-close")
    assert page.is_hidden("#alert")
    upload(page, picture)
    assert len(shown_rows(page)) == 3


def test_a_busy_server_is_tried_again(open_page, serve, picture):
    ranger = fake_ranger(seconds=2.0)
    url, app = serve(ranger, Settings(Limits(waiting=0)))
    first, second = open_page(url=url), open_page(url=url)
    first.set_input_files("#file", picture)
    assert wait_for(lambda: app.state.server.jobs.pending == 1)
    second.set_input_files("#file", picture)
    second.wait_for_function(
        "() => document.getElementById('veil-text').innerText.includes('busy; trying again')"
    )
    second.wait_for_selector("#rows tr")
    assert second.is_hidden("#alert")


def test_the_camera_runs_live_and_gives_a_picture(open_page):
    page = open_page()
    page.click('#start [data-do="camera"]')
    page.wait_for_selector("#rows tr")
    page.wait_for_function("() => /pictures/.test(document.getElementById('live-stats').innerText)")
    assert [name for name, _ in shown_rows(page)] == ["chair", "person", "cup"]
    before = canvas_pixels(page)
    assert wait_for(lambda: (canvas_pixels(page) != before).any())  # it moves
    page.fill("#limit-number", "3.5")
    assert wait_for(lambda: [name for name, _ in shown_rows(page)] == ["chair", "person"])
    point_to(page, 320, 180, 640, 360)
    value = float(page.get_attribute("#readout", "data-depth"))
    assert value == pytest.approx(known_depth(640, 360)[180, 320], abs=0.03)
    page.click("#freeze")
    page.wait_for_selector("#downloads a")
    assert page.is_hidden("#live-stats")
    assert len(shown_rows(page)) == 3
    page.click('#top-actions [data-do="camera"]')
    page.wait_for_selector("#stop:visible")
    assert page.locator("#downloads a").count() == 0  # those of the picture before are gone
    page.click('#top-actions [data-do="camera"]')  # it runs already
    assert wait_for(lambda: streams_of(page) == 1)  # the one before Take this picture is over
    before = canvas_pixels(page)
    assert wait_for(lambda: (canvas_pixels(page) != before).any())
    assert streams_of(page) == 1
    page.click("#stop")
    assert page.is_visible("#start")
    assert wait_for(lambda: streams_of(page) == 0)


def test_why_there_is_no_live_stream_is_said(open_page, serve):
    url, app = serve()
    page = open_page(url=url)
    app.state.server.streams = app.state.server.limits.streams
    page.click('#start [data-do="camera"]')
    page.wait_for_function(
        "() => document.getElementById('alert-text').innerText.includes('streams are running')"
    )
    page.wait_for_timeout(300)
    assert "streams are running" in page.inner_text("#alert-text")
    app.state.server.streams = 0


def test_a_camera_that_is_not_allowed_is_said_in_words(playwright, chromium, serve):
    started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    page = started.new_context(permissions=[]).new_page()
    page.goto(serve()[0])
    page.click('#start [data-do="camera"]')
    page.wait_for_selector("#alert:visible")
    assert "camera" in page.inner_text("#alert-text").lower()
    assert page.is_visible("#start")
    started.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_phone_size(open_page, picture, scheme):
    page = open_page(size=(390, 844), is_mobile=True, has_touch=True, color_scheme=scheme)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    upload(page, picture)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    view = page.locator("#view").bounding_box()
    assert view["x"] >= 0
    assert view["width"] > 300
    assert view["width"] / view["height"] == pytest.approx(200 / 120, rel=0.02)
    assert page.locator("#limit").bounding_box()["height"] >= 24  # a finger can hold it
    page.touchscreen.tap(view["x"] + view["width"] / 2, view["y"] + view["height"] / 2)
    assert page.inner_text("#readout").startswith("3.01 m")
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(14, 15, 19)") == (scheme == "dark")


COVERED = """() => {
    const status = document.getElementById("status");
    if (!status.classList.contains("shown")) return null;
    const own = status.getBoundingClientRect();
    return [...document.querySelectorAll("button, a, input, label, tr")]
        .filter(one => one.checkVisibility({visibilityProperty: true}))
        .filter(one => !one.matches(".unseen, .skip"))
        .filter(one => {
            const { left, right, top, bottom } = one.getBoundingClientRect();
            return left < own.right && right > own.left && top < own.bottom && bottom > own.top;
        })
        .map(one => one.outerHTML);
}"""


@pytest.mark.parametrize("size", [(390, 844), (320, 568), (700, 900), (1280, 860)])
def test_messages_cover_no_button(open_page, picture, size):
    page = open_page(size=size)

    def covered(words):
        page.wait_for_function(f"() => /{words}/.test(document.getElementById('status').innerText)")
        box = page.locator("#status").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
        assert box["y"] + box["height"] <= size[1]
        return page.evaluate(COVERED)

    upload(page, picture)
    assert covered("3 objects found") == []
    page.click('#top-actions [data-do="camera"]')
    assert covered("camera is live") == []
    page.click("#stop")
    assert covered("camera is off") == []


def test_everything_is_reached_and_named_without_a_mouse(open_page, picture):
    page = upload(open_page(), picture)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, a")]
            .filter(one => one.checkVisibility())
            .filter(one => !(one.getAttribute("aria-label") || one.labels?.length
                || one.textContent.trim() || one.getAttribute("title")))
            .map(one => one.outerHTML)"""
    )
    assert unnamed == []
    reached = set()
    page.focus(".skip")
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("() => document.activeElement.id || document.activeElement.tagName")
        )
    assert {"view", "limit", "limit-number", "labels", "theme", "TR", "A", "SUMMARY"} <= reached
    page.focus("#limit")
    page.keyboard.press("Home")
    assert page.get_attribute("#limit", "aria-valuetext") == "up to 1.00 m"
    page.keyboard.press("End")
    assert page.get_attribute("#limit", "aria-valuetext") == "everything"


def test_the_theme_is_kept(open_page):
    page = open_page(color_scheme="light")
    page.click("#theme")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_the_api_page_lists_every_operation(open_page):
    page = open_page()
    page.click('a[href="/docs"]')
    page.wait_for_selector("#operations details")
    paths = page.locator("#operations code").all_inner_texts()
    assert "/v1/predict" in paths
    assert "/v1/results/{name}/depth.png" in paths
    assert page.url.split("/docs")[0] in page.locator("pre").first.inner_text()
