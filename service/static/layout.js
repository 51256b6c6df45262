/** Chooses the columns of a grid, so that all rows are full and the images are as large as fits. */

import { filledWidth } from "./images.js";

export const GAP = 8; // CSS pixels between cells
const NUMBER = 20; // CSS pixels of the line below an image
const LARGE = 128; // pixels of an image that is shown at its size
const MIN_CELL = 54; // CSS pixels; smaller images cannot be told apart
const MAX_CELL = 840;
const MANY = 64; // images give an impression of a model
const MOST = 100; // more take too long
const PENALTY = 0.15; // of the room, for half or twice as many
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

/** Returns how many images fill the room with full rows: about MANY, unless so many do not fit. */
export function fillingCount(image, room) {
  const least = Math.max(Math.min(COMFORTABLE, room.width / 2.5), leastWidth(image, room));
  let best = { count: 1, score: -Infinity };
  for (let columns = 1; columns <= MOST; columns += 1) {
    for (let rows = 1; columns * rows <= MOST; rows += 1) {
      const count = columns * rows;
      const { shown, height } = option(columns, count, image, room);
      if (shown < least || height > room.height) continue;
      const share = (count * shown * shown * image.height) / (image.width * room.width * room.height);
      const score = share - PENALTY * Math.abs(Math.log2(count / MANY));
      if (score > best.score) best = { count, score };
    }
  }
  return best.count;
}

function option(columns, count, image, { width, height }) {
  const least = image.width >= LARGE ? image.width : 0; // large images are not enlarged
  const cell = Math.min(Math.floor((width - GAP * (columns - 1)) / columns), Math.max(MAX_CELL, least));
  const tallest = Math.floor((height - NUMBER) * (image.width / image.height)); // a single row fits the window
  const shown = Math.min(filledWidth(image.width, Math.min(cell, Math.max(tallest, MIN_CELL))), least || Infinity);
  const rows = Math.ceil(count / columns);
  return { columns, cell, shown, height: rows * ((shown * image.height) / image.width + NUMBER + GAP) };
}

/** Returns `{ columns, cell, shown }` for images of one width, whose last row may not be full. */
export function flowGrid(cell, room) {
  return { columns: Math.max(1, Math.floor((room.width + GAP) / (cell + GAP))), cell, shown: cell };
}

/** Large images are not reduced either, unless the window is narrow. */
function leastWidth({ width }, room) {
  return width >= LARGE && 2 * width + GAP <= room.width ? width : 0;
}

/** Of equally large images, more in a row leave less room empty. */
function largest(options) {
  return options.reduce((best, each) => (each.shown >= best.shown ? each : best));
}

function divisors(count) {
  return Array.from({ length: count }, (_, before) => before + 1).filter((number) => count % number === 0);
}
