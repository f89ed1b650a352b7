// What the person at the hub, and a guest, ask for about who is here. Called by
// here/sheet.js and here/invite.js. What holds the key is shown in the wire's
// log with dots in its place.

import { ask, checked, parsed } from "../hub.js";
import { httpEntry } from "../wire/http.js";
import { record } from "../wire/log.js";

const DOTS = "••••••••••••";
const JSON_BODY = { Accept: "application/json", "Content-Type": "application/json" };

/** The key in an invite, wherever it stands in it. */
function withoutKey(text) {
  const key = parsed(text)?.key;
  return key ? text.replaceAll(key, DOTS) : text;
}

async function say(path, { method = "POST", body = "{}", title, asks, tells, well = [200], veil }) {
  const seen = await ask(path, {
    method,
    body: method === "GET" ? null : body,
    headers: method === "GET" ? { Accept: "application/json" } : JSON_BODY,
    veil,
    tell: (told) => record(httpEntry({ title, byItself: method === "GET", requests: [{ seen: { ...told, body: told.body && { ...told.body, text: body } }, asks, tells: well.includes(told.status) ? tells : "refuses" }] })),
  });
  return checked(seen, parsed(seen.text), well);
}

/** What is received from now on. */
export const setReceiving = (on) =>
  say("/-/api/receiving", { body: JSON.stringify({ on }), title: on ? "Receiving on" : "Receiving off", asks: `wants receiving turned ${on ? "on" : "off"}`, tells: "what is received now" });

/** {key, link, links, fingerprint} */
export const askForInvite = () => say("/-/api/invite", { method: "GET", title: "The invite", asks: "asks how others are let in", tells: "the link, with dots here where the key is", veil: withoutKey });

/** The same, with another key. */
export const changeKey = () => say("/-/api/key", { title: "A new key", asks: "wants another key", tells: "the new link, with dots here where the key is", veil: withoutKey });

export const showOut = (id) => say(`/-/api/guests/${encodeURIComponent(id)}/out`, { title: "Throwing a guest out", asks: "wants this guest out", tells: "out, and the key is another one", well: [204] });

export const leave = () => say("/-/leave", { title: "Leaving the hub", asks: "wants the cookie to be worth nothing", tells: "it is worth nothing now", well: [204] });
