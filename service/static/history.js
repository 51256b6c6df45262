/** What was shown lately, stored in this browser; each entry is a link. */

import { change } from "./address.js";
import { button, byId, element, icon, saveText } from "./dom.js";

const NAME = "mirage.history"; // the key in the browser's storage
const MAX_ENTRIES = 50;

/** Remember the state of the page under a title, unless it is the newest entry. */
export function remember(title, image = null) {
  const query = location.search;
  const others = entries().filter((entry) => entry.query !== query);
  const entry = { query, title, image, at: new Date().toISOString() };
  store([entry, ...others].slice(0, MAX_ENTRIES));
}

/** Open the dialog with all entries. */
export function openHistory() {
  fill();
  byId("history").showModal();
}

function fill() {
  const all = entries();
  const dialog = byId("history");
  const close = element("button", { type: "button", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("close"));
  dialog.replaceChildren(
    element("div", { className: "dialog-head" }, element("h2", { id: "history-title" }, "History"), close),
    element("p", { className: "hint" }, all.length > 0 ? "What this browser has shown lately. Each entry shows the same images again; pictures of your own only until the page is closed." : "Nothing was shown yet."),
    element("ol", { className: "entries", tabIndex: all.length > 8 ? 0 : -1, "aria-label": "Entries" }, ...all.map(row)),
    element(
      "div",
      { className: "actions" },
      button("save", "Export", () => exportAll(all), { disabled: all.length === 0 }),
      button("close", "Clear", () => (store([]), fill()), { disabled: all.length === 0 }),
    ),
  );
}

function row({ query, title, image, at }) {
  const open = (event) => {
    event.preventDefault();
    byId("history").close();
    change(Object.fromEntries(new URLSearchParams(query)), { push: true, only: true });
  };
  const when = new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return element(
    "li",
    {},
    element(
      "a",
      { href: query || ".", on: { click: open } },
      image ? element("img", { src: image, alt: "", className: "pixels" }) : element("span", { className: "blank" }),
      element("span", {}, title),
      element("time", { dateTime: at }, when),
    ),
  );
}

function exportAll(all) {
  const links = all.map(({ query, title, at }) => ({ title, at, link: new URL(query || ".", document.baseURI).href }));
  saveText("mirage-history.json", JSON.stringify(links, null, 2));
}

function entries() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? [];
  } catch {
    return [];
  }
}

function store(all) {
  try {
    localStorage.setItem(NAME, JSON.stringify(all));
  } catch {
    // without room, the history keeps what it has
  }
}
