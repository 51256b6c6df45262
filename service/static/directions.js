/** The directions of a version, and distances along them: `moves`, a map from key to amount. */

import { drawAxes } from "./latents.js";

const BOUND = 10; // of an amount in a request, in standard deviations of a latent
// Length of a random move. The latents of a model lie near a sphere, and a move of this length
// leaves it by less than latents differ from each other.
const RANDOM_LENGTH = 2.5;

/**
 * Returns the directions, those with a name first: `key` in requests, `title`, and `strength` if known. A model without any
 * has random ones, with their `vector`, which its service does not know.
 */
export function directionsOf({ directions = [], latent_dim: size }) {
  if (directions.length === 0) {
    return drawAxes(size).map((vector, number) => ({ key: String(number), title: `Direction ${number + 1}`, vector }));
  }
  const namedFirst = [...directions].sort((a, b) => (a.name === null) - (b.name === null));
  return namedFirst.map(({ index, name, strength }) => ({
    key: index === null ? name : String(index),
    title: name ?? `Direction ${index + 1}`,
    strength,
  }));
}

/** Whether the service knows the directions of a version. */
export function hasDirections({ directions = [] }) {
  return directions.length > 0;
}

/** Parses the moves of a link, `0:1.5,smile:-2`; leaves out what the version does not have. */
export function readMoves(text, directions) {
  const keys = new Set(directions.map(({ key }) => key));
  const pairs = text.split(",").map((pair) => pair.split(":"));
  return new Map(
    pairs.map(([key, amount]) => [key, Number(amount)]).filter(([key, amount]) => keys.has(key) && amount !== 0 && Math.abs(amount) <= BOUND),
  );
}

/** Returns the moves as text for a link. */
export function textOf(moves) {
  return [...moves].filter(([, amount]) => amount !== 0).map(([key, amount]) => `${key}:${amount}`).join();
}

/** Draws moves in a random direction of a length at which images are still good. */
export function drawMoves(directions) {
  const drawn = directions.map(({ key }) => [key, normal()]);
  const length = Math.hypot(...drawn.map(([, amount]) => amount)) || 1;
  const scaled = drawn.map(([key, amount]) => [key, Math.round((10 * RANDOM_LENGTH * amount) / length) / 10]);
  return new Map(scaled.filter(([, amount]) => amount !== 0));
}

/** Writes an amount with its sign. */
export function signed(amount) {
  return amount > 0 ? `+${amount}` : String(amount).replace("-", "−");
}

function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}
