/** The viewer: a single frame, its properties, and actions. */

import { change, read } from "./address.js";
import { copy } from "./clipboard.js";
import { languages } from "./code.js";
import { button, byId, element, icon, save } from "./dom.js";
import { fileNameOf, frameCode, shownWidth, spoken } from "./images.js";
import { isFavourite, toggleFavourite } from "./favourites.js";
import { appendPoint } from "./walk_points.js";

const LARGE = 448; // CSS pixels

let frames = [];
let others = null; // the same seeds of another version
let position = 0;

/** Open the viewer on one of many frames; `other` are the frames that it can be compared with. */
export function openViewer(all, at, other = null) {
  frames = all.filter(Boolean);
  const there = other?.filter(Boolean) ?? [];
  others = there.length === frames.length ? there : null;
  position = frames.indexOf(all[at]);
  fill();
  if (!byId("viewer").open) byId("viewer").showModal();
}

/** Add the listeners of the viewer. Call it once. */
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

function swap() {
  [frames, others] = [others, frames];
  fill();
}

function fill() {
  const frame = frames[position];
  const dialog = byId("viewer");
  const focused = document.activeElement?.id;
  dialog.replaceChildren(picture(frame), about(frame), navigation());
  dialog.querySelector(`#${focused || "viewer-close"}`)?.focus();
}

function picture(frame) {
  const image = element("img", { src: frame.src, alt: spoken(frame) });
  if (frame.src.startsWith("data:")) image.classList.add("alpha");
  image.addEventListener("load", () => {
    const width = shownWidth(image.naturalWidth, Math.min(LARGE, innerWidth - 64));
    image.style.width = `${width}px`;
    image.classList.toggle("pixels", width > image.naturalWidth);
  });
  return element("figure", { className: "panel" }, image);
}

function about(frame) {
  const facts = [
    ["Seed", frame.seed],
    ["Image", frame.index],
    ...(frame.class === null ? [] : [["Class", frame.class]]),
    ["Truncation", frame.truncation],
    ...moves(frame),
    ["Model", `${frame.model}@${frame.version}`],
    ...(frame.upscale ? [["Enlarged by", frame.upscale]] : []),
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
    element("pre", { tabIndex: 0, "aria-label": "Command" }, frameCode("curl", frame)),
    element("p", { id: "viewer-status", className: "hint", role: "status" }),
  );
}

function moves({ directions = {} }) {
  const moved = Object.entries(directions).map(([key, amount]) => `${key}: ${amount}`);
  return moved.length > 0 ? [["Directions", moved.join(", ")]] : [];
}

function actions(frame) {
  const marked = isFavourite(frame);
  const toggle = () => {
    toggleFavourite(frame);
    fill();
  };
  const favourite = button("favourite", marked ? "Remove favourite" : "Add favourite", toggle, {
    id: "viewer-favourite",
    className: marked ? "on" : "",
  });
  return element(
    "div",
    { className: "actions" },
    favourite,
    others === null ? null : button("swap", "Other side", swap, { id: "viewer-swap" }),
    button("save", "Save PNG", () => save(frame.src, fileNameOf(frame)), { id: "viewer-save" }),
    button("walk", "Add to walk", () => addToWalk(frame), { id: "viewer-walk" }),
    button("explore", "Explore", () => explore(frame), { id: "viewer-explore" }),
    element(
      "div",
      { className: "group", role: "group", "aria-label": "Copy as code" },
      element("span", { "aria-hidden": "true" }, "Copy as"),
      ...languages.map(([language, title]) => copyButton(language, title, frame)),
    ),
  );
}

function navigation() {
  const navigate = (name, label, step) =>
    element("button", { type: "button", id: `viewer-${name}`, "aria-label": label, on: { click: () => go(step) } }, icon(name));
  const close = element(
    "button",
    { type: "button", id: "viewer-close", "aria-label": "Close", on: { click: () => byId("viewer").close() } },
    icon("close"),
  );
  const many = frames.length > 1;
  return element(
    "div",
    { className: "navigation" },
    many ? navigate("left", "Previous image", -1) : null,
    many ? navigate("right", "Next image", 1) : null,
    close,
  );
}

function copyButton(language, title, frame) {
  const click = async () => {
    if (await copy(frameCode(language, frame), title)) say(`Copied as ${title}.`);
  };
  return element("button", { type: "button", id: `viewer-${language}`, "aria-label": `Copy this image as ${title}`, on: { click: () => void click() } }, title);
}

function addToWalk(frame) {
  say(appendPoint([frame.seed, frame.index, ...(frame.label === null ? [] : [frame.label])].join(".")));
}

function explore(frame) {
  const { seed, model } = read();
  const choice = `${frame.model}@${frame.version}`;
  const here = seed === frame.seed && model === choice ? {} : { class: frame.class ?? "" };
  byId("viewer").close();
  change(
    { ...here, tab: "explore", model: choice, seed: frame.seed, at: frame.index, moves: movesText(frame) },
    { push: true },
  );
}

function movesText({ directions = {} }) {
  return Object.entries(directions).map((pair) => pair.join(":")).join();
}

function say(text) {
  byId("viewer-status").textContent = text;
}
