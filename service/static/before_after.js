/** Two pictures of the same thing on top of each other, with a slider that moves the border between them. */

import { element, fillTrack } from "./dom.js";

const SMALL = 512; // CSS pixels, or what fits the window: smaller pictures are shown at an integer multiple of their size
const CHROME = 444; // CSS pixels of what stands above and below the picture
const STEP = 0.5; // per cent

/** `node` is the component's element. */
export class BeforeAfter {
  #before = element("img", { alt: "", draggable: false });
  #after = element("img", { alt: "", draggable: false });
  #line = element("span", { className: "border-line", "aria-hidden": "true" });
  #pictures = element("div", { className: "pictures" }, this.#before, this.#after, this.#line);
  #window = element("div", { className: "window" }, this.#pictures);
  #slider = element("input", { type: "range", id: "border", min: 0, max: 100, step: STEP, value: 50 });
  #size = { width: 0, height: 0 };
  #isActualSize = false;

  constructor() {
    this.#slider.addEventListener("input", () => this.#show());
    for (const type of ["pointerdown", "pointermove"]) {
      this.#window.addEventListener(type, (event) => this.#follow(event));
    }
    this.#window.addEventListener("scroll", () => this.#show());
    new ResizeObserver(() => this.#fit()).observe(this.#window);
    this.node = element(
      "div",
      { className: "before-after" },
      this.#window,
      element(
        "div",
        { className: "transport" },
        element("label", { htmlFor: "border" }, "Before"),
        this.#slider,
        element("span", { "aria-hidden": "true" }, "After"),
      ),
    );
  }

  /** The picture after. */
  get image() {
    return this.#after;
  }

  /** Show the picture before; without `after`, alone. `size` is that of `after` in pixels. */
  async show(before, after, size, name) {
    this.#before.src = before;
    this.#before.alt = `${name}, before`;
    this.#after.hidden = this.#line.hidden = after === null;
    if (after !== null) this.#after.src = after;
    else this.#after.removeAttribute("src");
    this.#after.alt = `${name}, after`;
    this.#slider.disabled = after === null;
    this.node.classList.toggle("alone", after === null);
    this.#size = size;
    this.#fit();
    if (after !== null) await this.#after.decode();
  }

  /** Whether one pixel of the enlarged picture is one pixel of the screen; else it fits the window. */
  set isActualSize(isActual) {
    this.#isActualSize = isActual;
    this.#window.classList.toggle("actual", isActual);
    this.#window.tabIndex = isActual ? 0 : -1; // the arrow keys scroll it
    if (isActual) {
      this.#window.setAttribute("role", "region");
      this.#window.setAttribute("aria-label", "Both pictures");
    } else {
      this.#window.removeAttribute("role");
      this.#window.removeAttribute("aria-label");
    }
    this.#fit();
    this.#window.scrollTo({
      left: (this.#window.scrollWidth - this.#window.clientWidth) / 2,
      top: (this.#window.scrollHeight - this.#window.clientHeight) / 2,
    });
  }

  #fit() {
    const { width, height } = this.#size;
    if (width === 0) return;
    const room = this.#window.clientWidth;
    const times = Math.max(1, Math.floor(Math.min(Math.max(SMALL, this.#tallest()), room) / width));
    const shown = this.#isActualSize ? width / devicePixelRatio : Math.min(room, times * width, this.#tallest());
    this.#pictures.style.width = `${shown}px`;
    this.#pictures.style.aspectRatio = `${width} / ${height}`;
    this.#show();
  }

  /** Returns the width at which the picture is as high as fits below the page's header. */
  #tallest() {
    return (Math.max(240, innerHeight - CHROME) * this.#size.width) / this.#size.height;
  }

  #show() {
    const share = Number(this.#slider.value);
    const { scrollLeft, clientWidth } = this.#window;
    const shown = this.#pictures.offsetWidth || 1;
    const visible = Math.min(clientWidth, shown);
    const at = (100 * (scrollLeft + (share / 100) * visible)) / shown;
    this.#pictures.style.setProperty("--border-at", `${at}%`);
    this.#slider.setAttribute("aria-valuetext", `${Math.round(share)} % before, ${Math.round(100 - share)} % after`);
    fillTrack(this.#slider);
  }

  /** Move the border to a pressed pointer, unless the picture can be scrolled. */
  #follow(event) {
    if (event.buttons !== 1 || this.#slider.disabled || this.#isActualSize) return;
    const { left, width } = this.#pictures.getBoundingClientRect();
    this.#slider.value = (100 * (event.clientX - left)) / width;
    this.#show();
  }
}
