/** Chooses the columns of a grid, so that all rows are full and the images are as large as fits. */

import { filledWidth } from "./images.js";

export const GAP = 8; // CSS pixels between cells
const NUMBER = 20; // CSS pixels of the line below an image
const LARGE = 128; // pixels of an image that is shown at its size
const MIN_CELL = 54; // CSS pixels; smaller images cannot be told apart
const MAX_CELL = 560;
const COMFORTABLE = 60; // CSS pixels of a cell when not all rows fit the window

/** Returns `{ columns, cell, shown }`: cell and image width in CSS pixels, for a room `{ width, height }`. */
export function fitGrid(count, image, room) {
  const least = leastWidth(image, room);
  const options = divisors(count)
    .map((columns) => option(columns, count, image, room))
    .filter(({ cell, shown }) => cell >= MIN_CELL && shown >= least);
  const fitting = options.filter(({ height }) => height <= room.height);
  if (fitting.length > 0) return largest(fitting);
  const wanted = Math.min(Math.max(COMFORTABLE, least), room.width);
  const comfortable = options.filter(({ shown, columns }) => shown >= wanted && (columns > 1 || count === 1));
  if (comfortable.length > 0) return comfortable.at(-1);
  const columns = Math.max(1, Math.floor((room.width + GAP) / (wanted + GAP)));
  return option(Math.min(columns, count), count, image, room); // a prime number of images: the last row is not full
}

function option(columns, count, image, { width, height }) {
  const least = image.width >= LARGE ? image.width : 0; // large images are not enlarged
  const cell = Math.min(Math.floor((width - GAP * (columns - 1)) / columns), Math.max(MAX_CELL, least));
  const tallest = Math.floor((height - NUMBER) * (image.width / image.height)); // a single row fits the window
  const shown = Math.min(filledWidth(image.width, Math.min(cell, Math.max(tallest, MIN_CELL))), least || Infinity);
  const rows = Math.ceil(count / columns);
  return { columns, cell, shown, height: rows * ((shown * image.height) / image.width + NUMBER + GAP) };
}

/** Large images are not reduced either, unless the window is narrow. */
function leastWidth({ width }, room) {
  return width >= LARGE && 2 * width + GAP <= room.width ? width : 0;
}

function largest(options) {
  return options.reduce((best, each) => (each.shown > best.shown ? each : best));
}

function divisors(count) {
  return Array.from({ length: count }, (_, before) => before + 1).filter((number) => count % number === 0);
}
