/** The models of the server: which versions there are, and what one of them is. */

import { ask } from "./api.js";

const described = new Map(); // name@version → its description

/** All models as the server lists them: name, released, versions, default. */
export async function listModels(signal) {
  const { models } = await ask("models", { signal });
  return models;
}

/** Every published version as `{ choice: "mnist@1", text }`; the newest of a model first. */
export function choicesOf(models) {
  return models.flatMap(({ name, versions, released }) =>
    [...versions].reverse().map((version) => ({
      choice: `${name}@${version}`,
      text: `${name} ${version}${version === released ? "" : " (not released)"}`,
    })),
  );
}

/** What the page shows when the address names no version: the default model's release. */
export function firstChoice(models) {
  const released = models.filter((model) => model.released !== null);
  const first = released.find((model) => model.default) ?? released[0];
  return first ? `${first.name}@${first.released}` : (choicesOf(models)[0]?.choice ?? null);
}

/** Name and version of a choice; null when it is none. */
export function parseChoice(choice) {
  const found = /^([a-z0-9_-]+)@([1-9][0-9]{0,14})$/.exec(choice);
  return found && { name: found[1], version: Number(found[2]) };
}

/** A version with the runtime of its model. Versions that are not in memory are loaded first. */
export async function describe(choice, signal) {
  if (!described.has(choice)) described.set(choice, await fetchVersion(choice, signal));
  return described.get(choice);
}

async function fetchVersion(choice, signal) {
  const { name, version } = parseChoice(choice);
  const find = async () => {
    const model = await ask(`models/${name}`, { signal });
    const found = model.loaded.find((loaded) => loaded.version === version);
    return found && { ...found, name, choice, runtime: model.runtime };
  };
  return (await find()) ?? (await load(name, version, signal), await find());
}

/** Have the server load a version, by an image of it. */
async function load(model, version, signal) {
  await ask("generate", { json: { model, version }, accept: "image/png", signal });
}
