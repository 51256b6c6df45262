/** The fields above the images, which show and change the state. */

import { change, isSeed, randomSeed, read } from "./address.js";
import { choicesOf, fieldOf, generatorsOf, isOfPictures, upscalersOf } from "./models.js";
import { outputOf } from "./outputs.js";
import { byId, element, fillTrack } from "./dom.js";

const COUNTS = [1, 4, 16, 36, 64, 100, 144, 196, 256];
const SCALES = [1.5, 2, 3]; // below that of the model
const MAX_CHIPS = 16; // with more classes there is a field with suggestions instead
const SLIDE_MS = 120; // a slider changes the state once it has not moved for so long

/** Add the listeners of the fields. Call it once. */
export function prepareControls() {
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("shuffle").addEventListener("click", () => change({ seed: randomSeed(), at: 0 }, { push: true }));
  byId("seed").addEventListener("change", takeSeed);
  byId("count").addEventListener("change", (event) => change({ count: event.target.value }));
  byId("loop").addEventListener("change", (event) => change({ loop: event.target.checked ? "1" : "" }));
  byId("against").addEventListener("change", (event) => change({ against: event.target.value }));
  byId("swap").addEventListener("click", () => change({ model: byId("against").value, against: byId("left").value }, { push: true }));
  byId("left").addEventListener("change", (event) => choose(event.target.value));
  byId("model-choice").addEventListener("change", (event) => choose(event.target.value));
  byId("upscale-with").addEventListener("change", (event) => change({ upscale: event.target.value }));
  byId("scale").addEventListener("change", (event) => change({ scale: event.target.value }, { push: true }));
  slide("truncation");
  slide("steps");
}

/** Show the state in the fields of the current view. */
export function fillControls(state, models, version) {
  for (const field of byId("controls").querySelectorAll("[data-for]")) {
    field.hidden = !field.dataset.for.split(" ").includes(state.tab);
  }
  byId("controls").hidden = ["model", "translate"].includes(state.tab);
  byId("seed").value = state.seed;
  markSeed(true);
  byId("loop").checked = state.loop !== "";
  for (const name of ["truncation", "steps"]) {
    byId(name).value = state[name];
    fillTrack(byId(name));
    byId(`${name}-value`).textContent = state[name];
  }
  const output = outputOf(version);
  fillUpscalers(output === null ? upscalersOf(models) : [], output === null ? state.upscale : "");
  byId("count-label").textContent = output?.title ?? "Images";
  if (state.tab === "upscale") fillScales(version.pictures.scale, state.scale);
  fillCounts(state.count);
  fillClasses(state.class, version.labels);
  byId("picker").style.visibility = state.tab === "compare" ? "hidden" : ""; // which chooses two
  if (state.tab !== "compare") return;
  fillChoices("left", generatorsOf(models), state.model);
  fillChoices("against", generatorsOf(models), state.against);
}

/** Fill a list with all versions of all models, in a group for each model with several. */
export function fillChoices(id, models, chosen) {
  const groups = models.map((model) => {
    const options = choicesOf([model]).map(({ choice, text }) => new Option(text, choice));
    if (options.length === 1) return options[0];
    return element("optgroup", { label: model.name }, ...options);
  });
  byId(id).replaceChildren(...(chosen ? [] : [new Option("choose one", "")]), ...groups);
  byId(id).value = chosen;
}

function choose(choice) {
  const { tab } = read();
  if (choice === "") return;
  if (isOfPictures(tab)) change({ [fieldOf(tab)]: choice }, { push: true });
  else change({ model: choice, moves: "", ...(tab === "compare" ? {} : { against: "" }), ...(tab === "gallery" ? { tab: "generate" } : {}) }, { push: true });
}

/** Offer the released upscalers for generated images. */
function fillUpscalers(upscalers, chosen) {
  const released = upscalers.filter((model) => model.released !== null);
  const options = released.map(({ name, released: version, scale }) => new Option(`${scale}× by ${name}`, `${name}@${version}`));
  const known = options.some(({ value }) => value === chosen) || !chosen;
  byId("upscale-with").replaceChildren(
    new Option("no", ""),
    ...options,
    ...(known ? [] : [new Option(chosen, chosen)]),
  );
  byId("upscale-with").value = chosen;
  byId("upscale-field").hidden ||= options.length === 0 && known;
}

/** Offer the scales of a model: whole ones, and halves below 2. */
function fillScales(most, chosen) {
  const scales = [...SCALES.filter((scale) => scale < most), most];
  const given = Number(chosen);
  if (given && !scales.includes(given)) scales.push(given);
  const options = scales.sort((a, b) => b - a).map((scale) => new Option(`${scale}×`, scale === most ? "" : scale));
  byId("scale").replaceChildren(...options);
  byId("scale").value = given === most ? "" : chosen;
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
    box.replaceChildren(...(labels.length > MAX_CHIPS ? searchOf(labels) : ["", ...labels].map(chip)));
  }
  for (const input of box.querySelectorAll("input")) input.checked = input.value === chosen;
  const search = box.querySelector("input[list]");
  if (search) search.value = chosen;
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

/** A field that suggests the classes whose names contain what is typed; empty means any. */
function searchOf(labels) {
  const take = ({ target }) => {
    const text = target.value.trim();
    const found = labels.includes(text) ? text : firstLike(labels, text);
    target.setAttribute("aria-invalid", String(found === undefined));
    if (found !== undefined) change({ class: found });
  };
  const search = element("input", {
    "aria-labelledby": "class-label",
    placeholder: `any of ${labels.length.toLocaleString()}`,
    autocomplete: "off",
    on: { change: take },
  });
  search.setAttribute("list", "class-names");
  return [search, element("datalist", { id: "class-names" }, ...labels.map((label) => new Option(label, label)))];
}

function firstLike(labels, text) {
  if (text === "") return "";
  const part = text.toLowerCase();
  return labels.find((label) => label.toLowerCase().startsWith(part)) ?? labels.find((label) => label.toLowerCase().includes(part));
}
