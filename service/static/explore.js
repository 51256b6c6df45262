/**
 * The view "Explore": sliders along latent directions, applied to eight images.
 * While a slider is dragged, the newest state is requested as soon as fewer than two requests are in
 * flight, and requests older than a response are cancelled. So the images follow at the server's pace.
 */

import { change } from "./address.js";
import { ask } from "./api.js";
import { byId, element, fillTrack } from "./dom.js";
import { fieldsOf, shownWidth } from "./images.js";
import { drawAxes, drawLatents, move, shrink } from "./latents.js";

const IMAGES = 8; // a large one and seven small ones
const RANGE = 6; // of a slider, in standard deviations of a latent
const SMALL = 140; // CSS pixels
const MAX_IN_FLIGHT = 2;
const URL_MS = 250; // browsers limit how often the URL may change

let view = null;

/** Show the images that the state describes, and follow the sliders until the signal is aborted. */
export async function showExplore({ state, version, signal }) {
  view ??= new ExploreView();
  await view.show(state, version, signal);
}

class ExploreView {
  #state;
  #version;
  #signal;
  #moves = new Map(); // direction → length
  #inFlight = []; // { number, controller }
  #isPending = false;
  #lastSent = 0;
  #lastShown = 0;
  #times = [];
  #urlTimer = 0;
  #caption = element("figcaption", { className: "caption" });
  #canvases = Array.from({ length: IMAGES }, (_, number) => this.#canvas(number));
  #sliders = element("div", { className: "sliders" });

  constructor() {
    const cells = this.#canvases.map(([canvas], number) => this.#cell(canvas, number));
    const panel = element(
      "figure",
      { className: "panel stage" },
      this.#caption,
      element("div", { className: "cluster" }, ...cells),
    );
    byId("explore").append(element("div", { className: "split" }, panel, this.#side()));
  }

  /** Show a state; resolves when its images are shown. */
  async show(state, version, signal) {
    this.#state = state;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#cancel(Infinity));
    if (this.#version !== version) this.#fit(version);
    this.#moves = readMoves(state.moves, this.#directions().length);
    this.#fillSliders();
    await this.#send();
  }

  #canvas(number) {
    const canvas = element("canvas", { role: "img", "aria-label": "Loading" });
    return [canvas, canvas.getContext("2d"), number];
  }

  #cell(canvas, number) {
    if (number === 0) return element("div", { className: "large" }, canvas);
    const choose = () => change({ at: Number(this.#state.at) + number }, { push: true });
    const label = `Explore the neighbouring image ${number}`;
    return element("button", { type: "button", "aria-label": label, on: { click: choose } }, canvas);
  }

  #side() {
    const act = (text, click) => element("button", { type: "button", on: { click } }, text);
    return element(
      "div",
      { className: "side" },
      element("h2", {}, "Directions"),
      element("p", { className: "hint", id: "directions-about" }),
      this.#sliders,
      element(
        "div",
        { className: "actions" },
        act("Reset", () => this.#setAll(() => 0)),
        act("Randomize", () => this.#setAll(() => Math.round(60 * (Math.random() - 0.5)) / 10)),
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

  /** Returns the model's directions, or random orthonormal ones if it has none. */
  #directions() {
    const own = this.#version.directions ?? [];
    return own.length > 0 ? own : drawAxes(this.#version.latent_dim).map((vector) => ({ vector }));
  }

  #fillSliders() {
    const own = this.#version.directions?.length > 0;
    byId("directions-about").textContent = own
      ? "The directions that change this generator's images most, strongest first. They apply to all eight images."
      : "This model has no directions of its own, so these are random ones. They apply to all eight images.";
    const rows = this.#directions().map((direction, number) => this.#slider(direction, number));
    this.#sliders.replaceChildren(...rows);
  }

  #slider({ strength }, number) {
    const id = `direction-${number}`;
    const value = this.#moves.get(number) ?? 0;
    const output = element("output", { htmlFor: id }, signed(value));
    const input = element("input", {
      id,
      type: "range",
      min: -RANGE,
      max: RANGE,
      step: 0.1,
      value,
      on: { input: () => this.#onInput(number, input, output) },
    });
    fillTrack(input);
    const share = strength === undefined ? null : element("i", {}, `${Math.round(100 * strength)} %`);
    const label = element("label", { htmlFor: id }, `Direction ${number + 1} `, share);
    return element("div", { className: "slider" }, label, input, output);
  }

  #onInput(number, input, output) {
    const value = Number(input.value);
    fillTrack(input);
    output.textContent = signed(value);
    if (value) this.#moves.set(number, value);
    else this.#moves.delete(number);
    this.#update();
  }

  #setAll(draw) {
    this.#moves = new Map(this.#directions().map((_, number) => [number, draw()]));
    this.#fillSliders();
    this.#update();
  }

  /** Request the state of the sliders now, or as soon as a request has ended. */
  #update() {
    clearTimeout(this.#urlTimer);
    this.#urlTimer = setTimeout(() => change({ moves: this.#movesText() }, { quiet: true }), URL_MS);
    if (this.#inFlight.length < MAX_IN_FLIGHT) void this.#send();
    else this.#isPending = true;
  }

  async #send() {
    const job = { number: (this.#lastSent += 1), controller: new AbortController() };
    this.#isPending = false;
    this.#inFlight.push(job);
    const json = this.#request();
    try {
      const blob = await ask("generate", { json, accept: "image/png", signal: job.controller.signal });
      const grid = await createImageBitmap(blob);
      if (job.number > this.#lastShown && !job.controller.signal.aborted) this.#draw(grid, job.number);
    } catch (error) {
      if (!job.controller.signal.aborted) throw error;
    } finally {
      this.#inFlight = this.#inFlight.filter((other) => other !== job);
      if (this.#isPending && !this.#signal.aborted) void this.#send();
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

  /** Draw the grid of all images into the canvases. */
  #draw(grid, number) {
    this.#lastShown = number;
    this.#cancel(number);
    const { width, height } = this.#version.image;
    const columns = grid.width / width;
    this.#canvases.forEach(([canvas, context], image) => {
      const [x, y] = [(image % columns) * width, Math.floor(image / columns) * height];
      context.clearRect(0, 0, width, height);
      context.drawImage(grid, x, y, width, height, 0, 0, width, height);
      if (image === 0) canvas.setAttribute("aria-label", `The explored image at ${this.#movesText() || "the origin"}`);
    });
    this.#count();
  }

  #count() {
    const now = performance.now();
    this.#times = [...this.#times.filter((time) => now - time < 1000), now];
    const rate = this.#times.length > 3 ? `  ·  ${this.#times.length} frames/s` : "";
    const { seed, at } = this.#state;
    this.#caption.textContent = `${this.#version.choice}  ·  seed ${seed}·${at}${rate}`;
    this.#caption.dataset.frames = String(this.#lastShown);
  }

  /** Cancel requests older than a number. */
  #cancel(number) {
    for (const job of this.#inFlight) if (job.number < number) job.controller.abort();
  }

  #movesText() {
    const moved = [...this.#moves].filter(([, length]) => length !== 0);
    return moved.map(([number, length]) => `${number}:${length}`).join();
  }
}

function readMoves(text, count) {
  const pairs = text.split(",").map((pair) => pair.split(":").map(Number));
  return new Map(
    pairs.filter(([n, length]) => n >= 0 && n < count && Math.abs(length) <= RANGE && length !== 0),
  );
}

/** Returns a class index for each image: the chosen class, or all classes in turn. */
function labelsOf(chosen, labels) {
  const index = labels.indexOf(chosen);
  return Array.from({ length: IMAGES }, (_, image) => (index < 0 ? image % labels.length : index));
}

function signed(value) {
  return value > 0 ? `+${value}` : String(value).replace("-", "−");
}
