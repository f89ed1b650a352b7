// A part of the page that opens over it: docked at an edge where there is
// room, so that the folder stays in use beside it, and in front of everything
// on a small screen. Called by app.js for the tools and the wire; never knows
// what it holds.

const ROOM = window.matchMedia("(min-width: 60rem) and (min-height: 32rem)");

/**
 * button: what in the header opens it. arrive(): moves the focus into it.
 * changed(open): after it opened or closed.
 */
export function createSheet(dialog, { button, arrive, changed = () => {} }) {
  function told(open) {
    button.setAttribute("aria-expanded", String(open));
    changed(open);
  }

  function open() {
    if (!dialog.open) {
      dialog.classList.toggle("docked", ROOM.matches);
      if (ROOM.matches) dialog.show();
      else dialog.showModal();
      told(true);
    }
    arrive();
  }

  const sheet = {
    open,
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
  button.addEventListener("click", sheet.toggle);
  button.hidden = false;
  return sheet;
}
