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
};

/** Returns the node of a sequence, which copies it when it is clicked. */
function cell({ sequence }, title) {
  const take = async () => {
    if (await copy(sequence, title)) say(`${title} was copied.`);
  };
  const text = element("span", { className: "mono" }, sequence);
  const node = button("copy", title, () => void take(), { className: "sequence", "aria-label": `Copy ${title}: ${sequence}` });
  node.prepend(text);
  return node;
}
