/** The scores of a version: three of them as bars beside real data, and all of them in words. */

import { element } from "./dom.js";

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
  patch_distance: { title: "Distance to the other style", more: false, text: NUMBER, about: "Fréchet distance of 8×8 patches to those of the style; lower is better" },
  source_found: { title: "Keeps the content", more: true, text: PERCENT, about: "of the translations have their own source as the nearest picture" },
  twin_l1: { title: "Distance to the same picture in the style", more: false, text: NUMBER, about: "mean absolute difference, of values in [−1, 1]; lower is better" },
  twin_gmsd: { title: "Deviation of edges from it", more: false, text: NUMBER, about: "gradient magnitude similarity deviation; lower is better" },
  twin_found: { title: "Finds the same picture in the style", more: true, text: PERCENT, about: "of the translations are nearest to it" },
  cas: { title: "Useful as training data", more: true, text: PERCENT, about: "change in accuracy of a classifier trained on generated images only" },
};
const SOURCE = "_source"; // ends the name of a score of pictures that are not translated
// In order of preference; two of a pair would say nearly the same.
const LEADS = ["agreement", "precision", "recall", "coverage", "frechet", "kernel", "psnr_y", "ssim_y", "consistency", "patch_distance", "twin_found", "twin_l1"];
const MOST = 3;

/** Returns up to three scores as bars beside real data, or beside what needs no model. */
export function scoreBars(scores) {
  const found = LEADS.filter((name) => name in scores && otherOf(scores, name) !== null).slice(0, MOST);
  if (found.length === 0) return element("p", {}, "This version has no scores to compare.");
  return element("ul", { className: "bars" }, ...found.map((name) => barsOf(name, scores)));
}

/** Returns all scores with their explanations. */
export function scoreList(scores) {
  const names = Object.keys(scores);
  if (names.length === 0) return element("p", {}, "This version has no scores.");
  return element("ul", { className: "scores" }, ...names.map((name) => scoreOf(name, scores[name])));
}

/** Returns the value to compare with, and its name; null if there is none. Pictures are compared with what needs no model. */
function otherOf(scores, name) {
  const source = scores[`${name}${SOURCE}`];
  if (source) return { value: source.value, title: "Untouched" };
  if (name === "psnr_y" && scores.psnr_y_bicubic) return { value: scores.psnr_y_bicubic.value, title: "Bicubic" };
  const floor = scores[name].floor ?? null;
  return floor === null ? null : { value: floor, title: "Real data" };
}

/** Returns what is known of a score. */
function aboutOf(name) {
  if (name in SCORES) return SCORES[name];
  const known = SCORES[name.replace(SOURCE, "")];
  if (known && name.endsWith(SOURCE)) return { ...known, title: `${known.title}: untouched`, about: "the same for the sources as they are" };
  return { title: name, more: null, text: NUMBER, about: "" };
}

function barsOf(name, scores) {
  const { title, more, text } = SCORES[name];
  const { value, n } = scores[name];
  const other = otherOf(scores, name);
  const whole = text === PERCENT ? 1 : Math.max(value, other.value, 0) || 1;
  const hint = [more ? "higher is better" : "lower is better", ...(n ? [`on ${n.toLocaleString()} images`] : [])].join(", ");
  return element(
    "li",
    {},
    element("h3", {}, title, element("small", {}, hint)),
    bar("This model", value, whole, text, "own"),
    bar(other.title, other.value, whole, text, "real"),
  );
}

function bar(title, value, whole, text, className) {
  const meter = element("span", { className: `bar ${className}`, "aria-hidden": "true" });
  meter.style.setProperty("--share", `${Math.max(0, Math.min(100, (100 * value) / whole))}%`);
  return element("p", {}, element("span", {}, title), meter, element("b", {}, text(value)));
}

function scoreOf(name, { value, floor, n }) {
  const known = aboutOf(name);
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

