/** The view "Models": every model with a few of its images, or how to get a first one. */

import { setActions } from "./actions.js";
import { change } from "./address.js";
import { ask } from "./api.js";
import { byId, element } from "./dom.js";
import { describe, fieldOf, firstChoice, isOfPictures } from "./models.js";
import { outputOf } from "./outputs.js";

const IMAGES = 9;
const TASKS = { generate: "makes images", upscale: "enlarges pictures", translate: "translates pictures" };
const urls = new Map(); // choice → URL of its picture

/** Show a card for each model. */
export async function showGallery({ models, signal }) {
  setActions({ requests: () => [{ path: "models", accept: "application/json", save: "models.json" }], what: "the list of models" });
  const cards = models.map((model) => ({ model, choice: firstChoice([model]) }));
  byId("gallery").replaceChildren(
    ...(cards.length === 0 ? [nothing()] : [element("ul", { className: "gallery", "aria-label": "Models" }, ...cards.map(card))]),
  );
  await Promise.all(cards.map((each) => fill(each, signal)));
}

/** Says how to get a first model. */
function nothing() {
  const commands = [
    "mirage train --data PICTURES --preset auto --hours 2 --run runs/first",
    "mirage export runs/first --to models/first",
    "mirage bundle release first 1",
  ];
  return element(
    "div",
    { className: "nothing" },
    element("h2", {}, "This server has no model yet"),
    element("p", {}, "Train one on a folder of pictures, and release it in the folder of models. Then reload this page."),
    element("pre", { tabIndex: 0, "aria-label": "Commands" }, commands.join("\n")),
  );
}

function card({ model, choice }) {
  const open = () => change(targetOf(model, choice), { push: true });
  const { name, task, versions, released, scale } = model;
  const many = versions.length === 1 ? `version ${versions[0]}` : `${versions.length} versions, newest ${Math.max(...versions)}`;
  const state = released === null ? "not released" : `version ${released} is released`;
  const does = task === "upscale" ? `enlarges pictures ${scale} times` : (outputOf(model)?.does ?? TASKS[task] ?? "is not loaded yet");
  return element(
    "li",
    {},
    element(
      "button",
      { type: "button", className: "model-card", on: { click: open } },
      element("span", { className: "cover", id: `cover-${name}` }),
      element("strong", {}, name),
      element("span", {}, does),
      element("small", {}, versions.length === 1 && released !== null ? many : `${many}; ${state}`),
    ),
  );
}

function targetOf({ task }, choice) {
  return isOfPictures(task) ? { tab: task, [fieldOf(task)]: choice } : { tab: "generate", model: choice, against: "", moves: "", class: "" };
}

/** Fill the cover of a card: new images of a generator, else the samples of the version. */
async function fill({ model, choice }, signal) {
  if (model.released === null) return;
  if (!urls.has(choice)) {
    const picture = await cover(model, choice, signal);
    if (picture === null) return;
    urls.set(choice, URL.createObjectURL(picture));
  }
  signal.throwIfAborted();
  const image = element("img", { src: urls.get(choice), alt: "" });
  await image.decode();
  image.classList.toggle("pixels", image.naturalWidth <= 300);
  byId(`cover-${model.name}`).replaceChildren(image);
}

/** Returns a PNG, or null if the version has no samples. */
async function cover({ name, released, task, output }, choice, signal) {
  if (task !== "generate" || outputOf({ output }) !== null) {
    const { samples } = await describe(choice, signal);
    return samples ? ask(`models/${name}/samples?version=${released}`, { accept: "image/png", signal }) : null;
  }
  const json = { model: name, version: released, seed: 1, count: IMAGES, layout: "grid" };
  return ask("generate", { json, accept: "image/png", signal });
}
