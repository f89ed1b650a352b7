// Asks for the key over the page that is open, so that what waits there (files
// on their way, a place in a list) is not lost. Called by app.js; sends
// nobody to another page.

import { element } from "../element.js";
import { enliven } from "./form.js";

let dialog = null;

/** joined(): the key was right. */
export function askForKey({ announce, joined }) {
  dialog ??= make();
  const form = dialog.querySelector("form");
  form.replaceWith(form.cloneNode(true)); // without the listeners of the last time
  const fresh = dialog.querySelector("form");
  fresh.querySelector(".said").hidden = true;
  enliven(fresh, () => {
    dialog.close();
    announce("You are in.");
    joined();
  });
  fresh.querySelector(".leave").addEventListener("click", () => dialog.close());
  if (!dialog.open) dialog.showModal();
  fresh.elements.key.focus();
}

function make() {
  const made = element(
    "dialog",
    { class: "asking-box", "aria-labelledby": "again-title" },
    element(
      "form",
      { class: "join-form" },
      element("h2", { id: "again-title" }, "Join this hub"),
      element("p", { class: "said", role: "alert", hidden: true }),
      element("label", { for: "again-key" }, "Key"),
      element("input", { id: "again-key", name: "key", type: "text", class: "field key-field", required: true, autocomplete: "off", autocapitalize: "off", autocorrect: "off", spellcheck: "false", maxlength: "100" }),
      element("label", { for: "again-name" }, "Your name ", element("span", { class: "may" }, "if you like")),
      element("input", { id: "again-name", name: "name", type: "text", class: "field", autocomplete: "nickname", maxlength: "60" }),
      element("p", { class: "choices" }, element("button", { class: "button main" }, "Join"), element("button", { class: "button leave", type: "button" }, "Not now")),
    ),
  );
  document.body.append(made);
  return made;
}
