/** The models of the server and their versions. */

import { ask } from "./api.js";

const described = new Map(); // name@version → description

/** Lists all models: name, released, versions, default, task, scale. */
export async function listModels(signal) {
  const { models } = await ask("models", { signal });
  return models;
}

/** Lists every published version as `{ choice: "mnist@1", name, text }`, the newest of a model first. */
export function choicesOf(models) {
  return models.flatMap(({ name, versions, released }) =>
    [...versions].reverse().map((version) => ({
      choice: `${name}@${version}`,
      name,
      text: `${name} ${version}${version === released ? "" : " (not released)"}`,
    })),
  );
}

/** Whether a model generates images for requests that name none, or is the only one of the server. */
export function hasDefault(models) {
  return models.length === 1 || models.some((model) => model.default && model.task === "generate");
}

/** Returns the two newest versions of the default model, else of the first model that has two. */
export function newestPair(models) {
  const many = models.filter(({ versions }) => versions.length > 1);
  const { name, versions } = many.find((model) => model.default) ?? many[0] ?? {};
  if (name === undefined) return {};
  return { model: `${name}@${versions.at(-2)}`, against: `${name}@${versions.at(-1)}` };
}

const PICTURE_FIELDS = { upscale: "upscaler", translate: "translator" };
const PICTURE_TASKS = Object.keys(PICTURE_FIELDS);

/** Tells whether models of a task take pictures. The view of such a task has its name. */
export function isOfPictures(task) {
  return task in PICTURE_FIELDS;
}

/** Returns the field of the state that holds the model of a view. */
export function fieldOf(tab) {
  return PICTURE_FIELDS[tab] ?? "model";
}

/** Returns the models that generate images. A model without a version in memory may be one. */
export function generatorsOf(models) {
  return models.filter(({ task }) => !isOfPictures(task));
}

/** Returns the models that enlarge pictures. */
export function upscalersOf(models) {
  return modelsFor("upscale", models);
}

/** Returns the tasks on pictures of which there is a model. */
export function pictureTasksOf(models) {
  return PICTURE_TASKS.filter((task) => modelsFor(task, models).length > 0);
}

/** Returns the models that a view can show. */
export function modelsFor(tab, models) {
  if (tab === "model" || tab === "gallery") return models;
  return isOfPictures(tab) ? models.filter(({ task }) => task === tab) : generatorsOf(models);
}

/** Returns the version to show if the URL has none: the release of the default model. */
export function firstChoice(models) {
  const released = models.filter((model) => model.released !== null);
  const first = released.find((model) => model.default) ?? released[0];
  return first ? `${first.name}@${first.released}` : (choicesOf(models)[0]?.choice ?? null);
}

/** Parses a choice to name and version; null if it is invalid. */
export function parseChoice(choice) {
  const found = /^([a-z0-9_-]+)@([1-9][0-9]{0,14})$/.exec(choice);
  return found && { name: found[1], version: Number(found[2]) };
}

/** Describes a version and the runtime of its model. The server loads it first if needed. */
export async function describe(choice, signal) {
  if (!described.has(choice)) described.set(choice, await fetchVersion(choice, signal));
  return described.get(choice);
}

async function fetchVersion(choice, signal) {
  const { name, version } = parseChoice(choice);
  const find = async () => {
    const model = await ask(`models/${name}`, { signal });
    const found = model.loaded.find((loaded) => loaded.version === version);
    return found && { ...found, name, choice, runtime: model.runtime, limits: model.limits };
  };
  return (await find()) ?? (await load(name, version, signal), await find());
}

/** Makes the server load a version, by generating an image or converting a small one. */
async function load(model, version, signal) {
  const query = new URLSearchParams({ model, version });
  const send = async (task) => ask(`${task}?${query}`, { body: await smallPicture(), accept: "image/png", signal });
  const attempts = [
    () => ask("generate", { json: { model, version }, accept: "image/png", signal }),
    ...PICTURE_TASKS.map((task) => () => send(task)),
  ];
  for (const [number, attempt] of attempts.entries()) {
    try {
      return await attempt();
    } catch (error) {
      if (error.status !== 422 || number === attempts.length - 1) throw error;
    }
  }
}

function smallPicture() {
  return new OffscreenCanvas(1, 1).convertToBlob();
}
