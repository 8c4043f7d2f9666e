// 16-bit grey PNG -> its values. A canvas would reduce them to 8 bits.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

export async function decodePng16(buffer) {
  const bytes = new Uint8Array(buffer);
  if (SIGNATURE.some((value, i) => bytes[i] !== value)) throw new Error("no PNG file");
  const view = new DataView(buffer);
  const parts = [];
  let width = 0;
  let height = 0;
  for (let at = 8; at < bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "IHDR") {
      width = view.getUint32(at + 8);
      height = view.getUint32(at + 12);
      if (data[8] !== 16 || data[9] !== 0 || data[12] !== 0) throw new Error("no 16-bit grey PNG");
    } else if (kind === "IDAT") {
      parts.push(data);
    }
    at += 12 + length;
  }
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(stream).arrayBuffer());
  return { width, height, values: unfilter(rows, width, height) };
}

function unfilter(rows, width, height) {
  const stride = width * 2;
  const values = new Uint16Array(width * height);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const start = y * (stride + 1);
    const row = rows.subarray(start + 1, start + 1 + stride);
    undo(rows[start], row, above);
    for (let x = 0, i = y * width; x < stride; x += 2, i++) values[i] = (row[x] << 8) | row[x + 1];
    above = row;
  }
  return values;
}

function undo(filter, row, above) {
  const size = row.length;
  if (filter === 1) {
    for (let i = 2; i < size; i++) row[i] += row[i - 2];
  } else if (filter === 2) {
    for (let i = 0; i < size; i++) row[i] += above[i];
  } else if (filter === 3) {
    for (let i = 0; i < size; i++) row[i] += ((i > 1 ? row[i - 2] : 0) + above[i]) >> 1;
  } else if (filter === 4) {
    for (let i = 0; i < size; i++) {
      const left = i > 1 ? row[i - 2] : 0;
      const corner = i > 1 ? above[i - 2] : 0;
      row[i] += paeth(left, above[i], corner);
    }
  }
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const a = Math.abs(guess - left);
  const b = Math.abs(guess - up);
  const c = Math.abs(guess - corner);
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
