// Links of a shared text to what is not in the share become text that says so.
// What lies in the same folder is known from its list; of the rest the hub is
// asked, a little at a time. Called by markdown.js; what cannot be found out
// stays a link.

import { element } from "../element.js";
import { ask } from "../hub.js";

const ASKED_MAX = 100; // paths that are not in this folder
const AT_ONCE = 4;

/** Looks where the links in `page` lead, those with data-path. */
export async function drawDeadLinks(page, { folder, entries, signal }) {
  const links = new Map(); // path -> the links to it
  for (const link of page.querySelectorAll("a[data-path]")) {
    const { path } = link.dataset;
    links.set(path, [...(links.get(path) ?? []), link]);
  }
  const here = namesOf(entries());
  const asked = [];
  for (const path of links.keys()) {
    const isHere = here && hereOrNull(path, folder, here);
    if (isHere === false) kill(links.get(path));
    else if (isHere !== true) asked.push(path);
  }
  const waiting = asked.slice(0, ASKED_MAX);
  const goOn = async () => {
    while (waiting.length && !signal.aborted) {
      const path = waiting.shift();
      if (await isGone(path, signal)) kill(links.get(path));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, goOn));
}

function namesOf(entries) {
  return entries && new Set(entries.map(({ href }) => plain(href)));
}

/** Whether a path of this folder is in its list; null: it is of another folder. */
function hereOrNull(path, folder, here) {
  if (path === folder) return true;
  const name = path.startsWith(folder) ? path.slice(folder.length) : "";
  return name === "" || name.replace(/\/$/, "").includes("/") ? null : here.has(plain(name));
}

/** As it can be compared: letters may be written in several ways. */
function plain(href) {
  const name = href.replace(/\/$/, "");
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

async function isGone(path, signal) {
  const seen = await ask(path, { method: "HEAD", signal }).catch(() => null);
  return seen?.status === 404;
}

function kill(links) {
  for (const link of links) {
    const text = element("span", { class: "no-link", title: `This is not there: ${link.dataset.path}` });
    text.append(...link.childNodes);
    link.replaceWith(text);
  }
}
