// The hub's answers. Called by navigation.js, app.js, the tools, and whoever
// asks for something of its own (here/, join/, folder-form.js); tells the wire's
// log what passed, and standing.js where the key is wanted. Never draws and
// never retries (navigation.js decides that).

import { listOfFolder, showsAll } from "./addresses.js";
import { counted, exactBytes, visibleName } from "./format.js";
import { keyIsWanted, know } from "./standing.js";
import { httpEntry } from "./wire/http.js";
import { record } from "./wire/log.js";

const TITLE_CHARACTERS = 24; // of a message
const TOOL_TIMEOUT = 10_000; // the hub itself gives up on an exchange after 5 s

/** The hub answered, but not with what was asked for. */
export class HubProblem extends Error {
  constructor(status, title, detail) {
    super(title);
    this.status = status;
    this.detail = detail;
  }
}

/** The hub did not answer at all. */
export class HubSilent extends Error {}

/** The folder's listing as the hub wrote it. `byItself`: nobody asked for it just now. */
export async function askForListing(folder, signal, byItself) {
  let answer = null; // the listing, or what the hub said instead
  const seen = await ask(listOfFolder(folder), {
    query: showsAll() ? { all: "" } : undefined,
    // "no-cache" asks the hub each time, yet lets it say "nothing new".
    cache: "no-cache",
    headers: { Accept: "application/json" },
    signal,
    tell(told) {
      answer = told.failure ? null : parsed(told.text);
      record(
        httpEntry({
          title: `List of ${visibleName(decoded(folder))}`,
          byItself,
          requests: [{ seen: told, asks: "asks for the folder’s list, in JSON", tells: listingMeaning(told, answer) }],
        }),
      );
    },
  });
  return checked(seen, answer);
}

function listingMeaning({ status }, answer) {
  if (status === 200 && answer?.entries) return `the list: ${counted(answer.entries.length, "entry", "entries")}`;
  return answer?.error ? `refuses: ${answer.error}` : "not what was asked for";
}

/** Asks what may be done here, and lets everybody know. */
export async function askForStanding() {
  const title = "What the hub is, and what one may do here";
  const seen = await ask("/-/api/hub", {
    headers: { Accept: "application/json" },
    tell: (told) => record(httpEntry({ title, byItself: true, requests: [{ seen: told, asks: "asks for the hub’s facts", tells: told.status === 200 ? "the services, and what this visitor may do" : "refuses" }] })),
  });
  know(checked(seen, parsed(seen.text)));
}

/** Has the hub say a text back over HTTP: {text, round_trip_ms, number}. */
export async function echoOverHttp(text) {
  let number = null;
  const seen = await ask("/-/api/echo", {
    query: { text },
    tell(told) {
      const tells = told.text === text ? "gives the same text back" : "gives something else back";
      number = record(httpEntry({ title: titleOf("echo", "http", text), requests: [{ seen: told, asks: "wants this text back", tells }] }));
    },
  });
  refuseTooLong(seen.status);
  if (seen.status !== 200) throw new HubProblem(seen.status, `The hub refuses (${seen.status})`, seen.text.trim());
  return { text: seen.text, round_trip_ms: seen.answered - seen.began, number };
}

/** What time the hub says it is, and the account of how it was asked. */
export async function askForTime(tell) {
  const seen = await ask("/-/api/clock", { headers: { Accept: "application/json" }, tell });
  return { ...checked(seen, parsed(seen.text)), seen };
}

/**
 * Has the hub ask a service of its own over that service's wire, and tells the
 * log each message that passed: {answer, failure, number}.
 */
export async function exchange({ service, wire, message, line = false }) {
  const query = { service, wire, message, ...(line ? { line: "yes" } : {}) };
  const title = titleOf(service, wire, message);
  const seen = await ask("/-/api/exchange", {
    query,
    headers: { Accept: "application/json" },
    tell(told) {
      // Where it came to an exchange, that is what is worth telling.
      if (told.status === 200) return;
      record(httpEntry({ title, requests: [{ seen: told, asks: `asks the hub to ask its ${service} over ${wire.toUpperCase()}`, tells: "refuses" }] }));
    },
  });
  const told = checked(seen, parsed(seen.text));
  const number = record({
    title,
    wire,
    byItself: false,
    account: `The hub asked its own ${told.service} service at ${told.url}, for a page cannot speak ${wire.toUpperCase()}.`,
    messages: told.messages.map((one) => ({ ...one, size: exactBytes(one.bytes) })),
    failure: told.failure,
    byHand: told.by_hand,
  });
  return { answer: told.answer, failure: told.failure, number };
}

/**
 * One request. `tell` is given what a page can see of it, also when no answer
 * came: began and answered by a clock that never jumps, wall by the device's own.
 * body: a text, or null; veil(text): what of the texts may be shown, where they
 * hold a key.
 */
export async function ask(path, { method = "GET", query, body = null, headers = {}, cache = "no-store", signal, tell, veil }) {
  const fields = query ? `?${new URLSearchParams(query)}` : "";
  const seen = { method, path, query, headers, body: shownBody(body, veil), address: path + fields, began: 0, answered: 0, wall: [], failure: null };
  const patience = signal ?? AbortSignal.timeout(TOOL_TIMEOUT);
  try {
    seen.wall = [Date.now()];
    seen.began = performance.now();
    const response = await fetch(seen.address, { method, body, cache, headers, signal: patience });
    seen.answered = performance.now();
    seen.wall.push(Date.now());
    seen.status = response.status;
    seen.reason = response.statusText;
    seen.head = response.headers;
    const answer = await response.arrayBuffer();
    seen.bytes = answer.byteLength;
    seen.text = new TextDecoder().decode(answer);
  } catch (error) {
    if (signal?.aborted) throw error;
    seen.failure = "The hub does not answer: it may be switched off, or this device may have left its network.";
    tell?.(seen);
    throw new HubSilent("no answer", { cause: error });
  }
  tell?.(veil ? { ...seen, text: veil(seen.text) } : seen);
  if (seen.status === 401) keyIsWanted();
  return seen;
}

function shownBody(body, veil) {
  if (body === null) return null;
  return { bytes: new TextEncoder().encode(body).length, shown: veil ? veil(body) : body, text: veil ? null : body };
}

/** 'Echo over UDP: "hello"', so that one is told from the next. */
function titleOf(service, wire, message) {
  const characters = [...message.slice(0, 2 * TITLE_CHARACTERS + 2)];
  const start = characters.slice(0, TITLE_CHARACTERS).join("");
  const rest = characters.length > TITLE_CHARACTERS ? "…" : "";
  return `${visibleName(service[0].toUpperCase() + service.slice(1))} over ${wire.toUpperCase()}: "${visibleName(start)}${rest}"`;
}

/** Such a refusal comes before the hub knows what is asked, and so in no form of ours. */
function refuseTooLong(status) {
  if (status === 414 || status === 431) throw new HubProblem(status, "Too long for the hub", `It takes no request of that length (${status}).`);
}

/** The answer, if it is one: `well` are the statuses that mean yes. */
export function checked({ status }, answer, well = [200]) {
  // Where no body is wanted, none is missed.
  if (well.includes(status) && (answer || !well.includes(200))) return answer;
  if (!answer) refuseTooLong(status);
  if (!answer) throw new HubProblem(status, "That was not the hub", "Something else answered in its place. This device may have joined another network.");
  throw new HubProblem(status, answer.error, answer.detail);
}

export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // not UTF-8: the encoded form is the honest one
  }
}
