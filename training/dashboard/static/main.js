/** Follows the run: asks for its state, and for its curves when they have changed. */

import { markSamples, showCurves, startCurves } from "./curves.js";
import { byId, setText } from "./dom.js";
import { showNotices } from "./notices.js";
import { showOverview } from "./overview.js";
import { showSamples, startSamples } from "./samples.js";
import { showWatchdog } from "./watchdog.js";

const POLL_MS = 2000;
let revision = null;

startCurves();
startSamples(markSamples);
document.addEventListener("visibilitychange", () => document.hidden || void poll());
void follow();

async function follow() {
  try {
    if (!document.hidden) await poll();
  } finally {
    setTimeout(follow, POLL_MS);
  }
}

async function poll() {
  try {
    const state = await read("state.json");
    show(state);
    if (state.revision === revision) return;
    showCurves(await read("curves.json"));
    revision = state.revision;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // fetch raises it if there is no answer
    setText(byId("heard"), "No connection: the command watch has ended. This page waits for it.");
    byId("heard").hidden = false;
  }
}

async function read(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

function show(state) {
  byId("heard").hidden = true;
  byId("main").hidden = false;
  for (const id of ["pictures", "course"]) byId(id).hidden = state.status === "waiting";
  showOverview(state);
  showNotices(state);
  showSamples(state);
  showWatchdog(state);
}
