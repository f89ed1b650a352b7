// The choice of a wire for a tool: one button of a kind for each that the hub
// runs. Called by the tools; never offers what the hub left out, and shows what
// this visitor does not reach as such.

import { element } from "../element.js";

const NAMES = { http: "HTTP", tcp: "TCP", udp: "UDP" };

/**
 * The wires of a service: {reached, elsewhere}, the names of those on which this
 * visitor reaches it, and the hub's account of the others. null where the hub
 * does not run it.
 */
export function wiresOf(hub, service) {
  if (!hub.running.includes(service)) return null;
  const own = (list) => list.filter(({ name, wire }) => name === service && wire in NAMES);
  return { reached: [...new Set(own(hub.services).map(({ wire }) => wire))], elsewhere: own(hub.elsewhere) };
}

/** Where the wires are that this visitor does not reach, in a line; null without any. */
export function noteOf({ elsewhere }, id) {
  if (!elsewhere.length) return null;
  const names = elsewhere.map(({ wire }) => NAMES[wire]).join(" and ");
  const places = [...new Set(elsewhere.map(({ only }) => only))].join(" and ");
  return element("p", { class: "told elsewhere", id }, `${names}: only ${places}; it lets others in when started with `, element("code", {}, elsewhere.map((one) => one.let_in).join(" ")));
}

/**
 * {element, chosen()}: radio buttons; `name` is theirs in the form, and `note`
 * what noteOf() made.
 */
export function createWires({ reached, elsewhere }, name, note) {
  const input = (wire, attributes) => element("input", { type: "radio", name, value: wire, ...attributes });
  const inputs = [...reached.map((wire, index) => input(wire, { checked: index === 0 })), ...elsewhere.map(({ wire }) => input(wire, { disabled: true }))];
  const choices = inputs.map((input) => element("label", {}, input, element("span", {}, NAMES[input.value])));
  return {
    element: element("fieldset", { class: "wires", "aria-describedby": note ? note.id : null }, element("legend", {}, "Wire"), ...choices),
    chosen: () => inputs.find((input) => input.checked).value,
  };
}
