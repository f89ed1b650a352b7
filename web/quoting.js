// Texts as other programs take them back: the shell, its printf, Python.
// Called by by-hand.js; what it prints must run as it stands, and the tests
// run it. Never decides what is to be said.

// What draws nothing, or moves what is drawn around it, is written in digits,
// so that a pasted command holds what it shows.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

const utf8 = new TextEncoder();

/** A word as a shell takes it back. */
export function shellWord(text) {
  return /^[\p{L}\p{N}/._,-]+$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A text as a word for the shell's printf, whose format it is. */
export function printfWord(text) {
  const quoted = text
    .replaceAll("\\", "\\\\")
    .replaceAll("%", "%%")
    .replaceAll("'", "'\\''")
    .replace(UNSEEN, (character) => {
      if (character === "\n") return "\\n";
      if (character === "\r") return "\\r";
      return [...utf8.encode(character)].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
    });
  // A word that begins with a dash would be taken for an option.
  return `${text.startsWith("-") ? "-- " : ""}'${quoted}'`;
}

/** A text as Python writes it. */
export function pythonString(text) {
  const quoted = text
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replace(UNSEEN, (character) => {
      if (character === "\n") return "\\n";
      if (character === "\r") return "\\r";
      return `\\U${character.codePointAt(0).toString(16).padStart(8, "0")}`;
    });
  return `"${quoted}"`;
}
