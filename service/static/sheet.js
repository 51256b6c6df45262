/** A contact sheet: frames in a grid, moved through with the arrow keys. */

import { element } from "./dom.js";
import { shownWidth, spoken } from "./images.js";
import { isPinned, onPins } from "./pins.js";

const WIDTHS = [[4, 280], [16, 140], [64, 112], [Infinity, 84]]; // most frames, a frame's CSS pixels
const SMALL = 84; // where there is little room
const NARROW_WINDOW = 720;

/** One sheet; `node` is its element. */
export class Sheet {
  #frames = [];
  #tiles = [];
  #edge = element("figcaption", { className: "film-edge" });
  #list = element("ul", { className: "frames" });
  #onOpen;
  #small;

  /** `onOpen(frames, position)` is called when a frame is chosen; `title` names the sheet. */
  constructor(title, onOpen, { small = false } = {}) {
    this.#onOpen = onOpen;
    this.#small = small;
    this.#list.setAttribute("aria-label", title);
    this.#list.addEventListener("keydown", (event) => this.#move(event));
    this.node = element("figure", { className: "film" }, this.#edge, this.#list);
    onPins(() => this.#tiles.forEach((_, position) => this.#mark(position)));
  }

  /** The frames that are there, by position. */
  get frames() {
    return this.#frames;
  }

  /** Make room for frames of a model's images; what is on the sheet stays until it is replaced. */
  lay(count, image, words) {
    const little = this.#small || innerWidth <= NARROW_WINDOW;
    const target = little ? SMALL : WIDTHS.find(([most]) => count <= most)[1];
    this.#list.style.setProperty("--frame", `${shownWidth(image.width, target)}px`);
    this.#list.style.setProperty("--ratio", `${image.width} / ${image.height}`);
    this.#list.classList.toggle("pixels", image.width <= target);
    this.#edge.textContent = words;
    this.#frames.length = Math.min(this.#frames.length, count);
    while (this.#tiles.length > count) this.#tiles.pop().parentNode.remove();
    while (this.#tiles.length < count) this.#add(this.#tiles.length);
    this.#list.setAttribute("aria-busy", "true");
    for (const tile of this.#tiles) tile.classList.add("stale");
    if (this.#tiles[0]) this.#tiles[0].tabIndex = 0;
  }

  /** Put a frame into its place. */
  put(frame, position) {
    this.#frames[position] = frame;
    const tile = this.#tiles[position];
    const [picture, edge] = tile.children;
    picture.src = frame.src;
    tile.classList.remove("stale");
    edge.replaceChildren(element("i", {}, frame.seed), `·${frame.index}`);
    this.#mark(position);
  }

  /** All frames are there. */
  finish() {
    this.#list.removeAttribute("aria-busy");
  }

  /** Show which frame is meant elsewhere; null for none. */
  point(position) {
    this.#tiles.forEach((tile, at) => tile.classList.toggle("twin", at === position));
  }

  #add(position) {
    const tile = element(
      "button",
      {
        type: "button",
        className: "frame",
        tabIndex: -1,
        "aria-label": "Not there yet",
        on: { click: () => this.#frames[position] && this.#onOpen(this.#frames, position) },
      },
      element("img", { alt: "", decoding: "async", draggable: false }),
      element("span", { className: "edge" }),
    );
    this.#tiles.push(tile);
    this.#list.append(element("li", {}, tile));
  }

  #mark(position) {
    const frame = this.#frames[position];
    const tile = this.#tiles[position];
    if (!frame || !tile) return;
    const marked = isPinned(frame);
    tile.classList.toggle("pinned", marked);
    tile.setAttribute("aria-label", spoken(frame) + (marked ? ", pinned" : ""));
  }

  /** The arrow keys go through the grid; only one frame stands in the order of the tab key. */
  #move(event) {
    const from = this.#tiles.indexOf(document.activeElement);
    const columns = getComputedStyle(this.#list).gridTemplateColumns.split(" ").length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const ends = { Home: 0, End: this.#tiles.length - 1 };
    const to = this.#tiles[ends[event.key] ?? from + steps[event.key]];
    if (from < 0 || !to) return;
    event.preventDefault();
    for (const tile of this.#tiles) tile.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }
}
