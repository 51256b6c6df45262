/** What a person has to know or do, and the command that resumes the run. */

import { byId, element, rebuild } from "./dom.js";
import { duration, kimg, number, title } from "./text.js";

/** Show notices, and the command beside them or, while nothing is wrong, at the side. */
export function showNotices(state) {
  const found = notices(state);
  rebuild(byId("notices"), [found, state.command], () => found.map((notice) => banner(notice, state)));
  const aside = state.status === "training" && state.command !== null;
  byId("resume").hidden = !aside;
  rebuild(byId("command"), [aside, state.command], () => (aside ? commandOf(state) : []));
}

function notices(state) {
  return [problem(state), status(state), job(state)].filter((notice) => notice !== null);
}

function problem({ problem: text }) {
  return text && { kind: "warning", title: "The configuration is unknown", text: `${text}.` };
}

function job({ job: found }) {
  return found && { kind: "plain", title: found.headline, text: found.reasons.map((reason) => `${reason}.`).join(" ") };
}

function status(state) {
  const { progress, folder } = state;
  switch (state.status) {
    case "waiting":
      return { kind: "plain", title: "This run has not begun", text: `There is no config.json in ${folder}. The page changes when there is.` };
    case "training":
      return progress.late ? late(progress) : null;
    case "finished":
      return { kind: "good", title: "Finished", text: `${kimg(progress.nimg)} kimg in ${duration(progress.trained_s)} of training.` };
    case "failed":
      return { kind: "bad", title: `Stopped by the watchdog after ${kimg(state.alarm.nimg)} kimg`, text: reason(state), resume: true };
    default:
      return { kind: "warning", title: stoppedAt(progress), text: resumption(state), resume: true };
  }
}

function late({ report_age_s: age }) {
  return {
    kind: "warning",
    title: `No report for ${duration(age)}`,
    text: "Reports came much more often before. The process still holds the run: it may be paused, or the machine is busy.",
  };
}

function stoppedAt({ nimg, total }) {
  return `Stopped at ${kimg(nimg)}${total === null ? "" : ` of ${kimg(total)}`} kimg`;
}

function resumption({ progress, command }) {
  const from = progress.resumes_at === null ? "It has no checkpoint yet and begins again at 0" : `It resumes at ${kimg(progress.resumes_at)} kimg, its last checkpoint`;
  return command === null ? `${from}, when the command that started it is run again.` : `${from}, with:`;
}

function reason({ alarm: { sign, value, threshold, text, advice }, command }) {
  const limit = threshold === null ? "" : `, the limit ${number(threshold)}`;
  const first = `${title(sign)} was ${value === null ? "not a number" : number(value)}${limit}.`;
  const next = `Changed settings need a new --run.${command === null ? "" : " This one was started with:"}`;
  return [first, text, advice, next].filter(Boolean).join(" ");
}

function banner(notice, state) {
  const command = notice.resume && state.command !== null ? commandOf(state) : [];
  const text = notice.text ? element("p", {}, notice.text) : null;
  return element("section", { className: `banner ${notice.kind}` }, element("h2", {}, notice.title), text, ...command);
}

/** The command with a button that copies it, or selects it where copying is not allowed. */
function commandOf({ command }) {
  const line = element("pre", { tabIndex: 0, "aria-label": "Command", role: "region" }, command);
  const copy = element("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(line);
    }
  });
  return [element("div", { className: "command" }, line, copy)];
}
