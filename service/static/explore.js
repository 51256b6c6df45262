/**
 * The view "Explore": an image and its neighbours, moved along latent directions.
 * While a slider is dragged, the newest state is requested as soon as fewer than two requests are in
 * flight, and requests older than a response are cancelled. So the images follow at the server's pace.
 */

import { say, setActions } from "./actions.js";
import { change, randomSeed } from "./address.js";
import { ask } from "./api.js";
import { AMOUNTS, DirectionRow } from "./direction_row.js";
import { directionsOf, drawMoves, hasDirections, readMoves, textOf } from "./directions.js";
import { button, byId, element, saveBlob } from "./dom.js";
import { isFavourite, toggleFavourite } from "./favourites.js";
import { remember } from "./history.js";
import { fetchFrame, fieldsOf, filledWidth, thumbnailOf } from "./images.js";
import { drawLatents, move, shrink } from "./latents.js";
import { PictureStart } from "./picture_start.js";
import { appendPoint, keepPicture } from "./walk_points.js";

const IMAGES = 8; // a large one and seven small ones
const SMALL = { least: 100, most: 280 }; // CSS pixels of the small images
const SHARE = 0.42; // of the window's width, for all images
const CHROME = 316; // CSS pixels of what stands above and below them
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
  #directions = [];
  #rows = [];
  #moves = new Map(); // key of a direction → amount
  #inFlight = []; // { number, controller }
  #isPending = false;
  #lastSent = 0;
  #lastShown = 0;
  #urlTimer = 0;
  #origin = ""; // what the thumbnails show
  #picture = new PictureStart(() => void this.#restart());
  #shown = null; // the last call of show
  #caption = element("figcaption", { className: "caption" });
  #canvases = Array.from({ length: IMAGES }, (_, number) => this.#canvas(number));
  #list = element("ol", { className: "directions", "aria-labelledby": "directions-title" });

  constructor() {
    const cells = this.#canvases.map(([canvas], number) => this.#cell(canvas, number));
    const panel = element("figure", { className: "panel stage" }, this.#caption, element("div", { className: "cluster" }, ...cells));
    byId("explore").append(element("div", { className: "split" }, panel, this.#side()));
    addEventListener("resize", () => this.#resize());
  }

  /** Show a state; resolves when its images are shown. */
  async show(state, version, signal) {
    this.#state = state;
    this.#signal = signal;
    const last = this.#shown?.state;
    if (last && (last.seed !== state.seed || last.at !== state.at)) this.#picture.clear(false);
    this.#shown = { state, version, signal };
    signal.addEventListener("abort", () => this.#cancel(Infinity));
    if (this.#version !== version) this.#fit(version);
    this.#moves = readMoves(state.moves, this.#directions);
    this.#fillSliders();
    this.#offer();
    const origin = [version.choice, state.seed, state.at, state.class, state.truncation, this.#picture.title].join();
    if (this.#origin !== origin) this.#empty();
    await this.#send();
    if (this.#picture.title === null) { // no link shows a picture of one's own again
      remember(`Explore · ${version.choice} · seed ${state.seed}·${state.at}${this.#moves.size ? " · moved" : ""}`, thumbnailOf(this.#canvases[0][0]));
    }
    if (this.#origin !== origin) await this.#fillRows(origin, signal);
  }

  /** Show the same state, of another picture. */
  async #restart() {
    const { state, version, signal } = this.#shown;
    if (signal.aborted) return;
    try {
      await this.show({ ...state, moves: textOf(this.#moves) }, version, signal);
    } catch (error) {
      if (!signal.aborted) throw error; // another view is shown now
    }
  }

  #canvas(number) {
    const canvas = element("canvas", { role: "img", "aria-label": "Loading", className: "alpha" });
    return [canvas, canvas.getContext("2d"), number];
  }

  #cell(canvas, number) {
    if (number === 0) return element("div", { className: "large" }, canvas);
    const choose = () => change({ at: Number(this.#state.at) + number }, { push: true });
    const label = `Explore the neighbouring image ${number}`;
    return element("button", { type: "button", "aria-label": label, on: { click: choose } }, canvas);
  }

  #side() {
    const head = element(
      "div",
      { className: "section-head" },
      element("h2", { id: "directions-title" }, "Directions"),
      button("close", "Reset", () => this.#setAll(new Map())),
      button("shuffle", "Random", () => this.#setAll(drawMoves(this.#directions))),
    );
    return element("div", { className: "side" }, this.#picture.node, head, element("p", { className: "hint", id: "directions-about" }), this.#list);
  }

  #fit(version) {
    this.#version = version;
    const { width, height } = version.image;
    for (const [canvas] of this.#canvases) Object.assign(canvas, { width, height });
    byId("explore").style.setProperty("--ratio", `${width} / ${height}`);
    this.#resize();
    byId("directions-about").textContent = hasDirections(version)
      ? "Each row moves all eight images. Per cent: how strongly a direction acts."
      : "This model has no directions of its own, so these are random. Each row moves all eight images.";
    this.#directions = directionsOf(version);
    this.#rows = this.#directions.map((direction, position) => this.#row(direction, position));
    this.#list.replaceChildren(...this.#rows.map(({ node }) => node));
    this.#origin = "";
    this.#picture.fit(version);
  }

  /** Make the images as large as the window allows. */
  #resize() {
    if (!this.#version) return;
    const { width, height } = this.#version.image;
    const room = Math.min(SHARE * innerWidth, ((innerHeight - CHROME) * width) / height) / 4;
    const small = filledWidth(width, Math.floor(Math.max(SMALL.least, Math.min(SMALL.most, room))));
    byId("explore").style.setProperty("--frame", `${small}px`);
    for (const [canvas] of this.#canvases) canvas.classList.toggle("pixels", width <= small);
  }

  #row(direction, position) {
    const { key } = direction;
    const onAmount = (amount) => {
      if (amount === 0) this.#moves.delete(key);
      else this.#moves.set(key, amount);
      this.#update();
    };
    const onPin = () => void this.#pin({ [key]: this.#moves.get(key) });
    const fileName = `${this.#version.name}-${this.#version.version}-direction-${key}.png`;
    const row = new DirectionRow(direction, position, this.#version.image, { onAmount, onPin, fileName });
    row.node.classList.toggle("unknown", !hasDirections(this.#version));
    return row;
  }

  #fillSliders() {
    this.#rows.forEach((row, number) => row.set(this.#moves.get(this.#directions[number].key) ?? 0));
  }

  #setAll(moves) {
    this.#moves = moves;
    this.#fillSliders();
    this.#update();
  }

  /** Request the state of the sliders now, or as soon as a request has ended. */
  #update() {
    clearTimeout(this.#urlTimer);
    this.#urlTimer = setTimeout(() => change({ moves: textOf(this.#moves) }, { quiet: true }), URL_MS);
    if (this.#inFlight.length < MAX_IN_FLIGHT) void this.#send();
    else this.#isPending = true;
  }

  async #send() {
    const job = { number: (this.#lastSent += 1), controller: new AbortController() };
    this.#isPending = false;
    this.#inFlight.push(job);
    const json = this.#request(IMAGES, this.#moves);
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

  /** Returns the request for the first images of the seed, moved. */
  #request(count, moves) {
    const { name: model, version, labels, latent_dim: size } = this.#version;
    const { at, ...state } = this.#state;
    const layout = count === 1 ? {} : { layout: "grid" };
    if (this.#picture.title !== null) return { ...this.#ofPicture(count, moves), ...layout };
    if (hasDirections(this.#version)) {
      const fields = fieldsOf({ ...state, model, version, directions: Object.fromEntries(moves) });
      return { ...fields, index: Number(at), count, ...layout };
    }
    const axes = this.#directions.map(({ vector }) => vector);
    const latents = drawLatents(`${state.seed}·${at}`, IMAGES, size).slice(0, count);
    const byNumber = new Map([...moves].map(([key, amount]) => [Number(key), amount]));
    const moved = latents.map((z) => move(shrink(z, Number(state.truncation)), axes, byNumber));
    const json = { model, version, ...layout, latents: moved };
    if (labels.length > 0) json.labels = labelsOf(state.class, labels).slice(0, count);
    return json;
  }

  /** Returns the request for the picture that is explored, and its neighbours. */
  #ofPicture(count, moves) {
    if (hasDirections(this.#version)) return this.#picture.request(count, { directions: Object.fromEntries(moves) });
    const axes = this.#directions.map(({ vector }) => vector);
    return this.#picture.request(count, { axes, moves: new Map([...moves].map(([key, amount]) => [Number(key), amount])) });
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
      if (image === 0) canvas.setAttribute("aria-label", `The explored image at ${textOf(this.#moves) || "the origin"}`);
    });
    const { seed, at } = this.#state;
    this.#caption.textContent = `${this.#version.choice}  ·  ${this.#picture.title ?? `seed ${seed}·${at}`}`;
    this.#caption.dataset.frames = String(this.#lastShown);
  }

  /** Empty all images, which belong to another seed or model. */
  #empty() {
    this.#lastShown = this.#lastSent;
    for (const [canvas, context] of this.#canvases) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      canvas.setAttribute("aria-label", "Loading");
    }
    this.#caption.textContent = `${this.#version.choice}  ·  loading`;
    for (const row of this.#rows) for (const amount of AMOUNTS) row.draw(amount, null);
    this.#list.setAttribute("aria-busy", "true");
  }

  /** Draw the thumbnails of all directions, one after the other, while nothing else is requested. */
  async #fillRows(origin, signal) {
    const image = async (moves) => {
      const json = this.#request(1, moves);
      return createImageBitmap(await ask("generate", { json, accept: "image/png", signal, background: true }));
    };
    const middle = await image(new Map());
    for (const row of this.#rows) row.draw(0, middle);
    const outerFirst = AMOUNTS.filter((amount) => amount !== 0).sort((a, b) => Math.abs(b) - Math.abs(a));
    for (const amount of outerFirst) {
      for (const [number, row] of this.#rows.entries()) {
        const moved = await image(new Map([[this.#directions[number].key, amount]]));
        signal.throwIfAborted();
        row.draw(amount, moved);
      }
    }
    this.#origin = origin;
    this.#list.removeAttribute("aria-busy");
  }

  #offer() {
    const { name, version } = this.#version;
    const { seed, at } = this.#state;
    const file = `${name}-${version}-${seed}-${at}`;
    const keep = { text: "Add favourite", icon: "favourite", run: () => this.#pin(Object.fromEntries(this.#moves)) };
    setActions({
      downloads: [
        { text: "Download PNG", run: async () => saveBlob(await ask("generate", { json: this.#request(1, this.#moves), accept: "image/png" }), `${file}.png`) },
        { text: "All 8 (ZIP)", run: async () => saveBlob(new Blob([await ask("generate", { json: { ...this.#request(IMAGES, this.#moves), layout: "separate" }, accept: "application/zip" })]), `${file}.zip`) },
        ...(this.#picture.title !== null ? this.#walks() : hasDirections(this.#version) ? [keep] : []),
      ],
      requests: () => [{ path: "generate", json: this.#request(1, this.#moves), accept: "image/png", save: `${file}.png` }],
      what: "the explored image",
    });
  }

  /** Returns the actions that begin or go on with a walk from the picture, as it is moved now. */
  #walks() {
    return [
      { text: "Walk from here", icon: "play", run: () => change({ tab: "walk", points: `${this.#pictureAsPoint()},${randomSeed()}.0` }, { push: true }) },
      { text: "Add to walk", icon: "walk", run: () => appendPoint(this.#pictureAsPoint()) },
    ];
  }

  #pictureAsPoint() {
    const { latents: [latents], labels: label, directions } = this.#ofPicture(1, this.#moves);
    const name = [this.#picture.name, textOf(this.#moves)].filter(Boolean).join(" ");
    return keepPicture({ choice: this.#version.choice, name, latents, label, directions });
  }

  /** Add the explored image to the favourites, moved along directions. */
  async #pin(directions) {
    const { name: model, version } = this.#version;
    if (this.#picture.title !== null) {
      say("Only images of seeds can be favourites; download this one.");
      return;
    }
    const { at, seed, class: label, truncation } = this.#state;
    const frame = await fetchFrame({ model, version, seed, index: Number(at), class: label, truncation, directions });
    if (!isFavourite(frame)) toggleFavourite(frame);
    say("The image is among the favourites, below the images of “Generate”.");
  }

  /** Cancel requests older than a number. */
  #cancel(number) {
    for (const job of this.#inFlight) if (job.number < number) job.controller.abort();
  }
}

/** Returns a class index for each image: the chosen class, or all classes in turn. */
function labelsOf(chosen, labels) {
  const index = labels.indexOf(chosen);
  return Array.from({ length: IMAGES }, (_, image) => (index < 0 ? image % labels.length : index));
}
