/** The fields above the images, which show and change the state. */

import { change, isSeed, randomSeed } from "./address.js";
import { choicesOf } from "./models.js";
import { byId, element, fillTrack } from "./dom.js";

const COUNTS = [1, 4, 16, 36, 64, 100, 144, 196, 256];
const MAX_CHIPS = 16; // with more classes there is a list instead
const SLIDE_MS = 120; // a slider changes the state once it has not moved for so long

/** Add the listeners of the fields. Call it once. */
export function prepareControls() {
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("shuffle").addEventListener("click", () => change({ seed: randomSeed(), at: 0 }, { push: true }));
  byId("seed").addEventListener("change", takeSeed);
  byId("count").addEventListener("change", (event) => change({ count: event.target.value }));
  byId("loop").addEventListener("change", (event) => change({ loop: event.target.checked ? "1" : "" }));
  byId("against").addEventListener("change", (event) => change({ against: event.target.value }));
  byId("model-choice").addEventListener("change", (event) =>
    change({ model: event.target.value, moves: "" }, { push: true }),
  );
  slide("truncation");
  slide("steps");
}

/** Show the state in the fields of the current view. */
export function fillControls(state, models, version) {
  for (const field of byId("controls").querySelectorAll("[data-for]")) {
    field.hidden = !field.dataset.for.split(" ").includes(state.tab);
  }
  byId("controls").hidden = state.tab === "model";
  byId("seed").value = state.seed;
  markSeed(true);
  byId("loop").checked = state.loop !== "";
  for (const name of ["truncation", "steps"]) {
    byId(name).value = state[name];
    fillTrack(byId(name));
    byId(`${name}-value`).textContent = state[name];
  }
  fillCounts(state.count);
  fillClasses(state.class, version.labels);
  if (state.tab !== "generate" && state.tab !== "compare") return;
  fillChoices("against", models, state.against);
}

/** Fill a list with all versions of all models. */
export function fillChoices(id, models, chosen) {
  const options = choicesOf(models).map(({ choice, text }) => new Option(text, choice));
  byId(id).replaceChildren(...options);
  byId(id).value = chosen;
}

function takeSeed() {
  const seed = byId("seed").value.trim();
  markSeed(isSeed(seed));
  if (isSeed(seed)) change({ seed: String(BigInt(seed)), at: 0 }, { push: true });
}

function markSeed(good) {
  byId("seed").setAttribute("aria-invalid", String(!good));
  byId("seed-hint").hidden = good;
}

function slide(name) {
  let timer = 0;
  byId(name).addEventListener("input", ({ target }) => {
    byId(`${name}-value`).textContent = target.value;
    fillTrack(target);
    clearTimeout(timer);
    timer = setTimeout(() => change({ [name]: target.value }), SLIDE_MS);
  });
}

function fillCounts(count) {
  const counts = [...new Set([...COUNTS, Number(count)])].sort((a, b) => a - b);
  byId("count").replaceChildren(...counts.map((each) => new Option(each, each)));
  byId("count").value = count;
}

function fillClasses(chosen, labels) {
  byId("class-field").hidden ||= labels.length === 0;
  const key = JSON.stringify(labels);
  const box = byId("classes");
  if (box.dataset.labels !== key) {
    box.dataset.labels = key;
    box.replaceChildren(...(labels.length > MAX_CHIPS ? [listOf(labels)] : ["", ...labels].map(chip)));
  }
  for (const input of box.querySelectorAll("input")) input.checked = input.value === chosen;
  const list = box.querySelector("select");
  if (list) list.value = chosen;
}

function chip(label) {
  const input = element("input", {
    type: "radio",
    name: "class",
    value: label,
    on: { change: () => change({ class: label }) },
  });
  return element("label", { className: "chip" }, input, element("span", {}, label || "any"));
}

function listOf(labels) {
  const options = [new Option("any", ""), ...labels.map((label) => new Option(label, label))];
  const on = { change: (event) => change({ class: event.target.value }) };
  return element("select", { "aria-labelledby": "class-label", on }, ...options);
}
