// JSON with line breaks and indentation, character by character, so that
// numbers and repeated names stay exactly as they are written. Called by
// text.js; pure, imports nothing.

const DEPTH_MAX = 100; // beyond it, the indentation would outgrow the text
const STEP = "  ";

/** The same JSON, indented; null if it is not valid, or too deep. */
export function indented(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const parts = [];
  let depth = 0;
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      parts.push(text.slice(at, end));
      at = end;
      continue;
    }
    at += 1;
    if (character === "{" || character === "[") {
      const inside = afterSpace(text, at);
      if (text[inside] === "}" || text[inside] === "]") {
        parts.push(character, text[inside]);
        at = inside + 1;
        continue;
      }
      depth += 1;
      if (depth > DEPTH_MAX) return null;
      parts.push(character, "\n", STEP.repeat(depth));
    } else if (character === "}" || character === "]") {
      depth -= 1;
      parts.push("\n", STEP.repeat(depth), character);
    } else if (character === ",") {
      parts.push(",\n", STEP.repeat(depth));
    } else if (character === ":") {
      parts.push(": ");
    } else if (!isSpace(character)) {
      parts.push(character);
    }
  }
  return parts.join("");
}

function endOfString(text, start) {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function afterSpace(text, start) {
  let at = start;
  while (isSpace(text[at])) at += 1;
  return at;
}

const isSpace = (character) => character === " " || character === "\n" || character === "\r" || character === "\t";
