// Text and code with line numbers. Long files come in pieces; what is no text
// says so. Fetched by viewer.js when it is first wanted.

import { element } from "../element.js";
import { counted, number, sizeForPeople } from "../format.js";
import { kindOf } from "../kinds.js";
import { recall, remember } from "../memory.js";
import { drawing } from "./drawings.js";
import { indented } from "./indent.js";
import { createLines } from "./lines.js";
import { createSource } from "./source.js";
import { Unshowable } from "./trouble.js";
import { turnsRound } from "./unseen.js";

const LINES_PER_STEP = 20_000;

export async function show(stage) {
  const { item, body } = stage;
  const regardless = stage.options.regardless ?? false;
  const source = createSource(stage);
  const first = await source.next({ regardless });
  if (first === null) {
    const anyway = { label: "Show it as text anyway", run: () => stage.showAs("text", { regardless: true }) };
    throw new Unshowable("This is not text", "There are bytes in it that no text has.", [anyway]);
  }
  const view = createText(stage, source);
  wrapTool(stage);
  if (stage.natural !== "text") stage.tool({ draw: drawing("page"), label: "Laid out", key: "v", run: () => stage.showAs(stage.natural) });
  if (item.type.startsWith("application/json") && source.ended) indentTool(stage, view, first);
  body.replaceChildren(...view.parts);
  view.add(first);
  stage.announce([`${item.shown}, ${view.told()}.`, view.warning()].join(" "));
}

function createText(stage, source) {
  const isCode = kindOf(stage.item) === "code";
  const note = element("p", { class: "viewer-note", hidden: true });
  const end = element("p", { class: "viewer-more" });
  let lines = createLines({ isCode });
  let waiting = ""; // read, and not drawn yet
  let deceives = false;

  function add(text) {
    waiting += text;
    const cut = endOfLines(waiting, LINES_PER_STEP, source.ended);
    const drawn = waiting.slice(0, cut);
    waiting = waiting.slice(cut);
    deceives ||= turnsRound(drawn);
    lines.append(drawn);
    drawEnd();
  }

  function drawEnd() {
    stage.fact(`${view.told()} · ${source.written.name}`);
    note.textContent = view.warning();
    note.hidden = note.textContent === "";
    end.replaceChildren();
    if (source.totalBytes === 0) end.append("This file is empty.");
    if (source.ended && !waiting) return;
    const button = element("button", { type: "button", class: "button", click: () => more(button) }, "Show more");
    end.append(`These are the first ${number(lines.count())} lines of a file of ${sizeForPeople(source.totalBytes)}. `, button);
  }

  async function more(button) {
    const before = lines.count();
    button.disabled = true;
    try {
      add(waiting.length > 1 || source.ended ? "" : await source.next());
    } catch (error) {
      stage.fail(error);
      return;
    }
    stage.announce(`${counted(lines.count() - before, "more line", "more lines")}.`);
    // The button is where the next piece ends now; the reader is not.
    stage.body.focus({ preventScroll: true });
  }

  const view = {
    parts: [note, lines.element, end],
    add,
    /** All lines of the file, as far as that is known. */
    told() {
      const count = lines.count() + linesIn(waiting);
      return source.ended ? counted(count, "line", "lines") : `more than ${counted(count, "line", "lines")}`;
    },
    warning() {
      const words = [];
      if (source.written.encoding === "windows-1252") words.push("This is not UTF-8: it is read as Windows-1252, so that letters with accents may be others than were meant.");
      if (deceives) words.push("There are characters in it that turn the text around them round. They are shown as symbols.");
      return words.join(" ");
    },
    /** Another text in the place of what is there. */
    redraw(text) {
      const old = lines.element;
      lines = createLines({ isCode });
      waiting = "";
      old.replaceWith(lines.element);
      add(text);
    },
  };
  return view;
}

/** How many lines there are; what follows the last line end is one. */
function linesIn(text) {
  const ends = text.match(/\r\n|\n|\r/g)?.length ?? 0;
  return ends + (text === "" || /[\r\n]$/.test(text) ? 0 : 1);
}

/** Where the first lines end, and the text where there are fewer; a line end is not cut in two. */
function endOfLines(text, most, last) {
  const pattern = /\r\n|\n|\r/g;
  for (let count = 0; count < most; count += 1) {
    if (!pattern.exec(text)) return !last && text.endsWith("\r") ? text.length - 1 : text.length;
  }
  return pattern.lastIndex;
}

function wrapTool(stage) {
  const isCode = kindOf(stage.item) === "code";
  let wraps = (recall("wrap") ?? (isCode ? "off" : "on")) === "on";
  const button = stage.tool({ draw: drawing("wrap"), label: "Wrap long lines", key: "z", pressed: wraps, run: toggle });
  const apply = () => {
    stage.body.classList.toggle("wraps", wraps);
    button.setAttribute("aria-pressed", String(wraps));
  };
  function toggle() {
    wraps = !wraps;
    remember("wrap", wraps ? "on" : "off");
    apply();
    stage.announce(wraps ? "Long lines are wrapped." : "Long lines are not wrapped.");
  }
  apply();
}

function indentTool(stage, view, text) {
  const laidOut = indented(text);
  if (laidOut === null || laidOut === text.trim()) return;
  let on = false;
  const button = stage.tool({ draw: drawing("indent"), label: "Indent the JSON", key: "i", pressed: false, run: toggle });
  function toggle() {
    on = !on;
    button.setAttribute("aria-pressed", String(on));
    view.redraw(on ? laidOut : text);
    stage.announce(on ? "Indented." : "As it is written.");
  }
}
