// The distance slider: a ruler in the colours of distance, with a mark for each object.

import { metres, ticks } from "./ramp.js";
import { element } from "./stage.js";

const END = 1000;

export class Ruler {
  constructor(elements, onLimit) {
    Object.assign(this, elements);
    this.onLimit = onLimit;
    this.limitValue = Infinity;
    this.scene = null;
    this.range.addEventListener("input", () => this.fromRange());
    this.number.addEventListener("input", () => this.fromNumber());
    this.all.addEventListener("click", () => this.set(Infinity));
    new ResizeObserver(() => this.paint()).observe(this.track);
  }

  show(scene) {
    this.scene = scene;
    const usable = scene.reach !== null;
    this.box.classList.toggle("off", !usable);
    this.range.disabled = this.number.disabled = !usable;
    this.number.hidden = !scene.metric || !usable;
    this.ticks.replaceChildren();
    this.marks.replaceChildren();
    this.pins = [];
    if (!usable) {
      this.text.textContent = "there are no distances, so nothing can be hidden by them";
      return;
    }
    const { reach } = scene;
    const labels = scene.metric
      ? ticks(reach, 8).map((value) => [reach.position(value), `${value} m`])
      : [[0, "near"], [1, "far"]];
    for (const [at, text] of labels) {
      const tick = element("span", "", text);
      tick.style.left = `${100 * at}%`;
      this.ticks.append(tick);
    }
    this.pins = scene.objects.filter((thing) => thing.order !== null).map((thing) => {
      const pin = element("i");
      pin.style.left = `${100 * reach.position(thing.order)}%`;
      pin.style.setProperty("--c", thing.colour);
      this.marks.append(pin);
      return { pin, thing };
    });
    this.set(this.limitValue);
  }

  fromRange() {
    const at = Number(this.range.value);
    const value = this.scene.reach.value(at / END);
    // In metres it holds what it shows: whole centimetres.
    this.limitValue = at >= END ? Infinity : this.scene.metric ? Number(value.toFixed(2)) : value;
    this.tell(true);
  }

  fromNumber() {
    const value = this.number.valueAsNumber;
    if (Number.isNaN(value) || value < 0) return;
    this.limitValue = value;
    this.range.value = String(this.positionOf(value));
    this.tell(false);
  }

  set(limit) {
    this.limitValue = limit;
    this.range.value = String(this.positionOf(limit));
    this.tell(true);
  }

  positionOf(limit) {
    if (limit === Infinity || !this.scene?.reach) return END;
    return Math.min(END - 1, Math.round(END * this.scene.reach.position(limit)));
  }

  tell(writeNumber) {
    const limit = this.limitValue;
    const { scene } = this;
    const free = limit === Infinity;
    const share = free || !scene?.reach ? 100 : Math.round(100 * scene.reach.position(limit));
    let text = "everything";
    if (!free) text = scene.metric ? metres(limit) : `the nearest ${share} %`;
    this.text.textContent = scene.metric ? (free ? "" : "m") : text;
    this.range.setAttribute("aria-valuetext", free ? "everything" : `up to ${text}`);
    if (writeNumber) this.number.value = free ? "" : limit.toFixed(2);
    this.all.disabled = free;
    for (const { pin, thing } of this.pins ?? []) pin.classList.toggle("gone", thing.order > limit);
    this.paint();
    this.onLimit(limit);
  }

  paint() {
    const { track, scene } = this;
    const width = Math.max(1, Math.round(track.clientWidth * (devicePixelRatio || 1)));
    track.width = width;
    track.height = 1;
    if (!scene?.reach) return;
    const context = track.getContext("2d");
    const at = this.positionOf(this.limitValue) / END;
    for (let x = 0; x < width; x++) {
      const beyond = x / width > at;
      const rgb = scene.ramp.rgb(scene.reach.value(x / width));
      context.fillStyle = `rgb(${rgb.join(" ")} / ${beyond ? 16 : 100}%)`;
      context.fillRect(x, 0, 1, 1);
    }
  }
}
