// Finds the files in what was dropped, pasted or chosen, folder by folder.
// Called by counter.js; never sends, and changes no name: what a name's bytes are
// is its owner's business.

const BATCH = 200;
// What systems leave in folders for themselves, and nobody means to send.
const OF_THE_SYSTEM = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);

/**
 * Yields batches of {path, file, entry} for files and {path, folder: true} for
 * folders with nothing in them, where path is the list of names that lead there.
 * What cannot be read is {path, unreadable}. left: counts what is left out.
 */
export async function* gather(grabbed, left) {
  let batch = [];
  for await (const found of each(grabbed)) {
    if (OF_THE_SYSTEM.has(found.path.at(-1)) && !found.folder) {
      left.count += 1;
      continue;
    }
    batch.push(found);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length) yield batch;
}

async function* each(grabbed) {
  for (const one of grabbed) {
    if (one instanceof File) yield { path: one.webkitRelativePath ? one.webkitRelativePath.split("/") : [one.name], file: one, entry: null };
    else yield* below(one, []);
  }
}

/** Depth first, with a list of what is still to be looked into instead of recursion: folders may be deep. */
async function* below(start, above) {
  const waiting = [{ entry: start, above }];
  while (waiting.length) {
    const { entry, above: before } = waiting.pop();
    const path = [...before, entry.name];
    try {
      if (entry.isFile) {
        yield { path, file: await fileOf(entry), entry };
        continue;
      }
      const inside = await entriesOf(entry);
      if (inside.every((one) => one.isFile && OF_THE_SYSTEM.has(one.name))) yield { path, folder: true };
      for (const one of inside.reverse()) waiting.push({ entry: one, above: path });
    } catch (error) {
      yield { path, unreadable: error };
    }
  }
}

/** The file as it is now; asked again, it is the file as it is then. */
export function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** All of them: a browser gives a hundred at a time, and none when there are no more. */
async function entriesOf(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}
