// One request that carries bytes to the hub, with its progress. Called by
// sender.js; XMLHttpRequest, because fetch tells nobody how far a body got.

import { keyIsWanted } from "../standing.js";

// The hub itself gives up on a line that carries less than 20 KiB in 20 s; it
// then may still be busy with the disk, when all has been sent.
const STALLED_AFTER = 30_000;
const SILENT_AFTER = 180_000;

/** The line broke, or nobody answered. */
export class LineBroken extends Error {}

/**
 * {status, head, answer, seen}: answer is the JSON of the body or null, seen
 * what the wire's log wants. progress(bytes): so many of the body have left.
 */
export function request({ method, path, headers = {}, body = null, file = null, signal, progress = () => {} }) {
  return new Promise((resolve, reject) => {
    const bytes = body?.size ?? 0;
    const seen = { method, path, query: {}, headers: { Accept: "application/json", ...headers }, body: body && { bytes, shown: null, file }, address: path, began: performance.now(), answered: 0, failure: null };
    const xhr = new XMLHttpRequest();
    let timer = 0;
    const wait = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(() => xhr.abort(), ms);
    };
    const stop = () => xhr.abort();
    const settle = (how, value) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      how(value);
    };
    const broken = () => {
      if (signal.aborted) {
        settle(reject, signal.reason);
        return;
      }
      seen.failure = "The line broke, or the hub does not answer.";
      settle(reject, Object.assign(new LineBroken("no answer"), { seen }));
    };

    xhr.upload.addEventListener("progress", (event) => {
      progress(event.loaded);
      wait(event.loaded < bytes ? STALLED_AFTER : SILENT_AFTER);
    });
    xhr.addEventListener("load", () => {
      seen.answered = performance.now();
      seen.status = xhr.status;
      seen.reason = xhr.statusText;
      seen.head = headOf(xhr);
      seen.text = xhr.responseText;
      seen.bytes = new TextEncoder().encode(seen.text).length;
      if (xhr.status === 401) keyIsWanted();
      settle(resolve, { status: xhr.status, head: seen.head, answer: parsed(seen.text), seen });
    });
    xhr.addEventListener("error", broken);
    xhr.addEventListener("abort", broken);
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    signal.addEventListener("abort", stop);
    xhr.open(method, path);
    for (const [name, value] of Object.entries(seen.headers)) xhr.setRequestHeader(name, value);
    wait(STALLED_AFTER);
    xhr.send(body);
  });
}

function headOf(xhr) {
  const head = new Headers();
  for (const line of xhr.getAllResponseHeaders().trim().split(/\r\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0) head.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return head;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
