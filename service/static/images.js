/**
 * Requests images by seed and index. A frame is an image with all that reproduces it: model,
 * version, seed, index, label, class, truncation, upscale, and `src`, its PNG as a data URL.
 */

import { ask } from "./api.js";

const FIRST_PAGE = 16; // small, so that the first images appear soon
const PAGE = 64;

/** Request `wanted.count` images from index 0 on, in pages, and call `onFrame` for each. */
export async function fetchFrames(wanted, onFrame, signal) {
  const pages = [];
  for (let start = 0; start < wanted.count; ) {
    const size = Math.min(start === 0 ? FIRST_PAGE : PAGE, wanted.count - start);
    pages.push(fetchPage(wanted, start, size, onFrame, signal));
    start += size;
  }
  await Promise.all(pages);
}

async function fetchPage(wanted, index, count, onFrame, signal) {
  const json = { ...fieldsOf(wanted), index, count };
  const answer = await ask("generate", { json, signal });
  signal.throwIfAborted();
  answer.images.forEach((image, number) => onFrame(frameOf(wanted, answer, image), index + number));
}

/** Returns the request fields that determine an image, without its index. */
export function fieldsOf({ model, version, seed, class: name, truncation, upscale }) {
  const fields = { model, version, seed };
  if (name) fields.labels = name;
  if (Number(truncation) !== 1) fields.truncation = Number(truncation);
  if (upscale) fields.upscale = upscale;
  return fields;
}

function frameOf(wanted, { model, version }, { seed, index, label, class: name, png }) {
  const src = `data:image/png;base64,${png}`;
  const { truncation, upscale = "" } = wanted;
  return { model, version, seed, index, label, class: name, truncation, upscale, src };
}

/** Returns the request for a single frame. */
export function recipeOf(frame) {
  return { ...fieldsOf(frame), index: frame.index };
}

/** Describes a frame for screen readers. */
export function spoken({ seed, index, class: name }) {
  return `Seed ${seed}·${index}${name === null ? "" : `, class ${name}`}`;
}

/** Returns the command that reproduces the frame's PNG, byte for byte. */
export function curlOf(frame) {
  const body = JSON.stringify(recipeOf(frame)).replaceAll("'", "'\\''");
  const url = new URL("generate", document.baseURI);
  return [
    `curl --fail-with-body -X POST '${url}'`,
    `-H 'content-type: application/json'`,
    `-d '${body}'`,
    `-o ${fileNameOf(frame)}`,
  ].join(" \\\n  ");
}

/** Returns the file name of a frame. */
export function fileNameOf({ model, version, seed, index }) {
  return `${model}-${version}-${seed}-${index}.png`;
}

/** Returns the largest integer multiple of a width that fits `target`, or `target` if none does. */
export function shownWidth(width, target) {
  return width > target ? target : width * Math.floor(target / width);
}
