// What is said in place of a file that cannot be shown: it is gone, the hub is
// silent, the key is wanted, the browser does not know the format. Called by
// viewer.js; the views throw what it puts into words.

import { element } from "../element.js";
import { HubProblem, HubSilent, ask } from "../hub.js";

/** A file that came, and that cannot be shown all the same. */
export class Unshowable extends Error {
  /** more: [{label, run}] of what else could be done. */
  constructor(heading, text, more = []) {
    super(heading);
    this.text = text;
    this.more = more;
  }
}

/** The file has another state than the one whose beginning is shown. */
export class FileChanged extends Error {}

/**
 * Finds out why a file did not come where the browser itself does not say:
 * throws what the hub says, and returns where the hub has nothing against it.
 */
export async function findOut(address) {
  const { status } = await ask(address, { method: "HEAD" });
  if (status >= 400) throw new HubProblem(status, "The hub refuses", "");
}

/** download: the address of the file. */
export function troubleElement(error, { retry, join, download }) {
  const { heading, text, actions } = wordsFor(error, { retry, join });
  const row = element("p", { class: "actions" });
  for (const { label, run } of actions) row.append(element("button", { type: "button", class: "button", click: run }, label));
  if (error instanceof Unshowable) row.append(element("a", { class: "button", href: download, download: true }, "Download"));
  return element("section", { class: "viewer-trouble" }, element("h3", {}, heading), element("p", {}, text), row);
}

function wordsFor(error, { retry, join }) {
  const again = { label: "Try again", run: retry };
  if (error instanceof Unshowable) return { heading: error.message, text: error.text, actions: error.more };
  if (error instanceof FileChanged) return { heading: "The file has changed", text: "On the hub it is another one now than the one that was shown here.", actions: [{ label: "Show it anew", run: retry }] };
  if (error instanceof HubProblem) {
    if (error.status === 401) return { heading: "You are not in this hub any more", text: "Its person has shown this device out, or its key has changed. With the new key or a new link you can come back.", actions: [{ label: "Join", run: join }, again] };
    if (error.status === 404) return { heading: "This file is not there any more", text: "It was removed or renamed on the hub since the list was made.", actions: [again] };
    return { heading: `The hub refuses (${error.status})`, text: error.detail || "It does not give this file just now.", actions: [again] };
  }
  const silent = error instanceof HubSilent || error instanceof TypeError;
  if (silent) return { heading: "The hub does not answer", text: "It may be switched off, or this device may have left its network.", actions: [again] };
  return { heading: "This file cannot be shown here", text: `Something in it was too much for this page (${error.message}).`, actions: [again] };
}
