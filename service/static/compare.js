/** The fourth view: two versions, or two models, on the same seeds. */

import { change } from "./address.js";
import { choicesOf, describe } from "./catalogue.js";
import { byId, element } from "./dom.js";
import { drawWall } from "./images.js";
import { Sheet } from "./sheet.js";
import { openViewer } from "./viewer.js";

let view = null;

/** Show the same wall of both sides. */
export async function showCompare({ state, models, version, signal }) {
  view ??= build();
  const against = state.against || otherThan(version, models);
  if (against !== state.against) change({ against }, { quiet: true });
  byId("against").value = against;
  const other = await describe(against, signal);
  view.words.textContent = "";
  await Promise.all([
    drawSide(view.left, version, state, signal),
    drawSide(view.right, other, state, signal),
  ]);
  view.words.textContent = verdict(version, other, view.left.frames, view.right.frames);
}

function build() {
  const left = new Sheet("Chosen version", openViewer, { small: true });
  const right = new Sheet("The other version", openViewer, { small: true });
  const words = element("p", { className: "verdict", role: "status" });
  for (const [side, twin] of [[left, right], [right, left]]) {
    const follow = (event) => twin.point(positionOf(event.target));
    side.node.addEventListener("pointerover", follow);
    side.node.addEventListener("focusin", follow);
    side.node.addEventListener("pointerleave", () => twin.point(null));
    side.node.addEventListener("focusout", () => twin.point(null));
  }
  byId("compare").append(words, element("div", { className: "pair" }, left.node, right.node));
  return { left, right, words };
}

async function drawSide(sheet, version, state, signal) {
  const { name: model, choice, image, labels } = version;
  const name = labels.includes(state.class) ? state.class : "";
  sheet.lay(Number(state.count), image, [choice, `seed ${state.seed}`].join("  ·  "));
  const asked = { ...state, model, version: version.version, class: name, count: Number(state.count) };
  await drawWall(asked, (frame, position) => sheet.put(frame, position), signal);
  sheet.finish();
}

/** Another version of the model, or else another model, or else the same again. */
function otherThan({ choice, name }, models) {
  const others = choicesOf(models).map((each) => each.choice).filter((each) => each !== choice);
  return others.find((each) => each.startsWith(`${name}@`)) ?? others[0] ?? choice;
}

function verdict(version, other, left, right) {
  if (version === other) return "Both sides are the same version; choose what to compare it with.";
  const same = left.filter((frame, position) => frame.src === right[position]?.src).length;
  if (same === 0) return `None of the ${left.length} images is the same on both sides.`;
  return `${same} of ${left.length} images are the same to the byte.`;
}

function positionOf(target) {
  const tile = target.closest("li");
  return tile && [...tile.parentNode.children].indexOf(tile);
}
