// A text with a button that copies it. Called by panel.js, wire/drawer.js
// and here/invite.js; never decides what is worth copying.

import { copyText } from "./clipboard.js";

const template = document.getElementById("copy-template").content.firstElementChild;

/** shown: the element with the text, which is selected where nothing may write the clipboard. */
export function copyButton(text, what, shown, announce) {
  const button = template.cloneNode(true);
  button.setAttribute("aria-label", `Copy ${what}`);
  button.title = "Copy";
  button.addEventListener("click", async () => {
    if (!(await copyText(text))) {
      // So that the person's own copy key does it.
      window.getSelection().selectAllChildren(shown);
      announce("Selected. Press your copy key.");
      return;
    }
    const use = button.querySelector("use");
    use.setAttribute("href", "#icon-done");
    announce("Copied");
    button.addEventListener("blur", () => use.setAttribute("href", "#icon-copy"), { once: true });
    button.addEventListener("pointerleave", () => use.setAttribute("href", "#icon-copy"), { once: true });
  });
  return button;
}

/** A long address wraps after its slashes, not in the middle of a word. */
export function breakable(text) {
  const pieces = document.createDocumentFragment();
  for (const piece of text.split(/(?<=[^/:]\/)/)) pieces.append(piece, document.createElement("wbr"));
  return pieces;
}
