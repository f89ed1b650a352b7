// A name as an element. Called by table.js and path.js; never lets a name be
// anything but text, and never lets its writing direction leak.

import { piecesOfName } from "./format.js";

export function nameElement(name) {
  const element = document.createElement("bdi");
  for (const { text, symbol } of piecesOfName(name)) {
    if (symbol) {
      // Set apart, since a name may also hold the look-alike of a symbol.
      const mark = document.createElement("span");
      mark.className = "symbol";
      mark.textContent = text;
      element.append(mark);
    } else {
      element.append(text);
    }
  }
  return element;
}
