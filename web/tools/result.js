// What a tool says when it has done something: the answer, a note under it,
// and the way to the wire. Called by the tools; never asks the hub.

import { element } from "../element.js";
import { HubProblem, HubSilent } from "../hub.js";
import { visibleName } from "../format.js";

/** {element, busy(), say({answer, note, number}), fail(error), want(words)} */
export function createResult({ showWire }) {
  const place = element("div", { class: "result", "aria-live": "polite" });

  function draw(kind, number, ...parts) {
    place.className = `result ${kind}`;
    place.replaceChildren(...parts);
    // Without a number: of what failed before anything passed, too, the last
    // entry tells.
    place.append(element("button", { type: "button", class: "to-wire", click: () => showWire(number) }, "Show the wire"));
    show();
  }

  // What is asked for below the fold answers where nobody sees it.
  function show() {
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    place.scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
  }

  return {
    element: place,
    busy() {
      place.className = "result";
      place.replaceChildren();
      place.setAttribute("aria-busy", "true");
    },
    say({ answer, note, number }) {
      place.removeAttribute("aria-busy");
      draw("answered", number, element("p", { class: "answer" }, visibleName(answer)), element("p", { class: "told" }, note));
    },
    fail(error, number) {
      place.removeAttribute("aria-busy");
      const [heading, text] = wordsFor(error);
      draw("failed", number, element("p", {}, element("strong", {}, heading), ` ${text}`));
    },
    /** What is wrong with what was typed: nothing has passed. */
    want(words) {
      place.className = "result failed";
      place.replaceChildren(element("p", {}, words));
      show();
    },
  };
}

/** An error of the hub's, in a few words and a sentence. */
export function wordsFor(error) {
  if (error instanceof HubSilent) {
    return ["The hub does not answer.", "It may be switched off, or this device may have left its network."];
  }
  if (error instanceof HubProblem) return [`${error.message}.`, error.detail ?? ""];
  throw error;
}
