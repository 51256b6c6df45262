/** The favourites, which are stored in the browser with their images. */

const NAME = "mirage.pins"; // the key in the browser's storage; another one would lose favourites
const listeners = new Set();
let saved = load();

/** All favourites, the newest last. */
export function favourites() {
  return saved;
}

/** Whether a frame is a favourite. */
export function isFavourite(frame) {
  return saved.some((other) => keyOf(other) === keyOf(frame));
}

/** Add a frame to the favourites, or remove it. */
export function toggleFavourite(frame) {
  const others = saved.filter((other) => keyOf(other) !== keyOf(frame));
  saved = others.length < saved.length ? others : [...saved, frame];
  store();
  for (const listener of listeners) listener();
}

/** Call a function after each change, in other tabs too. */
export function onFavourites(listener) {
  listeners.add(listener);
}

function keyOf({ model, version, seed, index, label, truncation, directions = {}, upscale = "" }) {
  return [model, version, seed, index, label, Number(truncation), JSON.stringify(directions), upscale].join();
}

function load() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? [];
  } catch {
    return [];
  }
}

/** Store as many as the browser has room for, without the oldest ones. */
function store() {
  for (;;) {
    try {
      localStorage.setItem(NAME, JSON.stringify(saved));
      return;
    } catch {
      if (saved.length === 0) return;
      saved = saved.slice(1);
    }
  }
}

addEventListener("storage", (event) => {
  if (event.key !== NAME) return;
  saved = load();
  for (const listener of listeners) listener();
});
