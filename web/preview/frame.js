// The viewer's frame: its head with the name, what can be done, the place in the
// folder, and the list of keys. Called by viewer.js; never shows a file itself.

import { element, icon } from "../element.js";
import { drawing } from "./drawings.js";

/** A button of the head. `key` is what does the same on a keyboard. */
export function toolButton({ draw, label, key, pressed = null, run }) {
  const shortcut = { "+": "plus", "-": "minus" }[key] ?? key;
  return element(
    "button",
    { type: "button", class: "viewer-tool", "aria-label": label, title: key ? `${label} (${key})` : label, "aria-keyshortcuts": shortcut ?? null, "aria-pressed": pressed === null ? null : String(pressed), click: run },
    draw,
  );
}

/** run: {step(by), grid(), share(), keys(), close()} */
export function makeFrame(run) {
  const frame = {
    kind: element("span", { class: "viewer-kind" }),
    name: element("h2", { id: "viewer-name", tabindex: "-1" }),
    facts: element("p", { class: "viewer-facts" }),
    own: element("div", { class: "viewer-own" }),
    place: element("p", { class: "viewer-place", hidden: true }),
    previous: toolButton({ draw: drawing("previous"), label: "Previous", key: "←", run: () => run.step(-1) }),
    next: toolButton({ draw: drawing("next"), label: "Next", key: "→", run: () => run.step(1) }),
    grid: toolButton({ draw: drawing("grid"), label: "All pictures", key: "g", run: run.grid }),
    share: toolButton({ draw: icon("share"), label: "Share", key: "s", run: run.share }),
    download: element("a", { class: "viewer-tool", download: true, "aria-label": "Download", title: "Download (d)", "aria-keyshortcuts": "d" }, icon("download")),
    open: element("a", { class: "viewer-tool", target: "_blank", rel: "noopener", "aria-label": "Open the file itself in a new tab", title: "Open the file itself (o)", "aria-keyshortcuts": "o" }, drawing("outside")),
    body: element("div", { class: "viewer-body", tabindex: "0", role: "region", "aria-labelledby": "viewer-name" }),
    said: element("p", { class: "unseen", "aria-live": "polite" }),
    keys: makeKeys(),
  };
  const list = element("button", { type: "button", class: "viewer-tool for-keys", "aria-label": "Keys", title: "Keys (?)", "aria-haspopup": "dialog", click: run.keys }, element("kbd", { "aria-hidden": "true" }, "?"));
  const close = element("button", { type: "button", class: "viewer-tool viewer-close", "aria-label": "Close", title: "Close (Esc)", click: run.close }, icon("close"));
  frame.dialog = element(
    "dialog",
    { class: "viewer", "aria-labelledby": "viewer-name" },
    element("div", { class: "viewer-title" }, frame.kind, frame.name, frame.facts),
    element("div", { class: "viewer-tools" }, frame.own, element("div", { class: "viewer-steps" }, frame.previous, frame.place, frame.next), frame.grid, frame.share, frame.download, frame.open, list),
    close,
    frame.body,
    frame.said,
    frame.keys.dialog,
  );
  document.body.append(frame.dialog);
  return frame;
}

function makeKeys() {
  const list = element("dl");
  const dialog = element(
    "dialog",
    { class: "viewer-keys", "aria-labelledby": "viewer-keys-title" },
    element("form", { method: "dialog" }, element("h2", { id: "viewer-keys-title" }, "Keys"), list, element("button", { class: "button" }, "Close")),
  );
  return {
    dialog,
    /** all: [[keys, words]] of those that do something just now. */
    show(all) {
      const rows = all.map(([keys, words]) => {
        const term = element("dt");
        for (const key of keys) term.append(element("kbd", {}, key), " ");
        return element("div", {}, term, element("dd", {}, words));
      });
      list.replaceChildren(...rows);
      dialog.showModal();
    },
  };
}
