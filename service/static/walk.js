/** The second view: a walk between images, played and scrubbed, and saved as an animation. */

import { change, randomSeed, read } from "./address.js";
import { ask } from "./api.js";
import { button, byId, element, fillTrack, icon, save } from "./dom.js";
import { shownWidth } from "./images.js";
import { unzip } from "./zip.js";

const LARGE = 392; // CSS pixels
const SMALL = 56; // CSS pixels of a frame in the strip
const FRAME_MS = 60;
const MOST_FRAMES = 256;
const DEFAULT_POINTS = 4;

let stage = null;

/** Fetch the frames of the walk that the state describes, and play them. */
export async function showWalk({ state, version, signal }) {
  stage ??= new Stage();
  await stage.show(state, version, signal);
}

class Stage {
  #state;
  #version;
  #request;
  #frames = [];
  #at = 0;
  #playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  #last = 0;
  #key = "";
  #edge = element("figcaption", { className: "film-edge" });
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
    const film = element(
      "figure",
      { className: "film stage" },
      this.#edge,
      this.#canvas,
    );
    const strip = element(
      "div",
      { className: "film" },
      element("div", { className: "strip" }, this.#strip, this.#head),
      element("div", { className: "transport" }, this.#play, this.#scrub),
    );
    const add = button("shuffle", "Add a point", () => this.#edit((points) => points.push([randomSeed(), "0"])));
    const side = element(
      "div",
      { className: "side" },
      element("h2", {}, "Points"),
      element("p", { className: "hint" }, "Add images from the wall, or let chance add one. The walk goes through them in order."),
      this.#points,
      element("div", { className: "actions" }, add),
      element("h2", {}, "Save"),
      this.#saves,
    );
    byId("walk").append(element("div", { className: "bench" }, film, side), strip);
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
      this.#take(frames, key);
    }
    this.#run(signal);
  }

  #take(frames, key) {
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

  /** Play until the signal: one frame each FRAME_MS. */
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
    this.#edge.textContent = `${this.#version.choice}  ·  frame ${at + 1} of ${this.#frames.length}`;
  }

  #drawStrip() {
    const { width, height } = this.#frames[0];
    const shown = shownWidth(width, SMALL);
    const room = Math.floor(this.#strip.closest(".film").clientWidth / shown);
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
      act("left", "Earlier:", swap, number === 0),
      act("close", "Remove", (points) => points.splice(number, 1), many <= 2),
    );
  }

  /** Of each point the frame that stands for it in the walk. */
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
  const steps = Math.min(Number(state.steps), Math.floor((MOST_FRAMES - 1) / segments));
  const json = { model, version, points, steps, loop: state.loop !== "" };
  if (Number(state.truncation) !== 1) json.truncation = Number(state.truncation);
  return json;
}

/** The chosen class, or else the point's own, or else none: then the first point's holds. */
function labelOf(chosen, label, labels) {
  if (chosen) return { label: chosen };
  return labels[label] === undefined ? {} : { label: Number(label) };
}

/** The points as `[seed, index, label?]`; without any in the address, the first of the wall. */
function pointsOf({ points, seed }) {
  const given = points.split(",").filter(Boolean).map((point) => point.split("."));
  const wall = Array.from({ length: DEFAULT_POINTS }, (_, index) => [seed, String(index)]);
  if (given.length === 0) return wall;
  return given.length === 1 ? [...given, wall[0]] : given;
}
