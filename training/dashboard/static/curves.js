/** Line charts with a common cursor, and a mark at the samples that are shown. */

import { byId, element, setText, svg } from "./dom.js";
import { kimg, number } from "./text.js";

const WIDTH = 320;
const HEIGHT = 150;
const LEFT = 44;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 22;
const STEPS = 100; // of the cursor from one end to the other by arrow keys

let charts = [];
let cursor = null; // in kimg; null: the latest values
let mark = null;

/** Listen to pointer and keys. */
export function startCurves() {
  const node = byId("curves");
  node.addEventListener("pointermove", ({ target, clientX }) => {
    const chart = charts.find(({ drawing }) => drawing.contains(target));
    moveCursor(chart ? chart.kimgAt(clientX) : null);
  });
  node.addEventListener("pointerleave", () => moveCursor(null));
  node.addEventListener("blur", () => moveCursor(null));
  node.addEventListener("keydown", (event) => {
    const to = afterKey(event.key);
    if (to === undefined) return;
    event.preventDefault();
    moveCursor(to);
  });
}

function afterKey(key) {
  const end = Math.max(0, ...charts.map(({ last }) => last));
  const now = cursor ?? end;
  const steps = { ArrowLeft: now - end / STEPS, ArrowRight: now + end / STEPS, Home: 0, End: end };
  if (key === "Escape") return null;
  return key in steps ? Math.min(end, Math.max(0, steps[key])) : undefined;
}

/** Draw all charts; those of one value are listed below them. */
export function showCurves(found) {
  const constant = found.filter(isConstant);
  charts = found.filter((chart) => !isConstant(chart)).map(drawn);
  byId("curves").replaceChildren(...charts.map(({ figure }) => figure));
  byId("curves").hidden = charts.length === 0;
  byId("curves-keys").hidden = charts.length === 0;
  const listed = constant.map(({ title, curves }) => `${title.toLowerCase()} ${number(curves[0].y[0])}`);
  setText(byId("constant"), listed.length ? `Constant: ${listed.join(", ")}.` : charts.length ? "" : "Curves appear with the second report.");
  update();
}

function isConstant({ curves }) {
  return curves.every(({ y }) => y.every((value) => value === curves[0].y[0]));
}

/** Mark the images seen of the samples that are shown; null marks nothing. */
export function markSamples(nimg) {
  mark = nimg === null ? null : nimg / 1000;
  update();
}

function moveCursor(to) {
  cursor = to;
  update();
}

function update() {
  for (const chart of charts) chart.update();
  setText(byId("cursor"), charts.length ? (cursor === null ? "Latest values" : `Values at ${kimg(1000 * cursor)} kimg`) : "");
}

/** Draw one chart; `update` moves its cursor, its mark and the values beside the names. */
function drawn({ title, explanation, x_ticks: xTicks, y_ticks: yTicks, curves }) {
  const across = scale(xTicks, LEFT, WIDTH - RIGHT);
  const up = scale(yTicks, HEIGHT - BOTTOM, TOP);
  const at = (x, y) => `${across(x).toFixed(1)},${up(clipped(y, yTicks)).toFixed(1)}`;
  const marker = line("mark");
  const hair = line("hair");
  const dots = curves.map((_, index) => svg("circle", { class: `dot ink-${index + 1}`, r: 3.2 }));
  const lines = curves.map(({ x, y }, index) =>
    svg("polyline", { class: `line ink-${index + 1}`, points: x.map((value, i) => at(value, y[i])).join(" ") }),
  );
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title} over thousands of images` },
    ...axes(xTicks, yTicks, across, up), marker, ...lines, hair, ...dots,
  );
  const values = curves.map(() => element("b"));
  const keys = curves.map(({ name }, index) =>
    element("li", { className: `key ink-${index + 1}` }, `${name} `, values[index]),
  );
  const figure = element(
    "figure", { className: "card chart" },
    element("figcaption", {}, element("h3", {}, title), element("ul", {}, ...keys)),
    drawing,
    element("p", { className: "hint" }, explanation),
  );
  const last = Math.max(...curves.map(({ x }) => x.at(-1)));
  return { figure, drawing, last, kimgAt, update: move };

  function kimgAt(clientX) {
    const box = drawing.getBoundingClientRect();
    const share = (((clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - RIGHT - LEFT);
    return Math.min(last, Math.max(0, xTicks[0] + share * (xTicks.at(-1) - xTicks[0])));
  }

  function move() {
    place(marker, mark !== null && mark <= xTicks.at(-1) ? across(mark) : null);
    place(hair, cursor === null || cursor > xTicks.at(-1) ? null : across(cursor));
    curves.forEach(({ x, y }, index) => {
      const i = cursor === null ? x.length - 1 : nearest(x, cursor);
      setText(values[index], number(y[i]));
      dots[index].style.display = cursor === null ? "none" : "";
      dots[index].setAttribute("cx", across(x[i]));
      dots[index].setAttribute("cy", up(clipped(y[i], yTicks)));
    });
  }
}

function scale(ticks, start, end) {
  const [low, high] = [ticks[0], ticks.at(-1)];
  return (value) => start + ((value - low) / (high - low)) * (end - start);
}

function clipped(value, ticks) {
  return Math.min(ticks.at(-1), Math.max(ticks[0], value));
}

function nearest(xs, x) {
  const after = xs.findIndex((value) => value >= x);
  if (after < 1) return after < 0 ? xs.length - 1 : 0;
  return xs[after] - x < x - xs[after - 1] ? after : after - 1;
}

function line(kind) {
  return svg("path", { class: kind });
}

function place(path, x) {
  path.style.display = x === null ? "none" : "";
  if (x !== null) path.setAttribute("d", `M${x.toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}`);
}

function axes(xTicks, yTicks, across, up) {
  const rules = yTicks.flatMap((tick) => [
    svg("path", { class: "rule", d: `M${LEFT} ${up(tick).toFixed(1)}H${WIDTH - RIGHT}` }),
    svg("text", { x: LEFT - 6, y: up(tick) + 3.5, "text-anchor": "end" }, String(Number(tick.toPrecision(4)))),
  ]);
  const labels = xTicks.map((tick, index) =>
    svg("text", { x: across(tick), y: HEIGHT - 6, "text-anchor": index === xTicks.length - 1 ? "end" : "middle" }, String(tick)),
  );
  return [...rules, ...labels];
}
