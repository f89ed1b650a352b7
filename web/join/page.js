// The join page's script: trades the key of the link at once, or the one that
// is typed, and then loads what was wanted. Loaded by join.html.

import { enliven } from "./form.js";

const form = document.getElementById("join");
// Shown in place of any page that wants the key, and at an address of its own.
const wanted = location.pathname === "/-/join" ? "/" : null;

const joining = enliven(form, () => {
  if (wanted) location.replace(wanted);
  else location.reload();
});

function byLink() {
  const key = window.takeLinkKey();
  if (!key) return;
  joining.say("One moment:", "the link’s key is being shown to the hub.");
  joining.attempt(key);
}

window.addEventListener("linkkey", byLink);
byLink();
