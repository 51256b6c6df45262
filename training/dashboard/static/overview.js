/** Status, progress, stages and key figures. */

import { byId, element, rebuild, setText } from "./dom.js";
import { clock, duration, kimg } from "./text.js";

const NAMED_SHARE = 0.1; // of the run, below which the name of a stage does not fit
const STATUSES = {
  waiting: "Not begun",
  training: "Training",
  stopped: "Stopped",
  finished: "Finished",
  failed: "Stopped by the watchdog",
};

/** Show everything at the top of the page. */
export function showOverview(state) {
  const { progress } = state;
  setText(byId("name"), state.name);
  setText(byId("about"), state.about ? `${state.about.task} · preset ${state.about.preset}` : "");
  showStatus(state);
  showProgress(progress);
  rebuild(byId("stages"), [state.stages, stageAt(state)?.nimg, progress.total], () => stages(state));
  rebuild(byId("facts"), facts(state), () =>
    facts(state).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
  setText(byId("folder"), state.folder);
}

function showStatus(state) {
  const node = byId("status");
  node.dataset.status = state.status;
  setText(node, STATUSES[state.status]);
  const share = state.status === "training" && state.progress.total ? `${percent(state.progress)} % · ` : "";
  document.title = `${share}${state.name} – Mirage`;
}

function percent({ nimg, total }) {
  return Math.floor(Math.min(100, (100 * nimg) / total));
}

function showProgress(progress) {
  byId("progress").hidden = progress.total === null;
  if (progress.total === null) return;
  setText(byId("done"), kimg(progress.nimg));
  setText(byId("total"), `of ${kimg(progress.total)} kimg`);
  setText(byId("percent"), `${percent(progress)} %`);
  byId("bar").setAttribute("aria-valuenow", percent(progress));
  byId("bar").setAttribute("aria-valuetext", `${kimg(progress.nimg)} of ${kimg(progress.total)} thousand images`);
  byId("fill").style.width = `${Math.min(100, (100 * progress.nimg) / progress.total)}%`;
}

function stageAt({ stages, progress }) {
  return stages.findLast((stage) => stage.nimg <= progress.nimg);
}

/** One mark for each stage; a run with a single stage needs none. */
function stages(state) {
  if (state.stages.length < 2) return [];
  const now = stageAt(state);
  return state.stages.map((stage, index) => {
    const end = state.stages[index + 1]?.nimg ?? state.progress.total;
    const fits = (end - stage.nimg) / state.progress.total > NAMED_SHARE;
    const node = element("li", { className: fits ? "" : "narrow" }, element("span", {}, stage.name));
    node.style.flexGrow = Math.max(1, end - stage.nimg);
    if (stage === now) node.setAttribute("aria-current", "step");
    node.title = `${stage.name}: from ${kimg(stage.nimg)} to ${kimg(end)} kimg`;
    return node;
  });
}

function facts(state) {
  const { progress } = state;
  const training = state.status === "training";
  const shown = [];
  if (progress.seconds_left) {
    shown.push(["time left", duration(progress.seconds_left)], ["ends about", clock(progress.seconds_left)]);
  }
  if (progress.kimg_per_s) shown.push(["images per second", String(Number((1000 * progress.kimg_per_s).toPrecision(3)))]);
  if (progress.trained_s) shown.push(["trained for", duration(progress.trained_s)]);
  if (state.stages.length > 1 && training) shown.push(["stage", stageAt(state).name]);
  if (progress.report_age_s !== null && progress.nimg) shown.push(["last report", `${duration(progress.report_age_s)} ago`]);
  return [...shown, ...Object.entries(state.about?.facts ?? {})];
}
