/** Latents and directions that the page makes itself, for models that come without directions. */

const AXES = 8;
const AXES_SEED = 1;

/** Rows of standard normal numbers `[count][size]`, determined by the seed's text. */
export function drawLatents(seed, count, size) {
  const random = generator(hash(seed));
  return Array.from({ length: count }, () => Array.from({ length: size }, () => normal(random)));
}

/** A few directions of length 1, at right angles to each other: the same for every seed. */
export function drawAxes(size) {
  const axes = [];
  for (const row of drawLatents(`axes ${AXES_SEED}`, Math.min(AXES, size), size)) {
    for (const axis of axes) add(row, axis, -dot(row, axis));
    const length = Math.sqrt(dot(row, row));
    axes.push(row.map((value) => value / length));
  }
  return axes;
}

/** A latent that is truncated, as the service truncates those of seeds. */
export function shrink(latent, truncation) {
  return latent.map((value) => truncation * value);
}

/** A latent moved along directions: `moves` are the lengths by number. */
export function move(latent, axes, moves) {
  const moved = [...latent];
  for (const [number, length] of moves) add(moved, axes[number], length);
  return moved;
}

function add(row, axis, factor) {
  for (let i = 0; i < row.length; i += 1) row[i] += factor * axis[i];
}

function dot(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

/** Box and Muller's: two uniform numbers make a normal one. */
function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** FNV-1a, 32 bits. */
function hash(text) {
  return [...text].reduce((h, c) => Math.imul(h ^ c.codePointAt(0), 16777619), 2166136261);
}

/** Mulberry32: uniform numbers, 0 ≤ x < 1. */
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
