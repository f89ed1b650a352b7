// Requests of this page as the wire's log keeps them: what a page can see of
// its own HTTP, and what it asked, so that drawer.js can write the same by hand. Called by hub.js, app.js and
// upload/account.js; never asks the hub.

import { exactBytes, visibleName } from "../format.js";

const BODY_SHOWN = 600; // characters: enough to tell what it is

const ACCOUNT = "This page asked the hub over HTTP.";
const BEYOND = "That is as far as a page can see. The browser adds headers of its own, and may use an answer that it has kept where the hub says that nothing is new.";

/**
 * Makes an entry of one or more requests that belong together, in order.
 * requests: [{seen, asks, tells}]; `seen` is hub.js's account of one request,
 * `asks` and `tells` say in words what it and its answer mean. asked: {method,
 * path, query, headers, body} where another request does the same by hand than
 * the first of them.
 */
export function httpEntry({ title, requests, byItself = false, account = ACCOUNT, asked = requestOf(requests[0].seen) }) {
  const start = requests[0].seen.began;
  const messages = [];
  let failure = null;
  for (const { seen, asks, tells } of requests) {
    messages.push({
      after_ms: seen.began - start,
      direction: "out",
      size: seen.body ? `${exactBytes(seen.body.bytes)} body` : "no body",
      lines: [`${seen.method} ${seen.address}`, ...Object.entries(seen.headers).map(([name, value]) => `${name}: ${value}`), ...(seen.body?.shown ? ["", visibleName(seen.body.shown)] : [])],
      meaning: asks,
    });
    if (seen.failure) {
      failure = seen.failure;
    } else {
      messages.push({ after_ms: seen.answered - start, direction: "in", size: sizeOf(seen), lines: answerLines(seen), meaning: tells });
    }
  }
  return { title, wire: "http", byItself, account, messages, beyond: BEYOND, failure, asked };
}

/** Without the answer, which may be large and is kept for as long as the entry. */
function requestOf({ method, path, query, headers, body }) {
  return { method, path, query, headers, body };
}

/** How this page itself came, of which a page sees less than of its requests. */
export function arrivalEntry() {
  const [arrival] = performance.getEntriesByType("navigation");
  if (!arrival) return null;
  const { pathname, search } = location;
  const version = { "http/1.1": " HTTP/1.1", h2: " HTTP/2", h3: " HTTP/3" }[arrival.nextHopProtocol] ?? "";
  const size = exactBytes(arrival.decodedBodySize);
  const sent = arrival.encodedBodySize;
  return {
    title: "This page, with the folder in it",
    wire: "http",
    byItself: false,
    account: "The browser asked the hub for this page, which came with the folder’s list in it.",
    messages: [
      { after_ms: 0, direction: "out", size: "no body", lines: [`GET ${pathname}${search}${version}`], meaning: "asks for the folder, as a page" },
      {
        after_ms: arrival.responseStart - arrival.requestStart,
        direction: "in",
        size: sent && sent !== arrival.decodedBodySize ? `${size} body, ${exactBytes(sent)} as sent` : `${size} body`,
        lines: arrival.responseStatus ? [String(arrival.responseStatus)] : [],
        meaning: "the page, with the folder’s list in it",
      },
    ],
    beyond: "A page cannot see the headers of its own arrival. Each folder opened from here on is told with its headers.",
    failure: null,
    asked: { path: pathname, query: Object.fromEntries(new URLSearchParams(search)), headers: { Accept: "text/html" } },
  };
}

function sizeOf({ bytes, head }) {
  const encoding = head.get("content-encoding");
  const sent = head.get("content-length");
  return encoding && sent ? `${exactBytes(bytes)} body, ${exactBytes(Number(sent))} as sent (${encoding})` : `${exactBytes(bytes)} body`;
}

function answerLines({ status, reason, head, text }) {
  const lines = [`${status} ${reason}`.trim(), ...[...head].map(([name, value]) => `${name}: ${value}`), ""];
  // Its own line ends stay line ends; whatever else is invisible is shown.
  for (const line of text.slice(0, BODY_SHOWN).trimEnd().split("\n")) lines.push(visibleName(line));
  if (text.length > BODY_SHOWN) lines.push("… and so on");
  return lines;
}
