/** One direction of the view "Explore": its name, thumbnails from −3 to +3, and a slider. */

import { signed } from "./directions.js";
import { button, element, fillTrack, save } from "./dom.js";

/** The amounts of the thumbnails, in standard deviations of a latent. */
export const AMOUNTS = [-3, -2, -1, 0, 1, 2, 3];

const BOUND = 3.5; // of the slider, so that an amount is below its thumbnail

/** A row; `node` is its element. */
export class DirectionRow {
  #direction;
  #input;
  #output;
  #pin;
  #cells;
  #onAmount;

  /**
   * `position` is its number on the page; `onAmount(amount)` is called when the amount changes, and
   * `onPin()` to keep the moved image.
   */
  constructor(direction, position, image, { onAmount, onPin, fileName }) {
    this.#direction = direction;
    this.#onAmount = onAmount;
    const id = `direction-${position}`;
    this.#cells = AMOUNTS.map((amount) => this.#cell(amount, image));
    this.#output = element("output", { htmlFor: id });
    this.#input = element("input", { id, type: "range", min: -BOUND, max: BOUND, step: 0.1, on: { input: () => this.#take(Number(this.#input.value)) } });
    this.#pin = button("favourite", "", onPin, { "aria-label": `Add the image moved along ${direction.title} to the favourites` });
    const keep = button("save", "", () => save(this.#sheet(image), fileName), { "aria-label": `Save the thumbnails of ${direction.title}` });
    const share = direction.strength ? element("i", {}, `${Math.round(100 * direction.strength)} %`) : null;
    this.node = element(
      "li",
      { className: "direction" },
      element("label", { htmlFor: id }, element("b", {}, direction.title), share),
      element("div", { className: "cells" }, ...this.#cells.map(([cell]) => cell)),
      element("div", { className: "row-actions" }, keep, this.#pin),
      element("div", { className: "slider" }, this.#input, this.#output),
    );
    this.set(0);
  }

  /** Show an amount. */
  set(amount) {
    this.#input.value = amount;
    fillTrack(this.#input);
    this.#output.textContent = signed(amount);
    this.#pin.disabled = amount === 0;
    for (const [cell, , at] of this.#cells) cell.setAttribute("aria-pressed", String(at === amount));
  }

  /** Draw the image of an amount of `AMOUNTS`; null empties the thumbnail. */
  draw(amount, image) {
    const [, canvas] = this.#cells.find(([, , at]) => at === amount);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (image !== null) context.drawImage(image, 0, 0);
  }

  #cell(amount, { width, height }) {
    const canvas = element("canvas", { width, height, className: width <= 84 ? "pixels alpha" : "alpha" });
    const cell = element(
      "button",
      { type: "button", "aria-label": `${this.#direction.title}: ${signed(amount)}`, on: { click: () => this.#take(amount) } },
      canvas,
      element("span", { "aria-hidden": "true" }, signed(amount)),
    );
    return [cell, canvas, amount];
  }

  #take(amount) {
    this.set(amount);
    this.#onAmount(amount);
  }

  /** Returns all thumbnails side by side, as a PNG in a data URL. */
  #sheet({ width, height }) {
    const sheet = element("canvas", { width: width * AMOUNTS.length, height });
    const context = sheet.getContext("2d");
    this.#cells.forEach(([, canvas], number) => context.drawImage(canvas, number * width, 0));
    return sheet.toDataURL("image/png");
  }
}
