/** The view "Generate": a grid of the images of a seed, and the favourites below it. */

import { byId, element } from "./dom.js";
import { favourites, onFavourites } from "./favourites.js";
import { Grid } from "./grid.js";
import { fetchFrames } from "./images.js";
import { parseChoice } from "./models.js";
import { openViewer } from "./viewer.js";

let grid = null;
let shown = "";

/** Show the grid that the state describes. */
export async function showGenerate({ state, models, version, signal }) {
  grid ??= build();
  const { choice, name, image } = version;
  const { seed, count, class: label, truncation, upscale } = state;
  const key = [choice, seed, count, label, truncation, upscale].join();
  if (key === shown) return;
  shown = "";
  const words = [choice, `seed ${seed}`, `${count} images`];
  if (label) words.push(`class ${label}`);
  if (Number(truncation) !== 1) words.push(`truncation ${truncation}`);
  if (upscale) words.push(`enlarged by ${upscale}`);
  grid.resize(Number(count), enlarged(image, upscale, models), words.join("  ·  "));
  const wanted = { ...state, model: name, version: version.version, count: Number(count) };
  await fetchFrames(wanted, (frame, position) => grid.put(frame, position), signal);
  grid.finish();
  shown = key;
}

/** Returns the size of the images after they are enlarged. */
function enlarged({ width, height }, upscale, models) {
  const scale = models.find(({ name }) => name === parseChoice(upscale)?.name)?.scale ?? 1;
  return { width: scale * width, height: scale * height };
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
