// Asks whether somebody is sure, before what cannot be taken back. Called by
// here/sheet.js and here/invite.js.

import { element } from "../element.js";

/** Whether they are. The way out has the focus. */
export function confirmed({ heading, text, yes, no }) {
  return new Promise((resolve) => {
    const stay = element("button", { class: "button", value: "no" }, no);
    const dialog = element(
      "dialog",
      { class: "asking-box", "aria-labelledby": "sure-title", "aria-describedby": "sure-text" },
      element("form", { method: "dialog" }, element("h2", { id: "sure-title" }, heading), element("p", { class: "lead", id: "sure-text" }, text), element("p", { class: "choices" }, element("button", { class: "button main", value: "yes" }, yes), stay)),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    stay.focus();
  });
}
