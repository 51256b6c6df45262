/** The views "Generate" and "Walk" of models that make sounds or sequences: a list of these. */

import { setActions } from "./actions.js";
import { ask } from "./api.js";
import { zip } from "./archive.js";
import { byId, element, saveBlob } from "./dom.js";
import { fieldsOf } from "./images.js";
import { requestOf } from "./walk.js";
import { nameOf, pointsOf } from "./walk_points.js";

const list = element("ol", { className: "items", on: { keydown: move } });
let shown = "";
let offered = [];

const WANTED = { generate: generated, walk: walked };

/** Show the items that the state describes. `output` is as of `outputOf`. */
export async function showItems(output, { state, version, signal }) {
  const wanted = WANTED[state.tab](output, { ...state, upscale: "" }, version);
  const { path, json, accept } = wanted;
  const panel = byId(state.tab);
  if (list.parentNode !== panel) panel.append(list);
  panel.dataset.output = output.listed;
  const key = JSON.stringify([path, json]);
  if (key !== shown) {
    list.setAttribute("aria-busy", "true");
    list.setAttribute("aria-label", output.title);
    const items = wanted.read(await ask(path, { json, accept, signal }));
    signal.throwIfAborted();
    list.replaceChildren(...items.map((item, number) => element("li", {}, output.cell(item, wanted.titleOf(item, number)))));
    shown = key;
    offered = items;
  }
  list.removeAttribute("aria-busy"); // also if another request was given up
  offer(output, wanted, version.choice);
}

/** Show images again. */
export function hideItems(view) {
  delete byId(view).dataset.output;
}

/** The items of a seed. */
function generated(output, state, { name: model, version }) {
  const count = Number(state.count);
  return {
    path: "generate",
    json: { ...fieldsOf({ ...state, model, version }), count },
    accept: "application/json",
    read: (answer) => answer[output.listed],
    titleOf: ({ seed, index, class: name }) => `${seed}·${index}${name === null ? "" : ` ${name}`}`,
    name: `${model}-${version}-${state.seed}`,
    saved: count === 1 ? output.single : output.several,
  };
}

/** The steps from point to point. */
function walked({ walk }, state, version) {
  const json = requestOf(state, version);
  const points = pointsOf(state, version);
  const titleOf = (_, number) => {
    const at = (number / json.steps) % points.length;
    return Number.isInteger(at) ? nameOf(points[at], version.labels) : `step ${number}`;
  };
  return { path: "interpolate", json, ...walk, titleOf, name: `${version.name}-${version.version}-walk`, saved: walk.accept };
}

function offer(output, { path, json, name, saved }, choice) {
  const files = () => offered.map((item, number) => ({ name: `${name}-${number}${output.suffix}`, bytes: output.bytes(item) }));
  const suffix = saved === "application/zip" ? ".zip" : output.suffix;
  setActions({
    downloads: [{ text: `Download all ${offered.length} (ZIP)`, run: () => saveBlob(zip(files()), `${name}.zip`) }],
    requests: () => [{ path, json, accept: saved, save: `${name}${suffix}` }],
    what: `these ${output.listed} of ${choice}`,
  });
}

/** Arrows, Home and End move between items; Enter and space act on one. */
function move(event) {
  const buttons = [...list.querySelectorAll("li > button")];
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  buttons.at(to % buttons.length).focus();
}
