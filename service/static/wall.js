/** The first view: a wall of images of one seed, and the pinned ones under it. */

import { byId, element } from "./dom.js";
import { drawWall } from "./images.js";
import { onPins, pinned } from "./pins.js";
import { Sheet } from "./sheet.js";
import { openViewer } from "./viewer.js";

let wall = null;
let shown = "";

/** Show the wall that the state describes. */
export async function showWall({ state, version, signal }) {
  wall ??= build();
  const { choice, name, image } = version;
  const { seed, count, class: label, truncation } = state;
  const key = [choice, seed, count, label, truncation].join();
  if (key === shown) return;
  shown = "";
  const words = [choice, `seed ${seed}`, `${count} frames`];
  if (label) words.push(`class ${label}`);
  if (Number(truncation) !== 1) words.push(`truncation ${truncation}`);
  wall.lay(Number(count), image, words.join("  ·  "));
  const asked = { ...state, model: name, version: version.version, count: Number(count) };
  await drawWall(asked, (frame, position) => wall.put(frame, position), signal);
  wall.finish();
  shown = key;
}

function build() {
  const sheet = new Sheet("Wall", openViewer);
  const pins = new Sheet("Pinned", openViewer, { small: true });
  const shelf = element("div", { className: "shelf" }, element("h2", {}, "Pinned"), pins.node);
  const fill = () => {
    const frames = pinned();
    shelf.hidden = frames.length === 0;
    if (shelf.hidden) return;
    pins.lay(frames.length, { width: 84, height: 84 }, "kept in this browser");
    frames.forEach((frame, position) => pins.put(frame, position));
    pins.finish();
  };
  onPins(fill);
  fill();
  byId("generate").append(sheet.node, shelf);
  return sheet;
}
