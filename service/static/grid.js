/** A grid of frames that the arrow keys move through. */

import { byId, element } from "./dom.js";
import { spoken } from "./images.js";
import { isFavourite, onFavourites } from "./favourites.js";
import { fitGrid, flowGrid, GAP } from "./layout.js";

const CHROME = 262; // CSS pixels of what stands above and below a grid
const SLACK = 24; // CSS pixels that a cell may be wider than its image
const FULL = 0.85; // of the width; images that fill less stand together in the middle
const GUTTER = 16; // CSS pixels between panels
const SUMMARY = 40; // CSS pixels of the line above grids that are compared
const PADDING = 32; // CSS pixels of a panel

/** Returns the room of each of some grids beside each other, in CSS pixels. */
export function roomOf(grids) {
  const { paddingLeft, paddingRight } = getComputedStyle(byId("panels"));
  const width = byId("panels").clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
  const height = innerHeight - CHROME - (grids > 1 ? SUMMARY : 0);
  return { width: (width - GUTTER * (grids - 1)) / grids - PADDING, height };
}

/** A grid; `node` is its element. */
export class Grid {
  #frames = [];
  #tiles = [];
  #words = { before: [], after: [] };
  #size = { count: 0, image: { width: 1, height: 1 } };
  #key = null;
  #caption = element("figcaption", { className: "caption" });
  #list = element("ul", { className: "frames" });
  #onOpen;
  #cell;

  /**
   * `onOpen(frames, position)` is called when a frame is clicked; `title` is the accessible name.
   * All images are `cell` CSS pixels wide; without it, they fill the window.
   */
  constructor(title, onOpen, cell = null) {
    this.#onOpen = onOpen;
    this.#cell = cell;
    this.#list.setAttribute("aria-label", title);
    this.#list.addEventListener("keydown", (event) => this.#move(event));
    this.node = element("figure", { className: "panel" }, this.#caption, this.#list);
    onFavourites(() => this.#tiles.forEach((_, position) => this.#mark(position)));
    new ResizeObserver(() => this.#fit()).observe(this.node);
  }

  /** The frames by position, as far as they are loaded. */
  get frames() {
    return this.#frames;
  }

  /**
   * Set the number and size of the frames, and the words before and after their number. Old frames
   * stay dimmed until they are replaced, unless the `key`, of model and seed, is another one.
   */
  resize(count, image, before, after = [], key = null) {
    this.#size = { count, image };
    this.#words = { before, after };
    this.#list.classList.toggle("transparent", image.channels === 4);
    this.#frames.length = this.#key === key ? Math.min(this.#frames.length, count) : 0;
    while (this.#tiles.length > count) this.#tiles.pop().parentNode.remove();
    while (this.#tiles.length < count) this.#add(this.#tiles.length);
    if (this.#key !== key) this.#tiles.forEach(clear);
    this.#key = key;
    this.#list.setAttribute("aria-busy", "true");
    for (const tile of this.#tiles) tile.classList.add("stale");
    if (this.#tiles[0]) this.#tiles[0].tabIndex = 0;
    this.#fit();
    this.#count();
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
    this.#count();
  }

  /** Mark the grid as completely loaded. */
  finish() {
    this.#list.removeAttribute("aria-busy");
  }

  /** Highlight a frame; null for none. */
  highlight(position) {
    this.#tiles.forEach((tile, at) => tile.classList.toggle("counterpart", at === position));
  }

  /** Write how many frames are there: "12 of 64". */
  #count() {
    const { count } = this.#size;
    const there = this.#tiles.filter((tile) => !tile.classList.contains("stale")).length;
    const images = count === 1 ? "1 image" : `${count} images`;
    const words = [...this.#words.before, there < count ? `${there} of ${count}` : images, ...this.#words.after];
    this.#caption.textContent = words.join("  ·  ");
  }

  #fit() {
    const { count, image } = this.#size;
    const width = this.node.clientWidth - PADDING;
    if (count === 0 || width <= 0) return;
    const room = { width, height: innerHeight - CHROME };
    const { columns, cell, shown } = this.#cell === null ? fitGrid(count, image, room) : flowGrid(this.#cell, room);
    const used = columns * (Math.min(cell, shown + SLACK) + GAP) - GAP;
    this.#list.style.setProperty("--columns", columns);
    this.#list.style.setProperty("--cell", `${Math.max(shown, Math.min(cell, shown + SLACK))}px`);
    this.#list.style.setProperty("--frame", `${shown}px`);
    this.#list.style.justifyContent = this.#cell !== null ? "start" : used < FULL * width ? "center" : "space-between";
    this.#list.style.setProperty("--ratio", `${image.width} / ${image.height}`);
    this.#list.classList.toggle("pixels", image.width <= shown);
  }

  #add(position) {
    const tile = element(
      "button",
      {
        type: "button",
        className: "frame",
        tabIndex: -1,
        on: { click: () => this.#frames[position] && this.#onOpen(this.#frames, position) },
      },
      element("img", { alt: "", decoding: "async", draggable: false }),
      element("span", { className: "number" }),
    );
    clear(tile);
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

/** Empties a tile. */
function clear(tile) {
  const [picture, number] = tile.children;
  picture.removeAttribute("src");
  number.replaceChildren();
  tile.classList.remove("favourite");
  tile.setAttribute("aria-label", "Loading");
}
