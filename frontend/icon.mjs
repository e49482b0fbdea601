// The app's icon: a loop on a warm ground, as SVG and, for systems that take no SVG, as PNG.
import { deflateSync } from "node:zlib";

const GROUND = [168, 69, 31];
const UNITS = 24;
const HALF = 1; // half the width of the line
const START = [8.6, 8.5];
// Two control points and the end of each curve.
const CURVES = [
  [6.6, 8.5, 5.4, 10, 5.4, 12],
  [5.4, 14, 6.6, 15.5, 8.6, 15.5],
  [11.8, 15.5, 12.2, 8.5, 15.4, 8.5],
  [17.4, 8.5, 18.6, 10, 18.6, 12],
  [18.6, 14, 17.4, 15.5, 15.4, 15.5],
  [14, 15.5, 13.2, 14.3, 12.5, 12.9],
];

export function iconSvg() {
  const path = `M${START.join(" ")}${CURVES.map((curve) => `C${curve.join(" ")}`).join("")}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${UNITS} ${UNITS}"><rect width="${UNITS}" height="${UNITS}" rx="6" fill="rgb(${GROUND})"/><path d="${path}" fill="none" stroke="#fff" stroke-width="${2 * HALF}" stroke-linecap="round"/></svg>\n`;
}

/** The line as points that lie close together. */
function points() {
  const steps = 40;
  const found = [START];
  let [x, y] = START;
  for (const [ax, ay, bx, by, ex, ey] of CURVES) {
    for (let n = 1; n <= steps; n += 1) {
      const t = n / steps;
      const s = 1 - t;
      const mix = (p, a, b, e) => s ** 3 * p + 3 * s * s * t * a + 3 * s * t * t * b + t ** 3 * e;
      found.push([mix(x, ax, bx, ex), mix(y, ay, by, ey)]);
    }
    [x, y] = [ex, ey];
  }
  return found;
}

/** The checksum of PNG; Node's own is younger than the oldest Node that builds this. */
function crc32(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let n = 0; n < 8; n += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const size = Buffer.alloc(4);
  const sum = Buffer.alloc(4);
  size.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([size, body, sum]);
}

/** The icon to the edge: systems cut it to their own shape. */
export function iconPng(size) {
  const line = points();
  const rows = Buffer.alloc(size * (1 + size * 3));
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      const x = ((column + 0.5) * UNITS) / size;
      const y = ((row + 0.5) * UNITS) / size;
      const distance = Math.sqrt(Math.min(...line.map(([px, py]) => (px - x) ** 2 + (py - y) ** 2)));
      const cover = Math.max(0, Math.min(1, ((HALF - distance) * size) / UNITS + 0.5));
      const at = row * (1 + size * 3) + 1 + column * 3;
      GROUND.forEach((part, n) => (rows[at + n] = Math.round(part + (255 - part) * cover)));
    }
  }
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
