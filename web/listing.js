// A folder's entries in memory: ready to sort, filter and add up. Called by
// navigation.js (which makes them) and app.js (which shows them); never
// touches the document. Whatever is done with each entry of a long list is done
// a stretch at a time, so that the page answers in between.

import { visibleName } from "./format.js";

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function byName(one, other) {
  return collator.compare(one.name, other.name) || (one.name < other.name ? -1 : Number(one.name > other.name));
}

const STRETCH = 1024; // entries
const BREATH = 12; // ms of work before others have their turn

/** Puts the hub's answer in the form that the page works with. */
export function readListing(answer) {
  const reading = read(answer);
  let step = reading.next();
  while (!step.done) step = reading.next();
  return step.value;
}

/** The same for a long list, in between what else the page has to do. */
export async function readLongListing(answer, signal) {
  const reading = read(answer);
  let began = performance.now();
  for (let step = reading.next(); ; step = reading.next()) {
    if (step.done) return step.value;
    if (performance.now() - began < BREATH) continue;
    await new Promise((resume) => setTimeout(resume));
    signal.throwIfAborted();
    began = performance.now();
  }
}

/** Yields wherever it may be left for a moment. */
function* read(answer) {
  let items = [];
  let fingerprint = mix(answer.entries.length, JSON.stringify(answer.nodes ?? 0));
  for (const entry of answer.entries) {
    items.push(itemOf(entry));
    fingerprint = mix(fingerprint, `${entry.href} ${entry.size} ${entry.modified} ${entry.at}`);
    if (items.length % STRETCH === 0) yield;
  }
  // Comparing names is the dear part of sorting: done once, kept as a rank.
  items = yield* sorted(items, byName);
  items.forEach((item, rank) => {
    item.rank = rank;
  });
  const files = items.filter((item) => !item.folder);
  return {
    folder: answer.href,
    path: answer.path,
    // Tells a changed folder from an unchanged one.
    fingerprint,
    items,
    folders: items.length - files.length,
    files: files.length,
    bytes: files.reduce((sum, item) => sum + item.size, 0),
    nodes: answer.nodes ?? [], // whose folder it is, where all hubs were asked
    here: answer.nodes?.[0].has ?? true,
    total: answer.total,
    truncated: answer.truncated,
    index: files.find((item) => item.name === "index.html") ?? null,
    order: null, // of arrange()
  };
}

function itemOf(entry) {
  return {
    name: entry.name,
    shown: visibleName(entry.name),
    folded: fold(entry.name),
    href: entry.href,
    folder: entry.kind === "folder",
    size: entry.size ?? 0,
    modified: entry.modified ? Date.parse(entry.modified) : null,
    type: entry.type ?? "",
    at: entry.at ?? null, // which hubs have it, where all were asked
    differs: Boolean(entry.differs),
  };
}

/** A sum over what is told of each entry: 53 bits, so that two folders hardly ever have the same. */
function mix(sum, text) {
  let low = sum % 4294967296 | 0;
  let high = Math.floor(sum / 4294967296) | 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    low = Math.imul(low ^ code, 0x9e3779b1);
    high = Math.imul(high ^ code, 0x5f356495);
  }
  return (high & 0x1fffff) * 4294967296 + (low >>> 0);
}

/** Merge sort, from short stretches that the browser sorts itself. */
function* sorted(items, compare) {
  let runs = [];
  for (let from = 0; from < items.length; from += STRETCH) {
    runs.push(items.slice(from, from + STRETCH).sort(compare));
    yield;
  }
  while (runs.length > 1) {
    const longer = [];
    for (let at = 0; at < runs.length; at += 2) longer.push(at + 1 < runs.length ? yield* merged(runs[at], runs[at + 1], compare) : runs[at]);
    runs = longer;
  }
  return runs[0] ?? [];
}

function* merged(one, other, compare) {
  const both = [];
  let left = 0;
  let right = 0;
  while (left < one.length && right < other.length) {
    if (compare(one[left], other[right]) <= 0) both.push(one[left++]);
    else both.push(other[right++]);
    if (both.length % STRETCH === 0) yield;
  }
  while (left < one.length) both.push(one[left++]);
  while (right < other.length) both.push(other[right++]);
  return both;
}

const ORDERS = {
  name: (one, other) => one.rank - other.rank,
  size: (one, other) => one.size - other.size,
  modified: (one, other) => (one.modified ?? -Infinity) - (other.modified ?? -Infinity) || 0,
};

export const COLUMNS = Object.keys(ORDERS);

/** The direction that people mean when they first choose a column. */
export function firstDirection(column) {
  return column === "name" ? "ascending" : "descending";
}

/** The items to show, in order. folders: "first" in either direction, or "mixed" with the files. */
export function arrange(listing, sort, filter, folders) {
  const all = ordered(listing, sort, folders);
  const words = fold(filter).split(/\s+/).filter(Boolean);
  if (!words.length) return all;
  // Each letter that is typed behind the others leaves fewer.
  const { before } = listing.order;
  const some = before && words.length === before.words.length && words.every((word, at) => word.startsWith(before.words[at])) ? before.kept : all;
  const kept = some.filter((item) => words.every((word) => item.folded.includes(word)));
  listing.order.before = { words, kept };
  return kept;
}

/** All items in that order, which is kept: to filter needs no sorting. */
function ordered(listing, { column, direction }, folders) {
  const key = `${column} ${direction} ${folders}`;
  if (listing.order?.key === key) return listing.order.items;
  const sign = direction === "descending" ? -1 : 1;
  const order = ORDERS[column];
  const inOrder = (items) => items.sort((one, other) => sign * order(one, other) || one.rank - other.rank);
  const { items } = listing;
  const all = folders === "mixed" ? inOrder([...items]) : [...inOrder(items.filter((item) => item.folder)), ...inOrder(items.filter((item) => !item.folder))];
  listing.order = { key, items: all, before: null };
  return all;
}

/** Without case and accents: "Ångström" is found by "angstrom". */
function fold(text) {
  // Most names have no accents, and then this is all there is to do.
  if (/^[ -~]*$/.test(text)) return text.toLowerCase();
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}
