/** The view "Generate": a grid of the images of a seed, and the favourites below it. */

import { byId, element } from "./dom.js";
import { favourites, onFavourites } from "./favourites.js";
import { Grid } from "./grid.js";
import { fetchFrames } from "./images.js";
import { openViewer } from "./viewer.js";

let grid = null;
let shown = "";

/** Show the grid that the state describes. */
export async function showGenerate({ state, version, signal }) {
  grid ??= build();
  const { choice, name, image } = version;
  const { seed, count, class: label, truncation } = state;
  const key = [choice, seed, count, label, truncation].join();
  if (key === shown) return;
  shown = "";
  const words = [choice, `seed ${seed}`, `${count} images`];
  if (label) words.push(`class ${label}`);
  if (Number(truncation) !== 1) words.push(`truncation ${truncation}`);
  grid.resize(Number(count), image, words.join("  ·  "));
  const wanted = { ...state, model: name, version: version.version, count: Number(count) };
  await fetchFrames(wanted, (frame, position) => grid.put(frame, position), signal);
  grid.finish();
  shown = key;
}

function build() {
  const images = new Grid("Images", openViewer);
  const small = new Grid("Favourites", openViewer, { small: true });
  const section = element("div", { className: "favourites" }, element("h2", {}, "Favourites"), small.node);
  const fill = () => {
    const frames = favourites();
    section.hidden = frames.length === 0;
    if (section.hidden) return;
    small.resize(frames.length, { width: 84, height: 84 }, "saved in this browser");
    frames.forEach((frame, position) => small.put(frame, position));
    small.finish();
  };
  onFavourites(fill);
  fill();
  byId("generate").append(images.node, section);
  return images;
}
