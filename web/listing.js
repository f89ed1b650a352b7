// A folder's entries in memory: ready to sort, filter and add up. Called by
// navigation.js (which makes them) and app.js (which shows them); never
// touches the document.

import { visibleName } from "./format.js";

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function byName(one, other) {
  return collator.compare(one.name, other.name) || (one.name < other.name ? -1 : Number(one.name > other.name));
}

/** Puts the hub's answer in the form that the page works with. */
export function readListing(listing) {
  const items = listing.entries.map((entry) => ({
    name: entry.name,
    shown: visibleName(entry.name),
    href: entry.href,
    folder: entry.kind === "folder",
    size: entry.size ?? 0,
    modified: entry.modified ? Date.parse(entry.modified) : null,
    type: entry.type ?? "",
  }));
  // Comparing names is the dear part of sorting: done once, kept as a rank.
  items.sort(byName);
  items.forEach((item, rank) => {
    item.rank = rank;
  });
  const files = items.filter((item) => !item.folder);
  return {
    folder: listing.href,
    path: listing.path,
    // Tells a changed folder from an unchanged one.
    fingerprint: JSON.stringify(listing.entries),
    items,
    folders: items.length - files.length,
    files: files.length,
    bytes: files.reduce((sum, item) => sum + item.size, 0),
    total: listing.total,
    truncated: listing.truncated,
    index: files.find((item) => item.name === "index.html") ?? null,
  };
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

/** The items to show, in order. Folders stay on top in either direction. */
export function arrange(listing, { column, direction }, filter) {
  const sign = direction === "descending" ? -1 : 1;
  const order = ORDERS[column];
  const words = fold(filter).split(/\s+/).filter(Boolean);
  const kept = words.length ? listing.items.filter((item) => words.every((word) => folded(item).includes(word))) : [...listing.items];
  return kept.sort((one, other) => other.folder - one.folder || sign * order(one, other) || one.rank - other.rank);
}

/** Without case and accents: "Ångström" is found by "angstrom". */
function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

// Folding costs more than comparing, and a person types several letters.
function folded(item) {
  item.folded ??= fold(item.name);
  return item.folded;
}
