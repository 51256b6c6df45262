/** The state of the page, stored in its URL, so that a link shows the same images. */

const DEFAULTS = {
  tab: "generate",
  model: "", // name@version
  seed: "",
  count: "", // empty: as many as fill the window
  class: "", // class name; empty: any
  truncation: "1",
  points: "", // points of the walk: seed.index.label, …
  steps: "16",
  loop: "",
  at: "0", // index of the explored image
  moves: "", // along directions, by index or name: 0:1.5,smile:-2
  against: "", // name@version to compare with
  upscale: "", // name@version that enlarges generated images; empty: none
  upscaler: "", // name@version that enlarges pictures
  translator: "", // name@version that translates pictures
  picture: "", // number of the picture that is converted; it exists until the page is closed
  scale: "", // of enlarged pictures; empty: the upscaler's
};
const READABLE = { "%40": "@", "%3A": ":", "%2C": "," };
const listeners = new Set();

/** Returns all fields as text. Fields that the URL lacks have their defaults. */
export function read() {
  const given = new URLSearchParams(location.search);
  return Object.fromEntries(
    Object.entries(DEFAULTS).map(([name, value]) => [name, given.get(name) ?? value]),
  );
}

/**
 * Change fields. `push` adds an entry to the browser's history; `quiet` calls no listeners; `only`
 * sets all other fields to their defaults.
 */
export function change(fields, { push = false, quiet = false, only = false } = {}) {
  const before = location.search;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...(only ? DEFAULTS : read()), ...fields })) {
    if (String(value) !== DEFAULTS[name]) query.set(name, value);
  }
  const text = query.toString().replace(/%(40|3A|2C)/g, (code) => READABLE[code]);
  const url = text ? `?${text}` : location.pathname;
  if (text !== before.slice(1)) history[push ? "pushState" : "replaceState"](null, "", url);
  if (!quiet) announce();
}

/** Call a function after each change, the browser's back button included. */
export function onChange(listener) {
  listeners.add(listener);
}

/** Draws a seed that is short enough to read aloud. */
export function randomSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000);
}

/** Whether a text is a seed: an unsigned integer of 64 bits. */
export function isSeed(text) {
  return /^[0-9]{1,20}$/.test(text) && BigInt(text) < 2n ** 64n;
}

function announce() {
  for (const listener of listeners) listener(read());
}

addEventListener("popstate", announce);
