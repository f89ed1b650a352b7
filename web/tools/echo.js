// Echo: says a text and shows whether the same came back, and how soon. Called
// by tools/bench.js; over TCP and UDP it is the hub that asks, and it says so.

import { element } from "../element.js";
import { milliseconds } from "../format.js";
import { HubProblem, echoOverHttp, exchange } from "../hub.js";
import { createResult } from "./result.js";
import { createWires, noteOf, wiresOf } from "./wires.js";

const MAX_BYTES = 4096; // as the hub has it for an exchange

export const echo = {
  name: "Echo",
  about: "The same words back: is the way open, and how long does it take?",

  /** null where the hub runs no echo. */
  create(hub, { showWire }) {
    const offered = wiresOf(hub, "echo");
    if (!offered) return null;
    const note = noteOf(offered, "echo-elsewhere");
    const wires = createWires({ ...offered, reached: ["http", ...offered.reached] }, "echo-wire", note);
    const text = element("input", { id: "echo-text", type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "send", required: true, maxlength: MAX_BYTES, value: "Hello, hub" });
    const button = element("button", { class: "button" }, "Say it");
    const result = createResult({ showWire });
    const form = element("form", { novalidate: true }, element("label", { for: "echo-text" }, "Text"), text, element("div", { class: "row" }, wires.element, button), note ?? "", result.element);

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const said = wellFormed(text.value);
      const wrong = faultOf(said);
      if (wrong) {
        result.want(wrong);
        text.focus();
        return;
      }
      button.disabled = true;
      result.busy();
      try {
        result.say(await sayIt(said, wires.chosen()));
      } catch (error) {
        result.fail(error);
      }
      button.disabled = false;
      // A disabled button has lost the focus.
      if (document.activeElement === document.body) button.focus({ preventScroll: true });
    });
    return { element: form };
  },
};

/** Why a text cannot be said; null if it can. */
function faultOf(said) {
  if (!said) return "Say what: the text is missing.";
  return new TextEncoder().encode(said).length > MAX_BYTES ? `Too long: at most ${MAX_BYTES} bytes here.` : null;
}

async function sayIt(said, wire) {
  if (wire === "http") {
    const heard = await echoOverHttp(said);
    return { answer: heard.text, note: `${verdict(said, heard.text)} ${milliseconds(heard.round_trip_ms, 0.1)} there and back, as this page measured it.`, number: heard.number };
  }
  // Over TCP a line end tells where the text ends; without one, the service
  // would have to wait and see.
  const { answer, failure, number } = await exchange({ service: "echo", wire, message: said, line: wire === "tcp" });
  if (failure) throw new HubProblem(200, "The hub got no answer from its own echo service", failure);
  const took = answer.round_trip_ms === null ? "" : `: ${milliseconds(answer.round_trip_ms)} there and back`;
  return { answer: answer.text, note: `${verdict(said, answer.text)} The hub asked its own echo service over ${wire.toUpperCase()}${took}.`, number };
}

function verdict(said, heard) {
  return said === heard ? "The same came back." : "Something else came back.";
}

/** Without the halves of characters that no encoding has. */
function wellFormed(text) {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}
