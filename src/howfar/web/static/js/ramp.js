// Colours by distance: near is yellow, far is violet, as in every picture that howfar draws.

const STOPS =
  "f3f027 f9dc27 fdc72c fdb736 fba641 f7974f f1895a eb7d66 e27172 d9667d d05b8a c65295" +
  " bc48a0 af3eaa a336b2 9630b7 8830b8 7a34b7";

export const COLOURS = stops(STOPS.split(" "));
export const NONE = [96, 96, 96];

function stops(hex) {
  const known = hex.map((text) => [0, 2, 4].map((i) => parseInt(text.slice(i, i + 2), 16)));
  const table = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (known.length - 1);
    const low = Math.min(Math.floor(at), known.length - 2);
    for (let c = 0; c < 3; c++) {
      table[i * 3 + c] = Math.round(known[low][c] + (known[low + 1][c] - known[low][c]) * (at - low));
    }
  }
  return table;
}

// Which distances the colours stand for. Logarithmic where far is more than 10 times near.
export class Ramp {
  constructor(near, far) {
    this.near = near;
    this.far = far;
    this.log = far > 10 * near;
  }

  position(value) {
    const inside = Math.min(Math.max(value, this.near), this.far);
    if (this.log) return Math.log(inside / this.near) / Math.log(this.far / this.near);
    return (inside - this.near) / (this.far - this.near);
  }

  value(position) {
    if (this.log) return this.near * (this.far / this.near) ** position;
    return this.near + (this.far - this.near) * position;
  }

  // A ramp between this one and an older one.
  after(old, share) {
    const mix = (now, then) => now * (1 - share) + then * share;
    return new Ramp(mix(this.near, old.near), mix(this.far, old.far));
  }

  rgb(value) {
    const row = Math.round(this.position(value) * 255) * 3;
    return [COLOURS[row], COLOURS[row + 1], COLOURS[row + 2]];
  }

  css(value) {
    return value === null ? "rgb(200 200 200)" : `rgb(${this.rgb(value).join(" ")})`;
  }
}

// The ramps of a picture: of its colours (2nd to 98th percentile of its depth map) and of the slider
// (all of it, and all objects). Without a map those of its objects alone; null without either.
export function rampsOf(depth, unit, orders) {
  const spread = depth ? spreadOf(depth.values, unit) : null;
  const nearest = Math.min(...orders);
  const farthest = Math.max(...orders);
  if (!spread && !orders.length) return null;
  const { near, far } = spread ?? { near: nearest, far: farthest };
  // Below the nearest object there is room on the slider, so that it can be hidden as well.
  const least = spread ? Math.min(spread.least, nearest) : Math.max(0.9 * nearest, 1e-3);
  const most = Math.max(spread?.most ?? 0, farthest, least * 1.02);
  const end = Math.max(far, near * 1.05);
  return { colour: new Ramp(Math.max(near, end / 100, 1e-3), end), reach: new Ramp(least, most), mapped: spread !== null };
}

// Percentiles of the values that a depth map has, in its unit; null where it has none.
function spreadOf(values, unit) {
  const counts = new Uint32Array(65536);
  let total = 0;
  for (const value of values) {
    if (value) {
      counts[value]++;
      total++;
    }
  }
  if (!total) return null;
  const at = (share) => {
    let sum = 0;
    for (let value = 1; value < 65536; value++) {
      sum += counts[value];
      if (sum > 0 && sum >= share * total) return value;
    }
    return 65535;
  };
  return { near: at(0.02) / unit, far: at(0.98) / unit, least: at(0) / unit, most: at(1) / unit };
}

// Round values between the ends of a ramp, far enough apart to be written side by side.
export function ticks(ramp, most) {
  const found = [];
  const step = roundStep((ramp.far - ramp.near) / most);
  const candidates = ramp.log
    ? [0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 30, 50, 100, 200]
    : Array.from({ length: 200 }, (_, i) => Number(((Math.ceil(ramp.near / step) + i) * step).toPrecision(6)));
  let last = -1;
  for (const value of candidates) {
    if (value < ramp.near || value > ramp.far) continue;
    const at = ramp.position(value);
    if (at - last < 0.7 / most) continue;
    found.push(value);
    last = at;
  }
  return found;
}

export function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((f) => f * power).find((step) => step >= least * 0.999999);
}

export function inkOn([r, g, b]) {
  const part = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b) > 0.179 ? "#000" : "#fff";
}

export function metres(value) {
  if (value === null || value === undefined) return "–";
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} m`;
}
