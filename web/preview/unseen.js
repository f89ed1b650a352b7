// Characters of a text that draw nothing or turn their neighbours round, made
// visible: in code, they can make a line say something else than it does. Called
// by lines.js and markdown.js; pure, imports nothing. Tabs are left alone, and so
// are the joiners without which Persian and emoji cannot be written.

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]+/g;
const SHOWN_ONE_BY_ONE = 8;

/** A text in pieces, [{text, symbol}]; most texts are one piece. */
export function piecesOf(text) {
  const pieces = [];
  let reached = 0;
  for (const { 0: run, index } of text.matchAll(UNSEEN)) {
    if (index > reached) pieces.push({ text: text.slice(reached, index), symbol: false });
    pieces.push({ text: symbolsFor(run), symbol: true });
    reached = index + run.length;
  }
  if (reached < text.length) pieces.push({ text: text.slice(reached), symbol: false });
  return pieces;
}

/** Whether there is any bidirectional control among them, which can deceive. */
export function turnsRound(text) {
  return /[\u202a-\u202e\u2066-\u2069]/.test(text);
}

function symbolsFor(run) {
  const shown = [...run].slice(0, SHOWN_ONE_BY_ONE).map(symbolFor).join("");
  return run.length > SHOWN_ONE_BY_ONE ? `${shown}…×${run.length}` : shown;
}

function symbolFor(character) {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `⟪U+${code.toString(16).toUpperCase().padStart(4, "0")}⟫`;
}
