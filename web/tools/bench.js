// The tools, one after the other in their sheet. Fetched by app.js when it is
// first wanted; a new tool is a module beside these, a line in TOOLS and its
// service's name in offered.js: {name, about, create(hub, {showWire})}, where
// create gives {element, opened?, closed?}, or null where the hub has nothing to
// try it on.

import { element } from "../element.js";
import { clock } from "./clock.js";
import { echo } from "./echo.js";

const TOOLS = [echo, clock];

export function createBench(hub, { showWire }) {
  const made = TOOLS.map((tool) => ({ tool, ...tool.create(hub, { showWire }) })).filter((one) => one.element);
  const list = document.getElementById("tool-list");
  for (const { tool, element: content } of made) {
    const id = `tool-${tool.name.toLowerCase()}`;
    list.append(element("section", { class: "tool", "aria-labelledby": id }, element("h3", { id }, tool.name), element("p", { class: "tool-about" }, tool.about), content));
  }
  return {
    arrive() {
      // On a touched screen a field brings up the keyboard, which hides the rest.
      const field = window.matchMedia("(pointer: coarse)").matches ? null : list.querySelector("input[type=text]");
      (field ?? document.getElementById("tools-title")).focus();
    },
    changed(open) {
      for (const { opened, closed } of made) (open ? opened : closed)?.();
    },
  };
}
