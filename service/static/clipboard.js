/** Copies text; where the browser does not allow it, shows the text to be copied by hand. */

import { button, byId, element, icon } from "./dom.js";

/** Copies a text. Returns whether the browser did; otherwise a dialog shows it selected. */
export async function copy(text, title) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    show(text, title);
    return false;
  }
}

function show(text, title) {
  const dialog = byId("code");
  const shown = element("pre", { tabIndex: 0, "aria-label": title }, text);
  const close = element("button", { type: "button", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("close"));
  dialog.replaceChildren(
    element("div", { className: "dialog-head" }, element("h2", { id: "code-title" }, title), close),
    element("p", { className: "hint" }, "The browser does not let this page copy; the text is selected instead."),
    shown,
    button("copy", "Select all", () => getSelection().selectAllChildren(shown)),
  );
  dialog.showModal();
  getSelection().selectAllChildren(shown);
}
