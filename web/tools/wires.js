// The choice of a wire for a tool: one button of a kind for each that the hub
// offers. Called by the tools; never offers what the hub left out.

import { element } from "../element.js";

const NAMES = { http: "HTTP", tcp: "TCP", udp: "UDP" };

/** The wires on which this visitor reaches a service, in the hub's order. */
export function wiresOf(hub, service) {
  return [...new Set(hub.services.filter(({ name }) => name === service).map(({ wire }) => wire))].filter((wire) => wire in NAMES);
}

/** {element, chosen()}: radio buttons; `name` is theirs in the form. */
export function createWires(wires, name) {
  const inputs = wires.map((wire, index) => element("input", { type: "radio", name, value: wire, checked: index === 0 }));
  const choices = inputs.map((input) => element("label", {}, input, element("span", {}, NAMES[input.value])));
  return {
    element: element("fieldset", { class: "wires" }, element("legend", {}, "Wire"), ...choices),
    chosen: () => inputs.find((input) => input.checked).value,
  };
}
