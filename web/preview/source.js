// The bytes of a file that is text, piece by piece as they are wanted, however
// long the file is. Called by text.js, markdown.js and table.js; never draws.

import { exactBytes, visibleName } from "../format.js";
import { HubProblem, HubSilent } from "../hub.js";
import { keyIsWanted } from "../standing.js";
import { httpEntry } from "../wire/http.js";
import { record } from "../wire/log.js";
import { createDecoding, detect } from "./decode.js";
import { FileChanged } from "./trouble.js";

export const PIECE_BYTES = 1 << 20;
const STALLED_AFTER = 15_000; // without a single byte

/**
 * next(): the text of the next piece. After the first of them it is known how
 * the file is written (`written`, as decode.js says it), and how much of it has
 * been read. regardless: also of what is no text.
 */
export function createSource({ address, item, signal }) {
  let decoding = null;
  let tag = null;
  const source = {
    written: null,
    readBytes: 0,
    totalBytes: null,
    ended: false,
    async next({ regardless = false } = {}) {
      const piece = await readPiece({ address, item, from: source.readBytes, signal });
      if (source.totalBytes !== null && (piece.total !== source.totalBytes || piece.tag !== tag)) throw new FileChanged("changed");
      tag = piece.tag;
      source.readBytes += piece.bytes.length;
      source.totalBytes = piece.total;
      source.ended = source.readBytes >= piece.total;
      if (!decoding) {
        source.written = detect(piece.bytes, source.ended);
        if (source.written.binary && !regardless) return null;
        decoding = createDecoding(source.written.encoding);
      }
      return decoding.decode(piece.bytes, source.ended);
    },
  };
  return source;
}

/** One piece of a file: {bytes, total, tag}. */
async function readPiece({ address, item, from, signal }) {
  const headers = { Range: `bytes=${from}-${from + PIECE_BYTES - 1}` };
  const seen = { method: "GET", path: address, headers, body: null, address, began: performance.now(), answered: 0, wall: [], failure: null };
  const stalled = new AbortController();
  const stop = () => stalled.abort();
  signal.addEventListener("abort", stop);
  const patience = setTimeout(stop, STALLED_AFTER);
  let bytes;
  let response;
  try {
    response = await fetch(address, { headers, cache: "no-store", signal: stalled.signal });
    seen.answered = performance.now();
    clearTimeout(patience);
    bytes = await readBounded(response, stalled);
  } catch (error) {
    if (signal.aborted) throw error;
    seen.failure = "The hub does not answer: it may be switched off, or this device may have left its network.";
    tellWire(item, seen);
    throw new HubSilent("no answer", { cause: error });
  } finally {
    clearTimeout(patience);
    signal.removeEventListener("abort", stop);
  }
  const { status, headers: head } = response;
  tellWire(item, { ...seen, status, reason: response.statusText, head, bytes: bytes.length, text: new TextDecoder().decode(bytes.subarray(0, 2400)) });
  if (status === 401) keyIsWanted();
  const known = /\/(\d+)$/.exec(head.get("content-range") ?? "");
  // An empty file has no first byte to ask for.
  if (status === 416 && known?.[1] === "0" && from === 0) return { bytes: new Uint8Array(), total: 0, tag: null };
  if (status === 416 || (status === 200 && from > 0)) throw new FileChanged("changed");
  if (status !== 206 && status !== 200) throw new HubProblem(status, "The hub refuses", "");
  const total = status === 206 && known ? Number(known[1]) : Number(head.get("content-length") ?? bytes.length);
  // A tag turns from a weak one to a strong one as the file gets older.
  return { bytes, total, tag: head.get("etag")?.replace(/^W\//, "") ?? null };
}

/** The body as far as a piece goes, also if more comes than was asked for. */
async function readBounded(response, stalled) {
  const reader = response.body?.getReader();
  const kept = new Uint8Array(PIECE_BYTES);
  let length = 0;
  while (reader && length < PIECE_BYTES) {
    const patience = setTimeout(() => stalled.abort(), STALLED_AFTER);
    const { done, value } = await reader.read().finally(() => clearTimeout(patience));
    if (done) break;
    const part = value.subarray(0, PIECE_BYTES - length);
    kept.set(part, length);
    length += part.length;
  }
  reader?.cancel().catch(() => {});
  return kept.subarray(0, length);
}

function tellWire(item, seen) {
  const tells = seen.status === 206 || seen.status === 200 ? `gives ${exactBytes(seen.bytes ?? 0)} of it` : "refuses";
  record(httpEntry({ title: `A piece of ${visibleName(item.name)}`, requests: [{ seen, asks: `asks for at most ${exactBytes(PIECE_BYTES)} of the file, for the preview`, tells }] }));
}
