/** Asks for the API key, and keeps it until the tab is closed. */

import { byId } from "./dom.js";

const NAME = "mirage.key";
let asking = null;

/** The request headers with the key, if there is one. */
export function keyHeaders() {
  const key = sessionStorage.getItem(NAME);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Ask for another key than `used`. Concurrent calls share one dialog; resolves when it is closed. */
export function askKey(reason, used) {
  if (keyHeaders().Authorization !== used) return Promise.resolve(); // there is a new key already
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
    dialog.oncancel = (event) => event.preventDefault(); // the page does not work without a key
    dialog.onclose = () => {
      sessionStorage.setItem(NAME, input.value.trim());
      resolve();
    };
  });
}
