/** Numbers, durations and times as text. */

/** 366 016 images -> "366"; with one decimal below 100 thousand if it is not 0. */
export function kimg(nimg) {
  const thousands = nimg / 1000;
  return thousands.toLocaleString("en", { maximumFractionDigits: thousands < 100 ? 1 : 0 });
}

/** "45 s", "12 min", "3 h 05 min", "2 d 4 h". */
export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The time after some seconds, with the date if it is not today. */
export function clock(seconds) {
  const then = new Date(Date.now() + 1000 * seconds);
  const isToday = then.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { weekday: "short", day: "numeric", month: "short" };
  return then.toLocaleString("en-GB", { ...day, hour: "2-digit", minute: "2-digit" });
}

/** Three significant digits: 0.309, −12.3, 4.5e−7. */
export function number(value) {
  const size = Math.abs(value);
  const short = size !== 0 && (size < 1e-3 || size >= 1e5);
  const text = short ? value.toExponential(2).replace(/\.?0*e\+?/, "e") : String(Number(value.toPrecision(3)));
  return text.replaceAll("-", "−");
}

const SIGNALS = { d_gradient: "Discriminator’s gradient", g_gradient: "Generator’s gradient", r1_to_r2: "R1 to R2" };

/** The name of a signal as a title. */
export function title(name) {
  if (name in SIGNALS) return SIGNALS[name];
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
