/** What the page shows of models that make no images: one object for each output. */

import { sequences } from "./sequences.js";
import { sounds } from "./sounds.js";

const OUTPUTS = { audio: sounds, tokens: sequences };

/**
 * Returns how the output of a model or version is shown, or null if it makes images: `title` of the
 * list, `does` for cards, `count` of items at first, `lead` of the model card, `accept`, the suffix
 * of its files, and `cell`, which makes the node of an item. Those with the view Walk have `walk`: what
 * it accepts, and `read`, which makes items of the answer.
 */
export function outputOf({ output }) {
  return OUTPUTS[output] ?? null;
}
