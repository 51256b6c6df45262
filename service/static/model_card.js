/** The view "Model card": what the model makes, its scores, its data and its origin. */

import { setActions } from "./actions.js";
import { ask } from "./api.js";
import { byId, element, save } from "./dom.js";
import { shownWidth } from "./images.js";
import { outputOf } from "./outputs.js";
import { scoreBars, scoreList } from "./scores.js";

const LARGE = { least: 660, most: 1100, share: 0.42 }; // CSS pixels of the samples, and share of the window's width
const CHROME = 220; // CSS pixels of what stands above and below them
const MANY = 20; // classes
let shown = null;

/** Show the model card of a version. */
export async function showModelCard({ version, signal }) {
  offer(version);
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

function offer({ name, version, choice, samples }) {
  const saveSamples = () => save(byId("model").querySelector("img").src, `${name}-${version}-samples.png`);
  setActions({
    downloads: samples ? [{ text: "Download samples", run: saveSamples }] : [],
    requests: () => [{ path: `models/${name}`, accept: "application/json", save: `${name}.json` }],
    what: `the description of ${choice}`,
  });
}

function attachment({ name, version }, what, accept, signal) {
  return ask(`models/${name}/${what}?version=${version}`, { accept, signal });
}

async function pictureOf(samples, { choice, image: size }) {
  const caption = element("figcaption", { className: "caption" }, `${choice}  ·  samples`);
  if (samples === null) return element("p", { className: "hint" }, "This version has no samples.");
  const src = URL.createObjectURL(samples);
  const image = element("img", { src, alt: `Samples of ${choice}` });
  await image.decode();
  const tallest = ((innerHeight - CHROME) * image.naturalWidth) / image.naturalHeight;
  const room = Math.max(LARGE.least, Math.min(LARGE.most, LARGE.share * innerWidth, tallest));
  const width = shownWidth(image.naturalWidth, Math.floor(room));
  image.style.width = `${width}px`;
  image.classList.toggle("alpha", size?.channels === 4);
  image.classList.toggle("pixels", width > image.naturalWidth);
  return element("figure", { className: "panel" }, caption, image);
}

function wordsOf(version, card) {
  const { choice, labels, latent_dim: size, training, runtime, scores } = version;
  const sections = sectionsOf(card);
  return element(
    "div",
    { className: "words" },
    element("h2", {}, choice),
    element("p", { className: "lead" }, lead(version)),
    scoreBars(scores),
    labels.length > MANY ? folded(`All ${labels.length.toLocaleString()} classes`, element("p", {}, labels.join(", "))) : "",
    folded(`All ${Object.keys(scores).length} scores`, scoreList(scores)),
    ...["Data and licence", "Limits"].filter((title) => sections.get(title)).map((title) => folded(title, ...paragraphs(sections.get(title)))),
    folded(
      "Origin",
      facts([
        ["Published", new Date(version.created).toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" })],
        ["Training", `${training.kimg.toLocaleString()} thousand images, preset ${training.preset}, seed ${training.seed}`],
        ["Trained with", `Mirage ${training.code_version}, PyTorch ${training.torch_version}`],
        ["Data fingerprint", training.data_fingerprint, "mono"],
        ["SHA-256 of the graph", version.sha256, "mono"],
      ]),
    ),
    folded(
      "Runtime",
      facts([
        ...(version.pictures ? [["Tiles", `${version.pictures.tile} pixels`]] : [["Latents", `${size} dimensions`]]),
        ["Provider", `${runtime.provider}, ${runtime.precision}`],
        ["onnxruntime", runtime.onnxruntime],
        ["Instruction sets", runtime.instruction_set],
        ["Mirage", runtime.mirage],
      ]),
    ),
  );
}

function folded(title, ...children) {
  return element("details", {}, element("summary", {}, title), ...children);
}

function lead(version) {
  const { task, image, pictures, labels } = version;
  const classes = labels.length > 0 ? `, of ${labels.length.toLocaleString()} classes${labels.length > MANY ? "" : `: ${labels.join(", ")}`}` : "";
  const output = outputOf(version);
  if (output !== null) return `${output.lead(version)}${classes}.`;
  const { width, height, channels } = image ?? pictures;
  const kind = { 1: "in grey", 3: "in colour", 4: "in colour with transparency" }[channels];
  if (task === "translate") return `Translates pictures ${kind} to another style, at their size.`;
  if (pictures) return `Enlarges pictures ${pictures.scale} times. Transparency is enlarged too.`;
  return `Images of ${width} × ${height} pixels ${kind}${classes}.`;
}

/** Splits a card's Markdown into sections by heading. */
function sectionsOf(card) {
  const parts = card.split(/^## +/m).slice(1);
  return new Map(parts.map((part) => [part.split("\n", 1)[0].trim(), part.replace(/^.*\n/, "").trim()]));
}

function paragraphs(text) {
  return text.split(/\n{2,}/).map((paragraph) => element("p", {}, plain(paragraph)));
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
