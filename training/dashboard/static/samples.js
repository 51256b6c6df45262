/** The sample grids with a slider through time; the newest is followed until another is chosen. */

import { byId, setText } from "./dom.js";
import { kimg } from "./text.js";

const FRAME_MS = 220;

let grids = [];
let following = true;
let timer = 0;
let wanted = "";
let chosen = () => {};

/** Listen to the controls. `onChoice` is called with the images seen of the grid that is shown, or null. */
export function startSamples(onChoice) {
  chosen = onChoice;
  byId("slider").addEventListener("input", () => {
    pause();
    choose(Number(byId("slider").value));
  });
  byId("newest").addEventListener("click", () => {
    pause();
    choose(grids.length - 1);
  });
  byId("play").addEventListener("click", () => (timer ? pause() : play()));
}

/** Show the grids of a state. */
export function showSamples(state) {
  const { grids: found, about } = state;
  const changed = JSON.stringify(found) !== JSON.stringify(grids);
  const before = grids[Number(byId("slider").value)]?.nimg;
  for (const id of ["full", "transport"]) byId(id).hidden = found.length === 0;
  byId("no-samples").hidden = found.length > 0;
  byId("grid").classList.toggle("pixels", about?.small ?? false);
  setText(byId("samples-hint"), about?.grid ?? "");
  if (!changed) return;
  grids = found;
  byId("slider").max = Math.max(0, grids.length - 1);
  const same = grids.findIndex(({ nimg }) => nimg === before);
  if (grids.length) choose(following || same < 0 ? grids.length - 1 : same);
  else chosen(null);
}

function choose(index) {
  const { nimg, url } = grids[index];
  following = index === grids.length - 1;
  const slider = byId("slider");
  slider.value = index;
  slider.setAttribute("aria-valuetext", `${kimg(nimg)} thousand images`);
  setText(byId("samples-at"), `${kimg(nimg)} kimg`);
  byId("newest").disabled = following;
  byId("full").href = url;
  void show(url, nimg);
  chosen(nimg);
}

/** Swap the image once it is decoded, so that it does not flicker; the last one asked for wins. */
async function show(url, nimg) {
  wanted = url;
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    return; // it has just been replaced: the next state has its new address
  }
  if (wanted !== url) return;
  const shown = byId("grid");
  Object.assign(shown, { src: url, alt: `Samples after ${kimg(nimg)} thousand images`, width: image.width, height: image.height });
  const next = grids[Number(byId("slider").value) + 1];
  if (next) new Image().src = next.url;
}

function play() {
  if (grids.length < 2) return;
  let index = following ? 0 : Number(byId("slider").value);
  choose(index);
  timer = setInterval(() => {
    index += 1;
    choose(index);
    if (index >= grids.length - 1) pause();
  }, FRAME_MS);
  showPlaying();
}

function pause() {
  clearInterval(timer);
  timer = 0;
  showPlaying();
}

function showPlaying() {
  byId("play").setAttribute("aria-pressed", timer !== 0);
  setText(byId("play"), timer ? "Pause" : "Play");
}
