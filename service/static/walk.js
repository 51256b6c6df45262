/** The view "Walk": an interpolation between images that can be played, scrubbed and saved. */

import { setActions } from "./actions.js";
import { change, randomSeed, read } from "./address.js";
import { ask } from "./api.js";
import { byId, element, saveBlob } from "./dom.js";
import { remember } from "./history.js";
import { shownWidth, thumbnailOf } from "./images.js";
import { Timeline } from "./timeline.js";
import { fieldsOfPoint, isPicture, nameOf, pointsOf } from "./walk_points.js";
import { unzip } from "./zip.js";

const LARGE = 960; // CSS pixels
const CHROME = 540; // CSS pixels of what stands above and below the image
const FRAME_MS = 60;
const MAX_FRAMES = 256;
const KINDS = [["WebP", "image/webp", "webp"], ["GIF", "image/gif", "gif"], ["APNG", "image/apng", "apng"], ["Frames (ZIP)", "application/zip", "zip"]];

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
  #canvas = element("canvas", { role: "img", "aria-label": "The walk", className: "alpha" });
  #from = element("canvas", { className: "beside alpha", "aria-hidden": "true" });
  #to = element("canvas", { className: "beside alpha", "aria-hidden": "true" });
  #timeline = new Timeline(
    { go: (at) => this.#seek(at), toggle: () => this.#setPlaying(!this.#playing), edit: (edit) => this.#edit(edit) },
    () => this.#edit((points) => points.push([randomSeed(), "0"])),
  );

  constructor() {
    const stage = element("div", { className: "scene" }, this.#canvas, this.#from, this.#to);
    byId("walk").append(element("figure", { className: "panel stage" }, this.#caption, stage, this.#timeline.node));
    this.#setPlaying(this.#playing);
    addEventListener("resize", () => this.#resize());
  }

  async show(state, version, signal) {
    this.#state = state;
    this.#version = version;
    this.#request = requestOf(state, version);
    this.#offer();
    const key = JSON.stringify(this.#request);
    if (key !== this.#key) {
      this.#empty();
      const archive = await ask("interpolate", { json: this.#request, accept: "application/zip", signal });
      const blobs = unzip(archive).map(({ bytes }) => new Blob([bytes], { type: "image/png" }));
      const frames = await Promise.all(blobs.map((blob) => createImageBitmap(blob)));
      signal.throwIfAborted();
      this.#setFrames(frames, key);
      if (pointsOf(state, version).some(isPicture)) return this.#run(signal); // no link shows pictures again
      remember(`Walk · ${version.choice} · ${this.#request.points.length} points · ${frames.length} frames`, thumbnailOf(frames[0]));
    }
    this.#run(signal);
  }

  /** Forget frames that the state does not describe. */
  #empty() {
    this.#frames = [];
    this.#key = "";
    for (const canvas of [this.#canvas, this.#from, this.#to]) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    this.#caption.textContent = `${this.#version.choice}  ·  loading`;
    this.#timeline.setFrames([]);
    this.#fillPoints();
  }

  #setFrames(frames, key) {
    this.#frames = frames;
    this.#key = key;
    const { width, height } = frames[0];
    Object.assign(this.#canvas, { width, height });
    for (const canvas of [this.#from, this.#to]) Object.assign(canvas, { width, height });
    this.#resize();
    this.#timeline.setFrames(frames);
    this.#fillPoints();
    this.#goTo(Math.min(this.#at, frames.length - 1));
  }

  /** Make the image as large as the window allows. */
  #resize() {
    if (this.#frames.length === 0) return;
    const { width, height } = this.#frames[0];
    const room = Math.max(160, Math.min(LARGE, innerWidth - 96, ((innerHeight - CHROME) * width) / height));
    const shown = shownWidth(width, room);
    byId("walk").style.setProperty("--frame", `${shown}px`);
    byId("walk").style.setProperty("--ratio", `${width} / ${height}`);
    byId("walk").classList.toggle("pixels", shown > width);
  }

  /** Play one frame every FRAME_MS until the signal is aborted. */
  #run(signal) {
    const step = (now) => {
      if (signal.aborted) return;
      if (this.#playing && this.#frames.length > 0 && now - this.#last >= FRAME_MS) {
        this.#last = now;
        this.#goTo((this.#at + 1) % this.#frames.length);
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  #seek(at) {
    if (this.#frames.length === 0) return;
    this.#setPlaying(false);
    this.#goTo(Math.min(at, this.#frames.length - 1));
  }

  #goTo(at) {
    this.#at = at;
    const { steps } = this.#request;
    const before = Math.floor(at / steps) * steps;
    const after = before + steps < this.#frames.length ? before + steps : this.#state.loop ? 0 : this.#frames.length - 1;
    draw(this.#canvas, this.#frames[at]);
    draw(this.#from, this.#frames[before]);
    draw(this.#to, this.#frames[after]);
    this.#timeline.goTo(at);
    const words = [this.#version.choice, `frame ${at + 1} of ${this.#frames.length}`];
    if (this.#state.upscale) words.push(`enlarged by ${this.#state.upscale}`);
    this.#caption.textContent = words.join("  ·  ");
  }

  #setPlaying(playing) {
    this.#playing = playing;
    this.#timeline.isPlaying = playing;
  }

  #fillPoints() {
    const { labels } = this.#version;
    const points = pointsOf(this.#state, this.#version).map((point, number) => {
      const at = number * this.#request.steps;
      return { name: nameOf(point, labels), at, frame: this.#frames[at] };
    });
    this.#timeline.setPoints(points, this.#state.loop !== "");
  }

  #edit(edit) {
    const points = pointsOf(read(), this.#version);
    edit(points);
    change({ points: points.map((point) => point.join(".")).join() }, { push: true });
  }

  #offer() {
    const file = (ending) => `${this.#version.name}-${this.#version.version}-walk.${ending}`;
    setActions({
      downloads: KINDS.map(([text, type, ending]) => ({ text, run: () => this.#save(type, file(ending)) })),
      requests: () => [{ path: "interpolate", json: { ...this.#request, duration_ms: FRAME_MS }, accept: "image/webp", save: file("webp") }],
      what: "this walk",
    });
  }

  async #save(type, name) {
    const answer = await ask("interpolate", { json: { ...this.#request, duration_ms: FRAME_MS }, accept: type });
    saveBlob(answer instanceof Blob ? answer : new Blob([answer], { type }), name);
  }
}

function draw(canvas, frame) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(frame, 0, 0);
}

/** Returns the request of the walk that the state describes. */
export function requestOf(state, chosen) {
  const { name: model, version, labels } = chosen;
  const walked = pointsOf(state, chosen);
  const points = walked.map((point) => fieldsOfPoint(point, state.class, labels));
  const segments = state.loop ? points.length : points.length - 1;
  const steps = Math.min(Number(state.steps), Math.floor((MAX_FRAMES - 1) / segments));
  const json = { model, version, points, steps, loop: state.loop !== "" };
  if (Number(state.truncation) !== 1 && !walked.some(isPicture)) json.truncation = Number(state.truncation);
  if (state.upscale) json.upscale = state.upscale;
  return json;
}
