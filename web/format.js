// Sizes, times, counts and names in words for people. Called by everything
// that shows text; never touches the document and never reads the clock
// (whoever asks says what time it is, because the hub's clock counts here).

// The page speaks English, so dates do too, in the reader's own kind of
// English when the browser names one.
const ENGLISH = (globalThis.navigator?.languages ?? []).find((language) => /^en\b/i.test(language)) ?? "en-GB";

const whole = new Intl.NumberFormat(ENGLISH);
const clock = new Intl.DateTimeFormat(ENGLISH, { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat(ENGLISH, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const weekday = new Intl.DateTimeFormat(ENGLISH, { weekday: "long" });
const dayAndMonth = new Intl.DateTimeFormat(ENGLISH, { day: "numeric", month: "short" });
const dayMonthYear = new Intl.DateTimeFormat(ENGLISH, { day: "numeric", month: "short", year: "numeric" });
const everything = new Intl.DateTimeFormat(ENGLISH, { dateStyle: "full", timeStyle: "long" });

const DECIMAL = { step: 1000, units: ["KB", "MB", "GB", "TB", "PB", "EB"] };
const BINARY = { step: 1024, units: ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] };
let sizes = DECIMAL;
let datesAreExact = false;

/** How sizes and times are written from now on: units "decimal" | "binary", dates "relative" | "exact". */
export function useFormats({ units, dates }) {
  sizes = units === "binary" ? BINARY : DECIMAL;
  datesAreExact = dates === "exact";
}

/** 1234567 -> "1.2 MB". Powers of ten, as disks and networks are sold, unless somebody prefers others. */
export function sizeForPeople(bytes) {
  const { step, units } = sizes;
  if (bytes < step) return `${bytes} B`;
  let value = bytes / step;
  let unit = 0;
  // 999.5 would round to "1000", which belongs to the next unit.
  while (value >= step - 0.5 && unit < units.length - 1) {
    value /= step;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function exactSize(bytes) {
  return counted(bytes, "byte", "bytes");
}

/** 1234 -> "1,234 B", for those who count them. */
export function exactBytes(bytes) {
  return `${whole.format(bytes)} B`;
}

/**
 * 3.14159 -> "3.1 ms", with no more than three digits; `finest` is the smallest
 * step that whoever measured could see.
 */
export function milliseconds(ms, finest = 0.01) {
  const digits = ms < 9.995 ? 2 : ms < 99.95 ? 1 : 0;
  return `${ms.toFixed(Math.min(digits, Math.max(0, Math.round(-Math.log10(finest)))))}\u00a0ms`;
}

export function number(count) {
  return whole.format(count);
}

export function counted(count, one, many) {
  return `${whole.format(count)} ${count === 1 ? one : many}`;
}

const MINUTE = 60_000;

/** Milliseconds since 1970 -> "3 min ago", "yesterday 14:03", "20 Mar 2024". */
export function timeForPeople(moment, now) {
  return datesAreExact ? dateAndTime(new Date(moment)) : agoForPeople(moment, now);
}

/** "2024-03-20 14:03", which means the same to everybody. */
function dateAndTime(then) {
  const two = (part) => String(part).padStart(2, "0");
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${two(then.getHours())}:${two(then.getMinutes())}`;
}

/** The same, whatever is preferred for files. */
export function agoForPeople(moment, now) {
  const age = now - moment;
  // A minute of grace: two clocks on one network seldom agree to the second.
  if (age > -MINUTE && age < MINUTE) return "just now";
  if (age >= MINUTE && age < 60 * MINUTE) return `${Math.floor(age / MINUTE)} min ago`;

  const then = new Date(moment);
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  // Rounding absorbs the 23- and 25-hour days around a clock change.
  const daysBack = Math.round((midnight - new Date(then.getFullYear(), then.getMonth(), then.getDate())) / (24 * 60 * MINUTE));

  if (daysBack === 0) return `today ${clock.format(then)}`;
  if (daysBack === 1) return `yesterday ${clock.format(then)}`;
  if (daysBack > 1 && daysBack < 7) return `${weekday.format(then)} ${clock.format(then)}`;
  if (then.getFullYear() === new Date(now).getFullYear()) return `${dayAndMonth.format(then)}, ${clock.format(then)}`;
  return dayMonthYear.format(then);
}

/** To the second: "14:03:59". */
export function clockTime(moment) {
  return seconds.format(moment);
}

export function exactTime(moment) {
  return everything.format(moment);
}

// Characters that draw nothing, or that rearrange what is drawn around them:
// control characters, soft hyphen, zero-width space, direction marks,
// embeddings, overrides and isolates, line and paragraph separators,
// invisible operators, byte order mark, interlinear marks. The joiners U+200C
// and U+200D stay, since Persian and emoji cannot be written without them.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/**
 * A name in pieces, [{text, symbol}], as it can be shown: what would be
 * invisible, or would move its neighbours, becomes a symbol.
 */
export function piecesOfName(name) {
  const pieces = [];
  let reached = 0;
  for (const { 0: character, index } of name.matchAll(UNSEEN)) {
    if (index > reached) pieces.push({ text: name.slice(reached, index), symbol: false });
    pieces.push({ text: symbolFor(character.charCodeAt(0)), symbol: true });
    reached = index + 1;
  }
  if (reached < name.length) pieces.push({ text: name.slice(reached), symbol: false });
  return pieces;
}

/** The same as one string, for titles and spoken labels. */
export function visibleName(name) {
  return name.replace(UNSEEN, (character) => symbolFor(character.charCodeAt(0)));
}

function symbolFor(code) {
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `⟪U+${code.toString(16).toUpperCase().padStart(4, "0")}⟫`;
}
