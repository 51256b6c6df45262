/** The view "Compare": two versions, or two models, on the same seeds, and their difference. */

import { setActions } from "./actions.js";
import { change } from "./address.js";
import { difference } from "./difference.js";
import { byId, element } from "./dom.js";
import { Grid } from "./grid.js";
import { remember } from "./history.js";
import { fetchFrames, fieldsOf, saveFrames, smallOf } from "./images.js";
import { choicesOf, describe, generatorsOf } from "./models.js";
import { openViewer } from "./viewer.js";

let view = null;

/** Show the same grid on both sides, and their difference if both have one size. */
export async function showCompare({ state, models, version, signal }) {
  view ??= build();
  const against = state.against || otherThan(version, generatorsOf(models));
  if (against !== state.against) change({ against }, { quiet: true });
  byId("against").value = against;
  const other = await describe(against, signal);
  const sides = [wantedOf(version, state), wantedOf(other, state)];
  offer(sides, state);
  view.summary.textContent = "";
  const { left, right, between } = view;
  between.node.hidden = !sameSize(version.image, other.image);
  between.node.parentNode.classList.toggle("three", !between.node.hidden);
  if (!between.node.hidden) between.resize(sides[0].count, { ...version.image, channels: 1 }, ["difference, doubled"], [], `${version.choice} ${against} ${state.seed}`);
  await Promise.all([fillSide(left, version, sides[0], signal), fillSide(right, other, sides[1], signal)]);
  const mean = between.node.hidden ? null : await fillDifference(view, signal);
  view.summary.textContent = summarize(version, other, left.frames, right.frames, mean);
  remember(`Compare · ${version.choice} with ${against} · seed ${state.seed}`, smallOf(left.frames[0]));
}

function build() {
  const left = new Grid("Chosen version", (frames, position) => openViewer(frames, position, right.frames));
  const right = new Grid("The other version", (frames, position) => openViewer(frames, position, left.frames));
  const between = new Grid("Difference", (_, position) => openViewer(left.frames, position, right.frames));
  const summary = element("p", { className: "summary", role: "status" });
  const all = [left, right, between];
  for (const side of all) {
    const others = all.filter((each) => each !== side);
    const highlight = (position) => others.forEach((each) => each.highlight(position));
    const follow = (event) => highlight(positionOf(event.target));
    side.node.addEventListener("pointerover", follow);
    side.node.addEventListener("focusin", follow);
    side.node.addEventListener("pointerleave", () => highlight(null));
    side.node.addEventListener("focusout", () => highlight(null));
  }
  byId("compare").append(summary, element("div", { className: "pair" }, left.node, right.node, between.node));
  return { left, right, between, summary };
}

/** Returns what to request of a version; a class that it does not have counts as any. */
function wantedOf({ name: model, version, labels }, state) {
  const name = labels.includes(state.class) ? state.class : "";
  return { ...state, model, version, class: name, count: Number(state.count), upscale: "" };
}

async function fillSide(grid, { choice, image }, wanted, signal) {
  grid.resize(wanted.count, image, [choice, `seed ${wanted.seed}`], [], `${choice} ${wanted.seed}`);
  await fetchFrames(wanted, (frame, position) => grid.put(frame, position), signal);
  grid.finish();
}

/** Fill the grid of differences; returns their mean in grey levels. */
async function fillDifference({ left, right, between }, signal) {
  const differences = await Promise.all(left.frames.map((frame, position) => difference(frame, right.frames[position])));
  signal.throwIfAborted();
  differences.forEach(({ src }, position) => between.put({ ...left.frames[position], src }, position));
  between.finish();
  return differences.reduce((sum, { mean }) => sum + mean, 0) / differences.length;
}

function offer(sides, { seed }) {
  const [first, second] = sides.map(({ model, version }) => `${model}-${version}`);
  setActions({
    downloads: [{ text: "Download both (ZIP)", run: () => saveFrames([...view.left.frames, ...view.right.frames], `${first}-and-${second}-${seed}`) }],
    requests: () =>
      sides.map((wanted) => ({
        path: "generate",
        json: { ...fieldsOf(wanted), count: wanted.count },
        accept: wanted.count === 1 ? "image/png" : "application/zip",
        save: `${wanted.model}-${wanted.version}-${seed}.${wanted.count === 1 ? "png" : "zip"}`,
      })),
    what: "both sides",
  });
}

function sameSize(first, second) {
  return first.width === second.width && first.height === second.height;
}

/** Returns the newest other version of the model, or else another model, or else the same version. */
function otherThan({ choice, name }, models) {
  const others = choicesOf(models).map((each) => each.choice).filter((each) => each !== choice);
  return others.find((each) => each.startsWith(`${name}@`)) ?? others[0] ?? choice;
}

function summarize(version, other, left, right, mean) {
  if (version === other) return "Both sides show the same version. Choose another one to compare it with.";
  const same = left.filter((frame, position) => frame.src === right[position]?.src).length;
  const distance = mean === null ? "" : ` The mean difference is ${mean.toFixed(1)} of 255 grey levels.`;
  if (same === 0) return `No image is identical on both sides.${distance}`;
  return `${same} of ${left.length} images are identical on both sides.${distance}`;
}

function positionOf(target) {
  const tile = target.closest("li");
  return tile && [...tile.parentNode.children].indexOf(tile);
}
