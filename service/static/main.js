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
import { describe, firstChoice, listModels, parseChoice } from "./models.js";
import { prepareViewer } from "./viewer.js";
import { showWalk } from "./walk.js";

const VIEWS = {
  generate: showGenerate,
  walk: showWalk,
  explore: showExplore,
  compare: showCompare,
  model: showModelCard,
};
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
    fillChoices("model-choice", models, state.model);
    const version = await describe(state.model, signal);
    fillControls(state, models, version);
    await VIEWS[state.tab]({ state, models, version, signal });
  } catch (error) {
    if (signal.aborted) return;
    showError(OWNER, sentence(error.message));
    if (!(error instanceof RequestError)) throw error;
  }
}

/** Replaces missing and invalid fields, so that the link is complete. */
function settle(state) {
  const settled = {
    ...state,
    tab: state.tab in VIEWS ? state.tab : "generate",
    model: parseChoice(state.model) ? state.model : firstChoice(models),
    seed: isSeed(state.seed) ? state.seed : randomSeed(),
    count: within(state.count, 1, 256, 64),
    steps: within(state.steps, 4, 48, 16),
    at: within(state.at, 0, Number.MAX_SAFE_INTEGER, 0),
    truncation: state.truncation > 0 && state.truncation <= 1 ? state.truncation : "1",
  };
  if (settled.model === null) throw new Error("this server has no model");
  change(settled, { quiet: true });
  return settled;
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
    byId(view).hidden = view !== name;
    if (view === name) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

function prepareTabs() {
  const tabs = Object.keys(VIEWS).map((view) => byId(`tab-${view}`));
  tabs.forEach((tab, at) => {
    tab.addEventListener("click", () => change({ tab: tab.id.slice(4) }, { push: true }));
    tab.addEventListener("keydown", ({ key }) => {
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[key];
      if (to === undefined) return;
      const next = tabs.at(to % tabs.length);
      next.focus();
      next.click();
    });
  });
}

prepareTabs();
prepareControls();
prepareViewer();
onChange(show);
startLiveMetrics();
show();
