/** One frame, large, with what it is and what can be done with it. */

import { change, read } from "./address.js";
import { button, byId, element, icon, save } from "./dom.js";
import { curlOf, fileNameOf, shownWidth, spoken } from "./images.js";
import { isPinned, togglePin } from "./pins.js";

const LARGE = 448; // CSS pixels

let frames = [];
let position = 0;

/** Open the viewer on one of many frames. */
export function openViewer(all, at) {
  frames = all.filter(Boolean);
  position = frames.indexOf(all[at]);
  fill();
  if (!byId("viewer").open) byId("viewer").showModal();
}

/** Let the viewer listen to its keys; once, at the start. */
export function prepareViewer() {
  const dialog = byId("viewer");
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) go(step);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // the backdrop
  });
}

function go(step) {
  position = (position + step + frames.length) % frames.length;
  fill();
}

function fill() {
  const frame = frames[position];
  const dialog = byId("viewer");
  const focused = document.activeElement?.id;
  dialog.replaceChildren(picture(frame), about(frame), closer());
  dialog.querySelector(`#${focused || "viewer-close"}`)?.focus();
}

function picture(frame) {
  const image = element("img", { src: frame.src, alt: spoken(frame) });
  image.addEventListener("load", () => {
    const width = shownWidth(image.naturalWidth, Math.min(LARGE, innerWidth - 64));
    image.style.width = `${width}px`;
    image.classList.toggle("pixels", width > image.naturalWidth);
  });
  return element("figure", { className: "film" }, image);
}

function about(frame) {
  const facts = [
    ["Seed", frame.seed],
    ["Image", frame.index],
    ...(frame.class === null ? [] : [["Class", frame.class]]),
    ["Truncation", frame.truncation],
    ["Model", `${frame.model}@${frame.version}`],
  ];
  return element(
    "div",
    { className: "about" },
    element("h2", { id: "viewer-title" }, `${frame.seed}·${frame.index}`),
    element(
      "dl",
      {},
      ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, `${value}`)]),
    ),
    actions(frame),
    element("pre", { tabIndex: 0, "aria-label": "Command" }, curlOf(frame)),
    element("p", { id: "viewer-said", className: "hint", role: "status" }),
  );
}

function actions(frame) {
  const marked = isPinned(frame);
  const pin = button("pin", marked ? "Unpin" : "Pin", () => (togglePin(frame), fill()), {
    id: "viewer-pin",
    className: marked ? "on" : "",
  });
  return element(
    "div",
    { className: "actions" },
    pin,
    button("save", "Save PNG", () => save(frame.src, fileNameOf(frame)), { id: "viewer-save" }),
    button("copy", "Copy curl", () => copy(curlOf(frame)), { id: "viewer-copy" }),
    button("walk", "Add to walk", () => addToWalk(frame), { id: "viewer-walk" }),
    button("explore", "Explore", () => explore(frame), { id: "viewer-explore" }),
  );
}

function closer() {
  const turn = (name, label, step) =>
    element("button", { type: "button", "aria-label": label, on: { click: () => go(step) } }, icon(name));
  const close = element(
    "button",
    { type: "button", id: "viewer-close", "aria-label": "Close", on: { click: () => byId("viewer").close() } },
    icon("close"),
  );
  const many = frames.length > 1;
  return element(
    "div",
    { className: "turn" },
    many ? turn("left", "Image before", -1) : null,
    many ? turn("right", "Image after", 1) : null,
    close,
  );
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("The command is in the clipboard.");
  } catch {
    getSelection().selectAllChildren(byId("viewer").querySelector("pre"));
    say("This page may not use the clipboard: the command is selected.");
  }
}

function addToWalk(frame) {
  const points = read().points.split(",").filter(Boolean);
  points.push([frame.seed, frame.index, ...(frame.label === null ? [] : [frame.label])].join("."));
  change({ points: points.join() }, { quiet: true });
  say(points.length === 1 ? "The walk begins here." : `The walk has ${points.length} points.`);
}

function explore(frame) {
  const { seed, model } = read();
  const choice = `${frame.model}@${frame.version}`;
  const here = seed === frame.seed && model === choice ? {} : { class: frame.class ?? "" };
  byId("viewer").close();
  change(
    { ...here, tab: "explore", model: choice, seed: frame.seed, at: frame.index, moves: "" },
    { push: true },
  );
}

function say(text) {
  byId("viewer-said").textContent = text;
}
