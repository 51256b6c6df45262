/** Sequences: their text, and a button that copies it. */

import { say } from "./actions.js";
import { copy } from "./clipboard.js";
import { button, element } from "./dom.js";

export const sequences = {
  title: "Sequences",
  listed: "sequences",
  does: "makes sequences",
  count: 25,
  single: "text/plain",
  several: "text/plain",
  suffix: ".txt",
  lead: ({ sequence }) => `Sequences of ${sequence.tokens.toLocaleString()} symbols of the ${sequence.alphabet.length} in ${sequence.alphabet}`,
  bytes: ({ sequence }) => new TextEncoder().encode(`${sequence}\n`),
  cell,
  walk: { accept: "text/plain", read: (text) => stepsOf(text.split("\n").slice(0, -1)) },
};

/** Returns the items of a walk, which know the sequence before them. */
function stepsOf(lines) {
  return lines.map((sequence, number) => ({ sequence, before: lines[number - 1] ?? sequence }));
}

/** Returns the node of a sequence, which copies it when it is clicked; marks what differs from `before`. */
function cell({ sequence, before = sequence }, title) {
  const take = async () => {
    if (await copy(sequence, title)) say(`${title} was copied.`);
  };
  const text = element("span", { className: "mono" }, ...marked([...sequence], [...before]));
  const node = button("copy", title, () => void take(), { className: "sequence", "aria-label": `Copy ${title}: ${sequence}` });
  node.prepend(text);
  return node;
}

/** Returns symbols as text, with marks around the runs that differ from those before. */
function marked(symbols, before) {
  const runs = [];
  symbols.forEach((symbol, at) => {
    const differs = symbol !== before[at];
    if (runs.at(-1)?.differs === differs) runs.at(-1).text += symbol;
    else runs.push({ differs, text: symbol });
  });
  return runs.map(({ differs, text }) => (differs ? element("mark", {}, text) : text));
}
