// The join page's script: trades the key of the link at once, or the one that
// is typed, and then loads what was wanted. Loaded by join.html.

import { ask, parsed } from "../hub.js";
import { enliven } from "./form.js";

const form = document.getElementById("join");

/** Shown in place of any page that wants the key, and at an address of its own. */
function goOn() {
  if (location.pathname === "/-/join") location.replace(window.linkLeadsTo() ?? "/");
  else location.reload();
}

const joining = enliven(form, goOn);

/** Whether this browser is in already, and needs no key. */
async function isIn() {
  if (location.pathname !== "/-/join") return false;
  const seen = await ask("/-/api/hub", { headers: { Accept: "application/json" } }).catch(() => null);
  return seen?.status === 200 && Boolean(parsed(seen.text)?.access?.guest);
}

async function byLink() {
  const key = window.takeLinkKey();
  if (!key) return;
  if (await isIn()) {
    goOn();
    return;
  }
  joining.say("One moment:", "the link’s key is being shown to the hub.");
  joining.attempt(key);
}

window.addEventListener("linkkey", byLink);
byLink();
