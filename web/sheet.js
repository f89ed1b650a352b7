// A part of the page that opens over it: docked at an edge where there is
// room, so that the folder stays in use beside it, and in front of everything
// on a small screen. Called by app.js for the tools and the wire, and by what
// is sent (upload/desk.js) and who is here (here/sheet.js); never knows what it
// holds. At the right edge lies one sheet at a time.

import { withStyle } from "./style-part.js";

const ROOM = window.matchMedia("(min-width: 60rem) and (min-height: 32rem)");

/**
 * button: what in the header opens it; `pressed`: whether it does so by itself.
 * arrive(): moves the focus into it. changed(open): after it opened or closed.
 */
export function createSheet(dialog, { button, pressed = true, arrive, changed = () => {} }) {
  function told(open) {
    button.setAttribute("aria-expanded", String(open));
    changed(open);
  }

  function open() {
    if (!dialog.open) {
      if (dialog.classList.contains("at-edge")) {
        for (const other of document.querySelectorAll(".sheet.at-edge[open]")) other.close();
      }
      dialog.classList.toggle("docked", ROOM.matches);
      if (ROOM.matches) dialog.show();
      else dialog.showModal();
      told(true);
    }
    arrive();
  }

  const sheet = {
    open,
    close: () => dialog.close(),
    isOpen: () => dialog.open,
    toggle() {
      if (dialog.open) dialog.close();
      else open();
    },
  };

  // A modal dialog closes by Escape itself, one that is only shown does not.
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing || event.defaultPrevented || !dialog.open) return;
    event.preventDefault();
    dialog.close();
  });
  // The browser gives the focus back to what had it.
  dialog.addEventListener("close", () => told(false));
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  // Beside a sheet that does not fill the screen, a click means away with it.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && !dialog.classList.contains("docked")) dialog.close();
  });
  // Another size of window, another place.
  ROOM.addEventListener("change", () => {
    if (!dialog.open) return;
    const within = dialog.contains(document.activeElement) ? document.activeElement : null;
    dialog.close();
    open();
    within?.focus();
  });
  if (pressed) button.addEventListener("click", sheet.toggle);
  button.hidden = false;
  return sheet;
}

let style = null;
/** Resolves when what all sheets have in common applies. */
export function sheetStyle() {
  style ??= withStyle(new URL("./sheets.css", import.meta.url)).catch((error) => {
    style = null;
    throw error;
  });
  return style;
}

/**
 * A sheet that is fetched when it is first wanted. load(): a promise of it;
 * failed(): the hub did not give its parts.
 */
export function createLateSheet(button, load, failed) {
  let coming = null;
  const get = () => {
    coming ??= Promise.all([load(), sheetStyle()]).then(([sheet]) => sheet).catch((error) => {
      coming = null; // the next try may do better
      throw error;
    });
    return coming;
  };
  const toggle = () => get().then((sheet) => sheet.toggle(), failed);
  button.addEventListener("click", toggle);
  return { toggle, get };
}
