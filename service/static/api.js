/**
 * Sends requests to the service, at most two at a time; background requests only while there are no
 * others. While the server is busy, stopping or unreachable, it shows a message and retries. Other
 * errors are thrown.
 */

import { askKey, keyHeaders } from "./key.js";
import { clearError, sentence, showError } from "./errors.js";

const MAX_IN_FLIGHT = 2;
const POLL_MS = 1000;
const MAX_UPLOADS = 2; // of a body that breaks the connection
const LOST = { detail: "the connection was lost twice while the picture was sent or converted" };
const READERS = {
  "application/json": (response) => response.json(),
  "text/plain": (response) => response.text(),
  "text/markdown": (response) => response.text(),
  "application/zip": (response) => response.arrayBuffer(),
};
let inFlight = 0;
const waiting = { urgent: [], background: [] };
const listeners = new Set();
let recovery = null;

/** An error that a retry cannot solve: `status`, and the service's message. */
export class RequestError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `the server answered ${status}`);
    this.status = status;
  }
}

/**
 * Returns the body of a response by its `accept` type: JSON, text, the bytes of a ZIP, or a blob.
 * With `json` or `body`, a blob, the request is a POST. `background`: others go first. Throws RequestError, and AbortError when the
 * signal is aborted.
 */
export async function ask(path, { json, body, accept = "application/json", signal, background = false } = {}) {
  const owner = Symbol(path);
  const clear = () => clearError(owner);
  signal?.addEventListener("abort", clear);
  try {
    for (let number = 1; ; number += 1) {
      const answer = await attempt(path, body ?? json, accept, signal, background);
      if (answer.ok) return answer.body;
      if (body && answer.status === 0 && number === MAX_UPLOADS) throw new RequestError(0, LOST);
      await waitForRetry(owner, answer, signal);
    }
  } finally {
    clearError(owner);
    signal?.removeEventListener("abort", clear);
  }
}

/** Sends one request. Returns `{ ok, body }`, or the error. */
async function attempt(path, content, accept, signal, background) {
  await acquire(signal, background);
  const headers = { Accept: accept, ...keyHeaders() };
  const isRaw = content instanceof Blob;
  if (content !== undefined) headers["Content-Type"] = isRaw ? "application/octet-stream" : "application/json";
  const method = content === undefined ? "GET" : "POST";
  const body = isRaw ? content : JSON.stringify(content);
  const started = performance.now();
  try {
    const response = await fetch(path, { method, headers, body, signal });
    if (response.ok) {
      const read = await (READERS[accept] ?? blob)(response);
      if (content !== undefined) announce(performance.now() - started);
      return { ok: true, body: read };
    }
    const used = headers.Authorization;
    return { used, status: response.status, problem: await problemOf(response), response };
  } catch (error) {
    if (signal?.aborted) throw error;
    if (error instanceof TypeError) return { status: 0 }; // no response, or an incomplete one
    throw error;
  } finally {
    release();
  }
}

/** Waits until a retry may succeed. Throws RequestError if none can. */
async function waitForRetry(owner, { status, problem, response, used }, signal) {
  if (status === 0) {
    showError(owner, "The server does not respond. This page continues as soon as it does.");
    await serverUp(signal);
  } else if (status === 401 || status === 403) {
    await askKey(status === 401 ? "" : sentence(problem.detail ?? "the key is not valid"), used);
  } else if (status === 429 || status === 503) {
    const wait_s = Math.max(0.25, Number(response.headers.get("Retry-After")) || 1);
    showError(owner, messageOf(problem), performance.now() + 1000 * wait_s);
    await pause(1000 * wait_s, signal);
  } else {
    throw new RequestError(status, problem);
  }
}

function messageOf({ type = "", detail = "" }) {
  const slug = type.split(":").at(-1);
  const messages = {
    "queue-full": "The server is busy: its queue is full.",
    "deadline-unreachable": "The server is busy: the images would be too late.",
    "rate-limited": "You have reached the limit of images per minute.",
    "not-ready": "The server is starting: it is loading its models.",
    draining: "The server is stopping. This page continues when it is back.",
  };
  return messages[slug] ?? sentence(detail || "the server cannot do this now");
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

/** Resolves when the server responds again. Concurrent calls share one poll. */
async function serverUp(signal) {
  recovery ??= pollServer().finally(() => (recovery = null));
  await recovery;
  signal?.throwIfAborted();
}

async function pollServer() {
  for (;;) {
    await pause(POLL_MS);
    try {
      await fetch("healthz", { cache: "no-store" });
      return;
    } catch {
      // still unreachable
    }
  }
}

/** Waits. Throws AbortError as soon as the signal is aborted. */
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

/** Call a function with the duration in milliseconds of each answer to a POST. */
export function onAnswer(listener) {
  listeners.add(listener);
}

function announce(ms) {
  for (const listener of listeners) listener(ms);
}

/** Waits for a free slot, in order of the calls. */
async function acquire(signal, background) {
  signal?.throwIfAborted();
  const queue = background ? waiting.background : waiting.urgent;
  if (inFlight >= (background ? 1 : MAX_IN_FLIGHT)) await new Promise((resolve) => queue.push(resolve));
  else inFlight += 1;
  if (signal?.aborted) {
    release();
    signal.throwIfAborted();
  }
}

/** Frees a slot, or passes it to the next call. */
function release() {
  const first = waiting.urgent.shift() ?? (inFlight === 1 ? waiting.background.shift() : undefined);
  if (first) first();
  else inFlight -= 1;
}
