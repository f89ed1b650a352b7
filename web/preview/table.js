// Comma-separated values as a table, in steps. Fetched by viewer.js when it is
// first wanted.

import { element } from "../element.js";
import { counted, number, sizeForPeople, visibleName } from "../format.js";
import { isNumber, numberIn, readRows, sniff } from "./csv.js";
import { drawing } from "./drawings.js";
import { createSource } from "./source.js";
import { Unshowable } from "./trouble.js";

const ROWS_PER_STEP = 1000;
const CELLS_PER_STEP = 40_000;
const COLUMNS_MAX = 200;
const CELL_CHARACTERS = 1000;
const REST_MAX = 4_000_000; // characters of one record; a longer one is cut
const LOOKED_AT = 200; // rows, to tell columns of numbers

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const NAMES = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" };

export async function show(stage) {
  const source = createSource(stage);
  const first = await source.next();
  if (first === null) throw new Unshowable("This is not text", "There are bytes in it that no table in text has.");
  const reader = createReader(source, first);
  stage.tool({ draw: drawing("source"), label: "Source", key: "v", run: () => stage.showAs("text") });
  createTable(stage, source, reader);
}

/** Rows as they are read: {separator, rows, more()}. */
function createReader(source, first) {
  const separator = sniff(first);
  let waiting = first;
  const reader = { separator, rows: [], more, take };
  function take() {
    const read = readRows(waiting, separator, { last: source.ended || waiting.length > REST_MAX });
    for (const row of read.rows) reader.rows.push(row);
    waiting = read.rest;
  }
  async function more() {
    waiting += await source.next();
    take();
  }
  take();
  return reader;
}

function createTable(stage, source, reader) {
  const { body } = stage;
  const [top = [], ...others] = reader.rows;
  // Names over columns are no numbers.
  const hasHead = reader.rows.length > 1 && top.some((cell) => cell !== "") && !top.some(isNumber);
  if (hasHead) reader.rows.shift();
  const sample = hasHead ? others : reader.rows;
  const width = reader.rows.reduce((most, row) => Math.max(most, row.length), top.length);
  const columns = Math.min(width, COLUMNS_MAX);
  const numeric = Array.from({ length: columns }, (_, column) => holdsNumbers(sample, column));
  const perStep = Math.max(50, Math.min(ROWS_PER_STEP, Math.floor(CELLS_PER_STEP / Math.max(1, columns))));
  let order = reader.rows; // as sorted
  let sort = null; // {column, direction}
  let drawn = 0;

  const rows = element("tbody");
  const headings = Array.from({ length: columns }, (_, column) => heading(column));
  const table = element("table", { class: "cells" }, element("thead", {}, element("tr", {}, element("th", { class: "row-number", scope: "col" }, element("span", { class: "unseen" }, "Row")), ...headings)), rows);
  table.setAttribute("aria-label", stage.item.shown);
  const note = element("p", { class: "viewer-note", hidden: true });
  const end = element("p", { class: "viewer-more" });

  function heading(column) {
    const words = hasHead ? shown(top[column] ?? "") : "";
    const button = element("button", { type: "button", click: () => sortBy(column) }, words || `Column ${column + 1}`, element("span", { class: "arrow", "aria-hidden": "true" }));
    return element("th", { scope: "col", class: numeric[column] ? "number" : null }, button);
  }

  function rowElement(row) {
    const made = element("tr", {}, element("th", { class: "row-number", scope: "row" }, number(numbers.get(row))));
    for (let column = 0; column < columns; column += 1) {
      made.append(element("td", { class: numeric[column] ? "number" : null, dir: numeric[column] ? null : "auto" }, shown(row[column] ?? "")));
    }
    return made;
  }

  const numbers = new Map();
  function count() {
    for (let index = numbers.size; index < reader.rows.length; index += 1) numbers.set(reader.rows[index], index + 1);
  }

  function draw(until) {
    const fresh = document.createDocumentFragment();
    const to = Math.min(until, order.length);
    for (; drawn < to; drawn += 1) fresh.append(rowElement(order[drawn]));
    rows.append(fresh);
    drawEnd();
  }

  function drawEnd() {
    const kinds = [rowsOfAll(), counted(width, "column", "columns")];
    if (columns > 1) kinds.push(`by ${NAMES[reader.separator]}`);
    stage.fact(kinds.join(" · "));
    const words = [];
    if (source.written.encoding === "windows-1252") words.push("This is not UTF-8: it is read as Windows-1252, so that letters with accents may be others than were meant.");
    if (width > columns) words.push(`The first ${number(columns)} of ${number(width)} columns are shown.`);
    if (sort && !source.ended) words.push("Sorted is what has been read so far.");
    note.textContent = words.join(" ");
    note.hidden = words.length === 0;
    end.replaceChildren();
    if (reader.rows.length === 0 && !hasHead) end.append("There is nothing in this table.");
    if (drawn >= order.length && source.ended) return;
    const button = element("button", { type: "button", class: "button", click: () => more(button) }, "Show more");
    const all = source.ended ? `${number(order.length)} rows` : `a file of ${sizeForPeople(source.totalBytes)}`;
    end.append(`These are the first ${number(drawn)} rows of ${all}. `, button);
  }

  /** All rows of the file, as far as that is known. */
  function rowsOfAll() {
    const rowsRead = counted(reader.rows.length, "row", "rows");
    return source.ended ? rowsRead : `more than ${rowsRead}`;
  }

  async function more(button) {
    button.disabled = true;
    const before = drawn;
    try {
      while (drawn + perStep > order.length && !source.ended) {
        await reader.more();
        count();
        if (sort) arrange();
        if (reader.rows.length > before) break;
      }
    } catch (error) {
      stage.fail(error);
      return;
    }
    if (sort) redraw(before + perStep);
    else draw(before + perStep);
    stage.announce(`${counted(drawn - before, "more row", "more rows")}.`);
    body.focus({ preventScroll: true });
  }

  function redraw(until) {
    rows.replaceChildren();
    drawn = 0;
    draw(until);
  }

  /** Ascending, descending, and as it stands in the file. */
  function sortBy(column) {
    const direction = sort?.column !== column ? "ascending" : sort.direction === "ascending" ? "descending" : null;
    sort = direction ? { column, direction } : null;
    for (const [index, part] of headings.entries()) {
      if (index === column && direction) part.setAttribute("aria-sort", direction);
      else part.removeAttribute("aria-sort");
    }
    arrange();
    redraw(Math.max(perStep, drawn));
    const name = headings[column].textContent;
    stage.announce(direction ? `Sorted by ${name}, ${direction}.` : "In the order of the file.");
  }

  function arrange() {
    order = sort ? sorted(reader.rows, sort, numeric[sort.column]) : reader.rows;
  }

  count();
  body.replaceChildren(note, table, end);
  draw(perStep);
  stage.announce(`${stage.item.shown}, ${rowsOfAll()}, ${counted(width, "column", "columns")}.`);
}

/** Text of a cell as it can be shown. */
function shown(cell) {
  const text = cell.length > CELL_CHARACTERS ? `${cell.slice(0, CELL_CHARACTERS)}…` : cell;
  return text.split("\n").map(visibleName).join("\n");
}

function holdsNumbers(rows, column) {
  let found = 0;
  for (const row of rows.slice(0, LOOKED_AT)) {
    const cell = row[column]?.trim();
    if (!cell) continue;
    if (!isNumber(cell)) return false;
    found += 1;
  }
  return found > 0;
}

/** Empty cells stay at the end, whichever way. */
function sorted(rows, { column, direction }, isNumeric) {
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = rows.map((row, index) => {
    const cell = row[column] ?? "";
    const value = isNumeric ? numberIn(cell) : cell;
    return { row, index, value, empty: cell.trim() === "" || Number.isNaN(value) };
  });
  keyed.sort((one, other) => {
    if (one.empty || other.empty) return one.empty - other.empty || one.index - other.index;
    const order = isNumeric ? one.value - other.value : collator.compare(one.value, other.value);
    return sign * order || one.index - other.index;
  });
  return keyed.map(({ row }) => row);
}
