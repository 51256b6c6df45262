/** A picture to explore in place of a seed: drawn with the mouse, or chosen as a file. */

import { ask, RequestError } from "./api.js";
import { button, element } from "./dom.js";
import { sentence } from "./errors.js";
import { drawLatents, move } from "./latents.js";

const SIDE = 280; // pixels of the canvas
const LINE = 2.6; // width of a stroke, in pixels of an image
const NEAR = 0.4; // standard deviations from the picture to its neighbours
const TYPES = "image/png,image/jpeg,image/webp";

/** `node` is its element. `onChange()` is called when a picture is found or removed. */
export class PictureStart {
  #version;
  #onChange;
  #found = null; // the answer of /invert
  #number = 0; // of the newest picture
  #controller = null;
  #hasInk = false;
  #last = null; // the end of the stroke
  #status = element("p", { className: "hint", role: "status" });
  #canvas = element("canvas", { width: SIDE, height: SIDE, className: "drawing", role: "img", "aria-label": "Draw here" });
  #file = element("input", { type: "file", accept: TYPES, "aria-label": "Picture to explore" });

  constructor(onChange) {
    this.#onChange = onChange;
    this.#canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    this.#canvas.addEventListener("pointermove", (event) => this.#stroke(event));
    this.#canvas.addEventListener("pointerup", () => void this.#end());
    this.#file.addEventListener("change", () => {
      const [file] = this.#file.files;
      this.#file.value = ""; // the same file can be chosen again
      if (file) void this.#take(file);
    });
    this.node = element(
      "details",
      { className: "picture-start" },
      element("summary", {}, "Start from a picture"),
      element(
        "div",
        { className: "start" },
        this.#canvas,
        element("div", { className: "start-side" }, this.#status, this.#file, button("close", "Back to the seed", () => this.clear(true))),
      ),
    );
  }

  /** The name of the newest picture. */
  get name() {
    return `picture ${this.#number}`;
  }

  /** Describes what is explored, for captions and to tell pictures apart; null while it is a seed. */
  get title() {
    if (this.#found === null) return null;
    const { class: name, error } = this.#found;
    return `${this.name}${name === null ? "" : `, class ${name}`}, error ${error.toFixed(3)}`;
  }

  /** Show it for a version; the picture of another version is forgotten. */
  fit(version) {
    this.#version = version;
    this.#canvas.hidden = version.image.channels !== 1; // white on black, as digits
    this.clear(false);
  }

  /** Forget the picture. */
  clear(isChange) {
    this.#controller?.abort();
    this.#found = null;
    this.#hasInk = false;
    this.#status.textContent = this.#canvas.hidden ? "Choose a file. The model finds its closest image, which you can then move." : "Draw here, as large as in the images, or choose a file. The model finds its closest image, which you can then move.";
    const context = this.#canvas.getContext("2d");
    context.fillStyle = "black";
    context.fillRect(0, 0, SIDE, SIDE);
    if (isChange) this.#onChange();
  }

  /** Returns the request for images of the picture and its neighbours, moved along axes or directions. */
  request(count, { axes, moves, directions }) {
    const { name: model, version, latent_dim: size } = this.#version;
    const [middle] = this.#found.latents;
    const rows = drawLatents(this.name, count, size).map((noise, number) =>
      middle.map((value, i) => (number === 0 ? value : value + NEAR * noise[i])),
    );
    const json = { model, version, latents: axes ? rows.map((row) => move(row, axes, moves)) : rows };
    if (this.#found.label !== null) json.labels = this.#found.label;
    if (directions && Object.keys(directions).length > 0) json.directions = directions;
    return json;
  }

  #begin(event) {
    if (this.#found !== null && !this.#hasInk) this.clear(false);
    event.preventDefault();
    this.#canvas.setPointerCapture(event.pointerId);
    this.#last = this.#at(event);
    this.#stroke(event);
  }

  #stroke(event) {
    if (this.#last === null) return;
    const context = this.#canvas.getContext("2d");
    const at = this.#at(event);
    const { width, height } = this.#version.image;
    Object.assign(context, { strokeStyle: "white", lineCap: "round", lineWidth: (LINE * SIDE) / Math.max(width, height) });
    context.beginPath();
    context.moveTo(...this.#last);
    context.lineTo(...at);
    context.stroke();
    this.#last = at;
    this.#hasInk = true;
  }

  async #end() {
    if (this.#last === null) return;
    this.#last = null;
    await this.#take(await new Promise((resolve) => this.#canvas.toBlob(resolve, "image/png")));
  }

  #at({ clientX, clientY }) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [((clientX - left) / width) * SIDE, ((clientY - top) / height) * SIDE];
  }

  /** Find the latents of a picture, a blob. A later one replaces it. */
  async #take(body) {
    this.#controller?.abort();
    const controller = (this.#controller = new AbortController());
    const { name, version } = this.#version;
    this.#status.textContent = "Searching for the closest image …";
    try {
      const query = new URLSearchParams({ model: name, version });
      const found = await ask(`invert?${query}`, { body, signal: controller.signal });
      this.#found = found;
      this.#number += 1;
      this.#status.textContent =
        `This is the closest image of the model, found in ${found.images} tries. Its error is ${found.error.toFixed(3)};` +
        ` that of the model's own images is ${found.typical_error.toFixed(3)}. Now move it along the directions below, or walk from it.`;
      this.#onChange();
    } catch (error) {
      if (controller.signal.aborted) return;
      if (!(error instanceof RequestError)) throw error;
      this.#status.textContent = sentence(error.message);
    }
  }
}
