/** Entry point: shows the view that the state in the URL selects. */

import { change, isSeed, onChange, randomSeed, read } from "./address.js";
import { RequestError } from "./api.js";
import { showCompare } from "./compare.js";
import { fillChoices, fillControls, prepareControls } from "./controls.js";
import { byId } from "./dom.js";
import { clearError, sentence, showError } from "./errors.js";
import { showExplore } from "./explore.js";
import { showGenerate } from "./generate.js";
import { startLiveMetrics } from "./live_metrics.js";
import { showModelCard } from "./model_card.js";
import { describe, firstChoice, generatorsOf, listModels, parseChoice, upscalersOf } from "./models.js";
import { prepareUpscale, showUpscale } from "./upscale.js";
import { prepareViewer } from "./viewer.js";
import { showWalk } from "./walk.js";

const VIEWS = {
  generate: showGenerate,
  walk: showWalk,
  explore: showExplore,
  compare: showCompare,
  upscale: showUpscale,
  model: showModelCard,
};
const GENERATING = ["generate", "walk", "explore", "compare"];
const OWNER = Symbol("view");
let controller = new AbortController();
let models = null;

async function show() {
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  clearError(OWNER);
  try {
    models ??= await listModels(signal);
    const state = settle(read());
    selectTab(state.tab);
    const choice = state.tab === "upscale" ? state.upscaler : state.model;
    fillChoices("model-choice", modelsOf(state.tab), choice);
    const version = await describe(choice, signal);
    if (version.task === "upscale" && GENERATING.includes(state.tab)) {
      change({ tab: "upscale", upscaler: choice, model: "" }); // only now it is in memory
      return;
    }
    fillControls(state, models, version);
    await VIEWS[state.tab]({ state, models, version, signal });
  } catch (error) {
    if (signal.aborted) return;
    showError(OWNER, sentence(error.message));
    if (!(error instanceof RequestError)) throw error;
  }
}

/** Returns the models that a view can show. */
function modelsOf(tab) {
  if (tab === "model") return models;
  return tab === "upscale" ? upscalersOf(models) : generatorsOf(models);
}

/** Replaces missing and invalid fields, so that the link is complete. */
function settle(state) {
  const tab = tabOf(state.tab);
  const settled = {
    ...state,
    tab,
    model: tab === "upscale" ? state.model : chosen(state.model, modelsOf(tab)),
    upscaler: tab === "upscale" ? chosen(state.upscaler, upscalersOf(models)) : state.upscaler,
    upscale: parseChoice(state.upscale) ? state.upscale : "",
    scale: state.scale > 1 ? state.scale : "",
    seed: isSeed(state.seed) ? state.seed : randomSeed(),
    count: within(state.count, 1, 256, 64),
    steps: within(state.steps, 4, 48, 16),
    at: within(state.at, 0, Number.MAX_SAFE_INTEGER, 0),
    truncation: state.truncation > 0 && state.truncation <= 1 ? state.truncation : "1",
  };
  if (models.length === 0) throw new Error("this server has no model");
  change(settled, { quiet: true });
  return settled;
}

/** Returns the view that the URL names, or the first one that has a model. */
function tabOf(tab) {
  const first = generatorsOf(models).length > 0 ? "generate" : "upscale";
  if (!(tab in VIEWS)) return first;
  return modelsOf(tab).length > 0 ? tab : first;
}

/** Returns the choice, or the first one if the view has no such model. */
function chosen(choice, among) {
  const name = parseChoice(choice)?.name;
  const isHidden = models.some((model) => model.name === name) && !among.some((model) => model.name === name);
  return name === undefined || isHidden ? firstChoice(among) : choice;
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
    tab.hidden = modelsOf(view).length === 0;
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
prepareUpscale(() => models !== null && upscalersOf(models).length > 0);
onChange(show);
startLiveMetrics();
show();
