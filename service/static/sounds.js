/** Sounds: a waveform and a button that plays it. */

import { bytesOf } from "./archive.js";
import { button, element } from "./dom.js";

const WIDTH = 240; // CSS pixels of a waveform
const HEIGHT = 64;
const HEADER = 44; // bytes of a WAV before its samples
const LOUDEST = 32768;
let playing = null;

export const sounds = {
  title: "Sounds",
  listed: "sounds",
  does: "makes sounds",
  count: 12,
  single: "audio/wav",
  several: "application/zip",
  suffix: ".wav",
  lead: ({ sound }) => `Sounds of ${(sound.samples / sound.sample_rate).toFixed(2)} s at ${sound.sample_rate.toLocaleString()} Hz`,
  bytes: ({ wav }) => bytesOf(`,${wav}`),
  cell,
};

/** Returns the node of a sound: its waveform, which plays it when it is clicked. */
function cell({ wav }, title) {
  const wave = element("canvas", { width: 2 * WIDTH, height: 2 * HEIGHT, role: "img", "aria-label": `Waveform of ${title}` });
  const audio = new Audio(`data:audio/wav;base64,${wav}`);
  const play = button("play", title, () => void toggle(audio, play), { className: "sound", "aria-pressed": "false" });
  audio.addEventListener("ended", () => play.setAttribute("aria-pressed", "false"));
  audio.addEventListener("pause", () => play.setAttribute("aria-pressed", "false"));
  play.prepend(wave);
  requestAnimationFrame(() => draw(wave, bytesOf(`,${wav}`)));
  return play;
}

/** Play a sound from its start, or stop it. Only one sounds at a time. */
async function toggle(audio, play) {
  const was = playing;
  playing?.pause();
  playing = was === audio && play.getAttribute("aria-pressed") === "true" ? null : audio;
  if (playing === null) return;
  audio.currentTime = 0;
  play.setAttribute("aria-pressed", "true");
  await audio.play();
}

/** Draw the range of the samples of each column. */
function draw(canvas, bytes) {
  const samples = new DataView(bytes.buffer, HEADER);
  const count = samples.byteLength / 2;
  const context = canvas.getContext("2d");
  const middle = canvas.height / 2;
  context.fillStyle = getComputedStyle(canvas).color;
  for (let x = 0; x < canvas.width; x += 1) {
    const from = Math.floor((x * count) / canvas.width);
    const to = Math.max(from + 1, Math.floor(((x + 1) * count) / canvas.width));
    let [low, high] = [0, 0];
    for (let at = from; at < Math.min(to, count); at += 1) {
      const value = samples.getInt16(2 * at, true);
      [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
    const top = middle - (middle * high) / LOUDEST;
    context.fillRect(x, top, 1, Math.max(2, (middle * (high - low)) / LOUDEST));
  }
}
