/** The watchdog's signals with their limits. */

import { byId, element, rebuild, setText } from "./dom.js";
import { number, title } from "./text.js";

const STATES = { good: "within its limits", warning: "beyond its limits", early: "not judged yet" };

/** Show the verdict and all signals. */
export function showWatchdog(state) {
  const [kind, text] = verdict(state);
  byId("verdict").dataset.kind = kind;
  setText(byId("verdict"), text);
  rebuild(byId("signals"), state.signals, () => [state.signals.length ? table(state.signals) : nothing()]);
}

function verdict({ alarm, signals, patience, watchdog_off: off }) {
  if (alarm) return ["bad", "Stopped the run"];
  if (off) return ["plain", "Off"];
  if (!signals.length) return ["plain", "No report yet"];
  const worst = Math.max(...signals.map(({ beyond }) => beyond));
  if (worst) return ["warning", `${worst} of ${patience} reports beyond a limit`];
  const early = signals.filter(({ within }) => !within).map(({ name }) => title(name).toLowerCase());
  return early.length ? ["warning", `Early: ${early.join(", ")} beyond a limit`] : ["good", "No sign of collapse"];
}

function nothing() {
  return element("p", { className: "hint" }, "Signals of collapse appear with the first report.");
}

function table(signals) {
  const head = ["signal", "now", "allowed"].map((text) => element("th", { scope: "col" }, text));
  const bodies = signals.map((signal) => element("tbody", {}, ...rows(signal)));
  return element("table", { className: "signals" }, element("thead", {}, element("tr", {}, ...head)), ...bodies);
}

/** A row with the values, and one with the explanation, which needs the whole width on phones. */
function rows(signal) {
  const kind = signal.beyond || !signal.within ? "warning" : signal.judged ? "good" : "early";
  const dot = element("i", { className: "dot", role: "img", "aria-label": STATES[kind], title: STATES[kind] });
  dot.dataset.kind = kind;
  const name = element("th", { scope: "row" }, dot, title(signal.name));
  const values = [number(signal.value), allowed(signal)].map((text) => element("td", {}, text));
  const text = element("td", { colSpan: 3, className: "hint" }, signal.text);
  return [element("tr", {}, name, ...values), element("tr", {}, text)];
}

function allowed({ least, most }) {
  if (least === null && most === null) return "any";
  if (least === null) return `≤ ${number(most)}`;
  return most === null ? `≥ ${number(least)}` : `${number(least)} … ${number(most)}`;
}
