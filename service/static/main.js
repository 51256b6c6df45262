/** Entry point: shows the view that the state in the URL selects. */

import { setActions } from "./actions.js";
import { change, isSeed, onChange, randomSeed, read } from "./address.js";
import { RequestError } from "./api.js";
import { showCompare } from "./compare.js";
import { fillChoices, fillControls, prepareControls } from "./controls.js";
import { byId } from "./dom.js";
import { prepareConvert, showConvert } from "./convert.js";
import { clearError, sentence, showError } from "./errors.js";
import { showExplore } from "./explore.js";
import { showGallery } from "./gallery.js";
import { showGenerate } from "./generate.js";
import { hideItems, showItems } from "./items.js";
import { roomOf } from "./grid.js";
import { fillingCount } from "./layout.js";
import { startLiveMetrics } from "./live_metrics.js";
import { showModelCard } from "./model_card.js";
import { describe, fieldOf, firstChoice, generatorsOf, hasDefault, listModels, modelsFor, newestPair, parseChoice, pictureTasksOf } from "./models.js";
import { outputOf } from "./outputs.js";
import { prepareViewer } from "./viewer.js";
import { showWalk } from "./walk.js";

const VIEWS = {
  gallery: showGallery,
  generate: showGenerate,
  walk: showWalk,
  explore: showExplore,
  compare: showCompare,
  upscale: showConvert,
  translate: showConvert,
  model: showModelCard,
};
const OF_IMAGES = ["walk", "explore", "compare"];
const LISTING = ["generate", "walk"]; // views that may list items
const GENERATING = ["generate", "walk", "explore", "compare"];
const SIDES = { generate: () => 1, compare: () => (innerWidth > 960 ? 3 : 2) }; // grids beside each other
const OWNER = Symbol("view");
let controller = new AbortController();
let models = null;
let automatic = ""; // number of images that was not chosen

async function show() {
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  clearError(OWNER);
  setActions();
  try {
    models ??= await start(signal);
    const state = settle(read());
    selectTab(state.tab);
    if (state.tab === "gallery") {
      byId("controls").hidden = true;
      byId("picker").style.visibility = "";
      fillChoices("model-choice", models, "");
      await showGallery({ models, signal });
      return;
    }
    const choice = state[fieldOf(state.tab)];
    fillChoices("model-choice", modelsFor(state.tab, models), choice);
    const version = await describe(choice, signal);
    if (version.task !== "generate" && GENERATING.includes(state.tab)) { // only now it is in memory
      models.find(({ name }) => name === version.name).task = version.task;
      change({ tab: version.task, [fieldOf(version.task)]: choice, model: "" });
      return;
    }
    if (!version.labels.includes(state.class)) change({ class: (state.class = "") }, { quiet: true });
    const output = outputOf(version);
    const absent = OF_IMAGES.filter((view) => output !== null && !(view in output));
    for (const view of absent) byId(`tab-${view}`).hidden = true;
    if (absent.includes(state.tab)) {
      change({ tab: "generate" });
      return;
    }
    if (state.tab in SIDES) settleCount(state, version, output);
    fillControls(state, models, version);
    if (output !== null && LISTING.includes(state.tab)) {
      await showItems(output, { state, version, signal });
      return;
    }
    if (LISTING.includes(state.tab)) hideItems(state.tab);
    await VIEWS[state.tab]({ state, models, version, signal });
  } catch (error) {
    if (signal.aborted) return;
    showError(OWNER, sentence(error.message));
    if (!(error instanceof RequestError)) throw error;
  }
}

/** Lists the models. A page without a link opens on the default model, or else on all models. */
async function start(signal) {
  const found = await listModels(signal);
  if (location.search === "" && !hasDefault(found)) change({ tab: "gallery" }, { quiet: true });
  return found;
}

/** Replaces missing and invalid fields, so that the link is complete. */
function settle(state) {
  const tab = tabOf(state.tab);
  if (tab === "gallery") return { ...state, tab };
  const settled = {
    ...state,
    ...(tab === "compare" && !state.against && !hasSeveral(state.model) ? newestPair(generatorsOf(models)) : {}),
    tab,
  };
  Object.assign(settled, {
    [fieldOf(tab)]: chosen(settled[fieldOf(tab)], modelsFor(tab, models)),
    upscale: parseChoice(state.upscale) ? state.upscale : "",
    scale: state.scale > 1 ? state.scale : "",
    seed: isSeed(state.seed) ? state.seed : randomSeed(),
    count: within(state.count, 1, 256, ""),
    steps: within(state.steps, 4, 48, 16),
    at: within(state.at, 0, Number.MAX_SAFE_INTEGER, 0),
    truncation: state.truncation > 0 && state.truncation <= 1 ? state.truncation : "1",
  });
  change(settled, { quiet: true });
  return settled;
}

/** Replaces a number of images that nobody has chosen by one that fills the window. */
function settleCount(state, version, output) {
  if (state.count !== "" && state.count !== automatic) return;
  automatic = state.count = String(output?.count ?? fillingCount(version.image, roomOf(SIDES[state.tab]())));
  change({ count: automatic }, { quiet: true });
}

/** Whether the model of a choice has another version to compare with. */
function hasSeveral(choice) {
  const name = parseChoice(choice)?.name;
  return models.some((model) => model.name === name && model.versions.length > 1);
}

/** Returns the view that the URL names, or the first one that has a model. */
function tabOf(tab) {
  if (models.length === 0) return "gallery";
  const first = generatorsOf(models).length > 0 ? "generate" : pictureTasksOf(models)[0];
  if (!(tab in VIEWS)) return first;
  return modelsFor(tab, models).length > 0 ? tab : first;
}

/** Returns the choice, or the first one if the view has no such model. */
function chosen(choice, among) {
  const name = parseChoice(choice)?.name;
  const isHidden = models.some((model) => model.name === name) && !among.some((model) => model.name === name);
  if (name !== undefined && !isHidden) return choice;
  return firstChoice(generatorsOf(among)) ?? firstChoice(among);
}

function within(text, min, max, fallback) {
  const number = Number(text);
  return String(Number.isInteger(number) && number >= min && number <= max ? number : fallback);
}

function selectTab(name) {
  for (const view of Object.keys(VIEWS)) {
    const tab = byId(`tab-${view}`);
    tab.setAttribute("aria-selected", String(view === name));
    tab.tabIndex = view === name ? 0 : -1;
    tab.hidden = modelsFor(view, models).length === 0 && view !== "gallery";
    byId(view).hidden = view !== name;
    if (view === name) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

function prepareTabs() {
  const tabs = Object.keys(VIEWS).map((view) => byId(`tab-${view}`));
  tabs.forEach((tab) => {
    tab.addEventListener("click", () => change({ tab: tab.id.slice(4) }, { push: true }));
    tab.addEventListener("keydown", ({ key }) => {
      const shown = tabs.filter(({ hidden }) => !hidden);
      const at = shown.indexOf(tab);
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[key];
      if (to === undefined) return;
      const next = shown.at(to % shown.length);
      next.focus();
      next.click();
    });
  });
}

prepareTabs();
prepareControls();
prepareViewer();
prepareConvert(() => pictureTasksOf(models ?? []));
onChange(show);
startLiveMetrics();
show();
