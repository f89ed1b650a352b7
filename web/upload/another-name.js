// Another name for a file whose own is taken. Called by queue.js and rows.js;
// pure.

/** "track.py", 2 -> "track (2).py"; what stands before the last dot gets the number. */
export function anotherName(name, count) {
  const dot = name.lastIndexOf(".");
  // A dot at the front is part of the name, and so is one far from its end.
  const isEnding = dot > 0 && name.length - dot <= 12;
  const [stem, ending] = isEnding ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  return `${stem} (${count})${ending}`;
}
