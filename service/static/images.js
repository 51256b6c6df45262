/**
 * Asks for images by seed and index. A frame is one image with all that makes it again: model,
 * version, seed, index, label, class, truncation, and `src`, its PNG as a data address.
 */

import { ask } from "./api.js";

const FIRST_PAGE = 16; // small, so that something is seen soon
const PAGE = 64;

/** Ask for `wall.count` images from index 0 on, in pages, and hand each frame on as it comes. */
export async function drawWall(wall, onFrame, signal) {
  const pages = [];
  for (let start = 0; start < wall.count; ) {
    const size = Math.min(start === 0 ? FIRST_PAGE : PAGE, wall.count - start);
    pages.push(drawPage(wall, start, size, onFrame, signal));
    start += size;
  }
  await Promise.all(pages);
}

async function drawPage(wall, index, count, onFrame, signal) {
  const json = { ...fieldsOf(wall), index, count };
  const answer = await ask("generate", { json, signal });
  signal.throwIfAborted();
  answer.images.forEach((image, number) => onFrame(frameOf(wall, answer, image), index + number));
}

/** The fields of a request that determine images, but for their index. */
export function fieldsOf({ model, version, seed, class: name, truncation }) {
  const fields = { model, version, seed };
  if (name) fields.labels = name;
  if (Number(truncation) !== 1) fields.truncation = Number(truncation);
  return fields;
}

function frameOf(wall, { model, version }, { seed, index, label, class: name, png }) {
  const src = `data:image/png;base64,${png}`;
  return { model, version, seed, index, label, class: name, truncation: wall.truncation, src };
}

/** The request of a single frame. */
export function recipeOf(frame) {
  return { ...fieldsOf(frame), index: frame.index };
}

/** A frame in words, for those who hear the page. */
export function spoken({ seed, index, class: name }) {
  return `Seed ${seed}·${index}${name === null ? "" : `, class ${name}`}`;
}

/** The command that makes the frame's PNG again, to the byte. */
export function curlOf(frame) {
  const body = JSON.stringify(recipeOf(frame)).replaceAll("'", "'\\''");
  const url = new URL("generate", document.baseURI);
  return [
    `curl -X POST '${url}'`,
    `-H 'content-type: application/json'`,
    `-d '${body}'`,
    `-o ${fileNameOf(frame)}`,
  ].join(" \\\n  ");
}

/** Under which name a frame is saved. */
export function fileNameOf({ model, version, seed, index }) {
  return `${model}-${version}-${seed}-${index}.png`;
}

/** The largest whole multiple of a width that fits `target`; wide images are made smaller. */
export function shownWidth(width, target) {
  return width > target ? target : width * Math.floor(target / width);
}
