// Puts a text on the clipboard. Called by copyable.js. A hub on a LAN is seldom
// a secure context, where navigator.clipboard is missing; the old command
// still works there. Never reads the clipboard.

/** Whether the text was copied. */
export async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Refused by the browser or its settings: try the old way.
    }
  }
  const holder = document.createElement("textarea");
  const focused = document.activeElement;
  holder.value = text;
  holder.readOnly = true; // keeps a phone's keyboard from opening
  holder.className = "unseen";
  // Outside of an open modal dialog nothing can be selected.
  (focused?.closest("dialog[open]") ?? document.body).append(holder);
  holder.select();
  const copied = document.execCommand("copy");
  holder.remove();
  focused?.focus({ preventScroll: true });
  return copied;
}
