// The point cloud, with WebGL and nothing else: points with the gaps between neighbours closed,
// frames of objects, and rings of equal distance.

import { attribute, program, project, texture, times, translation } from "./gl.js";
import { COLOURS, inkOn } from "./ramp.js";
import { element } from "./stage.js";
import { lensOf, surfaceOf } from "./surface.js";

const POINT_SHADER = `
attribute vec3 place; attribute vec2 spot; attribute float order;
uniform mat4 camera; uniform float size, near, far, logarithmic;
varying vec2 where; varying float shade, farness;
void main() {
  farness = order; gl_Position = camera * vec4(place, 1.0);
  gl_PointSize = clamp(size * order / gl_Position.w, 1.0, 12.0);
  float inside = clamp(order, near, far);
  shade = logarithmic > .5 ? log(inside / near) / log(far / near) : (inside - near) / (far - near);
  where = spot;
}`;
const POINT_PAINT = `
precision highp float; varying vec2 where; varying float shade, farness;
uniform highp float limit; uniform float byDepth; uniform sampler2D shades, picture;
void main() {
  if (farness > limit) discard;
  vec3 colour = texture2D(shades, vec2((shade * 255. + .5) / 256., .5)).rgb;
  gl_FragColor = vec4(byDepth > .5 ? colour : texture2D(picture, where).rgb, 1.);
}`;
const LINE_SHADER = `
attribute vec3 place; attribute vec4 colour; uniform mat4 camera; varying vec4 paint;
void main() { gl_Position = camera * vec4(place, 1.0); paint = colour; }`;
const LINE_PAINT = `
precision mediump float; varying vec4 paint;
void main() { gl_FragColor = paint; }`;

export class Cloud {
  // Throws where the browser has no WebGL.
  constructor(canvas, labels) {
    this.canvas = canvas;
    this.labels = labels;
    this.gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
    if (!this.gl) throw new Error("This browser shows no 3-D graphics (WebGL 2 is off).");
    this.byDepth = false;
    this.limit = Infinity;
    this.active = false;
    this.chosen = null;
    this.setUp();
    this.home();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  setUp() {
    const { gl } = this;
    this.points = program(gl, POINT_SHADER, POINT_PAINT);
    this.lines = program(gl, LINE_SHADER, LINE_PAINT);
    this.pointBuffer = gl.createBuffer();
    this.indexBuffer = gl.createBuffer();
    this.lineBuffer = gl.createBuffer();
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.activeTexture(gl.TEXTURE0);
    texture(gl, gl.LINEAR);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, COLOURS);
    gl.activeTexture(gl.TEXTURE1);
    texture(gl, gl.LINEAR_MIPMAP_LINEAR);
    gl.enable(gl.DEPTH_TEST);
  }

  home() {
    this.yaw = 0.36;
    this.pitch = 0.17;
    this.zoom = 1.0;
    this.shift = [0, 0];
    this.draw();
  }

  // Take a scene and the pixels that the stage shows.
  show(scene, pixels) {
    this.scene = scene;
    const { gl } = this;
    const lens = lensOf(scene);
    const made = surfaceOf(scene, lens);
    this.count = made.count;
    this.centre = made.middle;
    this.floor = made.floor;
    this.pixelAngle = made.step / lens.f;
    const { width, height, values } = pixels;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    gl.activeTexture(gl.TEXTURE1);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.pointBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, made.data, gl.DYNAMIC_DRAW);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.indexBuffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, made.triangles, gl.DYNAMIC_DRAW);
    this.corners = made.triangles.length;
    this.makeLines(lens);
    this.draw();
  }

  setLimit(limit) {
    this.limit = limit;
    if (this.active && this.scene) this.makeLines(lensOf(this.scene));
    this.draw();
  }

  light(thing) {
    this.chosen = thing;
    if (this.active && this.scene) this.makeLines(lensOf(this.scene));
    this.draw();
  }

  // Frames of the objects, rings on the floor at whole metres, and the camera.
  makeLines(lens) {
    const { scene, centre } = this;
    const rows = [];
    this.texts = [];
    const line = (a, b, rgb, alpha = 1) => {
      for (const p of [a, b]) rows.push(p[0], -p[1], -p[2], ...rgb.map((c) => c / 255), alpha);
    };
    for (const thing of scene.objects) {
      if (thing.order === null || thing.order > this.limit) continue;
      const [x1, y1, x2, y2] = thing.box;
      const z = thing.order;
      const corners = [[x1, y1], [x2, y1], [x2, y2], [x1, y2]].map(([x, y]) => lens.at(x, y, z));
      const faint = this.chosen !== null && this.chosen !== thing ? 0.2 : 1;
      corners.forEach((corner, i) => line(corner, corners[(i + 1) % 4], thing.rgb, faint));
      this.texts.push({ at: corners[0], text: thing.tag, thing, faint });
    }
    const eye = [0, 0, 0];
    const size = centre * 0.1;
    const w = (scene.width / 2 / lens.f) * size;
    const h = (scene.height / 2 / lens.f) * size;
    const ends = [[-w, -h, size], [w, -h, size], [w, h, size], [-w, h, size]];
    ends.forEach((end, i) => {
      line(eye, end, [150, 153, 168], 0.9);
      line(end, ends[(i + 1) % 4], [150, 153, 168], 0.9);
    });
    if (scene.metric) this.makeRings(line, lens);
    const { gl } = this;
    this.lineCount = rows.length / 7;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.lineBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(rows), gl.DYNAMIC_DRAW);
  }

  makeRings(line, lens) {
    const { scene } = this;
    const far = scene.reach.far;
    const step = [0.25, 0.5, 1, 2, 5, 10, 20, 50].find((one) => far / one <= 7) ?? 100;
    const half = Math.atan(scene.width / 2 / lens.f) * 1.05;
    for (let r = step; r <= far * 1.02; r += step) {
      const at = (angle) => [Math.sin(angle) * r, this.floor, Math.cos(angle) * r];
      for (let i = 0; i < 40; i++) {
        line(at(half * (i / 20 - 1)), at(half * ((i + 1) / 20 - 1)), [150, 153, 168], 0.55);
      }
      this.texts.push({ at: at(half), text: `${Number(r.toFixed(2))} m`, thing: null });
    }
  }

  // -- drawing ----------------------------------------------------------------

  draw() {
    if (!this.active || !this.scene || this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.active && this.scene) this.paint();
    });
  }

  paint() {
    const { gl, canvas, scene } = this;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, width, height);
    gl.clearColor(0.031, 0.035, 0.043, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const { matrix, focal } = this.view(width / height);
    const dots = this.points;
    gl.useProgram(dots.program);
    gl.uniformMatrix4fv(dots.at("camera"), false, matrix);
    gl.uniform1f(dots.at("size"), 1.35 * this.pixelAngle * focal * (height / 2));
    gl.uniform1f(dots.at("limit"), Math.min(this.limit, 3e37));
    gl.uniform1f(dots.at("byDepth"), this.byDepth ? 1 : 0);
    gl.uniform1i(dots.at("shades"), 0);
    gl.uniform1i(dots.at("picture"), 1);
    gl.uniform1f(dots.at("near"), scene.ramp.near);
    gl.uniform1f(dots.at("far"), scene.ramp.far);
    gl.uniform1f(dots.at("logarithmic"), scene.ramp.log ? 1 : 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.pointBuffer);
    attribute(gl, dots, "place", 3, 24, 0);
    attribute(gl, dots, "order", 1, 24, 12);
    attribute(gl, dots, "spot", 2, 24, 16);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.indexBuffer);
    gl.drawElements(gl.TRIANGLES, this.corners, gl.UNSIGNED_INT, 0);
    gl.drawArrays(gl.POINTS, 0, this.count);
    gl.useProgram(this.lines.program);
    gl.uniformMatrix4fv(this.lines.at("camera"), false, matrix);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.lineBuffer);
    attribute(gl, this.lines, "place", 3, 28, 0);
    attribute(gl, this.lines, "colour", 4, 28, 12);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.drawArrays(gl.LINES, 0, this.lineCount);
    gl.disable(gl.BLEND);
    this.writeLabels(matrix);
  }

  // Orbit around the middle of the cloud; the first view stands a little above and beside the camera.
  view(aspect) {
    const { centre } = this;
    const lens = lensOf(this.scene);
    const reach = centre * 1.55 * this.zoom;
    const half = Math.max(this.scene.height / 2 / lens.f, this.scene.width / 2 / lens.f / aspect);
    const focal = 1.05 / Math.max(half, 0.15);
    const [cy, sy] = [Math.cos(this.yaw), Math.sin(this.yaw)];
    const [cp, sp] = [Math.cos(this.pitch), Math.sin(this.pitch)];
    const turn = [cy, sp * sy, -cp * sy, 0, 0, cp, sp, 0, sy, -sp * cy, cp * cy, 0, 0, 0, 0, 1];
    const toCentre = translation(0, 0, centre);
    const back = translation(this.shift[0] * centre, this.shift[1] * centre, -reach);
    const [near, far] = [centre * 0.02, centre * 40];
    const a = (far + near) / (near - far);
    const b = (2 * far * near) / (near - far);
    const lensMatrix = [focal / aspect, 0, 0, 0, 0, focal, 0, 0, 0, 0, a, -1, 0, 0, b, 0];
    const matrix = new Float32Array(times(lensMatrix, times(back, times(turn, toCentre))));
    return { matrix, focal };
  }

  writeLabels(matrix) {
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    const made = [];
    const taken = [];
    for (const { at, text, thing, faint } of this.texts) {
      const [x, y, w] = project(matrix, [at[0], -at[1], -at[2]]);
      if (w <= 0 || Math.abs(x) > 1.05 || Math.abs(y) > 1.05) continue;
      const left = ((x + 1) / 2) * width;
      const top = ((1 - y) / 2) * height - (thing ? 22 : 9);
      const spot = [left, top, text.length * 7 + 14, 20];
      if (thing !== this.chosen && taken.some((other) => hides(other, spot))) continue;
      taken.push(spot);
      const label = element("span", thing ? "" : "ring", text);
      if (thing) {
        label.style.background = thing.colour;
        label.style.color = inkOn(thing.rgb);
        label.style.opacity = faint;
      }
      label.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px)`;
      made.push(label);
    }
    this.labels.replaceChildren(...made);
  }

  // -- hands ------------------------------------------------------------------

  listen() {
    const { canvas } = this;
    const held = new Map();
    let spread = 0;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, event);
      spread = 0;
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => held.delete(event.pointerId));
    }
    canvas.addEventListener("pointermove", (event) => {
      const before = held.get(event.pointerId);
      if (!before) return;
      const dx = event.clientX - before.clientX;
      const dy = event.clientY - before.clientY;
      held.set(event.pointerId, event);
      if (held.size === 2) {
        const [a, b] = [...held.values()];
        const now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
        if (spread) this.zoomBy(spread / now);
        spread = now;
        this.move(dx / 2, dy / 2);
      } else if (event.buttons & 2 || event.shiftKey) {
        this.move(dx, dy);
      } else {
        this.turn(dx * 0.006, dy * 0.006);
      }
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(event.deltaY * 0.001));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.onKey(event));
  }

  onKey(event) {
    const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    if (turns[event.key]) this.turn(...turns[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoomBy(0.88);
    else if (event.key === "-") this.zoomBy(1.14);
    else if (event.key === "0") this.home();
    else return;
    event.preventDefault();
  }

  turn(yaw, pitch) {
    this.yaw += yaw;
    this.pitch = Math.min(1.5, Math.max(-1.5, this.pitch + pitch));
    this.draw();
  }

  zoomBy(factor) {
    this.zoom = Math.min(6, Math.max(0.1, this.zoom * factor));
    this.draw();
  }

  move(dx, dy) {
    const unit = (1.3 * this.zoom) / Math.max(1, this.canvas.clientHeight);
    this.shift[0] += dx * unit;
    this.shift[1] -= dy * unit;
    this.draw();
  }
}

// Whether two labels cover each other so much that the second cannot be read.
function hides([ax, ay, aw, ah], [bx, by, bw, bh]) {
  const across = Math.min(ax + aw, bx + bw) - Math.max(ax, bx);
  const down = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  return across > 0.25 * Math.min(aw, bw) && down > 0.4 * Math.min(ah, bh);
}
