/**
 * The points of a walk. In the URL a point is an image of a seed, `seed.index.label`, or a picture,
 * `picture.number`, which exists until the page is closed.
 */

import { change, read } from "./address.js";

const PICTURE = "picture";
const DEFAULT_POINTS = 4;
const pictures = []; // { choice, name, latents, label, directions }

/**
 * Keep the image that was found for a picture, of the version `choice`; returns the text of its
 * point. `label` and `directions`, how far it is moved, may be absent.
 */
export function keepPicture(picture) {
  return `${PICTURE}.${pictures.push(picture) - 1}`;
}

/** Append the text of a point to the walk. Returns a message. */
export function appendPoint(text) {
  const points = [...read().points.split(",").filter(Boolean), text];
  change({ points: points.join() }, { quiet: true });
  return points.length === 1 ? "This is the first point of the walk." : `The walk has ${points.length} points.`;
}

/**
 * Returns the points as `[seed, index, label?]` or `["picture", number]`, without pictures that this
 * page and version do not have; by default the first images of the seed.
 */
export function pointsOf({ points, seed }, { choice }) {
  const all = points.split(",").filter(Boolean).map((point) => point.split("."));
  const given = all.filter((point) => !isPicture(point) || pictures[point[1]]?.choice === choice);
  const defaults = Array.from({ length: DEFAULT_POINTS }, (_, index) => [seed, String(index)]);
  if (given.length === 0) return defaults;
  return given.length === 1 ? [...given, defaults[0]] : given;
}

/** Whether a point is a picture. */
export function isPicture([kind]) {
  return kind === PICTURE;
}

/** Returns a point's fields in a request. `chosen` is the class of the seeds' images; empty: their own. */
export function fieldsOfPoint(point, chosen, labels) {
  if (isPicture(point)) {
    const { latents, label, directions } = pictures[point[1]];
    return { latents, label, directions };
  }
  const [seed, index, label] = point;
  return { seed, index: Number(index), ...labelOf(chosen, label, labels) };
}

/** Returns the name of a point, with its class. */
export function nameOf(point, labels) {
  const { name, label } = isPicture(point) ? pictures[point[1]] : { name: `${point[0]}·${point[1]}`, label: point[2] };
  return labels[label] === undefined ? name : `${name} (${labels[label]})`;
}

/** Returns the chosen class, else the class of the point, else none: then the first point's applies. */
function labelOf(chosen, label, labels) {
  if (chosen) return { label: chosen };
  return labels[label] === undefined ? {} : { label: Number(label) };
}
