/**
 * Requests images by seed and index. A frame is an image with all that reproduces it: model,
 * version, seed, index, label, class, truncation, directions, upscale, and `src`, its PNG as a data
 * URL.
 */

import { ask } from "./api.js";
import { bytesOf, zip } from "./archive.js";
import { codeOf } from "./code.js";
import { element, saveBlob } from "./dom.js";

const FIRST_PAGE = 16; // small, so that the first images appear soon
const PAGE = 64;
const THUMBNAIL = 44; // pixels
const MIN_SCALE = 0.85; // of the room that an integer multiple must fill

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

/** Request a single frame. */
export async function fetchFrame(wanted, signal) {
  const answer = await ask("generate", { json: { ...fieldsOf(wanted), index: wanted.index }, signal });
  return frameOf(wanted, answer, answer.images[0]);
}

/** Returns the request fields that determine an image, without its index. */
export function fieldsOf({ model, version, seed, class: name, truncation, directions = {}, upscale }) {
  const fields = { model, version, seed };
  if (name) fields.labels = name;
  if (Number(truncation) !== 1) fields.truncation = Number(truncation);
  if (Object.keys(directions).length > 0) fields.directions = directions;
  if (upscale) fields.upscale = upscale;
  return fields;
}

function frameOf(wanted, { model, version }, { seed, index, label, class: name, png }) {
  const src = `data:image/png;base64,${png}`;
  const { truncation, directions = {}, upscale = "" } = wanted;
  return { model, version, seed, index, label, class: name, truncation, directions, upscale, src };
}

/** Returns the request for a single frame. */
export function recipeOf(frame) {
  return { ...fieldsOf(frame), index: frame.index };
}

/** Describes a frame for screen readers. */
export function spoken({ seed, index, class: name }) {
  return `Seed ${seed}·${index}${name === null ? "" : `, class ${name}`}`;
}

/** Returns code that reproduces the frame's PNG, byte for byte. */
export function frameCode(language, frame) {
  return codeOf(language, [{ path: "generate", json: recipeOf(frame), accept: "image/png", save: fileNameOf(frame) }]);
}

/** Returns the file name of a frame. */
export function fileNameOf({ model, version, seed, index }) {
  return `${model}-${version}-${seed}-${index}.png`;
}

/** Downloads frames as a ZIP of their PNGs, with the requests that make them. Returns a message. */
export function saveFrames(frames, name) {
  const there = frames.filter(Boolean);
  const recipes = there.map((frame) => ({ file: fileNameOf(frame), ...recipeOf(frame) }));
  const text = new TextEncoder().encode(JSON.stringify(recipes, null, 2));
  const files = there.map((frame) => ({ name: fileNameOf(frame), bytes: bytesOf(frame.src) }));
  saveBlob(zip([...files, { name: "requests.json", bytes: text }]), `${name}.zip`);
  return `${there.length} images were saved, with the requests that make them.`;
}

/** Returns a frame's PNG if it is small enough for the history. */
export function smallOf({ src }) {
  return src.length < 16_000 ? src : null;
}

/** Returns a canvas or bitmap as a small PNG in a data URL, for the history. */
export function thumbnailOf(image, { width, height } = image) {
  const scale = THUMBNAIL / Math.max(width, height);
  const small = element("canvas", { width: Math.ceil(scale * width), height: Math.ceil(scale * height) });
  small.getContext("2d").drawImage(image, 0, 0, small.width, small.height);
  return small.toDataURL("image/png");
}

/** Returns the largest integer multiple of a width that fits `target`, or `target` if none does. */
export function shownWidth(width, target) {
  return width > target ? target : width * Math.floor(target / width);
}

/** Like `shownWidth`, but fills the room if an integer multiple would leave much of it empty. */
export function filledWidth(width, room) {
  const shown = shownWidth(width, room);
  return shown >= MIN_SCALE * room || width >= room / 1.5 ? shown : room;
}
