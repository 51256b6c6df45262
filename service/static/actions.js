/** The action bar above every view: download, link, code and history. */

import { codeOf, languages } from "./code.js";
import { copy } from "./clipboard.js";
import { button, byId, element } from "./dom.js";
import { openHistory } from "./history.js";

let current = { downloads: [], requests: null };

/**
 * Show the actions of a view. `downloads` are `{ text, run, icon }`; `requests` returns those of
 * `codeOf` that make what is shown, or is null. `what` names it, for screen readers.
 */
export function setActions({ downloads = [], requests = null, what = "this view" } = {}) {
  current = { downloads, requests };
  say("");
  byId("action-buttons").replaceChildren(
    ...downloads.map(({ text, run, icon = "save" }) => button(icon, text, () => void act(run), { className: "save" })),
    button("link", "Copy link", () => void copyLink(), { "aria-label": `Copy link to ${what}` }),
    ...(requests === null ? [] : [codeButtons(what)]),
    button("history", "History", openHistory),
  );
}

/** Show the result of an action. */
export function say(text) {
  byId("action-status").textContent = text;
}

function codeButtons(what) {
  const buttons = languages.map(([language, title]) =>
    element(
      "button",
      { type: "button", "aria-label": `Copy ${what} as ${title}`, on: { click: () => void copyCode(language, title) } },
      title,
    ),
  );
  return element("div", { className: "group", role: "group", "aria-label": "Copy as code" }, element("span", { "aria-hidden": "true" }, "Copy as"), ...buttons);
}

async function act(run) {
  const done = await run();
  if (done) say(done);
}

async function copyLink() {
  if (await copy(location.href, "Link")) say("The link was copied. It shows the same results.");
}

async function copyCode(language, title) {
  const text = codeOf(language, current.requests());
  if (await copy(text, title)) say(`Copied as ${title}.`);
}
