/** The view "Walk": an interpolation between images that can be played, scrubbed and saved. */

import { change, randomSeed, read } from "./address.js";
import { ask } from "./api.js";
import { button, byId, element, fillTrack, icon, save } from "./dom.js";
import { shownWidth } from "./images.js";
import { unzip } from "./zip.js";

const LARGE = 392; // CSS pixels
const SMALL = 56; // CSS pixels of a frame in the strip
const FRAME_MS = 60;
const MAX_FRAMES = 256;
const DEFAULT_POINTS = 4;

let player = null;

/** Fetch the frames of the walk that the state describes, and play them. */
export async function showWalk({ state, version, signal }) {
  player ??= new Player();
  await player.show(state, version, signal);
}

class Player {
  #state;
  #version;
  #request;
  #frames = [];
  #at = 0;
  #playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  #last = 0;
  #key = "";
  #caption = element("figcaption", { className: "caption" });
  #canvas = element("canvas", { role: "img", "aria-label": "The walk" });
  #strip = element("canvas", { "aria-hidden": "true" });
  #head = element("span", { className: "playhead", "aria-hidden": "true" });
  #scrub = element("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "Frame" });
  #play = element("button", { type: "button", className: "primary", on: { click: () => this.#toggle() } });
  #points = element("ol", { className: "points", "aria-label": "Points of the walk" });
  #saves = element("div", { className: "actions" });

  constructor() {
    this.#scrub.addEventListener("input", () => {
      this.#setPlaying(false);
      this.#goTo(Number(this.#scrub.value));
    });
    this.#strip.addEventListener("pointerdown", (event) => this.#jump(event));
    const panel = element(
      "figure",
      { className: "panel stage" },
      this.#caption,
      this.#canvas,
    );
    const strip = element(
      "div",
      { className: "panel" },
      element("div", { className: "strip" }, this.#strip, this.#head),
      element("div", { className: "transport" }, this.#play, this.#scrub),
    );
    const add = button("shuffle", "Add a random point", () => this.#edit((points) => points.push([randomSeed(), "0"])));
    const side = element(
      "div",
      { className: "side" },
      element("h2", {}, "Points"),
      element("p", { className: "hint" }, "Add images from the other views, or a random one. The walk passes through them in order."),
      this.#points,
      element("div", { className: "actions" }, add),
      element("h2", {}, "Save"),
      this.#saves,
    );
    byId("walk").append(element("div", { className: "split" }, panel, side), strip);
    this.#setPlaying(this.#playing);
  }

  async show(state, version, signal) {
    this.#state = state;
    this.#version = version;
    this.#request = requestOf(state, version);
    this.#fillPoints();
    this.#fillSaves();
    const key = JSON.stringify(this.#request);
    if (key !== this.#key) {
      const archive = await ask("interpolate", { json: this.#request, accept: "application/zip", signal });
      const blobs = unzip(archive).map(({ bytes }) => new Blob([bytes], { type: "image/png" }));
      const frames = await Promise.all(blobs.map((blob) => createImageBitmap(blob)));
      signal.throwIfAborted();
      this.#setFrames(frames, key);
    }
    this.#run(signal);
  }

  #setFrames(frames, key) {
    this.#frames = frames;
    this.#key = key;
    const { width, height } = frames[0];
    const shown = shownWidth(width, Math.min(LARGE, innerWidth - 96));
    Object.assign(this.#canvas, { width, height });
    this.#canvas.style.width = `${shown}px`;
    this.#canvas.classList.toggle("pixels", shown > width);
    this.#scrub.max = frames.length - 1;
    this.#drawStrip();
    this.#fillPoints();
    this.#goTo(Math.min(this.#at, frames.length - 1));
  }

  /** Play one frame every FRAME_MS until the signal is aborted. */
  #run(signal) {
    const step = (now) => {
      if (signal.aborted) return;
      if (this.#playing && now - this.#last >= FRAME_MS) {
        this.#last = now;
        this.#goTo((this.#at + 1) % this.#frames.length);
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  #goTo(at) {
    this.#at = at;
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    context.drawImage(this.#frames[at], 0, 0);
    this.#scrub.value = at;
    fillTrack(this.#scrub);
    this.#head.style.left = `${(100 * (at + 0.5)) / this.#frames.length}%`;
    this.#scrub.setAttribute("aria-valuetext", `Frame ${at + 1} of ${this.#frames.length}`);
    const words = [this.#version.choice, `frame ${at + 1} of ${this.#frames.length}`];
    if (this.#state.upscale) words.push(`enlarged by ${this.#state.upscale}`);
    this.#caption.textContent = words.join("  ·  ");
  }

  #drawStrip() {
    const { width, height } = this.#frames[0];
    const shown = shownWidth(width, SMALL);
    const room = Math.floor(this.#strip.closest(".panel").clientWidth / shown);
    const count = Math.min(room, this.#frames.length);
    Object.assign(this.#strip, { width: width * count, height });
    this.#strip.style.width = `${shown * count}px`;
    this.#strip.classList.toggle("pixels", shown > width);
    const context = this.#strip.getContext("2d");
    for (let number = 0; number < count; number += 1) {
      const at = Math.round((number * (this.#frames.length - 1)) / Math.max(1, count - 1));
      context.drawImage(this.#frames[at], number * width, 0);
    }
  }

  #jump(event) {
    if (this.#frames.length === 0) return;
    const share = event.offsetX / this.#strip.clientWidth;
    this.#setPlaying(false);
    this.#goTo(Math.min(this.#frames.length - 1, Math.floor(share * this.#frames.length)));
  }

  #toggle() {
    this.#setPlaying(!this.#playing);
  }

  #setPlaying(playing) {
    this.#playing = playing;
    this.#play.replaceChildren(icon(playing ? "pause" : "play"), playing ? "Pause" : "Play");
  }

  #fillPoints() {
    const points = pointsOf(this.#state);
    this.#points.replaceChildren(...points.map((point, number) => this.#point(point, number, points.length)));
  }

  #point([seed, index, label], number, many) {
    const { labels } = this.#version;
    const name = `${seed}·${index}${labels[label] === undefined ? "" : ` (${labels[label]})`}`;
    const act = (sign, text, edit, disabled) =>
      element(
        "button",
        { type: "button", "aria-label": `${text} ${name}`, disabled, on: { click: () => this.#edit(edit) } },
        icon(sign),
      );
    const swap = (points) => points.splice(number - 1, 2, points[number], points[number - 1]);
    return element(
      "li",
      {},
      this.#thumbnail(number),
      element("span", { className: "mono" }, name),
      act("left", "Move forward:", swap, number === 0),
      act("close", "Remove", (points) => points.splice(number, 1), many <= 2),
    );
  }

  /** Draws the frame of a point. */
  #thumbnail(number) {
    const canvas = element("canvas", { className: "pixels", "aria-hidden": "true" });
    const frame = this.#frames[number * this.#request.steps];
    if (!frame) return canvas;
    Object.assign(canvas, { width: frame.width, height: frame.height });
    canvas.getContext("2d").drawImage(frame, 0, 0);
    return canvas;
  }

  #edit(edit) {
    const points = pointsOf(read());
    edit(points);
    change({ points: points.map((point) => point.join(".")).join() }, { push: true });
  }

  #fillSaves() {
    const kinds = [["WebP", "image/webp"], ["GIF", "image/gif"], ["APNG", "image/apng"]];
    this.#saves.replaceChildren(
      ...kinds.map(([name, type]) => button("save", name, () => void this.#save(type), { className: "save" })),
    );
  }

  async #save(type) {
    const { name, version } = this.#version;
    const json = { ...this.#request, duration_ms: FRAME_MS };
    const url = URL.createObjectURL(await ask("interpolate", { json, accept: type }));
    save(url, `${name}-${version}-walk.${type.split("/")[1]}`);
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
}

function requestOf(state, { name: model, version, labels }) {
  const points = pointsOf(state).map(([seed, index, label]) => ({
    seed,
    index: Number(index),
    ...labelOf(state.class, label, labels),
  }));
  const segments = state.loop ? points.length : points.length - 1;
  const steps = Math.min(Number(state.steps), Math.floor((MAX_FRAMES - 1) / segments));
  const json = { model, version, points, steps, loop: state.loop !== "" };
  if (Number(state.truncation) !== 1) json.truncation = Number(state.truncation);
  if (state.upscale) json.upscale = state.upscale;
  return json;
}

/** Returns the chosen class, else the class of the point, else none: then the first point's applies. */
function labelOf(chosen, label, labels) {
  if (chosen) return { label: chosen };
  return labels[label] === undefined ? {} : { label: Number(label) };
}

/** Returns the points as `[seed, index, label?]`; by default the first images of the seed. */
function pointsOf({ points, seed }) {
  const given = points.split(",").filter(Boolean).map((point) => point.split("."));
  const defaults = Array.from({ length: DEFAULT_POINTS }, (_, index) => [seed, String(index)]);
  if (given.length === 0) return defaults;
  return given.length === 1 ? [...given, defaults[0]] : given;
}
