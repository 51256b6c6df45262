/** The favourites. They are kept in the browser, pictures included. */

const NAME = "mirage.pins";
const listeners = new Set();
let pins = load();

/** All pinned frames, the newest last. */
export function pinned() {
  return pins;
}

/** Whether a frame is pinned. */
export function isPinned(frame) {
  return pins.some((pin) => keyOf(pin) === keyOf(frame));
}

/** Pin a frame, or let it go. */
export function togglePin(frame) {
  const others = pins.filter((pin) => keyOf(pin) !== keyOf(frame));
  pins = others.length < pins.length ? others : [...pins, frame];
  keep();
  for (const listener of listeners) listener();
}

/** Call a function after each change, in other tabs too. */
export function onPins(listener) {
  listeners.add(listener);
}

function keyOf({ model, version, seed, index, label, truncation }) {
  return [model, version, seed, index, label, Number(truncation)].join();
}

function load() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? [];
  } catch {
    return [];
  }
}

/** Keep as many as the browser has room for; the oldest go first. */
function keep() {
  for (;;) {
    try {
      localStorage.setItem(NAME, JSON.stringify(pins));
      return;
    } catch {
      if (pins.length === 0) return;
      pins = pins.slice(1);
    }
  }
}

addEventListener("storage", (event) => {
  if (event.key !== NAME) return;
  pins = load();
  for (const listener of listeners) listener();
});
