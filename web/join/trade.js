// Trades the key for a cookie. Called by join/form.js, join/page.js and app.js;
// the key is kept nowhere, and the wire's log has dots in its place.

import { HubSilent, ask, parsed } from "../hub.js";
import { httpEntry } from "../wire/http.js";
import { record } from "../wire/log.js";

const PATH = "/-/join";
const FORM = "application/x-www-form-urlencoded";
const DOTS = "••••••••••••";

/** As people read keys out and write them down: in groups, with hyphens, in any case. */
function tidyKey(typed) {
  const bare = typed.trim().replace(/\s+/g, "");
  // A key of somebody's own choice may have hyphens in it; the hub's have none.
  const plain = bare.replace(/-/g, "").toLowerCase();
  return /^[a-z2-7]{12}$/.test(plain) ? plain : bare;
}

/**
 * {joined: true}, or what to tell: {joined: false, heading, text, wait_s}.
 * wait_s: how long the hub hears no key from here, or null.
 */
export async function trade({ key, name = "" }) {
  const wanted = tidyKey(key);
  if (!wanted) return said("The key is missing.", "The person who runs the hub has it.");
  const fields = { key: wanted, ...(name.trim() ? { name: name.trim() } : {}) };
  let seen;
  try {
    seen = await ask(PATH, {
      method: "POST",
      body: String(new URLSearchParams(fields)),
      headers: { Accept: "application/json", "Content-Type": FORM },
      veil: (text) => text.replace(/^key=[^&]*/, `key=${DOTS}`),
      tell: (told) =>
        record(
          httpEntry({
            title: "Joining the hub",
            requests: [{ seen: told, asks: "says the key, which shows here as dots", tells: meaningOf(told) }],
            asked: { method: "POST", path: PATH, body: { form: { key: null, ...(fields.name ? { name: fields.name } : {}) } } },
          }),
        ),
    });
  } catch (error) {
    if (!(error instanceof HubSilent)) throw error;
    return said("The hub does not answer.", "It may be switched off, or this device may have left its network.");
  }
  return verdict(seen);
}

function meaningOf({ status }) {
  if (status === 204) return "the key is right: a cookie says so from now on";
  return status === 429 ? "too many wrong keys: none is heard for a while" : "refuses";
}

function verdict({ status, head, text }) {
  if (status === 204 || status === 200) return { joined: true };
  if (status === 429) {
    const wait_s = Math.max(1, Number(head.get("retry-after")) || 60);
    return { ...said("Too many wrong keys came from here.", "For a while the hub hears no key from this address, not even the right one."), wait_s };
  }
  if (status === 401) return said("That is not the key.", "Look at it again: it may have been changed since. The person who runs the hub has it.");
  const answer = parsed(text);
  return said(answer?.error ? `${answer.error}.` : "That was not the hub.", answer?.detail ?? "Something else answered in its place. This device may have joined another network.");
}

function said(heading, text) {
  return { joined: false, heading, text, wait_s: null };
}
