// Markdown's blocks, as CommonMark has them, with tables and task lists: which
// lines are a heading, a list, a table, code. What stands in them stays text,
// for markdown-inline.js. Called by markdown.js; pure, imports nothing.
//
// Whoever wrote the text may mean ill: nesting is bounded, every line is looked
// at a bounded number of times a level, and markup in it is text like any other.

const DEPTH_MAX = 24;
const COLUMNS_MAX = 100;
const TAB = 4;

/**
 * {children, references}: blocks are {type: "heading", level, text} | "paragraph"
 * {text} | "code" {text, language} | "quote" {children} | "list" {start, tight,
 * items: [{task, children}]} | "table" {align, head, rows} | "rule". `start` is
 * null for a list of points; `task` is null where an item is none. references:
 * label -> {to, title}.
 */
export function parseBlocks(text) {
  const references = new Map();
  const children = readBlocks(text.split(/\r\n|\n|\r/), 0, references);
  return { children, references };
}

function readBlocks(lines, depth, references) {
  const found = [];
  let paragraph = [];
  const flush = () => {
    const kept = takeReferences(paragraph, references);
    if (kept.length) found.push({ type: "paragraph", text: kept.join("\n").trimEnd() });
    paragraph = [];
  };
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (isBlank(line)) {
      flush();
      at += 1;
      continue;
    }
    const body = line.trimStart();
    const indent = indentOf(line);
    if (indent >= TAB) {
      if (paragraph.length) {
        paragraph.push(body);
        at += 1;
      } else {
        at = readIndented(lines, at, found);
      }
      continue;
    }
    const underline = paragraph.length ? underlineLevel(body) : 0;
    if (underline) {
      const kept = takeReferences(paragraph, references);
      paragraph = [];
      if (kept.length) {
        found.push({ type: "heading", level: underline, text: kept.join("\n").trim() });
        at += 1;
        continue;
      }
    }
    const reader = blockAt(lines, at, body, depth, paragraph.length > 0);
    if (!reader) {
      paragraph.push(body);
      at += 1;
      continue;
    }
    flush();
    at = reader(lines, at, found, depth, references);
  }
  flush();
  return found;
}

/** What reads the block that begins here; null for a paragraph. */
function blockAt(lines, at, body, depth, inParagraph) {
  if (fenceOf(body)) return readFence;
  if (headingLevel(body)) return readHeading;
  if (isRule(body)) return readRule;
  if (depth < DEPTH_MAX) {
    if (body.startsWith(">")) return readQuote;
    const marker = markerOf(body);
    // In the midst of a paragraph, "1986." at a line's start is no list.
    if (marker && !(inParagraph && (marker.empty || (marker.number !== null && marker.number !== 1)))) return readList;
  }
  if (!inParagraph && alignments(lines[at + 1]) !== null && cellsOf(body).length === alignments(lines[at + 1]).length) return readTable;
  return null;
}

// ---- the readers: each puts a block into `found` and says where it ended

function readIndented(lines, start, found) {
  const kept = [];
  let at = start;
  while (at < lines.length && (isBlank(lines[at]) || indentOf(lines[at]) >= TAB)) {
    kept.push(outdent(lines[at], TAB));
    at += 1;
  }
  while (isBlank(kept.at(-1))) kept.pop();
  found.push({ type: "code", text: kept.join("\n"), language: "" });
  return at;
}

function readFence(lines, start, found) {
  const { sign, length, language } = fenceOf(lines[start].trimStart());
  const indent = indentOf(lines[start]);
  const kept = [];
  let at = start + 1;
  while (at < lines.length) {
    const body = lines[at].trim();
    if (indentOf(lines[at]) < TAB && body.length >= length && isOnly(body, sign)) {
      at += 1;
      break;
    }
    kept.push(outdent(lines[at], indent));
    at += 1;
  }
  found.push({ type: "code", text: kept.join("\n"), language });
  return at;
}

function readHeading(lines, at, found) {
  const body = lines[at].trim();
  const level = headingLevel(body);
  let end = body.length;
  while (end > level && body[end - 1] === "#") end -= 1;
  // Closing signs need a space before them: "# C#" keeps its own.
  if (end > level && !isSpace(body[end - 1])) end = body.length;
  found.push({ type: "heading", level, text: body.slice(level, end).trim() });
  return at + 1;
}

function readRule(lines, at, found) {
  found.push({ type: "rule" });
  return at + 1;
}

function readQuote(lines, start, found, depth, references) {
  const kept = [];
  let at = start;
  while (at < lines.length) {
    const line = lines[at];
    const body = line.trimStart();
    if (indentOf(line) < TAB && body.startsWith(">")) kept.push(isSpace(body[1]) ? body.slice(2) : body.slice(1));
    else if (goesOnLazily(kept.at(-1), line)) kept.push(body);
    else break;
    at += 1;
  }
  found.push({ type: "quote", children: readBlocks(kept, depth + 1, references) });
  return at;
}

function readList(lines, start, found, depth, references) {
  const first = markerOf(lines[start].trimStart());
  const items = [];
  let tight = true;
  let at = start;
  for (;;) {
    const item = readItem(lines, at);
    items.push(itemOf(item.lines, depth, references));
    if (item.hasGap) tight = false;
    at = item.end;
    const next = at < lines.length && indentOf(lines[at]) < TAB ? lines[at].trimStart() : "";
    const marker = markerOf(next);
    if (!marker || marker.sign !== first.sign || isRule(next)) break;
    if (item.endsBlank) tight = false;
  }
  found.push({ type: "list", start: first.number, tight, items });
  return at;
}

function readItem(lines, start) {
  const indent = indentOf(lines[start]);
  const body = lines[start].trimStart();
  const { width } = markerOf(body);
  // What follows belongs to the item from this column on.
  const column = indent + width;
  const kept = [body.slice(Math.min(width, body.length))];
  let blanks = 0;
  let hasGap = false;
  let at = start + 1;
  while (at < lines.length) {
    const line = lines[at];
    if (isBlank(line)) {
      // An item that begins with nothing ends at the first empty line.
      if (kept.length === 1 && isBlank(kept[0])) break;
      blanks += 1;
      at += 1;
      continue;
    }
    const isInside = indentOf(line) >= column;
    if (!isInside && (blanks > 0 || !goesOnLazily(kept.at(-1), line))) break;
    if (blanks > 0) hasGap = true;
    for (; blanks > 0; blanks -= 1) kept.push("");
    kept.push(isInside ? outdent(line, column) : line.trimStart());
    at += 1;
  }
  return { lines: kept, end: at, hasGap, endsBlank: blanks > 0 };
}

function itemOf(lines, depth, references) {
  const task = /^\[([ xX])\][ \t]+(?=\S)/.exec(lines[0]);
  const kept = task ? [lines[0].slice(task[0].length), ...lines.slice(1)] : lines;
  return { task: task ? task[1] !== " " : null, children: readBlocks(kept, depth + 1, references) };
}

function readTable(lines, start, found, depth) {
  const align = alignments(lines[start + 1]);
  const fit = (cells) => align.map((_, index) => cells[index] ?? "").slice(0, COLUMNS_MAX);
  const rows = [];
  let at = start + 2;
  while (at < lines.length && !isBlank(lines[at]) && indentOf(lines[at]) < TAB) {
    const body = lines[at].trimStart();
    if (fenceOf(body) || headingLevel(body) || isRule(body) || (depth < DEPTH_MAX && body.startsWith(">"))) break;
    rows.push(fit(cellsOf(body)));
    at += 1;
  }
  found.push({ type: "table", align: align.slice(0, COLUMNS_MAX), head: fit(cellsOf(lines[start].trimStart())), rows });
  return at;
}

// ---- what a line is

const isSpace = (character) => character === " " || character === "\t";
const isBlank = (line) => line !== undefined && line.trim() === "";

function indentOf(line) {
  let column = 0;
  for (const character of line) {
    if (character === " ") column += 1;
    else if (character === "\t") column += TAB - (column % TAB);
    else break;
  }
  return column;
}

/** The line without its first columns of space; a tab may be cut in two. */
function outdent(line, columns) {
  let column = 0;
  let at = 0;
  while (column < columns && at < line.length) {
    if (line[at] === " ") column += 1;
    else if (line[at] === "\t") column += TAB - (column % TAB);
    else break;
    at += 1;
  }
  return " ".repeat(Math.max(0, column - columns)) + line.slice(at);
}

const isOnly = (text, sign) => {
  for (const character of text) if (character !== sign) return false;
  return text !== "";
};

function fenceOf(body) {
  const sign = body[0];
  if (sign !== "`" && sign !== "~") return null;
  let length = 1;
  while (body[length] === sign) length += 1;
  if (length < 3) return null;
  const words = body.slice(length).trim();
  if (sign === "`" && words.includes("`")) return null;
  return { sign, length, language: words.split(/\s/, 1)[0] };
}

function headingLevel(body) {
  let level = 0;
  while (level < 7 && body[level] === "#") level += 1;
  if (level === 0 || level > 6) return 0;
  return body.length === level || isSpace(body[level]) ? level : 0;
}

function underlineLevel(body) {
  const text = body.trimEnd();
  if (isOnly(text, "=")) return 1;
  return isOnly(text, "-") ? 2 : 0;
}

function isRule(body) {
  const sign = body[0];
  if (sign !== "-" && sign !== "*" && sign !== "_") return false;
  let signs = 0;
  for (const character of body) {
    if (character === sign) signs += 1;
    else if (!isSpace(character)) return false;
  }
  return signs >= 3;
}

/** A list item's marker: {sign, number, width with the space after it, empty}. */
function markerOf(body) {
  const found = /^(?:[-+*]|(\d{1,9})[.)])(?=[ \t]|$)/.exec(body);
  if (!found) return null;
  const length = found[0].length;
  let spaces = 0;
  while (spaces < 5 && isSpace(body[length + spaces])) spaces += 1;
  const empty = body.length <= length + spaces || isBlank(body.slice(length));
  // Five spaces and more are one, and an indented code block.
  const width = length + (spaces >= 5 || empty ? 1 : spaces);
  return { sign: found[0].at(-1), number: found[1] === undefined ? null : Number(found[1]), width, empty };
}

/** Whether a line goes on with the paragraph before it, without its marks. */
function goesOnLazily(before, line) {
  if (before === undefined || isBlank(before) || isBlank(line)) return false;
  const last = before.trimStart();
  if (fenceOf(last) || headingLevel(last) || isRule(last) || indentOf(before) >= TAB) return false;
  if (indentOf(line) >= TAB) return true;
  const body = line.trimStart();
  return !(fenceOf(body) || headingLevel(body) || isRule(body) || body.startsWith(">") || markerOf(body));
}

// ---- tables and references

/** "left" | "right" | "center" | null a column, if this is the line under a table's head. */
function alignments(line) {
  if (line === undefined || !line.includes("-") || !/^[ \t]{0,3}[|:-]/.test(line)) return null;
  if (!/^[ \t|:-]*$/.test(line) || !line.includes("|")) return null;
  const cells = cellsOf(line.trimStart());
  if (!cells.every((cell) => /^:?-+:?$/.test(cell))) return null;
  return cells.map((cell) => {
    if (cell.startsWith(":")) return cell.endsWith(":") && cell.length > 1 ? "center" : "left";
    return cell.endsWith(":") ? "right" : null;
  });
}

function cellsOf(line) {
  const cells = [];
  let text = line.trim();
  if (text.startsWith("|")) text = text.slice(1);
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "|") {
      cells.push(text.slice(start, at));
      start = at + 1;
    }
  }
  if (start < text.length) cells.push(text.slice(start));
  return cells.map((cell) => cell.trim().replaceAll("\\|", "|"));
}

const REFERENCE = /^\[([^[\]]{1,200})\]:[ \t]*(<[^<>]*>|[^\s<]\S*)(?:[ \t]+("[^"]*"|'[^']*'|\([^()]*\)))?[ \t]*$/;

/** Takes the definitions of links from a paragraph's start. */
function takeReferences(paragraph, references) {
  let at = 0;
  for (; at < paragraph.length; at += 1) {
    const found = REFERENCE.exec(paragraph[at]);
    if (!found) break;
    const label = labelOf(found[1]);
    const to = found[2].startsWith("<") ? found[2].slice(1, -1) : found[2];
    if (label && !references.has(label)) references.set(label, { to, title: found[3]?.slice(1, -1) ?? "" });
  }
  return at ? paragraph.slice(at) : paragraph;
}

/** Labels are the same without regard to case and to how they are spaced. */
function labelOf(text) {
  return text.trim().replace(/\s+/g, " ").toLowerCase();
}
