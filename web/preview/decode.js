// Bytes as text: finds out how they are written, and turns them into text
// piece by piece. Called by source.js; pure, imports nothing.

const LOOKED_AT_BYTES = 8192; // as far as programs that compare files look, too

const MARKS = [
  { encoding: "utf-8", bytes: [0xef, 0xbb, 0xbf] },
  { encoding: "utf-16le", bytes: [0xff, 0xfe] },
  { encoding: "utf-16be", bytes: [0xfe, 0xff] },
];

const NAMES = { "utf-8": "UTF-8", "utf-16le": "UTF-16", "utf-16be": "UTF-16", "windows-1252": "Windows-1252" };

/**
 * How a file is written, from its first bytes: {encoding, name, marked, binary}.
 * whole: whether these are all of its bytes. Without a mark it is UTF-8 if it
 * can be, and else Windows-1252, which anything can be; a NUL near its start
 * means that it is no text.
 */
export function detect(bytes, whole) {
  const mark = MARKS.find((candidate) => candidate.bytes.every((byte, index) => bytes[index] === byte));
  if (mark) return { encoding: mark.encoding, name: NAMES[mark.encoding], marked: true, binary: false };
  const encoding = isUtf8(bytes, whole) ? "utf-8" : "windows-1252";
  const binary = bytes.subarray(0, LOOKED_AT_BYTES).includes(0);
  return { encoding, name: NAMES[encoding], marked: false, binary };
}

function isUtf8(bytes, whole) {
  try {
    // A character may be cut in two where a piece ends.
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: !whole });
    return true;
  } catch {
    return false;
  }
}

/** Turns the pieces of one file into text, in order; its mark is left out. */
export function createDecoding(encoding) {
  const decoder = new TextDecoder(encoding);
  return {
    /** last: whether these bytes are the file's last. */
    decode: (bytes, last) => decoder.decode(bytes, { stream: !last }),
  };
}
