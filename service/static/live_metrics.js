/** Shows the last answer's duration, and rates, latencies and the status of the service from its metrics. */

import { onAnswer } from "./api.js";
import { byId, element } from "./dom.js";
import { keyHeaders } from "./key.js";
import { listModels } from "./models.js";

const POLL_MS = 2000;
const WINDOW = 6; // samples that rates and quantiles are computed from
const LINE = /^(mirage_\w+)(?:\{(.*)\})? (\S+)$/;
const MIN_REQUESTS = 30; // in the window; percentiles of fewer say little
const STATUSES = { ready: "ready", empty: "no model", stopping: "not ready", unreachable: "unreachable", closed: "no access" };
const samples = [];
let last_ms = null;

/** Poll the metrics while the page is visible. */
export function startLiveMetrics() {
  onAnswer((ms) => {
    last_ms = ms;
    showLast();
  });
  void poll();
  setInterval(() => document.hidden || void poll(), POLL_MS);
}

async function poll() {
  try {
    const response = await fetch("metrics", { headers: keyHeaders(), cache: "no-store" });
    if (!response.ok) return show("closed", []);
    samples.push({ at: performance.now(), metrics: parseMetrics(await response.text()) });
    if (samples.length > WINDOW) samples.shift();
    show(await statusOf(samples.at(-1)), numbers());
  } catch {
    samples.length = 0;
    show("unreachable", []);
  }
}

async function statusOf(sample) {
  if (total(sample, "mirage_ready")) return "ready";
  const models = await listModels();
  return models.some(({ released }) => released) ? "stopping" : "empty";
}

/** Parses Prometheus' text format to `[{ name, labels, value }]`. */
export function parseMetrics(text) {
  return text.split("\n").flatMap((line) => {
    const found = LINE.exec(line);
    if (!found) return [];
    const labels = Object.fromEntries(
      [...(found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]),
    );
    return [{ name: found[1], labels, value: Number(found[3]) }];
  });
}

function numbers() {
  const [first, last] = [samples[0], samples.at(-1)];
  const seconds = (last.at - first.at) / 1000;
  const rate = (name) => (seconds ? ((total(last, name) - total(first, name)) / seconds).toFixed(1) : "–");
  const requests = total(last, "mirage_request_duration_seconds_count") - total(first, "mirage_request_duration_seconds_count");
  const percentiles = [["p50", 0.5], ["p99", 0.99]].map(([name, share]) => [name, milliseconds(quantile(first, last, share))]);
  return [
    ["Requests/s", rate("mirage_requests_total")],
    ["Images/s", rate("mirage_images_total")],
    ["Queue", String(total(last, "mirage_queued_images"))],
    ...(requests >= MIN_REQUESTS ? percentiles : []),
    ["Provider", providers(last)],
  ];
}

function total({ metrics }, name) {
  return metrics.filter((each) => each.name === name).reduce((sum, { value }) => sum + value, 0);
}

function providers({ metrics }) {
  const loaded = metrics.filter(({ name }) => name === "mirage_model_loaded");
  return [...new Set(loaded.map(({ labels }) => labels.provider))].join(", ") || "–";
}

/** Estimates a quantile of the request durations between two samples in seconds, from buckets. */
export function quantile(first, last, share) {
  const before = bucketsOf(first);
  const buckets = [...bucketsOf(last)]
    .map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)])
    .sort(([a], [b]) => a - b);
  const rank = share * (buckets.at(-1)?.[1] ?? 0);
  if (!rank) return null;
  const at = buckets.findIndex(([, count]) => count >= rank);
  const [low, below] = at > 0 ? buckets[at - 1] : [0, 0];
  const [high, count] = buckets[at];
  if (high === Infinity) return low;
  return low + ((high - low) * (rank - below)) / (count - below);
}

function bucketsOf({ metrics }) {
  const buckets = metrics.filter(({ name }) => name === "mirage_request_duration_seconds_bucket");
  return new Map(
    buckets.map(({ labels, value }) => [labels.le === "+Inf" ? Infinity : Number(labels.le), value]),
  );
}

function milliseconds(seconds) {
  if (seconds === null) return "–";
  const ms = 1000 * seconds;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

function showLast() {
  byId("last-answer").textContent = last_ms === null ? "" : `last answer ${milliseconds(last_ms / 1000)}`;
}

function show(status, facts) {
  const node = byId("status");
  if (node.dataset.status !== status) {
    node.dataset.status = status;
    node.textContent = STATUSES[status];
  }
  byId("live-metrics").replaceChildren(
    ...facts.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value)),
    ),
  );
}
