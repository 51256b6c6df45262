/** The views "Upscale" and "Translate": a picture that is dropped or chosen, before and after. */

import { setActions } from "./actions.js";
import { change, randomSeed, read } from "./address.js";
import { ask, RequestError } from "./api.js";
import { BeforeAfter } from "./before_after.js";
import { button, byId, element, save } from "./dom.js";
import { clearError, sentence, showError } from "./errors.js";
import { remember } from "./history.js";
import { thumbnailOf } from "./images.js";
import { firstChoice, generatorsOf, parseChoice } from "./models.js";

const OWNER = Symbol("convert");
const TYPES = "image/png,image/jpeg,image/webp";
const MAX_FILES = 20; // that can be gone back to until the page is closed
const WORDS = {
  upscale: { doing: "Enlarging", done: "Enlarged", title: "Upscale" },
  translate: { doing: "Translating", done: "Translated", title: "Translate" },
};

const files = new Map(); // number in the URL → file
let view = null; // of both tasks, so that a picture can be taken from one to the other

/** Enlarge or translate the picture, if there is one, with the model and the scale of the state. */
export async function showConvert({ state, models, version, signal }) {
  view ??= new ConvertView();
  await view.show(state, models, version, signal);
}

/** Let pictures be dropped anywhere on the page; `tasks` returns those of which a model is served. */
export function prepareConvert(tasks) {
  const hasFiles = ({ dataTransfer }) => tasks().length > 0 && dataTransfer?.types.includes("Files");
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
    const { tab } = read();
    take(event.dataTransfer.files[0], tasks().includes(tab) ? tab : tasks()[0]);
  });
}

/** Show a file in the view of a task. */
function take(file, tab) {
  if (!file) return;
  const picture = randomSeed();
  files.set(picture, file);
  if (files.size > MAX_FILES) files.delete(files.keys().next().value);
  change({ tab, picture }, { push: true });
}

function fail(error) {
  showError(OWNER, sentence(error.message));
  if (!(error instanceof RequestError)) throw error;
}

/** Take an image of a generator. */
async function takeExample(choice, tab) {
  const { name, version } = parseChoice(choice);
  const seed = randomSeed();
  const png = await ask("generate", { json: { model: name, version, seed }, accept: "image/png" });
  take(new File([png], `${name}-${version}-${seed}.png`), tab);
}

class ConvertView {
  #file = null;
  #node;
  #key = null; // file, model and scale of what is shown
  #urls = [];
  #result = null; // { url, name }
  #input = element("input", { type: "file", id: "picture", accept: TYPES, className: "visually-hidden" });
  #hint = element("p", { className: "hint", id: "picture-hint" });
  #title = element("strong");
  #example = button("shuffle", "Try a generated image", null);
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
    this.#example,
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
      take(this.#input.files[0], read().tab);
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
    this.#node = element("div", { className: "convert" }, this.#drop, this.#stage, actions);
    this.#clear();
  }

  /** Show the state; resolves when the new picture is shown. */
  async show({ picture, scale }, models, version, signal) {
    const { limits } = version;
    byId(version.task).append(this.#node);
    this.#file = files.get(picture) ?? null;
    this.#hint.textContent =
      `PNG, JPEG or WebP, at most ${sizeText(limits.picture_bytes)} and ${limits.picture_megapixels} megapixels.` +
      " The server does not keep it.";
    this.#example.hidden = firstChoice(generatorsOf(models)) === null;
    this.#example.onclick = () => takeExample(firstChoice(generatorsOf(models)), version.task).catch(fail);
    const key = [this.#file, version.choice, scale];
    if (this.#file === null) {
      this.#clear();
      this.#say(picture ? "The picture of this link is not kept. Choose it again." : "");
    }
    this.#offer(version, scale);
    if (this.#file === null || sameItems(this.#key, key)) return;
    this.#key = null;
    const file = this.#file;
    clearError(OWNER);
    try {
      if (file.size > limits.picture_bytes) {
        throw new RequestError(413, {
          detail: `${file.name} has ${sizeText(file.size)}; at most ${sizeText(limits.picture_bytes)} are allowed`,
        });
      }
      await this.#convert(file, version, scaleOf(version, scale), signal);
      this.#key = key;
      this.#offer(version, scale);
      const { image } = this.#comparison;
      remember(`${WORDS[version.task].title} · ${version.choice} · ${file.name}`, thumbnailOf(image, { width: image.naturalWidth, height: image.naturalHeight }));
    } catch (error) {
      if (signal.aborted) return;
      this.#clear();
      this.#say("");
      fail(error);
      signal.addEventListener("abort", () => clearError(OWNER));
    }
  }

  #offer(version, scale) {
    const upload = this.#file?.name ?? "picture.png";
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
    this.#key = null;
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
