// The addresses by which others reach what is here. Called by share/sheet.js
// and selection/bar.js.

import { ask, checked, parsed } from "../hub.js";
import { httpEntry } from "../wire/http.js";
import { record } from "../wire/log.js";

const DOTS = "••••••••••••";

/**
 * {links, has_code} of that path on this hub, the likeliest first; none where
 * nobody else reaches it. key: whether they let in whoever opens them.
 */
export async function askForLinks(path, { key }) {
  const query = { path, ...(key ? { key: "yes" } : {}) };
  const seen = await ask("/-/api/link", {
    query,
    headers: { Accept: "application/json" },
    veil: (text) => text.replace(/#k=[^&"]*/g, `#k=${DOTS}`),
    tell: (told) => record(httpEntry({ title: "The link for others", byItself: true, requests: [{ seen: told, asks: "asks by which addresses others reach this", tells: told.status === 200 ? "the links" : "refuses" }] })),
  });
  return checked(seen, parsed(seen.text));
}

/** The picture of one of them. */
export function codeOf(path, at, { key }) {
  return `/-/link.svg?${new URLSearchParams({ path, at, ...(key ? { key: "yes", of: Date.now() } : {}) })}`;
}

/** What stands before a path in a link for others. */
export async function baseForOthers() {
  try {
    const { links } = await askForLinks("/", { key: false });
    return links.length ? links[0].replace(/\/$/, "") : location.origin;
  } catch {
    return location.origin; // it leads here, at least
  }
}
