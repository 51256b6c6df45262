/** Latents and random directions, for models without directions of their own. */

const AXES = 8;
const AXES_SEED = 1;

/** Draws rows of standard normal numbers `[count][size]` from the text of a seed. */
export function drawLatents(seed, count, size) {
  const random = generator(hash(seed));
  return Array.from({ length: count }, () => Array.from({ length: size }, () => normal(random)));
}

/** Returns a few orthonormal directions, the same for every seed. */
export function drawAxes(size) {
  const axes = [];
  for (const row of drawLatents(`axes ${AXES_SEED}`, Math.min(AXES, size), size)) {
    for (const axis of axes) add(row, axis, -dot(row, axis));
    const length = Math.sqrt(dot(row, row));
    axes.push(row.map((value) => value / length));
  }
  return axes;
}

/** Truncates a latent, as the service does for seeds. */
export function shrink(latent, truncation) {
  return latent.map((value) => truncation * value);
}

/** Moves a latent along directions; `moves` maps their numbers to distances. */
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

/** Draws a normal number from two uniform ones (Box-Muller). */
function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** FNV-1a, 32 bits. */
function hash(text) {
  return [...text].reduce((h, c) => Math.imul(h ^ c.codePointAt(0), 16777619), 2166136261);
}

/** Mulberry32: uniform numbers in [0, 1). */
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
