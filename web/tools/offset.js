// How far this device's clock is from the hub's, and how sure that is: pure
// reckoning and its words. Called by tools/clock.js; never asks the hub and
// never reads a clock.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * One question and its answer. wall: this device's clock before and after, in
 * whole ms since 1970; round_trip_ms: measured by a clock that never jumps;
 * hub_ms: what the hub said. Returns {ahead_ms, bound_ms}: this device is that
 * far ahead, give or take the bound.
 */
export function reckon({ wall: [before, after], round_trip_ms, hub_ms }) {
  // The hub read its clock somewhere on the way there and back, so half of
  // that is how wrong the middle can be. A clock of whole ms stands half a one
  // early on average, and may be wrong by as much; if it jumped meanwhile, or
  // ticks more coarsely, the two clocks disagree on how long it took.
  const tick_ms = Math.max(1, Math.abs(after - before - round_trip_ms));
  return { ahead_ms: (before + after) / 2 + 0.5 - hub_ms, bound_ms: (round_trip_ms + tick_ms) / 2 };
}

/** The answer that says most. */
export function best(reckonings) {
  return reckonings.reduce((one, other) => (one && one.bound_ms <= other.bound_ms ? one : other), undefined);
}

/** "This device is 0.213 s ahead of the hub (± 4 ms)", with no digit that the bound does not bear. */
export function offsetInWords({ ahead_ms, bound_ms }) {
  const bound = roundedUp(bound_ms);
  if (Math.abs(ahead_ms) <= bound_ms) {
    return `This device and the hub agree: their clocks are less than ${inWords(roundedUp(Math.abs(ahead_ms) + bound_ms))} apart.`;
  }
  const way = ahead_ms > 0 ? "ahead of" : "behind";
  const ahead = Math.abs(ahead_ms);
  // A clock that was never set: nobody asks for its milliseconds.
  if (ahead >= HOUR) return `This device is about ${longInWords(ahead)} ${way} the hub.`;
  return `This device is ${inWords(ahead, stepOf(bound))} ${way} the hub (± ${inWords(bound)}).`;
}

/** A bound is told by its first digit, and never too small: 3.2 -> 4, 0.71 -> 0.8. */
function roundedUp(ms) {
  const step = stepOf(ms);
  return Number((Math.ceil(Number((ms / step).toFixed(6))) * step).toPrecision(6));
}

/** The place of the first digit: 3.2 -> 1, 40 -> 10, 0.71 -> 0.1. */
function stepOf(ms) {
  return 10 ** Math.floor(Math.log10(ms));
}

/** step: the smallest difference worth a digit. */
function inWords(ms, step = stepOf(ms)) {
  const rounded = Math.round(ms / step) * step;
  if (rounded < 100) return `${rounded.toFixed(places(step))}\u00a0ms`;
  const minutes = Math.floor(rounded / MINUTE);
  const seconds = `${((rounded - minutes * MINUTE) / SECOND).toFixed(places(step / SECOND))}\u00a0s`;
  return minutes ? `${minutes}\u00a0min ${seconds}` : seconds;
}

/** From an hour up, in its two largest units. */
function longInWords(ms) {
  const [large, small, names] = ms < DAY ? [HOUR, MINUTE, ["h", "min"]] : [DAY, HOUR, ["d", "h"]];
  const whole = Math.round(ms / small) * small;
  const rest = Math.round((whole % large) / small);
  return `${Math.floor(whole / large)} ${names[0]}${rest ? ` ${rest} ${names[1]}` : ""}`;
}

function places(step) {
  return Math.max(0, Math.round(-Math.log10(step)));
}
