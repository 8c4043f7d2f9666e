// From a depth map to points in space and the triangles between neighbours.

const MOST_POINTS = 80000;
const STEEPEST = 9;
const ASSUMED_FOV_DEG = 60;

// From positions in the picture to points: X right, Y down, Z forward.
export function lensOf({ camera, width, height }) {
  const f = camera ? camera.fx : width / 2 / Math.tan((ASSUMED_FOV_DEG * Math.PI) / 360);
  const fy = camera ? camera.fy : f;
  const cx = camera ? camera.cx : width / 2;
  const cy = camera ? camera.cy : height / 2;
  return { f, at: (x, y, z) => [((x - cx) / f) * z, ((y - cy) / fy) * z, z] };
}

// Interleaved points (place, depth, spot in the picture) and the triangles between neighbours.
export function surfaceOf(scene, lens) {
  const { depth, unit } = scene;
  const step = Math.max(1, Math.ceil(Math.sqrt((depth.width * depth.height) / MOST_POINTS)));
  const across = Math.floor(depth.width / step);
  const down = Math.floor(depth.height / step);
  const scale = scene.width / depth.width;
  const steep = (STEEPEST * step * scale) / lens.f;
  const blocks = means(depth, step, across, down);
  const floats = new Float32Array(across * down * 6);
  const grid = new Int32Array(across * down).fill(-1);
  const heights = [];
  const depths = [];
  let count = 0;
  for (let row = 0, i = 0; row < down; row++) {
    for (let column = 0; column < across; column++, i++) {
      if (!blocks[i] || lonely(blocks, column, row, across, down, steep)) continue;
      const z = blocks[i] / unit;
      const u = ((column + 0.5) * step) / depth.width;
      const v = ((row + 0.5) * step) / depth.height;
      const [x, y] = lens.at(u * scene.width, v * scene.height, z);
      floats.set([x, -y, -z, z, u, v], count * 6);
      if (count % 31 === 0) {
        heights.push(y);
        depths.push(z);
      }
      grid[i] = count++;
    }
  }
  heights.sort((a, b) => a - b);
  depths.sort((a, b) => a - b);
  return {
    data: floats.subarray(0, count * 6),
    count,
    triangles: trianglesOf(grid, across, down, floats, steep),
    floor: heights[Math.floor(heights.length * 0.98)] ?? 0,
    middle: depths[Math.floor(depths.length * 0.5)] ?? 1,
    step: step * scale,
  };
}

// Mean of the valid values of each block of step x step pixels, 0 where there are none.
function means({ values, width }, step, across, down) {
  const found = new Float32Array(across * down);
  for (let row = 0, i = 0; row < down; row++) {
    for (let column = 0; column < across; column++, i++) {
      let sum = 0;
      let count = 0;
      for (let y = row * step; y < (row + 1) * step; y++) {
        for (let x = column * step; x < (column + 1) * step; x++) {
          const value = values[y * width + x];
          sum += value;
          count += value > 0;
        }
      }
      found[i] = count ? sum / count : 0;
    }
  }
  return found;
}

// Whether a block lies on a cliff: its depth is a mixture of what is before and behind.
function lonely(blocks, column, row, across, down, steep) {
  const i = row * across + column;
  const jump = (at, inside) => (inside ? Math.abs(blocks[at] - blocks[i]) / blocks[i] : 0);
  const left = jump(i - 1, column > 0);
  const right = jump(i + 1, column + 1 < across);
  const up = jump(i - across, row > 0);
  const below = jump(i + across, row + 1 < down);
  return Math.min(left, right) > steep || Math.min(up, below) > steep;
}

function trianglesOf(grid, across, down, floats, steep) {
  const found = new Uint32Array(Math.max(0, across - 1) * Math.max(0, down - 1) * 6);
  let size = 0;
  const add = (a, b, c) => {
    if (a < 0 || b < 0 || c < 0) return;
    const [p, q, r] = [a, b, c].map((i) => floats[i * 6 + 3]);
    if (Math.max(p, q, r) - Math.min(p, q, r) > steep * Math.min(p, q, r)) return;
    found[size++] = a;
    found[size++] = b;
    found[size++] = c;
  };
  for (let row = 0; row + 1 < down; row++) {
    for (let column = 0; column + 1 < across; column++) {
      const i = row * across + column;
      add(grid[i], grid[i + 1], grid[i + across]);
      add(grid[i + 1], grid[i + across + 1], grid[i + across]);
    }
  }
  return found.subarray(0, size);
}
