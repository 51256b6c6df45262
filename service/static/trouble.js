/** Says in words what is wrong, for as long as it is wrong. */

import { byId } from "./dom.js";

const open = new Map(); // owner → { text, until }: the newest is shown
let ticking = 0;

/** Show a trouble of an owner, which replaces its last; `until` (ms) is when it will be retried. */
export function tell(owner, text, until = null) {
  open.delete(owner);
  open.set(owner, { text, until });
  show();
}

/** What the service says of a trouble, as a sentence. */
export function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** The owner's trouble is over. */
export function over(owner) {
  if (open.delete(owner)) show();
}

function show() {
  const newest = [...open.values()].at(-1);
  const box = byId("trouble");
  const line = byId("trouble-text");
  box.hidden = newest === undefined;
  const text = newest?.text ?? "";
  if (line.textContent !== text) line.textContent = text;
  clearInterval(ticking);
  if (newest?.until) ticking = setInterval(countDown, 250, newest.until);
  countDown(newest?.until);
}

function countDown(until) {
  const seconds = until ? Math.ceil((until - performance.now()) / 1000) : 0;
  byId("trouble-wait").textContent = seconds > 0 ? `again in ${seconds} s` : "";
}
