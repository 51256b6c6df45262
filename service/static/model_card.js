/** The view "Model card": what the model makes, its scores, its data and its origin. */

import { ask } from "./api.js";
import { byId, element } from "./dom.js";
import { shownWidth } from "./images.js";

const LARGE = 560; // CSS pixels of the samples
const PERCENT = (value) => `${(100 * value).toFixed(1)} %`;
const DECIBELS = (value) => `${value.toFixed(1)} dB`;
const NUMBER = (value) => value.toPrecision(3);
/** The title and explanation of each score; `more`: whether higher is better. */
const SCORES = {
  agreement: { title: "Shows the requested class", more: true, text: PERCENT, about: "of the images are classified as the requested class" },
  coverage: { title: "Covers the data", more: true, text: PERCENT, about: "of the real images have a generated image close to them" },
  density: { title: "Stays close to the data", more: true, text: NUMBER, about: "how densely real images surround generated ones; real data reaches about 1" },
  precision: { title: "Looks real", more: true, text: PERCENT, about: "of the generated images lie within the real data" },
  recall: { title: "Shows variety", more: true, text: PERCENT, about: "of the real images lie within the generated data" },
  frechet: { title: "Distance to real images", more: false, text: NUMBER, about: "Fréchet distance of features; lower is better" },
  kernel: { title: "Kernel distance to real images", more: false, text: NUMBER, about: "unbiased kernel distance of features; lower is better" },
  memorised: { title: "Copies little", more: false, text: PERCENT, about: "of the images are closer to a training image than unseen real images are; lower is better" },
  psnr_y: { title: "Close to the original", more: true, text: DECIBELS, about: "PSNR of the luminance of reduced and enlarged pictures" },
  ssim_y: { title: "Structure of the original", more: true, text: NUMBER, about: "SSIM of the luminance; 1 is identical" },
  gmsd: { title: "Deviation of edges", more: false, text: NUMBER, about: "gradient magnitude similarity deviation; lower is better" },
  consistency: { title: "Agrees with the input", more: false, text: NUMBER, about: "grey levels between the input and the reduced output; lower is better" },
  natural_scenes: { title: "Distance of statistics", more: false, text: NUMBER, about: "Fréchet distance of natural-scene statistics; lower is better" },
  psnr_y_bicubic: { title: "Bicubic interpolation", more: true, text: DECIBELS, about: "PSNR of bicubic interpolation on the same pictures" },
  psnr_y_lanczos: { title: "Lanczos interpolation", more: true, text: DECIBELS, about: "PSNR of Lanczos interpolation on the same pictures" },
  psnr_y_sharpened: { title: "Sharpened bicubic", more: true, text: DECIBELS, about: "PSNR of sharpened bicubic interpolation on the same pictures" },
  least_gain: { title: "Worst picture", more: true, text: DECIBELS, about: "gain over bicubic interpolation on the picture with the least gain" },
  cas: { title: "Useful as training data", more: true, text: PERCENT, about: "change in accuracy of a classifier trained on generated images only" },
};

let shown = null;

/** Show the model card of a version. */
export async function showModelCard({ version, signal }) {
  if (shown === version) return;
  const [samples, card] = await Promise.all([
    version.samples ? attachment(version, "samples", "image/png", signal) : null,
    version.card ? attachment(version, "card", "text/markdown", signal) : "",
  ]);
  signal.throwIfAborted();
  byId("model").replaceChildren(
    element("div", { className: "card" }, await pictureOf(samples, version), wordsOf(version, card)),
  );
  shown = version;
}

function attachment({ name, version }, what, accept, signal) {
  return ask(`models/${name}/${what}?version=${version}`, { accept, signal });
}

async function pictureOf(samples, { choice }) {
  const caption = element("figcaption", { className: "caption" }, `${choice}  ·  samples`);
  if (samples === null) return element("p", { className: "hint" }, "This version has no samples.");
  const src = URL.createObjectURL(samples);
  const image = element("img", { src, alt: `Samples of ${choice}` });
  await image.decode();
  const width = shownWidth(image.naturalWidth, LARGE);
  image.style.width = `${width}px`;
  image.classList.toggle("pixels", width > image.naturalWidth);
  return element("figure", { className: "panel" }, caption, image);
}

function wordsOf(version, card) {
  const { choice, latent_dim: size, training, runtime } = version;
  const sections = sectionsOf(card);
  return element(
    "div",
    { className: "words" },
    element("h2", {}, choice),
    element("p", { className: "lead" }, lead(version)),
    element("h3", {}, "Scores"),
    scoresOf(version.scores),
    ...["Data and licence", "Limits"].flatMap((title) => section(title, sections.get(title))),
    element("h3", {}, "Origin"),
    facts([
      ["Published", new Date(version.created).toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" })],
      ["Training", `${training.kimg} thousand images, preset ${training.preset}, seed ${training.seed}`],
      ["Trained with", `Mirage ${training.code_version}, PyTorch ${training.torch_version}`],
      ["Data fingerprint", training.data_fingerprint, "mono"],
      ["SHA-256 of the graph", version.sha256, "mono"],
    ]),
    element("h3", {}, "Runtime"),
    facts([
      ...(version.pictures ? [["Tiles", `${version.pictures.tile} pixels`]] : [["Latents", `${size} dimensions`]]),
      ["Provider", `${runtime.provider}, ${runtime.precision}`],
      ["onnxruntime", runtime.onnxruntime],
      ["Instruction sets", runtime.instruction_set],
      ["Mirage", runtime.mirage],
    ]),
  );
}

function lead({ image, pictures, labels }) {
  const { width, height, channels } = image ?? pictures;
  const kind = { 1: "in grey", 3: "in colour", 4: "in colour with transparency" }[channels];
  if (pictures) return `Enlarges pictures ${pictures.scale} times. Transparency is enlarged too.`;
  const classes = labels.length > 0 ? `, of ${labels.length} classes: ${labels.join(", ")}` : "";
  return `Images of ${width} × ${height} pixels ${kind}${classes}.`;
}

function scoresOf(scores) {
  const names = Object.keys(scores);
  if (names.length === 0) return element("p", {}, "This version has no scores.");
  return element("ul", { className: "scores" }, ...names.map((name) => scoreOf(name, scores[name])));
}

function scoreOf(name, { value, floor, n }) {
  const known = SCORES[name] ?? { title: name, more: null, text: NUMBER, about: "" };
  const parts = [known.about];
  if (floor !== null && floor !== undefined) parts.push(comparedToFloor(known, value, floor));
  if (n) parts.push(`measured on ${n.toLocaleString()} images`);
  return element(
    "li",
    {},
    element("b", {}, known.text(value)),
    element("div", {}, element("strong", {}, known.title), element("span", {}, `${parts.filter(Boolean).join("; ")}.`)),
  );
}

/** Compares a score with its floor: the score of real images against other real images. */
function comparedToFloor({ more, text }, value, floor) {
  const reached = `real images reach ${text(floor)} against other real images`;
  if (more !== false || text === PERCENT || floor <= 0) return reached;
  return `${reached}; this is ${(value / floor).toFixed(1)} times as far`;
}

/** Splits a card's Markdown into sections by heading. */
function sectionsOf(card) {
  const parts = card.split(/^## +/m).slice(1);
  return new Map(parts.map((part) => [part.split("\n", 1)[0].trim(), part.replace(/^.*\n/, "").trim()]));
}

function section(title, text) {
  if (!text) return [];
  return [element("h3", {}, title), ...text.split(/\n{2,}/).map((paragraph) => element("p", {}, plain(paragraph)))];
}

/** Removes Markdown's code marks and links. */
function plain(paragraph) {
  return paragraph.replaceAll("`", "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
}

function facts(pairs) {
  return element(
    "dl",
    { className: "facts" },
    ...pairs.flatMap(([name, value, className = ""]) => [
      element("dt", {}, name),
      element("dd", { className }, String(value)),
    ]),
  );
}
