/** Creates elements. Text is inserted as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Creates an element with properties (`className`, `hidden` …), attributes (names with a dash, `role`),
 * listeners (`on: { click }`) and children (nodes or text; null is skipped).
 */
export function element(tag, { on = {}, ...properties } = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node && !name.includes("-")) node[name] = value;
    else node.setAttribute(name, value);
  }
  for (const [type, listener] of Object.entries(on)) node.addEventListener(type, listener);
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Returns the element with an id, which must exist. */
export function byId(id) {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`the page has no element ${id}`);
  return node;
}

/** Creates one of the icons that the page defines. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Creates a button with an icon and a text. */
export function button(name, text, click, properties = {}) {
  return element("button", { type: "button", on: click ? { click } : {}, ...properties }, icon(name), text);
}

/** Fills a slider's track from zero, or from its lower end, to its value. */
export function fillTrack(slider) {
  const [low, high, value] = [slider.min, slider.max, slider.value].map(Number);
  const share = (number) => (high > low ? (100 * (number - low)) / (high - low) : 0);
  const [from, at] = [share(Math.max(low, Math.min(0, high))), share(value)];
  slider.style.setProperty("--from", `${Math.min(from, at)}%`);
  slider.style.setProperty("--at", `${Math.max(from, at)}%`);
}

/** Downloads a URL as a file. */
export function save(href, name) {
  element("a", { href, download: name }).click();
}

/** Downloads a blob as a file. */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Downloads a text as a file. */
export function saveText(name, text) {
  saveBlob(new Blob([text], { type: "application/json" }), name);
}
