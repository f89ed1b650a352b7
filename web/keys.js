// The page's own keys. Called once by app.js; never acts while somebody
// types, while a dialog is open, or on a key with a modifier that belongs to
// the browser. A sheet (sheet.js) has the rows' keys for itself, and leaves
// those that open and close sheets.

const TYPING = "input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]";

/** actions: what each key does; an action that returns false lets the key be. */
export function listenForKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (event.target.closest?.(TYPING) || document.querySelector("dialog[open]:not(.sheet)")) return;
    const inSheet = event.target.closest?.(".sheet[open]") || document.querySelector(".sheet[open]:not(.docked)");
    const { keys, tools, wire, here, settings } = actions;
    const action = actionFor(event, inSheet ? { keys, tools, wire, here, settings } : actions);
    if (action && action() !== false) event.preventDefault();
  });
}

function actionFor(event, actions) {
  const { key } = event;
  if (event.ctrlKey || event.metaKey) return key.toLowerCase() === "a" && !event.shiftKey && !event.altKey ? actions.pickAll : null;
  if (event.altKey) return key === "ArrowUp" && !event.shiftKey ? actions.up : null;
  // These two need Shift on some keyboards and not on others.
  if (key === "/") return actions.filter;
  if (key === "?") return actions.keys;
  if (event.shiftKey) return { ArrowDown: actions.extendNext, ArrowUp: actions.extendPrevious }[key] ?? null;
  switch (key) {
    case "ArrowDown":
      return actions.next;
    case "ArrowUp":
      return actions.previous;
    case "Home":
      return actions.first;
    case "End":
      return actions.last;
    case "PageDown":
      return actions.pageDown;
    case "PageUp":
      return actions.pageUp;
    case " ":
      return actions.pick;
    case "Escape":
      return actions.clear;
    case ",":
      return actions.settings;
    case "Enter":
      return actions.open;
    case "Backspace":
      return actions.up;
  }
  switch (key.toLowerCase()) {
    case "j":
      return actions.next;
    case "k":
      return actions.previous;
    case "d":
      return actions.download;
    case "s":
      return actions.share;
    case "n":
      return actions.makeFolder;
    case "p":
      return actions.here;
    case "a":
      return actions.allHubs;
    case "u":
      return actions.send;
    case "t":
      return actions.tools;
    case "w":
      return actions.wire;
  }
  return null;
}
