// The API page: the OpenAPI document, readable without any library.

import { element } from "./stage.js";

const methods = ["get", "post", "delete"];

function parameters(list) {
  if (!list?.length) return [];
  const table = element("table");
  const head = element("tr");
  for (const text of ["Parameter", "Type", "Default", ""]) head.append(element("th", "", text));
  table.append(head);
  for (const one of list) {
    const line = element("tr");
    const cells = [element("code", "", one.name), typeOf(one.schema), String(one.schema.default ?? ""), one.description ?? one.schema.description ?? ""];
    for (const cell of cells) {
      const td = element("td");
      td.append(cell);
      line.append(td);
    }
    table.append(line);
  }
  return [table];
}

function typeOf(schema) {
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.map(typeOf).filter((text) => text !== "null").join(" | ");
  const low = schema.minimum ?? "";
  const high = schema.maximum ?? "";
  const kind = schema.type ?? "";
  return low !== "" || high !== "" ? `${kind} ${low}…${high}` : kind;
}

function operation(path, method, about) {
  const box = element("details");
  const summary = element("summary");
  summary.append(element("span", "method", method.toUpperCase()), element("code", "", path), element("span", "fine", about.summary));
  box.append(summary);
  if (about.description) box.append(element("p", "", about.description));
  box.append(...parameters(about.parameters));
  const answers = Object.entries(about.responses).map(([status, one]) => `${status}: ${one.description}`);
  for (const text of answers) box.append(element("p", "fine", text));
  return box;
}

const list = document.getElementById("operations");
try {
  const answer = await fetch("/openapi.json");
  const { paths } = await answer.json();
  for (const [path, item] of Object.entries(paths)) {
    for (const method of methods) if (item[method]) list.append(operation(path, method, item[method]));
  }
} catch (error) {
  list.append(element("p", "", `The document cannot be read (${error.message}).`));
}
for (const code of document.querySelectorAll("pre")) {
  code.textContent = code.textContent.replaceAll("ORIGIN", location.origin).replaceAll("HOST", location.host);
}
