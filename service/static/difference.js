/** The difference of two frames of one size, pixel by pixel. */

import { element } from "./dom.js";

const GAIN = 2; // makes small differences visible

/** Returns `{ src, mean }`: a picture of |a − b| times GAIN, and its mean in grey levels of 255. */
export async function difference(first, second) {
  const [a, b] = await Promise.all([pixelsOf(first.src), pixelsOf(second.src)]);
  const canvas = element("canvas", { width: a.width, height: a.height });
  const context = canvas.getContext("2d");
  const result = context.createImageData(a.width, a.height);
  let sum = 0;
  for (let at = 0; at < a.data.length; at += 4) {
    for (let channel = 0; channel < 3; channel += 1) {
      const distance = Math.abs(seen(a.data, at, channel) - seen(b.data, at, channel));
      sum += distance;
      result.data[at + channel] = Math.min(255, GAIN * distance);
    }
    result.data[at + 3] = 255;
  }
  context.putImageData(result, 0, 0);
  return { src: canvas.toDataURL("image/png"), mean: sum / (0.75 * a.data.length) };
}

/** Returns a channel of a pixel as it is seen on black. */
function seen(data, at, channel) {
  return (data[at + channel] * data[at + 3]) / 255;
}

async function pixelsOf(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
  const { naturalWidth: width, naturalHeight: height } = image;
  const context = element("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, width, height);
}
