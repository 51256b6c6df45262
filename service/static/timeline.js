/** The timeline of a walk: its frames in a strip, its points above their frames, and a playhead. */

import { button, element, fillTrack, icon } from "./dom.js";

const HEIGHT = 56; // CSS pixels of the strip

/** A timeline; `node` is its element. */
export class Timeline {
  #frames = [];
  #on;
  #strip = element("canvas", { "aria-hidden": "true" });
  #head = element("span", { className: "playhead", "aria-hidden": "true" });
  #scrub = element("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "Frame" });
  #play = element("button", { type: "button", className: "primary" });
  #points = element("ol", { className: "points", "aria-label": "Points of the walk" });
  #track = element("div", { className: "track" }, this.#strip, this.#scrub, this.#head);

  /** `on` has `go(frame)`, `toggle()` and `edit(change)`, which is called with the list of points. */
  constructor(on, addRandom) {
    this.#on = on;
    this.#scrub.addEventListener("input", () => on.go(Number(this.#scrub.value)));
    this.#scrub.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      on.toggle();
    });
    this.#play.addEventListener("click", on.toggle);
    const add = button("shuffle", "Add a random point", addRandom);
    const hint = element("span", { className: "hint" }, "To add an image, open it under “Generate” and choose “Add to walk”. The space bar plays and pauses.");
    new ResizeObserver(() => this.#draw()).observe(this.#track);
    this.node = element(
      "div",
      { className: "timeline" },
      this.#points,
      this.#track,
      element("div", { className: "transport" }, this.#play, add, hint),
    );
  }

  /** Show frames; an empty list empties the strip. */
  setFrames(frames) {
    this.#frames = frames;
    this.#scrub.max = Math.max(0, frames.length - 1);
    this.#draw();
  }

  /** Show the points `{ name, frame }`; `isLoop` closes the walk, so that the last one is not at its end. */
  setPoints(points, isLoop) {
    this.#points.classList.toggle("loop", isLoop);
    this.#points.replaceChildren(...points.map((point, number) => this.#point(point, number, points.length)));
  }

  /** Show that a frame is shown. */
  goTo(at) {
    this.#scrub.value = at;
    fillTrack(this.#scrub);
    const last = Math.max(1, this.#frames.length - 1);
    this.#head.style.left = `${(100 * at) / last}%`;
    this.#scrub.setAttribute("aria-valuetext", `Frame ${at + 1} of ${this.#frames.length}`);
  }

  /** Show whether the walk is played. */
  set isPlaying(playing) {
    this.#play.replaceChildren(icon(playing ? "pause" : "play"), playing ? "Pause" : "Play");
  }

  #draw() {
    const context = this.#strip.getContext("2d");
    if (this.#frames.length === 0) {
      context.clearRect(0, 0, this.#strip.width, this.#strip.height);
      return;
    }
    const { width, height } = this.#frames[0];
    const count = Math.max(2, Math.round((this.#track.clientWidth * height) / (width * HEIGHT)));
    Object.assign(this.#strip, { width: width * count, height });
    this.#strip.classList.toggle("pixels", height < HEIGHT);
    for (let number = 0; number < count; number += 1) {
      const at = Math.round((number * (this.#frames.length - 1)) / (count - 1));
      context.drawImage(this.#frames[at], number * width, 0);
    }
  }

  #point({ name, frame, at }, number, many) {
    const act = (sign, text, edit, disabled) =>
      element(
        "button",
        { type: "button", "aria-label": `${text} ${name}`, disabled, on: { click: () => this.#on.edit(edit) } },
        icon(sign),
      );
    const swap = (points) => points.splice(number - 1, 2, points[number], points[number - 1]);
    const see = element("button", { type: "button", className: "see", "aria-label": `Show ${name}`, on: { click: () => this.#on.go(at) } }, thumbnail(frame));
    return element(
      "li",
      {},
      see,
      element("span", { className: "mono" }, name),
      element("div", {}, act("left", "Move earlier:", swap, number === 0), act("close", "Remove", (points) => points.splice(number, 1), many <= 2)),
    );
  }
}

function thumbnail(frame) {
  const canvas = element("canvas", { className: "pixels alpha", "aria-hidden": "true" });
  if (!frame) return canvas;
  Object.assign(canvas, { width: frame.width, height: frame.height });
  canvas.getContext("2d").drawImage(frame, 0, 0);
  return canvas;
}
