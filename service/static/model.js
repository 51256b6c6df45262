/** The fifth view: the model card. What it is, how good it is, of what and when it was made. */

import { ask } from "./api.js";
import { byId, element } from "./dom.js";
import { shownWidth } from "./images.js";

const LARGE = 560; // CSS pixels of the samples
const PERCENT = (value) => `${(100 * value).toFixed(1)} %`;
const NUMBER = (value) => value.toPrecision(3);
/** What each score says, in plain words; `more`: whether more is better. */
const SCORES = {
  agreement: { title: "Shows what was asked for", more: true, text: PERCENT, about: "of the images are judged to be of the class that was asked for" },
  coverage: { title: "Leaves little out", more: true, text: PERCENT, about: "of the real images have a generated one close by" },
  density: { title: "Stays close", more: true, text: NUMBER, about: "generated images lie where real ones lie; about 1 is like real data" },
  precision: { title: "Looks real", more: true, text: PERCENT, about: "of the generated images lie among real ones" },
  recall: { title: "Shows variety", more: true, text: PERCENT, about: "of the real images lie among generated ones" },
  frechet: { title: "Distance to real images", more: false, text: NUMBER, about: "Fréchet distance of features; smaller is better" },
  kernel: { title: "Distance to real images, by kernels", more: false, text: NUMBER, about: "unbiased kernel distance of features; smaller is better" },
  memorised: { title: "Copies little", more: false, text: PERCENT, about: "of the images lie nearer to a training image than unseen real ones do; smaller is better" },
  cas: { title: "Fit to learn from", more: true, text: PERCENT, about: "accuracy gained or lost by a classifier that learns from generated images alone" },
};

let shown = null;

/** Show the card of a version. */
export async function showModel({ version, signal }) {
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
  const edge = element("figcaption", { className: "film-edge" }, `${choice}  ·  samples`);
  if (samples === null) return element("p", { className: "hint" }, "This version comes without samples.");
  const src = URL.createObjectURL(samples);
  const image = element("img", { src, alt: `Samples of ${choice}` });
  await image.decode();
  const width = shownWidth(image.naturalWidth, LARGE);
  image.style.width = `${width}px`;
  image.classList.toggle("pixels", width > image.naturalWidth);
  return element("figure", { className: "film" }, edge, image);
}

function wordsOf(version, card) {
  const { choice, image, labels, latent_dim: size, training, runtime } = version;
  const sections = sectionsOf(card);
  return element(
    "div",
    { className: "words" },
    element("h2", {}, choice),
    element("p", { className: "lead" }, lead(image, labels)),
    element("h3", {}, "How good it is"),
    scoresOf(version.scores),
    ...["Data and licence", "Limits"].flatMap((title) => section(title, sections.get(title))),
    element("h3", {}, "Where it comes from"),
    facts([
      ["Published", new Date(version.created).toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" })],
      ["Training", `${training.kimg} thousand images, preset ${training.preset}, seed ${training.seed}`],
      ["Made with", `Mirage ${training.code_version}, PyTorch ${training.torch_version}`],
      ["Data fingerprint", training.data_fingerprint, "mono"],
      ["Graph's SHA-256", version.sha256, "mono"],
    ]),
    element("h3", {}, "How it runs here"),
    facts([
      ["Latents", `${size} numbers`],
      ["Provider", `${runtime.provider}, ${runtime.precision}`],
      ["onnxruntime", runtime.onnxruntime],
      ["Instructions", runtime.instruction_set],
      ["Mirage", runtime.mirage],
    ]),
  );
}

function lead({ width, height, channels }, labels) {
  const kind = { 1: "in grey", 3: "in colour", 4: "in colour with transparency" }[channels];
  const classes = labels.length > 0 ? `, of ${labels.length} classes: ${labels.join(", ")}` : "";
  return `Images of ${width} × ${height} pixels ${kind}${classes}.`;
}

function scoresOf(scores) {
  const names = Object.keys(scores);
  if (names.length === 0) return element("p", {}, "Nobody has scored this version yet.");
  return element("ul", { className: "scores" }, ...names.map((name) => scoreOf(name, scores[name])));
}

function scoreOf(name, { value, floor, n }) {
  const known = SCORES[name] ?? { title: name, more: null, text: NUMBER, about: "" };
  const parts = [known.about];
  if (floor !== null && floor !== undefined) parts.push(besideFloor(known, value, floor));
  if (n) parts.push(`measured on ${n.toLocaleString()} images`);
  return element(
    "li",
    {},
    element("b", {}, known.text(value)),
    element("div", {}, element("strong", {}, known.title), element("span", {}, `${parts.filter(Boolean).join("; ")}.`)),
  );
}

/** The floor is what real images reach when they are held against other real images. */
function besideFloor({ more, text }, value, floor) {
  const reached = `real images against real ones reach ${text(floor)}`;
  if (more !== false || text === PERCENT || floor <= 0) return reached;
  return `${reached}, so this is ${(value / floor).toFixed(1)} times as far`;
}

/** The parts of a card's Markdown by their headings. */
function sectionsOf(card) {
  const parts = card.split(/^## +/m).slice(1);
  return new Map(parts.map((part) => [part.split("\n", 1)[0].trim(), part.replace(/^.*\n/, "").trim()]));
}

function section(title, text) {
  if (!text) return [];
  return [element("h3", {}, title), ...text.split(/\n{2,}/).map((paragraph) => element("p", {}, plain(paragraph)))];
}

/** Markdown's marks would only disturb here. */
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
