// What this visitor may do here, as the hub last said it: whether the key is
// wanted, who this is, what is received. Filled by app.js and whoever asks the
// hub for it again; read by everything that offers something. Never asks the
// hub itself (hub.js does).

const NOBODY = { wanted: "nothing", may_read: true, may_write: false, is_host: false, guest: null };
const SHUT = { on: false, dropbox: false, existing: "refuse", max_bytes: null, free_bytes: null };

let hub = {};
const whenChanged = new Set();
const whenKeyWanted = new Set();

/** facts: what /-/api/hub says. */
export function know(facts) {
  hub = facts;
  for (const heard of whenChanged) heard();
}

/** The host turned receiving on or off: what the hub answered to that. */
export function knowReceiving(receiving) {
  know({ ...hub, receiving });
}

export const access = () => hub.access ?? NOBODY;
export const receiving = () => hub.receiving ?? SHUT;

/** Whether the hub knows who is here, and may say so. */
export const hasGuests = () => Boolean(hub.access) && access().may_read;

/** Why nothing can be sent here: "key" | "off"; null where it can. */
export function hindrance() {
  if (!access().may_write && access().wanted !== "nothing") return "key";
  return receiving().on && access().may_write ? null : "off";
}

/** Whether somebody without a cookie needs the key for such a request. */
export function wantsKey(method) {
  const { wanted } = access();
  return wanted === "key" || (wanted === "key to write" && !["GET", "HEAD"].includes(method));
}

/** heard(): after what is known has changed. */
export function onStanding(heard) {
  whenChanged.add(heard);
}

/** An answer was 401: the cookie is worth nothing (any more). */
export function keyIsWanted() {
  for (const heard of whenKeyWanted) heard();
}

export function onKeyWanted(heard) {
  whenKeyWanted.add(heard);
}
