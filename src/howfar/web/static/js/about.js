// What can be downloaded of a result, and what should be known about it.

import { element } from "./stage.js";

const DOWNLOADS = [
  ["annotated.png", "Picture", "PNG with boxes", "annotated.png"],
  ["json", "Record", "JSON", "json"],
  ["objects.csv", "Objects", "CSV", "csv"],
  ["points.ply", "Points", "PLY, in metres", "ply"],
  ["depth.png", "Depth", "PNG, 16 bits", "depth.png"],
  ["order.png", "Depth, relative", "PNG, 16 bits, no unit", "order.png"],
  ["colours.png", "Depth in colours", "PNG with scale", "colours.png"],
];
const MOST_METRES = 1e6;
const FILTERABLE = ["annotated.png", "objects.csv"];

export function showDownloads(list, record, name) {
  const stem = (name || "picture").replace(/\.[^.]*$/, "") || "picture";
  list.replaceChildren();
  for (const [file, title, what, ending] of DOWNLOADS) {
    const path = file === "json" ? resultPath(record) : record.files[file]?.path;
    if (!path && file !== "points.ply") continue;
    const link = element(path ? "a" : "span", "", title);
    if (path) {
      link.href = link.dataset.path = path;
      link.dataset.filterable = String(FILTERABLE.includes(file));
      link.download = `${stem}.${ending}`;
    }
    link.append(element("small", "", path ? what : "needs depth in metres"));
    const item = element("li");
    item.append(link);
    list.append(item);
  }
}

// Picture and table are downloaded as they are shown: without what the slider hides.
export function filterDownloads(list, limit) {
  const query = limit === Infinity ? "" : `?max_distance=${Math.min(limit, MOST_METRES)}`;
  for (const link of list.querySelectorAll('[data-filterable="true"]')) {
    link.href = link.dataset.path + query;
  }
}

export function showNotes(notes, facts, record) {
  const { camera, scale } = record;
  notes.replaceChildren(...record.notes.map((note) => element("li", "", note)));
  const parts = [
    `${record.width} × ${record.height} pixels`,
    record.models.map((model) => model.name).join(" + "),
    `${Math.round(record.timing_ms.total)} ms`,
  ];
  if (camera) parts.push(`field of view ${camera.fov_deg.toFixed(0)}° (${camera.source})`);
  if (scale) parts.push(`scale ×${scale.factor.toPrecision(3)} from ${scale.source}`);
  facts.textContent = parts.join(" · ");
}

function resultPath(record) {
  return record.files["picture.jpg"].path.replace(/\/[^/]*$/, "");
}
