// The picture: pixels by view and limit, boxes with distances, and the depth under the pointer.

import { COLOURS, NONE, inkOn, metres } from "./ramp.js";

const MOST_SIDE = 1600;
const FADED = [13, 14, 19];

export class Stage {
  constructor(elements, onPick) {
    this.view = elements.view;
    this.canvas = elements.picture;
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.boxes = elements.boxes;
    this.cross = elements.cross;
    this.readout = elements.readout;
    this.onPick = onPick;
    this.mode = "picture";
    this.limit = Infinity;
    this.scene = null;
    this.pointer = null;
    this.chosen = null;
    this.listen();
    new ResizeObserver(() => this.fit()).observe(this.view.parentElement);
  }

  // Show a scene: {width, height, source (drawable), depth, ramp, unit, objects, metric}.
  show(scene) {
    this.scene = scene;
    const share = Math.min(1, MOST_SIDE / Math.max(scene.width, scene.height));
    const width = Math.max(1, Math.round(scene.width * share));
    const height = Math.max(1, Math.round(scene.height * share));
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.fit();
    }
    this.context.drawImage(scene.source, 0, 0, width, height);
    this.image = this.context.getImageData(0, 0, width, height);
    this.picture = new Uint32Array(this.image.data.buffer.slice(0));
    this.out = new Uint32Array(this.image.data.buffer);
    this.sampled = sample(scene.depth, width, height);
    this.shades = scene.depth ? shadesOf(scene) : null;
    this.compose();
    this.makeBoxes();
    this.read();
  }

  setMode(mode) {
    this.mode = mode;
    if (this.scene) this.compose();
  }

  setLimit(limit) {
    this.limit = limit;
    if (!this.scene) return;
    this.paint();
    this.markBoxes();
    this.read();
  }

  // What is near enough and what is not, of the present view: then moving the limit only selects.
  compose() {
    const { picture, sampled, shades } = this;
    const size = picture.length;
    if (!this.near || this.near.length !== size) {
      this.near = new Uint32Array(size);
      this.far = new Uint32Array(size);
    }
    for (let i = 0; i < size; i++) {
      const own = picture[i];
      const shade = shades ? shades[sampled[i]] : own;
      const colour = this.mode === "depth" ? shade : this.mode === "blend" ? mix(own, shade) : own;
      this.near[i] = colour;
      this.far[i] = faded(colour);
    }
    this.paint();
  }

  paint() {
    const { out, near, far, sampled } = this;
    if (!sampled || this.limit === Infinity) {
      out.set(near);
    } else {
      const most = Math.floor(this.limit * this.scene.unit + 1e-6);
      const width = this.canvas.width;
      const line = 0xffffffff;
      for (let i = 0, x = 0; i < out.length; i++) {
        const value = sampled[i];
        const inside = value > 0 && value <= most;
        out[i] = inside ? near[i] : far[i];
        if (inside) {
          const across = Math.max(x + 1 < width ? sampled[i + 1] : 0, x ? sampled[i - 1] : 0);
          const down = Math.max(sampled[i + width] ?? 0, sampled[i - width] ?? 0);
          if (across > most || down > most) out[i] = line;
        }
        if (++x === width) x = 0;
      }
    }
    this.context.putImageData(this.image, 0, 0);
  }

  fit() {
    const { width, height } = this.canvas;
    const room = this.view.parentElement;
    const narrow = matchMedia("(max-width: 1020px)").matches;
    const fitting = Math.max(280, Math.ceil((room.clientWidth * height) / width));
    room.style.maxHeight = narrow || this.view.hidden ? "" : `${fitting}px`;
    const high = narrow ? innerHeight * 0.72 : room.clientHeight;
    const scale = Math.min(room.clientWidth / width, high / height);
    this.view.style.width = `${Math.floor(width * scale)}px`;
    this.view.style.height = `${Math.floor(height * scale)}px`;
    this.placeTags();
    this.placePointer();
  }

  // -- boxes ------------------------------------------------------------------

  makeBoxes() {
    const { objects, width, height } = this.scene;
    this.boxes.replaceChildren();
    this.parts = objects.map((thing) => {
      const [x1, y1, x2, y2] = thing.box;
      const box = element("div", thing.order === null ? "box unknown" : "box");
      box.style.left = `${(100 * x1) / width}%`;
      box.style.top = `${(100 * y1) / height}%`;
      box.style.width = `${(100 * (x2 - x1)) / width}%`;
      box.style.height = `${(100 * (y2 - y1)) / height}%`;
      const tag = element("div", "tag", thing.tag);
      for (const part of [box, tag]) {
        part.style.setProperty("--c", thing.colour);
        part.style.setProperty("--t", inkOn(thing.rgb));
      }
      return { thing, box, tag };
    });
    const farFirst = [...this.parts].reverse();
    this.boxes.append(...farFirst.map((part) => part.box), ...farFirst.map((part) => part.tag));
    this.markBoxes();
    this.placeTags();
  }

  markBoxes() {
    for (const { thing, box, tag } of this.parts ?? []) {
      const gone = !this.keeps(thing);
      box.classList.toggle("gone", gone);
      tag.classList.toggle("gone", gone);
    }
  }

  keeps(thing) {
    return this.limit === Infinity || (thing.order !== null && thing.order <= this.limit);
  }

  // Labels stand above their boxes, or where the least of other labels is covered.
  placeTags() {
    if (!this.scene || !this.parts) return;
    const across = this.view.clientWidth;
    const down = this.view.clientHeight;
    const sx = across / this.scene.width;
    const sy = down / this.scene.height;
    const taken = [];
    for (const { thing, tag } of this.parts) {
      const [x1, y1, x2, y2] = thing.box;
      const w = tag.offsetWidth;
      const h = tag.offsetHeight || 20;
      const left = (x) => Math.min(Math.max(x, 2), Math.max(2, across - w - 2));
      const spots = [];
      for (const top of [y1 * sy - h, y1 * sy + 3, y2 * sy - h - 3, y2 * sy]) {
        if (top < 0 || top + h > down) continue;
        for (const at of [x1 * sx, x2 * sx - w, (x1 + x2) * 0.5 * sx - w / 2]) {
          spots.push([left(at), top, w, h]);
        }
      }
      if (!spots.length) spots.push([left(x1 * sx), Math.max(2, Math.min(y1 * sy, down - h - 2)), w, h]);
      const costs = spots.map((spot) => taken.reduce((sum, other) => sum + overlap(spot, other), 0));
      const best = spots[costs.indexOf(Math.min(...costs))];
      const cost = Math.min(...costs);
      tag.classList.toggle("crowded", cost > 0.3 * w * h);
      if (cost <= 0.3 * w * h) taken.push(best);
      tag.style.left = `${best[0]}px`;
      tag.style.top = `${best[1]}px`;
    }
  }

  light(thing) {
    this.boxes.classList.toggle("lit", thing !== null);
    for (const part of this.parts ?? []) {
      part.box.classList.toggle("on", part.thing === thing);
      part.tag.classList.toggle("on", part.thing === thing);
    }
  }

  // -- reading depth ----------------------------------------------------------

  // Depth of a pixel of the picture, in its unit; null where there is none.
  depthAt(x, y) {
    const { depth, width, height, unit } = this.scene;
    if (!depth) return null;
    const column = Math.min(depth.width - 1, Math.floor(((x + 0.5) * depth.width) / width));
    const row = Math.min(depth.height - 1, Math.floor(((y + 0.5) * depth.height) / height));
    const value = depth.values[row * depth.width + column];
    return value ? value / unit : null;
  }

  listen() {
    const { view } = this;
    const at = (event) => {
      const box = view.getBoundingClientRect();
      this.pointTo(
        Math.floor(((event.clientX - box.left) / box.width) * (this.scene?.width ?? 0)),
        Math.floor(((event.clientY - box.top) / box.height) * (this.scene?.height ?? 0)),
      );
    };
    view.addEventListener("pointermove", at);
    view.addEventListener("pointerdown", at);
    view.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.pointAway();
    });
    view.addEventListener("click", () => this.pointer && this.onPick(this.thingAt(...this.pointer)));
    view.addEventListener("keydown", (event) => this.onKey(event));
  }

  onKey(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Escape") this.pointAway();
    if (event.key === "Enter" && this.pointer) this.onPick(this.thingAt(...this.pointer));
    if (!steps[event.key] || !this.scene) return;
    event.preventDefault();
    const { width, height } = this.scene;
    const far = Math.max(1, Math.round(Math.max(width, height) / 20));
    const step = event.shiftKey ? far : 1;
    const [x, y] = this.pointer ?? [Math.floor(width / 2), Math.floor(height / 2)];
    const [dx, dy] = this.pointer ? steps[event.key] : [0, 0];
    this.pointTo(x + dx * step, y + dy * step);
  }

  pointTo(x, y) {
    if (!this.scene) return;
    const inside = (value, size) => Math.min(Math.max(value, 0), size - 1);
    this.pointer = [inside(x, this.scene.width), inside(y, this.scene.height)];
    this.read();
  }

  pointAway() {
    this.pointer = null;
    this.read();
  }

  // The nearest object that is shown and whose box holds a pixel.
  thingAt(x, y) {
    const hit = this.scene.objects.filter(
      ({ box }) => x + 0.5 >= box[0] && x + 0.5 < box[2] && y + 0.5 >= box[1] && y + 0.5 < box[3],
    );
    const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
    return hit.filter((thing) => this.keeps(thing)).sort((a, b) => area(a) - area(b))[0] ?? null;
  }

  read() {
    const shown = this.pointer !== null && this.scene !== null;
    this.cross.hidden = this.readout.hidden = !shown;
    if (!shown) return;
    const [x, y] = this.pointer;
    const value = this.depthAt(x, y);
    const { ramp, metric, depth } = this.scene;
    let text = "no depth";
    if (value !== null) text = metric ? metres(value) : nearness(this.scene, value);
    this.readout.style.setProperty("--c", value === null || !ramp ? "#999" : ramp.css(value));
    const place = element("small", "", `x ${x} · y ${y}`);
    this.readout.replaceChildren(depth ? text : "no depth map", place);
    this.readout.dataset.depth = value === null ? "" : String(value);
    this.placePointer();
  }

  placePointer() {
    if (!this.pointer || !this.scene) return;
    const left = ((this.pointer[0] + 0.5) / this.scene.width) * this.view.clientWidth;
    const top = ((this.pointer[1] + 0.5) / this.scene.height) * this.view.clientHeight;
    this.cross.style.left = `${left}px`;
    this.cross.style.top = `${top}px`;
    const right = left + this.readout.offsetWidth + 24 > this.view.clientWidth;
    const below = top + this.readout.offsetHeight + 24 > this.view.clientHeight;
    this.readout.style.left = `${right ? left - this.readout.offsetWidth - 14 : left + 14}px`;
    this.readout.style.top = `${below ? top - this.readout.offsetHeight - 14 : top + 14}px`;
  }
}

// Relative depth in words: how far between the nearest and the farthest.
export function nearness(scene, value) {
  return `${Math.round(100 * scene.reach.position(value))} % of the way to the farthest`;
}

function sample(depth, width, height) {
  if (!depth) return null;
  if (depth.width === width && depth.height === height) return depth.values;
  const out = new Uint16Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * depth.height) / height) * depth.width;
    for (let x = 0; x < width; x++, i++) {
      out[i] = depth.values[row + Math.floor(((x + 0.5) * depth.width) / width)];
    }
  }
  return out;
}

// The colour of each of the 65,536 values, as the canvas stores pixels (little-endian RGBA).
function shadesOf({ ramp, unit }) {
  const table = new Uint32Array(65536);
  table[0] = pack(...NONE);
  for (let value = 1; value < 65536; value++) {
    const row = Math.round(ramp.position(value / unit) * 255) * 3;
    table[value] = pack(COLOURS[row], COLOURS[row + 1], COLOURS[row + 2]);
  }
  return table;
}

function pack(r, g, b) {
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
}

function mix(one, other) {
  const r = ((one & 255) * 105 + (other & 255) * 151) >> 8;
  const g = (((one >> 8) & 255) * 105 + ((other >> 8) & 255) * 151) >> 8;
  const b = (((one >> 16) & 255) * 105 + ((other >> 16) & 255) * 151) >> 8;
  return pack(r, g, b);
}

function faded(colour) {
  const grey = ((colour & 255) * 77 + ((colour >> 8) & 255) * 151 + ((colour >> 16) & 255) * 28) >> 8;
  const part = (base) => Math.round(base + grey * 0.17);
  return pack(part(FADED[0]), part(FADED[1]), part(FADED[2]));
}

function overlap([ax, ay, aw, ah], [bx, by, bw, bh]) {
  const across = Math.min(ax + aw, bx + bw) - Math.max(ax, bx);
  const down = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  return across > 0 && down > 0 ? across * down : 0;
}

export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
