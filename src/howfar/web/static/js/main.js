// The page: what happens when.

import { filterDownloads, showDownloads, showNotes } from "./about.js";
import * as api from "./api.js";
import { Cloud } from "./cloud.js";
import { ObjectList } from "./list.js";
import { Live } from "./live.js";
import { decodePng16 } from "./png16.js";
import { metres, rampsOf } from "./ramp.js";
import { Ruler } from "./ruler.js";
import { Stage, element } from "./stage.js";
import { wireDrops, wireTheme } from "./ways.js";

const byId = (id) => document.getElementById(id);
const EXAMPLES = [
  ["room", "Room", "Drawn by howfar's own renderer", "examples/room.jpg"],
  ["coffee", "Coffee", "Photo by Rachel Michetti, CC0", "examples/coffee.jpg"],
  ["hall", "Hall", "Drawn by howfar's own renderer", "examples/hall.jpg"],
  ["cat", "Cat", "Photo by Stéfan van der Walt, CC0", "examples/cat.jpg"],
];
const state = { blob: null, name: "", url: null, record: null, scene: null, limit: Infinity, chosen: null, job: null, live: null, troubled: false };
// Share of the range of colours that a new frame of the camera does not change.
const CALM = 0.85;
let cloud = null;

const stage = new Stage(
  { view: byId("view"), picture: byId("picture"), boxes: byId("boxes"), cross: byId("cross"), readout: byId("readout") },
  (thing) => choose(thing),
);
const ruler = new Ruler(
  { box: byId("ruler"), range: byId("limit"), number: byId("limit-number"), text: byId("limit-text"), all: byId("show-all"), track: byId("track"), ticks: byId("ticks"), marks: byId("marks") },
  (limit) => setLimit(limit),
);
const list = new ObjectList(
  { rows: byId("rows"), count: byId("count"), head: byId("spread-head"), nothing: byId("nothing"), hidden: byId("hidden-count") },
  (thing) => choose(thing),
  (thing) => light(thing),
);
const live = new Live(byId("video"), onFrame, onLiveEnd);

// -- words --------------------------------------------------------------------

let hush = 0;
function say(text, seconds = 0) {
  const status = byId("status");
  clearTimeout(hush);
  if (text) status.textContent = text;
  const top = byId("stage").getBoundingClientRect().top + scrollY;
  status.style.setProperty("--picture-top", `${Math.round(top)}px`);
  status.classList.toggle("shown", Boolean(text));
  if (seconds) hush = setTimeout(() => status.classList.remove("shown"), seconds * 1000);
}

function complain(text) {
  byId("alert").hidden = !text;
  byId("alert-text").textContent = text ?? "";
  if (text) say("");
}

function busy(text) {
  byId("veil").hidden = !text;
  byId("veil-text").textContent = text ?? "";
  byId("stage").setAttribute("aria-busy", String(Boolean(text)));
  if (text) say(text);
  if (text && !byId("work").hidden) byId("status").classList.remove("shown");
}

function failed(error) {
  busy(null);
  if (error.name === "AbortError") return;
  complain(error instanceof api.Failure ? error.message : `Something went wrong on this page: ${error.message}`);
  if (!state.record && !live.running) showStart();
}

function showStart() {
  byId("start").hidden = false;
  byId("work").hidden = true;
  byId("top-actions").hidden = true;
  scrollTo(0, 0);
}

function showWork() {
  byId("start").hidden = true;
  byId("work").hidden = false;
  byId("top-actions").hidden = false;
  scrollTo(0, 0);
  stage.fit();
}

// -- one picture --------------------------------------------------------------

async function look(blob, name) {
  await run({ blob, name: name || "picture", url: null }, async (told, signal) => {
    await preview(blob, signal);
    return api.predict(blob, state.name, options(), told, signal);
  });
}

async function lookAtUrl(url) {
  await run({ blob: null, name: url.split("/").pop() || "picture", url }, (told) => {
    told("Fetching the picture …");
    return api.predictUrl(url, options());
  });
}

// What fails leaves the result before it on the page, and what it was made of.
async function run(source, job) {
  live.stop();
  complain(null);
  state.job?.abort();
  const { blob, name, url } = state;
  Object.assign(state, source);
  const own = (state.job = new AbortController());
  try {
    busy("Sending the picture …");
    const record = await job(busy, own.signal);
    const scene = await sceneOf(record, own.signal);
    if (state.job !== own) return;
    state.record = record;
    showWork();
    present(scene, record, true);
    busy(null);
    say(summary(record), 4);
    byId("main").focus({ preventScroll: true });
  } catch (error) {
    if (state.job !== own) return;
    if (state.record) Object.assign(state, { blob, name, url });
    failed(error);
  }
}

// The picture itself at once, before the answer is there; not every format is known to browsers.
async function preview(blob, signal) {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  signal.throwIfAborted();
  if (!bitmap) return;
  showWork();
  const empty = { width: bitmap.width, height: bitmap.height, source: bitmap, depth: null, ramp: null, reach: null, objects: [], metric: false, unit: 1 };
  state.record = null;
  present(empty, null, true);
}

async function sceneOf(record, signal) {
  const kind = record.depth?.kind;
  const metric = isMetric(record);
  const [picture, depthFile] = await Promise.all([
    pictureOf(record),
    kind ? api.file(record, metric ? "depth.png" : "order.png") : null,
  ]);
  const depth = depthFile ? await decodePng16(await depthFile.arrayBuffer()) : null;
  signal.throwIfAborted();
  const perUnit = Number(depthFile?.headers.get("Howfar-Values-Per-Unit")) || 1;
  const unit = (metric && record.files["depth.png"]?.values_per_metre) || perUnit;
  return makeScene(record, picture, depth, unit, metric);
}

// Whether distances are metres; joins that look at each object by itself have them without a map.
function isMetric({ depth, objects, left_out: hidden }) {
  return depth ? depth.kind === "metric" : [...objects, ...hidden].some((thing) => thing.distance_m !== null);
}

// Own pixels where boxes and depth lie on them; what the server straightened is the server's.
async function pictureOf(record) {
  if (state.blob && !record.straightened) {
    const own = await createImageBitmap(state.blob).catch(() => null);
    if (own && own.width === record.width && own.height === record.height) return own;
  }
  return createImageBitmap(await (await api.file(record, "picture.jpg")).blob());
}

// `before` is the scene that this one follows in a live picture: colours and slider drift, not jump.
function makeScene(record, source, depth, unit, metric, before = null) {
  const things = [...record.objects, ...record.left_out].map((thing) => ({ ...thing, order: orderOf(thing, metric, depth) }));
  const ramps = rampsOf(depth, unit, things.map(({ order }) => order).filter((order) => order !== null));
  if (ramps && before?.reach && before.metric === metric) {
    ramps.colour = ramps.colour.after(before.ramp, CALM);
    ramps.reach = ramps.reach.after(before.reach, CALM);
  }
  const scene = {
    width: record.width, height: record.height, source, metric, unit,
    camera: record.camera,
    depth: ramps?.mapped ? depth : null,
    ramp: ramps?.colour ?? null,
    reach: ramps?.reach ?? null,
  };
  scene.objects = things.map((thing) => decorate(thing, scene)).sort((a, b) => (a.order ?? Infinity) - (b.order ?? Infinity));
  return scene;
}

// What objects are sorted and hidden by: metres, or relative depth where a map gives it a range.
function orderOf(thing, metric, depth) {
  if (metric) return thing.distance_m;
  return depth ? thing.relative_depth : null;
}

function decorate(thing, scene) {
  const rgb = thing.order !== null ? scene.ramp.rgb(thing.order) : [200, 200, 200];
  const tag = thing.distance_m === null ? thing.label : `${thing.label} ${metres(thing.distance_m)}`;
  return { ...thing, rgb, colour: `rgb(${rgb.join(" ")})`, tag };
}

function present(scene, record, fresh) {
  state.scene = scene;
  if (fresh) {
    state.chosen = null;
    ruler.limitValue = Infinity;
  }
  stage.limit = ruler.limitValue;
  stage.show(scene);
  ruler.show(scene);
  for (const radio of document.querySelectorAll('[name="view"]')) {
    radio.disabled = radio.value !== "picture" && !scene.depth;
  }
  const wanted = document.querySelector('[name="view"]:checked').value;
  setView(scene.depth || !record ? wanted : "picture");
  list.show(scene, Boolean(record));
  keepChoice(scene);
  if (record && fresh) {
    byId("download-card").hidden = false;
    showDownloads(byId("downloads"), record, state.name);
    filterDownloads(byId("downloads"), shownLimit());
    showNotes(byId("notes"), byId("facts"), record);
  }
}

function summary(record) {
  const count = record.objects.length;
  return `${count} object${count === 1 ? "" : "s"} found in ${Math.round(record.timing_ms.total)} ms`;
}

// -- choice -------------------------------------------------------------------

function choose(thing) {
  state.chosen = thing;
  light(thing);
  markRows();
}

function light(thing) {
  stage.light(thing);
  cloud?.light(thing);
}

function markRows() {
  list.mark((thing) => stage.keeps(thing), state.chosen);
}

// In a live picture the choice passes to the same kind of object of the new frame.
function keepChoice(scene) {
  const { chosen } = state;
  if (!chosen || scene.objects.includes(chosen)) markRows();
  else choose(live.running ? (scene.objects.find(({ label }) => label === chosen.label) ?? null) : null);
}

// The limit in metres, where they are metres.
function shownLimit() {
  return state.scene?.metric ? state.limit : Infinity;
}

// -- limit and view -----------------------------------------------------------

function setLimit(limit) {
  state.limit = limit;
  stage.setLimit(limit);
  cloud?.setLimit(limit);
  markRows();
  filterDownloads(byId("downloads"), shownLimit());
}

function setView(view) {
  const space = view === "cloud";
  byId("space").hidden = !space;
  byId("view").hidden = space;
  stage.fit();
  if (space) {
    showCloud();
    return;
  }
  if (cloud) cloud.active = false;
  if (stage.mode !== view) stage.setMode(view);
  byId("boxes").classList.toggle("plain", view !== "picture");
}

function showCloud() {
  if (!state.scene?.depth) return;
  try {
    cloud ??= new Cloud(byId("cloud"), byId("cloud-labels"));
  } catch (error) {
    complain(error.message);
    document.querySelector('[name="view"][value="picture"]').checked = true;
    setView("picture");
    return;
  }
  cloud.active = true;
  cloud.limit = state.limit;
  cloud.chosen = state.chosen;
  const { width, height } = stage.canvas;
  cloud.show(state.scene, { width, height, values: stage.picture });
  const words = ["Drag to turn · wheel to zoom · right button to move"];
  if (!state.scene.camera) words.push("field of view assumed: 60°");
  if (!state.scene.metric) words.push("relative depth: not to scale");
  byId("cloud-help").textContent = words.join(" · ");
}

// -- camera -------------------------------------------------------------------

async function startLive() {
  if (live.running || live.starting) return;
  complain(null);
  state.job?.abort();
  say("Waiting for the camera …");
  try {
    await live.start(options());
  } catch (error) {
    failed(error);
    return;
  }
  state.record = null;
  state.live = null;
  showWork();
  busy(null);
  for (const id of ["live-stats", "freeze", "stop"]) byId(id).hidden = false;
  byId("download-card").hidden = true;
  byId("downloads").replaceChildren();
  byId("live-stats").textContent = "starting";
  byId("notes").replaceChildren();
  state.blob = null;
}

function onFrame(frame) {
  if (frame.error) {
    complain(frame.error);
    state.troubled = true;
    return;
  }
  if (state.troubled) complain(null);
  state.troubled = false;
  const { record } = frame;
  const first = state.record === null;
  state.record = record;
  const scene = makeScene(record, frame.source, frame.depth, frame.unit ?? 1, isMetric(record), state.live);
  state.live = scene;
  state.name = "camera";
  present(scene, record, false);
  if (first) {
    showNotes(byId("notes"), byId("facts"), record);
    say("The camera is live", 3);
  }
  byId("live-stats").textContent = `${frame.rate.toFixed(frame.rate < 9.5 ? 1 : 0)} pictures/s · ${Math.round(frame.latency)} ms`;
}

function onLiveEnd(reason) {
  for (const id of ["live-stats", "freeze", "stop"]) byId(id).hidden = true;
  say(reason ? "" : "The camera is off", 3);
  if (reason) complain(reason);
}

async function takePicture() {
  const blob = await live.picture();
  live.stop();
  await look(blob, "camera.jpg");
}

function stopLive() {
  live.stop();
  byId("downloads").replaceChildren();
  state.record = null;
  showStart();
}

// -- options, ways in, theme --------------------------------------------------

function options() {
  const form = new FormData(byId("options-form"));
  return Object.fromEntries([...form].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
}

function takeFiles(files) {
  const file = [...(files ?? [])].find((one) => one.type.startsWith("image/")) ?? files?.[0];
  if (file) look(file, file.name);
}

function wire() {
  for (const button of document.querySelectorAll('[data-do="choose"]')) {
    button.addEventListener("click", () => byId("file").click());
  }
  for (const button of document.querySelectorAll('[data-do="camera"]')) button.addEventListener("click", startLive);
  byId("file").addEventListener("change", (event) => {
    takeFiles(event.target.files);
    event.target.value = "";
  });
  byId("freeze").addEventListener("click", () => takePicture().catch(failed));
  byId("stop").addEventListener("click", stopLive);
  byId("alert-close").addEventListener("click", () => complain(null));
  byId("labels").addEventListener("change", (event) => {
    byId("boxes").classList.toggle("bare", !event.target.checked);
    byId("cloud-labels").hidden = !event.target.checked;
  });
  for (const radio of document.querySelectorAll('[name="view"]')) {
    radio.addEventListener("change", () => setView(radio.value));
  }
  byId("cloud-colour").addEventListener("change", (event) => {
    cloud.byDepth = event.target.checked;
    cloud.draw();
  });
  byId("cloud-reset").addEventListener("click", () => cloud.home());
  byId("options-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (live.running) live.change(options());
    else if (state.url) lookAtUrl(state.url);
    else if (state.blob) look(state.blob, state.name);
  });
  byId("url-form").addEventListener("submit", (event) => {
    event.preventDefault();
    lookAtUrl(byId("url").value);
  });
  wireDrops(byId("drop-veil"), takeFiles);
  wireTheme(byId("theme"));
  addEventListener("pagehide", () => live.stop());
}

function makeExamples() {
  for (const [id, title, text, path] of EXAMPLES) {
    const item = element("li");
    const button = element("button");
    button.type = "button";
    button.id = `example-${id}`;
    const picture = element("img");
    picture.src = `/static/${path}`;
    picture.alt = "";
    const words = element("span", "", title);
    words.append(element("small", "", text));
    button.append(picture, words);
    button.addEventListener("click", async () => {
      try {
        const answer = await fetch(`/static/${path}`);
        await look(await answer.blob(), `${id}.jpg`);
      } catch (error) {
        failed(error);
      }
    });
    item.append(button);
    byId("examples").append(item);
  }
}

wire();
makeExamples();
api.about().then((info) => {
  byId("url-form").hidden = !info.allow_urls;
}).catch(failed);
