/** Shows error messages for as long as they apply. */

import { byId } from "./dom.js";

const errors = new Map(); // owner → { text, retryAt }; the newest is shown
let ticking = 0;

/** Show an error of an owner instead of its previous one; `retryAt` is in milliseconds. */
export function showError(owner, text, retryAt = null) {
  errors.delete(owner);
  errors.set(owner, { text, retryAt });
  render();
}

/** Remove the error of an owner. */
export function clearError(owner) {
  if (errors.delete(owner)) render();
}

/** Turns the text of an error into a sentence. */
export function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function render() {
  const newest = [...errors.values()].at(-1);
  const box = byId("error");
  const line = byId("error-text");
  box.hidden = newest === undefined;
  const text = newest?.text ?? "";
  if (line.textContent !== text) line.textContent = text;
  clearInterval(ticking);
  if (newest?.retryAt) ticking = setInterval(countDown, 250, newest.retryAt);
  countDown(newest?.retryAt);
}

function countDown(retryAt) {
  const seconds = retryAt ? Math.ceil((retryAt - performance.now()) / 1000) : 0;
  byId("error-wait").textContent = seconds > 0 ? `Retrying in ${seconds} s` : "";
}
