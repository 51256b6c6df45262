/** The view "Compare": two versions, or two models, on the same seeds. */

import { change } from "./address.js";
import { choicesOf, describe, generatorsOf } from "./models.js";
import { byId, element } from "./dom.js";
import { fetchFrames } from "./images.js";
import { Grid } from "./grid.js";
import { openViewer } from "./viewer.js";

let view = null;

/** Show the same grid on both sides. */
export async function showCompare({ state, models, version, signal }) {
  view ??= build();
  const against = state.against || otherThan(version, generatorsOf(models));
  if (against !== state.against) change({ against }, { quiet: true });
  byId("against").value = against;
  const other = await describe(against, signal);
  view.summary.textContent = "";
  await Promise.all([
    fillSide(view.left, version, state, signal),
    fillSide(view.right, other, state, signal),
  ]);
  view.summary.textContent = summarize(version, other, view.left.frames, view.right.frames);
}

function build() {
  const left = new Grid("Chosen version", openViewer, { small: true });
  const right = new Grid("The other version", openViewer, { small: true });
  const summary = element("p", { className: "summary", role: "status" });
  for (const [side, counterpart] of [[left, right], [right, left]]) {
    const follow = (event) => counterpart.highlight(positionOf(event.target));
    side.node.addEventListener("pointerover", follow);
    side.node.addEventListener("focusin", follow);
    side.node.addEventListener("pointerleave", () => counterpart.highlight(null));
    side.node.addEventListener("focusout", () => counterpart.highlight(null));
  }
  byId("compare").append(summary, element("div", { className: "pair" }, left.node, right.node));
  return { left, right, summary };
}

async function fillSide(grid, version, state, signal) {
  const { name: model, choice, image, labels } = version;
  const name = labels.includes(state.class) ? state.class : "";
  grid.resize(Number(state.count), image, [choice, `seed ${state.seed}`].join("  ·  "));
  const count = Number(state.count);
  const wanted = { ...state, model, version: version.version, class: name, count, upscale: "" };
  await fetchFrames(wanted, (frame, position) => grid.put(frame, position), signal);
  grid.finish();
}

/** Returns another version of the model, or else another model, or else the same version. */
function otherThan({ choice, name }, models) {
  const others = choicesOf(models).map((each) => each.choice).filter((each) => each !== choice);
  return others.find((each) => each.startsWith(`${name}@`)) ?? others[0] ?? choice;
}

function summarize(version, other, left, right) {
  if (version === other) return "Both sides show the same version. Choose another one to compare it with.";
  const same = left.filter((frame, position) => frame.src === right[position]?.src).length;
  if (same === 0) return `No image is identical on both sides.`;
  return `${same} of ${left.length} images are identical on both sides.`;
}

function positionOf(target) {
  const tile = target.closest("li");
  return tile && [...tile.parentNode.children].indexOf(tile);
}
