/**
 * The third view: sliders along latent directions, and what they do to a few images at once.
 * While one drags, the newest wish is sent as soon as fewer than two are under way, and an answer
 * that came later than a newer one is cancelled: so the picture follows at the server's pace.
 */

import { change } from "./address.js";
import { ask } from "./api.js";
import { byId, element, fillTrack } from "./dom.js";
import { fieldsOf, shownWidth } from "./images.js";
import { drawAxes, drawLatents, move, shrink } from "./latents.js";

const IMAGES = 8; // a large one and seven around it
const REACH = 6; // of a slider, in standard deviations of a latent
const SMALL = 140; // CSS pixels
const MOST_UNDER_WAY = 2;
const ADDRESS_MS = 250;

let bench = null;

/** Show the images that the state describes, and follow the sliders until the signal. */
export async function showExplore({ state, version, signal }) {
  bench ??= new Bench();
  await bench.show(state, version, signal);
}

class Bench {
  #state;
  #version;
  #signal;
  #moves = new Map(); // direction → length
  #underWay = []; // { number, controller }
  #wished = false;
  #sent = 0;
  #seen = 0;
  #times = [];
  #address = 0;
  #edge = element("figcaption", { className: "film-edge" });
  #canvases = Array.from({ length: IMAGES }, (_, number) => this.#canvas(number));
  #faders = element("div", { className: "faders" });

  constructor() {
    const cells = this.#canvases.map(([canvas], number) => this.#cell(canvas, number));
    const film = element(
      "figure",
      { className: "film stage" },
      this.#edge,
      element("div", { className: "cluster" }, ...cells),
    );
    byId("explore").append(element("div", { className: "bench" }, film, this.#panel()));
  }

  /** Take over a state; resolves when its images are shown. */
  async show(state, version, signal) {
    this.#state = state;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#cancel(Infinity));
    if (this.#version !== version) this.#fit(version);
    this.#moves = readMoves(state.moves, this.#directions().length);
    this.#fillFaders();
    await this.#send();
  }

  #canvas(number) {
    const canvas = element("canvas", { role: "img", "aria-label": "Not there yet" });
    return [canvas, canvas.getContext("2d"), number];
  }

  #cell(canvas, number) {
    if (number === 0) return element("div", { className: "large" }, canvas);
    const choose = () => change({ at: Number(this.#state.at) + number }, { push: true });
    const label = `Explore image ${number} of those beside`;
    return element("button", { type: "button", "aria-label": label, on: { click: choose } }, canvas);
  }

  #panel() {
    const act = (text, click) => element("button", { type: "button", on: { click } }, text);
    return element(
      "div",
      { className: "side" },
      element("h2", {}, "Directions"),
      element("p", { className: "hint", id: "faders-about" }),
      this.#faders,
      element(
        "div",
        { className: "actions" },
        act("Back to the middle", () => this.#setAll(() => 0)),
        act("Somewhere else", () => this.#setAll(() => Math.round(60 * (Math.random() - 0.5)) / 10)),
      ),
    );
  }

  #fit(version) {
    this.#version = version;
    const { width, height } = version.image;
    const small = shownWidth(width, SMALL);
    for (const [canvas] of this.#canvases) {
      Object.assign(canvas, { width, height });
      canvas.classList.toggle("pixels", width <= small);
    }
    const cluster = byId("explore").querySelector(".cluster");
    cluster.style.setProperty("--frame", `${small}px`);
    cluster.style.setProperty("--ratio", `${width} / ${height}`);
  }

  /** The model's own directions, or axes at right angles for a model that has none. */
  #directions() {
    const own = this.#version.directions ?? [];
    return own.length > 0 ? own : drawAxes(this.#version.latent_dim).map((vector) => ({ vector }));
  }

  #fillFaders() {
    const own = this.#version.directions?.length > 0;
    byId("faders-about").textContent = own
      ? "The strongest ways in which this generator's images change, strongest first. All eight images move alike."
      : "This model comes without directions of its own: these are random axes of its latents. All eight images move alike.";
    const rows = this.#directions().map((direction, number) => this.#fader(direction, number));
    this.#faders.replaceChildren(...rows);
  }

  #fader({ strength }, number) {
    const id = `direction-${number}`;
    const value = this.#moves.get(number) ?? 0;
    const output = element("output", { htmlFor: id }, signed(value));
    const input = element("input", {
      id,
      type: "range",
      min: -REACH,
      max: REACH,
      step: 0.1,
      value,
      on: { input: () => this.#slide(number, input, output) },
    });
    fillTrack(input);
    const share = strength === undefined ? null : element("i", {}, `${Math.round(100 * strength)} %`);
    const label = element("label", { htmlFor: id }, `Direction ${number + 1} `, share);
    return element("div", { className: "fader" }, label, input, output);
  }

  #slide(number, input, output) {
    const value = Number(input.value);
    fillTrack(input);
    output.textContent = signed(value);
    if (value) this.#moves.set(number, value);
    else this.#moves.delete(number);
    this.#wish();
  }

  #setAll(draw) {
    this.#moves = new Map(this.#directions().map((_, number) => [number, draw()]));
    this.#fillFaders();
    this.#wish();
  }

  /** Ask for what the sliders say now, or as soon as there is room. */
  #wish() {
    clearTimeout(this.#address);
    this.#address = setTimeout(() => change({ moves: this.#written() }, { quiet: true }), ADDRESS_MS);
    if (this.#underWay.length < MOST_UNDER_WAY) void this.#send();
    else this.#wished = true;
  }

  async #send() {
    const job = { number: (this.#sent += 1), controller: new AbortController() };
    this.#wished = false;
    this.#underWay.push(job);
    const json = this.#request();
    try {
      const blob = await ask("generate", { json, accept: "image/png", signal: job.controller.signal });
      const sheet = await createImageBitmap(blob);
      if (job.number > this.#seen && !job.controller.signal.aborted) this.#draw(sheet, job.number);
    } catch (error) {
      if (!job.controller.signal.aborted) throw error;
    } finally {
      this.#underWay = this.#underWay.filter((other) => other !== job);
      if (this.#wished && !this.#signal.aborted) void this.#send();
    }
  }

  #request() {
    const { name: model, version, directions = [], labels, latent_dim: size } = this.#version;
    const { at, ...state } = this.#state;
    if (directions.length > 0) {
      const moves = Object.fromEntries(this.#moves);
      const fields = fieldsOf({ ...state, model, version });
      return { ...fields, index: Number(at), count: IMAGES, layout: "grid", directions: moves };
    }
    const axes = drawAxes(size);
    const latents = drawLatents(`${state.seed}·${at}`, IMAGES, size);
    const moved = latents.map((z) => move(shrink(z, Number(state.truncation)), axes, this.#moves));
    const json = { model, version, layout: "grid", latents: moved };
    if (labels.length > 0) json.labels = labelsOf(state.class, labels);
    return json;
  }

  /** Cut the sheet of all images into the canvases, all at once. */
  #draw(sheet, number) {
    this.#seen = number;
    this.#cancel(number);
    const { width, height } = this.#version.image;
    const columns = sheet.width / width;
    this.#canvases.forEach(([canvas, context], image) => {
      const [x, y] = [(image % columns) * width, Math.floor(image / columns) * height];
      context.clearRect(0, 0, width, height);
      context.drawImage(sheet, x, y, width, height, 0, 0, width, height);
      if (image === 0) canvas.setAttribute("aria-label", `The explored image at ${this.#written() || "the middle"}`);
    });
    this.#count();
  }

  #count() {
    const now = performance.now();
    this.#times = [...this.#times.filter((time) => now - time < 1000), now];
    const rate = this.#times.length > 3 ? `  ·  ${this.#times.length} frames/s` : "";
    const { seed, at } = this.#state;
    this.#edge.textContent = `${this.#version.choice}  ·  seed ${seed}·${at}${rate}`;
    this.#edge.dataset.frames = String(this.#seen);
  }

  /** Cancel what was asked before a newer answer came. */
  #cancel(number) {
    for (const job of this.#underWay) if (job.number < number) job.controller.abort();
  }

  #written() {
    const moved = [...this.#moves].filter(([, length]) => length !== 0);
    return moved.map(([number, length]) => `${number}:${length}`).join();
  }
}

function readMoves(text, count) {
  const pairs = text.split(",").map((pair) => pair.split(":").map(Number));
  return new Map(
    pairs.filter(([n, length]) => n >= 0 && n < count && Math.abs(length) <= REACH && length !== 0),
  );
}

/** A class index for each image: the chosen one's, or one after the other. */
function labelsOf(chosen, labels) {
  const index = labels.indexOf(chosen);
  return Array.from({ length: IMAGES }, (_, image) => (index < 0 ? image % labels.length : index));
}

function signed(value) {
  return value > 0 ? `+${value}` : String(value).replace("-", "−");
}
