// Text as numbered lines. All that is loaded is in the document, so that the
// browser finds in it; blocks of lines that are out of sight cost no layout.
// Called by text.js; text becomes text and never markup.

import { element } from "../element.js";
import { piecesOf } from "./unseen.js";

const LINES_PER_BLOCK = 100;
const LINE_HEIGHT = 1.5; // em, as preview.css has it
const SYMBOLS_MAX = 20_000; // beyond them they stay visible, in one colour with the rest

/** isCode: reads from the left whatever its letters are. */
export function createLines({ isCode }) {
  const list = element("div", { class: isCode ? "lines code" : "lines" });
  let block = null;
  let inBlock = 0;
  let line = null; // the last one, which what comes next may go on with
  let isEnded = true; // so that the next text begins another
  let lines = 0;
  let symbols = 0;

  function addLine() {
    if (!block || inBlock === LINES_PER_BLOCK) {
      block = element("div", { class: "line-block" });
      list.append(block);
      inBlock = 0;
    }
    lines += 1;
    inBlock += 1;
    line = element("div", { class: "line", "data-number": String(lines) });
    block.append(line);
    // As much room as its lines will take, while it is out of sight.
    block.style.containIntrinsicBlockSize = `auto ${inBlock * LINE_HEIGHT}em`;
  }

  function addText(text) {
    if (!text) return;
    for (const piece of piecesOf(text)) {
      symbols += piece.symbol ? 1 : 0;
      if (piece.symbol && symbols <= SYMBOLS_MAX) line.append(element("span", { class: "symbol" }, piece.text));
      else line.append(piece.text);
    }
  }

  return {
    element: list,
    count: () => lines,
    /** Goes on where the text before ended, be it within a line. */
    append(text) {
      const parts = text.split(/\r\n|\n|\r/);
      for (const [index, part] of parts.entries()) {
        // The line end that ends a text begins no line yet.
        if (index === parts.length - 1 && part === "") continue;
        if (isEnded || index > 0) addLine();
        isEnded = false;
        addText(part);
        // An empty line is copied as one.
        if (index < parts.length - 1 && !line.hasChildNodes()) line.append(element("br"));
      }
      if (parts.length > 1) isEnded = parts.at(-1) === "";
      list.style.setProperty("--digits", String(String(lines).length));
    },
  };
}
