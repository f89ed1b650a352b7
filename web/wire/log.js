// The exchanges that this page lately had, in memory only. Filled by whoever
// asks the hub, read by wire/drawer.js; never asks anything itself.

const KEPT = 20;

const entries = []; // newest first
const listeners = new Set();
let next = 1;

/**
 * Keeps an exchange and returns its number.
 *
 * {title, wire: "http" | "tcp" | "udp", byItself, account, messages: [{after_ms,
 * direction: "out" | "in", size, lines, meaning}], beyond, failure, byHand:
 * {curl, netcat, python}, or asked: the request that by-hand.js writes out}. `account` says who asked whom, `beyond` what is out
 * of sight, and `byItself` is what nobody asked for just now, as when the page
 * looks whether the folder has changed.
 */
export function record(exchange) {
  const entry = { ...exchange, number: next, at: Date.now() };
  next += 1;
  if (entry.byItself) {
    // The page does the same again and again: the last time is enough, and
    // leaves room for what people did.
    const before = entries.findIndex((other) => other.byItself && other.title === entry.title);
    if (before >= 0) entries.splice(before, 1);
  }
  entries.unshift(entry);
  entries.length = Math.min(entries.length, KEPT);
  for (const heard of listeners) heard(entry);
  return entry.number;
}

export function recorded() {
  return entries;
}

/** heard(entry): after each that is kept. */
export function onRecord(heard) {
  listeners.add(heard);
}
