/** A grid of frames that the arrow keys move through. */

import { element } from "./dom.js";
import { shownWidth, spoken } from "./images.js";
import { isFavourite, onFavourites } from "./favourites.js";

const WIDTHS = [[4, 280], [16, 140], [64, 112], [Infinity, 84]]; // up to so many frames, CSS pixels
const SMALL = 84; // CSS pixels in small grids and narrow windows
const NARROW_WINDOW = 720;

/** A grid; `node` is its element. */
export class Grid {
  #frames = [];
  #tiles = [];
  #caption = element("figcaption", { className: "caption" });
  #list = element("ul", { className: "frames" });
  #onOpen;
  #small;

  /** `onOpen(frames, position)` is called when a frame is clicked; `title` is the accessible name. */
  constructor(title, onOpen, { small = false } = {}) {
    this.#onOpen = onOpen;
    this.#small = small;
    this.#list.setAttribute("aria-label", title);
    this.#list.addEventListener("keydown", (event) => this.#move(event));
    this.node = element("figure", { className: "panel" }, this.#caption, this.#list);
    onFavourites(() => this.#tiles.forEach((_, position) => this.#mark(position)));
  }

  /** The frames by position, as far as they are loaded. */
  get frames() {
    return this.#frames;
  }

  /** Set the number and size of the frames. Old frames are shown until they are replaced. */
  resize(count, image, words) {
    const small = this.#small || innerWidth <= NARROW_WINDOW;
    const target = small ? SMALL : WIDTHS.find(([limit]) => count <= limit)[1];
    this.#list.style.setProperty("--frame", `${shownWidth(image.width, target)}px`);
    this.#list.style.setProperty("--ratio", `${image.width} / ${image.height}`);
    this.#list.classList.toggle("pixels", image.width <= target);
    this.#caption.textContent = words;
    this.#frames.length = Math.min(this.#frames.length, count);
    while (this.#tiles.length > count) this.#tiles.pop().parentNode.remove();
    while (this.#tiles.length < count) this.#add(this.#tiles.length);
    this.#list.setAttribute("aria-busy", "true");
    for (const tile of this.#tiles) tile.classList.add("stale");
    if (this.#tiles[0]) this.#tiles[0].tabIndex = 0;
  }

  /** Set the frame at a position. */
  put(frame, position) {
    this.#frames[position] = frame;
    const tile = this.#tiles[position];
    const [picture, number] = tile.children;
    picture.src = frame.src;
    tile.classList.remove("stale");
    number.replaceChildren(element("i", {}, frame.seed), `·${frame.index}`);
    this.#mark(position);
  }

  /** Mark the grid as completely loaded. */
  finish() {
    this.#list.removeAttribute("aria-busy");
  }

  /** Highlight a frame; null for none. */
  highlight(position) {
    this.#tiles.forEach((tile, at) => tile.classList.toggle("counterpart", at === position));
  }

  #add(position) {
    const tile = element(
      "button",
      {
        type: "button",
        className: "frame",
        tabIndex: -1,
        "aria-label": "Loading",
        on: { click: () => this.#frames[position] && this.#onOpen(this.#frames, position) },
      },
      element("img", { alt: "", decoding: "async", draggable: false }),
      element("span", { className: "number" }),
    );
    this.#tiles.push(tile);
    this.#list.append(element("li", {}, tile));
  }

  #mark(position) {
    const frame = this.#frames[position];
    const tile = this.#tiles[position];
    if (!frame || !tile) return;
    const marked = isFavourite(frame);
    tile.classList.toggle("favourite", marked);
    tile.setAttribute("aria-label", spoken(frame) + (marked ? ", favourite" : ""));
  }

  /** Move the focus with the arrow keys. Only one frame is in the tab order. */
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
