/**
 * Asks the service. At most two requests are under way; busy, stopping and absent servers are
 * waited for, and the person is told so; only refusals that waiting cannot mend are thrown.
 */

import { askKey, keyHeaders } from "./key.js";
import { over, sentence, tell } from "./trouble.js";

const MOST_UNDER_WAY = 2;
const LOOK_AGAIN_MS = 1000;
const READERS = {
  "application/json": (response) => response.json(),
  "text/plain": (response) => response.text(),
  "text/markdown": (response) => response.text(),
  "application/zip": (response) => response.arrayBuffer(),
};
let underWay = 0;
const waiting = [];
let returning = null;

/** What the service refused for good: `status`, and `message` in its own words. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `the server answered ${status}`);
    this.status = status;
  }
}

/**
 * The body of an answer, read by its `accept` type: JSON, text, bytes of a ZIP, or a blob.
 * `json` makes it a POST. Throws Refusal, and AbortError when the signal says so.
 */
export async function ask(path, { json, accept = "application/json", signal } = {}) {
  const owner = Symbol(path);
  const gone = () => over(owner);
  signal?.addEventListener("abort", gone);
  try {
    for (;;) {
      const answer = await attempt(path, json, accept, signal);
      if (answer.ok) return answer.body;
      await outwait(owner, answer, signal);
    }
  } finally {
    over(owner);
    signal?.removeEventListener("abort", gone);
  }
}

/** One request: `{ ok, body }`, or what hinders it. */
async function attempt(path, json, accept, signal) {
  await turn(signal);
  const headers = { Accept: accept, ...keyHeaders() };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const method = json === undefined ? "GET" : "POST";
  try {
    const response = await fetch(path, { method, headers, body: JSON.stringify(json), signal });
    if (response.ok) return { ok: true, body: await (READERS[accept] ?? blob)(response) };
    const used = headers.Authorization;
    return { used, status: response.status, problem: await problemOf(response), response };
  } catch (error) {
    if (signal?.aborted) throw error;
    if (error instanceof TypeError) return { status: 0 }; // nobody answers, or not to the end
    throw error;
  } finally {
    next();
  }
}

/** Wait until another attempt may succeed; throws Refusal when none will. */
async function outwait(owner, { status, problem, response, used }, signal) {
  if (status === 0) {
    tell(owner, "The server does not answer. This page goes on as soon as it does.");
    await answering(signal);
  } else if (status === 401 || status === 403) {
    await askKey(status === 401 ? "" : sentence(problem.detail ?? "the key is not valid"), used);
  } else if (status === 429 || status === 503) {
    const wait_s = Math.max(0.25, Number(response.headers.get("Retry-After")) || 1);
    tell(owner, words(problem), performance.now() + 1000 * wait_s);
    await pause(1000 * wait_s, signal);
  } else {
    throw new Refusal(status, problem);
  }
}

function words({ type = "", detail = "" }) {
  const slug = type.split(":").at(-1);
  const said = {
    "queue-full": "The server is busy: its queue is full.",
    "deadline-unreachable": "The server is busy: the images would come too late.",
    "rate-limited": "You have had the images that a minute allows.",
    "not-ready": "The server is starting: its models are being loaded.",
    draining: "The server is stopping. This page goes on when one is back.",
  };
  return said[slug] ?? sentence(detail || "the server cannot do this now");
}

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

function blob(response) {
  return response.blob();
}

/** Resolves when the server answers again; all who wait share one look-out. */
async function answering(signal) {
  returning ??= lookOut().finally(() => (returning = null));
  await returning;
  signal?.throwIfAborted();
}

async function lookOut() {
  for (;;) {
    await pause(LOOK_AGAIN_MS);
    try {
      await fetch("healthz", { cache: "no-store" });
      return;
    } catch {
      // it is still away
    }
  }
}

/** Wait; throws AbortError at once when the signal says so. */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Wait for one's turn; the newest go last. */
async function turn(signal) {
  signal?.throwIfAborted();
  if (underWay >= MOST_UNDER_WAY) await new Promise((resolve) => waiting.push(resolve));
  else underWay += 1;
  if (signal?.aborted) {
    next();
    signal.throwIfAborted();
  }
}

/** Hand one's turn to whoever waits. */
function next() {
  const first = waiting.shift();
  if (first) first();
  else underWay -= 1;
}
