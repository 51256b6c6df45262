/** The view "Upscale": a picture that is dropped or chosen, before and after it is converted. */

import { setActions } from "./actions.js";
import { change, read } from "./address.js";
import { ask, RequestError } from "./api.js";
import { BeforeAfter } from "./before_after.js";
import { byId, element, save } from "./dom.js";
import { clearError, sentence, showError } from "./errors.js";

const OWNER = Symbol("upscale");
const TYPES = "image/png,image/jpeg,image/webp";

const WORDS = {
  upscale: { doing: "Enlarging", done: "Enlarged" },
  translate: { doing: "Translating", done: "Translated" },
};

let view = null;

/** Enlarge or translate the picture, if there is one, with the model and the scale of the state. */
export async function showUpscale({ state, version, signal }) {
  view ??= new UpscaleView();
  await view.show(state, version, signal);
}

/** Let pictures be dropped anywhere on the page; `isServed` tells whether a model takes them. */
export function prepareUpscale(isServed) {
  const hasFiles = ({ dataTransfer }) => isServed() && dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (relatedTarget === null) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    document.body.classList.remove("dropping");
    take(event.dataTransfer.files[0]);
  });
}

function take(file) {
  if (!file) return;
  view ??= new UpscaleView();
  view.file = file;
  change({ tab: "upscale" }, { push: read().tab !== "upscale" });
}

class UpscaleView {
  file = null;
  #key = null; // file, model and scale of what is shown
  #urls = [];
  #result = null; // { url, name }
  #input = element("input", { type: "file", id: "picture", accept: TYPES, className: "visually-hidden" });
  #hint = element("p", { className: "hint", id: "picture-hint" });
  #title = element("strong");
  #drop = element(
    "div",
    { className: "drop" },
    this.#input,
    element(
      "label",
      { htmlFor: "picture" },
      this.#title,
      element("span", {}, "or ", element("u", {}, "choose a file")),
    ),
    this.#hint,
  );
  #status = element("p", { className: "hint", role: "status" });
  #caption = element("figcaption", { className: "caption" });
  #comparison = new BeforeAfter();
  #actual = element("input", { type: "checkbox" });
  #stage = element(
    "figure",
    { className: "panel", hidden: true },
    this.#caption,
    this.#comparison.node,
  );

  constructor() {
    this.#input.addEventListener("change", () => {
      take(this.#input.files[0]);
      this.#input.value = ""; // the same file can be chosen again
    });
    this.#input.setAttribute("aria-describedby", "picture-hint");
    this.#actual.addEventListener("change", () => (this.#comparison.isActualSize = this.#actual.checked));
    const actions = element(
      "div",
      { className: "actions upscale-actions" },
      element("label", { className: "check" }, this.#actual, "Actual size"),
      this.#status,
    );
    byId("upscale").append(this.#drop, this.#stage, actions);
    this.#clear();
  }

  /** Show the state; resolves when the enlarged picture is shown. */
  async show({ scale }, version, signal) {
    const { limits } = version;
    this.#hint.textContent =
      `PNG, JPEG or WebP, at most ${sizeText(limits.picture_bytes)} and ${limits.picture_megapixels} megapixels.` +
      " The server does not keep it.";
    const key = [version.choice, scale];
    this.#offer(version, scale);
    if (this.file === null || sameItems(this.#key, [this.file, ...key])) return;
    this.#key = null;
    const file = this.file;
    clearError(OWNER);
    try {
      if (file.size > limits.picture_bytes) {
        throw new RequestError(413, {
          detail: `${file.name} has ${sizeText(file.size)}; at most ${sizeText(limits.picture_bytes)} are allowed`,
        });
      }
      await this.#convert(file, version, scaleOf(version, scale), signal);
      this.#key = [file, ...key];
      this.#offer(version, scale);
    } catch (error) {
      if (signal.aborted) return;
      this.#clear();
      this.#say("");
      if (!(error instanceof RequestError)) throw error;
      showError(OWNER, sentence(error.message));
      signal.addEventListener("abort", () => clearError(OWNER));
    }
  }

  #offer(version, scale) {
    const upload = this.file?.name ?? "picture.png";
    const path = pathOf(version, scaleOf(version, scale));
    const done = WORDS[version.task].done.toLowerCase();
    const download = { text: "Download PNG", run: () => save(this.#result.url, this.#result.name) };
    setActions({
      downloads: this.#result === null ? [] : [download],
      requests: () => [{ path, upload, accept: "image/png", save: this.#result?.name ?? `${done}.png` }],
      what: `the ${done} picture`,
    });
  }

  async #convert(file, version, scale, signal) {
    const { doing, done } = WORDS[version.task];
    this.#clear();
    const before = this.#url(file);
    const size = await sizeOf(before);
    signal.throwIfAborted();
    const words = size && `${size.width} × ${size.height}`;
    if (size) {
      this.#open();
      this.#caption.textContent = `${file.name}  ·  ${words}`;
      await this.#comparison.show(before, null, scaled(size, scale), file.name);
    }
    this.#say(`${doing} ${file.name} …`);
    const png = await ask(pathOf(version, scale), { body: file, accept: "image/png", signal });
    const after = this.#url(png);
    const large = await sizeOf(after);
    signal.throwIfAborted();
    this.#open();
    this.#caption.textContent = `${file.name}  ·  ${words ?? "?"} → ${large.width} × ${large.height}  ·  ${version.choice}`;
    await this.#comparison.show(size ? before : after, after, large, file.name);
    this.#result = { url: after, name: `${file.name.replace(/\.[^.]*$/, "")}-${version.task === "upscale" ? `${scale}x` : version.name}.png` };
    this.#actual.parentNode.hidden = false;
    this.#say(`${done} to ${large.width} × ${large.height} pixels, ${sizeText(png.size)}.`);
  }

  #open() {
    this.#stage.hidden = false;
    this.#drop.classList.add("compact");
    this.#title.textContent = "Drop another picture here";
  }

  /** Forget the last picture. */
  #clear() {
    this.#drop.classList.remove("compact");
    this.#title.textContent = "Drop a picture here";
    for (const url of this.#urls) URL.revokeObjectURL(url);
    this.#urls = [];
    this.#result = null;
    this.#stage.hidden = this.#actual.parentNode.hidden = true;
  }

  #url(blob) {
    this.#urls.push(URL.createObjectURL(blob));
    return this.#urls.at(-1);
  }

  #say(text) {
    this.#status.textContent = text;
  }
}

/** Returns width and height of a picture in pixels, or null if the browser cannot show it. */
async function sizeOf(src) {
  const image = new Image();
  image.src = src;
  try {
    await image.decode();
  } catch {
    return null;
  }
  return { width: image.naturalWidth, height: image.naturalHeight };
}

function scaleOf({ task, pictures }, scale) {
  return (task === "upscale" && Number(scale)) || pictures.scale;
}

/** Returns the path and query of the request for a version of a model. */
function pathOf({ task, name, version }, scale) {
  const query = new URLSearchParams({ model: name, version, ...(task === "upscale" ? { scale } : {}) });
  return `${task}?${query}`;
}

function scaled({ width, height }, scale) {
  return { width: Math.round(scale * width), height: Math.round(scale * height) };
}

function sizeText(bytes) {
  const mebibytes = bytes / 2 ** 20;
  if (mebibytes < 0.1) return `${Math.ceil(bytes / 1024)} KiB`;
  return `${mebibytes.toFixed(mebibytes < 10 ? 1 : 0)} MiB`;
}

function sameItems(first, second) {
  return first?.length === second.length && first.every((item, at) => item === second[at]);
}
