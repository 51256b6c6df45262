/** Asks for the API key once, and keeps it until the tab closes. */

import { byId } from "./dom.js";

const NAME = "mirage.key";
let asking = null;

/** The headers that carry the key, if there is one. */
export function keyHeaders() {
  const key = sessionStorage.getItem(NAME);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Ask for another key than `used`, once for all who need one; resolves when there is one. */
export function askKey(reason, used) {
  if (keyHeaders().Authorization !== used) return Promise.resolve(); // there is a newer one
  asking ??= ask(reason).finally(() => (asking = null));
  return asking;
}

function ask(reason) {
  const dialog = byId("key");
  const input = byId("key-text");
  byId("key-reason").textContent = reason;
  input.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.oncancel = (event) => event.preventDefault(); // nothing works without it
    dialog.onclose = () => {
      sessionStorage.setItem(NAME, input.value.trim());
      resolve();
    };
  });
}
