/** Puts the page in a row: the state of the address chooses a view, and the view shows it. */

import { change, isSeed, onChange, randomSeed, read } from "./address.js";
import { Refusal } from "./api.js";
import { describe, firstChoice, listModels, parseChoice } from "./catalogue.js";
import { showCompare } from "./compare.js";
import { fillChoices, fillControls, prepareControls } from "./controls.js";
import { byId } from "./dom.js";
import { showExplore } from "./explore.js";
import { showModel } from "./model.js";
import { startPulse } from "./pulse.js";
import { over, sentence, tell } from "./trouble.js";
import { prepareViewer } from "./viewer.js";
import { showWalk } from "./walk.js";
import { showWall } from "./wall.js";

const VIEWS = {
  generate: showWall,
  walk: showWalk,
  explore: showExplore,
  compare: showCompare,
  model: showModel,
};
const REFUSED = Symbol("refused");
let controller = new AbortController();
let models = null;

async function show() {
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  over(REFUSED);
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
    tell(REFUSED, sentence(error.message));
    if (!(error instanceof Refusal)) throw error;
  }
}

/** Fill what the address leaves open, and mend what cannot be; a link then says all. */
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
  if (settled.model === null) throw new Error("This server has no model");
  change(settled, { quiet: true });
  return settled;
}

function within(text, least, most, otherwise) {
  const number = Number(text);
  return String(Number.isInteger(number) && number >= least && number <= most ? number : otherwise);
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
startPulse();
show();
