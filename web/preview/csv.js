// Comma-separated values and their kin: which sign stands between the cells,
// and rows of cells (RFC 4180, with every liberty that programs take). Called by
// table.js; pure, imports nothing.

const SEPARATORS = [",", ";", "\t", "|"];
const SNIFFED_RECORDS = 20;
const SNIFFED_CHARACTERS = 65_536;

/** The sign that splits the first records most evenly. */
export function sniff(text) {
  const start = text.slice(0, SNIFFED_CHARACTERS);
  let best = ",";
  let bestScore = 0;
  for (const separator of SEPARATORS) {
    const { rows } = readRows(start, separator, { last: true, most: SNIFFED_RECORDS });
    const widths = rows.map((row) => row.length);
    // A record that the start was cut in says nothing.
    if (start.length < text.length && widths.length > 1 && widths.length < SNIFFED_RECORDS) widths.pop();
    const most = Math.max(1, ...widths);
    const usual = mode(widths);
    if (most === 1 || usual === 1) continue;
    const even = widths.filter((width) => width === usual).length / widths.length;
    const score = even * 1000 + Math.min(usual, 100);
    if (score > bestScore) {
      best = separator;
      bestScore = score;
    }
  }
  return best;
}

function mode(widths) {
  const times = new Map();
  for (const width of widths) times.set(width, (times.get(width) ?? 0) + 1);
  return [...times].reduce((best, candidate) => (candidate[1] > best[1] ? candidate : best), [1, 0])[0];
}

/**
 * Reads whole rows: {rows, rest}. What follows the last whole row is `rest`,
 * to be read with the next piece; `last`: there is no next piece. A quote that
 * never closes takes the rest in.
 */
export function readRows(text, separator, { last, most = Infinity }) {
  const rows = [];
  let row = [];
  let at = 0;
  let rowStart = 0;
  while (at < text.length && rows.length < most) {
    const cell = text[at] === '"' ? quoted(text, at, separator) : plain(text, at, separator);
    const next = text[cell.end];
    if (cell.end >= text.length || (next === "\r" && cell.end + 1 >= text.length)) {
      // A line end that is cut in two belongs to the next piece, too.
      if (!last) return { rows, rest: text.slice(rowStart) };
    }
    row.push(cell.text);
    at = cell.end + 1;
    if (next === separator) {
      if (at >= text.length && last) row.push("");
      else continue;
    } else if (next === "\r" && text[at] === "\n") {
      at += 1;
    }
    // A line with nothing in it is no row.
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
    rowStart = at;
  }
  if (row.length && last) rows.push(row);
  return { rows, rest: text.slice(Math.min(rowStart, text.length)) };
}

function plain(text, start, separator) {
  let end = start;
  while (end < text.length) {
    const character = text[end];
    if (character === separator || character === "\n" || character === "\r") break;
    end += 1;
  }
  return { text: text.slice(start, end), end };
}

function quoted(text, start, separator) {
  const parts = [];
  let from = start + 1;
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return { text: parts.join("") + text.slice(from), end: text.length };
    parts.push(text.slice(from, quote));
    if (text[quote + 1] !== '"') {
      // What stands between the closing quote and the separator is kept.
      const tail = plain(text, quote + 1, separator);
      return { text: parts.join("") + tail.text, end: tail.end };
    }
    parts.push('"');
    from = quote + 2;
  }
}

const NUMBER = /^[-+−]?(?:\d{1,3}(?:[ ,.'’\u00a0\u202f]\d{3})+|\d+)?(?:[.,]\d+)?(?:e[-+]?\d+)?\s?%?$/i;

/** Whether a cell holds a number, as people and programs write them. */
export function isNumber(cell) {
  const text = cell.trim();
  return text.length > 0 && text.length < 40 && /\d/.test(text) && NUMBER.test(text);
}

/** The number in such a cell, for sorting. A single comma is a decimal one if it looks like it. */
export function numberIn(cell) {
  let text = cell.trim().replace("−", "-").replace(/[ '’\u00a0\u202f%]/g, "");
  const comma = text.lastIndexOf(",");
  const point = text.lastIndexOf(".");
  if (comma > point) {
    const isGroup = /^[-+]?\d{1,3}(,\d{3})+$/.test(text);
    text = isGroup ? text.replaceAll(",", "") : text.replaceAll(".", "").replace(",", ".");
  } else {
    text = text.replaceAll(",", "");
    if (/^[-+]?\d{1,3}(\.\d{3}){2,}$/.test(text)) text = text.replaceAll(".", "");
  }
  return Number(text);
}
