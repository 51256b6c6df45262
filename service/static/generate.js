/** The view "Generate": a grid of the images of a seed, and the favourites below it. */

import { setActions } from "./actions.js";
import { button, byId, element } from "./dom.js";
import { favourites, onFavourites } from "./favourites.js";
import { Grid } from "./grid.js";
import { remember } from "./history.js";
import { fetchFrames, fieldsOf, saveFrames, smallOf } from "./images.js";
import { parseChoice } from "./models.js";
import { openViewer } from "./viewer.js";

const FAVOURITE = 84; // CSS pixels
let grid = null;
let shown = "";

/** Show the grid that the state describes. */
export async function showGenerate({ state, models, version, signal }) {
  grid ??= build();
  const { choice, name, image } = version;
  const { seed, class: label, truncation, upscale } = state;
  const count = Number(state.count);
  const wanted = { ...state, model: name, version: version.version, count };
  offer(wanted);
  const key = [choice, seed, count, label, truncation, upscale].join();
  if (key === shown) return;
  shown = "";
  const after = [];
  if (label) after.push(`class ${label}`);
  if (Number(truncation) !== 1) after.push(`truncation ${truncation}`);
  if (upscale) after.push(`enlarged by ${upscale}`);
  grid.resize(count, enlarged(image, upscale, models), [choice, `seed ${seed}`], after, `${choice} ${seed}`);
  await fetchFrames(wanted, (frame, position) => grid.put(frame, position), signal);
  grid.finish();
  shown = key;
  remember([choice, `seed ${seed}`, count === 1 ? "1 image" : `${count} images`, ...after].join(" · "), smallOf(grid.frames[0]));
}

function offer(wanted) {
  const { model, version, seed, count } = wanted;
  const name = `${model}-${version}-${seed}`;
  const isOne = count === 1;
  const save = isOne ? `${name}-0.png` : `${name}.zip`;
  setActions({
    downloads: [{ text: isOne ? "Download ZIP" : `Download all ${count} (ZIP)`, run: () => saveFrames(grid.frames, name) }],
    requests: () => [{ path: "generate", json: { ...fieldsOf(wanted), count }, accept: isOne ? "image/png" : "application/zip", save }],
    what: "these images",
  });
}

/** Returns the size of the images after they are enlarged. */
function enlarged({ width, height, channels }, upscale, models) {
  const scale = models.find(({ name }) => name === parseChoice(upscale)?.name)?.scale ?? 1;
  return { width: scale * width, height: scale * height, channels };
}

function build() {
  const images = new Grid("Images", openViewer);
  byId("generate").append(images.node, favouritesSection());
  return images;
}

function favouritesSection() {
  const small = new Grid("Favourites", openViewer, FAVOURITE);
  const head = element(
    "div",
    { className: "section-head" },
    element("h2", {}, "Favourites"),
    button("save", "Export (ZIP)", () => saveFrames(favourites(), "mirage-favourites")),
  );
  const section = element("div", { className: "favourites" }, head, small.node);
  const fill = () => {
    const frames = favourites();
    section.hidden = frames.length === 0;
    if (section.hidden) return;
    small.resize(frames.length, { width: FAVOURITE, height: FAVOURITE, channels: 4 }, ["saved in this browser"]);
    frames.forEach((frame, position) => small.put(frame, position));
    small.finish();
  };
  onFavourites(fill);
  fill();
  return section;
}
