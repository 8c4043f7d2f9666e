// The table of objects.

import { metres } from "./ramp.js";
import { element } from "./stage.js";

export class ObjectList {
  // `elements`: rows, count, head (of the interval), nothing, hidden. `onChoose` and `onLight` get an object or null.
  constructor(elements, onChoose, onLight) {
    Object.assign(this, elements);
    this.onChoose = onChoose;
    this.onLight = onLight;
    this.chosen = null;
  }

  show(scene, searched) {
    const { rows, head, nothing } = this;
    const things = scene.objects;
    this.count.textContent = searched ? things.length : "";
    const calibrated = things.some((thing) => thing.interval_kind === "calibrated");
    head.textContent = calibrated ? "Interval" : "Spread";
    head.title = calibrated
      ? "Interval that holds the distance at its stated level"
      : "Spread of the depths used; no error bar";
    head.hidden = searched && !scene.metric;
    while (rows.children.length > things.length) rows.lastChild.remove();
    while (rows.children.length < things.length) rows.append(this.makeRow());
    things.forEach((thing, i) => fill(rows.children[i], thing, scene));
    nothing.hidden = !searched || things.length > 0;
    nothing.textContent = "No object was found. Try a lower least score under Options.";
  }

  // Rows are kept and filled anew, so that a live picture does not take the focus away.
  makeRow() {
    const row = element("tr");
    row.tabIndex = 0;
    row.append(element("td"), element("td", "num"), element("td", "num fine"), element("td", "num fine"));
    const toggle = () => this.onChoose(this.chosen === row.thing ? null : row.thing);
    row.addEventListener("click", toggle);
    row.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle();
    });
    const withMouse = (thing) => (event) => event.pointerType === "mouse" && this.onLight(thing());
    row.addEventListener("pointerenter", withMouse(() => row.thing));
    row.addEventListener("pointerleave", withMouse(() => this.chosen));
    return row;
  }

  // Hide what is too far and mark what is chosen.
  mark(keeps, chosen) {
    this.chosen = chosen;
    let hidden = 0;
    for (const row of this.rows.children) {
      const gone = !keeps(row.thing);
      hidden += gone;
      row.classList.toggle("gone", gone);
      row.setAttribute("aria-current", String(row.thing === chosen));
    }
    const words = hidden ? `${hidden} object${hidden === 1 ? "" : "s"} hidden` : "";
    if (this.hidden.textContent !== words) this.hidden.textContent = words; // it is spoken
  }
}

function fill(row, thing, scene) {
  row.thing = thing;
  row.style.setProperty("--c", thing.colour);
  const [name, distance, spread, score] = row.cells;
  name.replaceChildren(element("span", "dot"), thing.label);
  distance.replaceChildren(element("strong", "", distanceWords(thing, scene)));
  const sized = thing.scale_source === "network+object-size";
  const origin = sized ? "From the depth map and the usual size of such things" : "";
  distance.title = thing.distance_m === null ? (thing.reason ?? "") : origin;
  spread.hidden = !scene.metric;
  spread.textContent = thing.interval_m ? thing.interval_m.map((v) => v.toFixed(2)).join("–") : "";
  score.textContent = thing.score.toFixed(2);
}

function distanceWords(thing, scene) {
  if (thing.distance_m !== null) return metres(thing.distance_m);
  if (thing.order === null || !scene.reach) return "unknown";
  const rank = scene.objects.indexOf(thing) + 1;
  return rank === 1 ? "nearest" : `${rank}. nearest`;
}
