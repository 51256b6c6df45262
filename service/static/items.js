/** The view "Generate" of models that make sounds or sequences: a list of those of a seed. */

import { setActions } from "./actions.js";
import { ask } from "./api.js";
import { zip } from "./archive.js";
import { byId, element, saveBlob } from "./dom.js";
import { fieldsOf } from "./images.js";

const list = element("ol", { className: "items", on: { keydown: move } });
let shown = "";

/** Show the items that the state describes. `output` is as of `outputOf`. */
export async function showItems(output, { state, version, signal }) {
  const { choice, name: model, version: number } = version;
  const { seed } = state;
  const count = Number(state.count);
  const json = { ...fieldsOf({ ...state, upscale: "", model, version: number }), count };
  if (!list.isConnected) byId("generate").append(list);
  byId("generate").dataset.output = output.listed;
  const key = JSON.stringify(json);
  if (key !== shown) {
    list.setAttribute("aria-busy", "true");
    list.setAttribute("aria-label", output.title);
    const answer = await ask("generate", { json, signal });
    signal.throwIfAborted();
    const items = answer[output.listed];
    list.replaceChildren(...items.map((item) => element("li", {}, output.cell(item, titleOf(item)))));
    list.removeAttribute("aria-busy");
    shown = key;
    offer(output, json, items, `${model}-${number}-${seed}`, choice);
  }
}

/** Show images again. */
export function hideItems() {
  delete byId("generate").dataset.output;
  shown = "";
}

function titleOf({ seed, index, class: name }) {
  return `${seed}·${index}${name === null ? "" : ` ${name}`}`;
}

function offer(output, json, items, name, choice) {
  const accept = items.length === 1 ? output.single : output.several;
  const suffix = accept === "application/zip" ? ".zip" : output.suffix;
  const files = items.map((item) => ({ name: `${name}-${item.index}${output.suffix}`, bytes: output.bytes(item) }));
  setActions({
    downloads: [{ text: `Download all ${items.length} (ZIP)`, run: () => saveBlob(zip(files), `${name}.zip`) }],
    requests: () => [{ path: "generate", json, accept, save: `${name}${suffix}` }],
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
