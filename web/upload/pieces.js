// A large file in pieces, after draft-ietf-httpbis-resumable-upload: the hub
// keeps what it got, says how much that is, and goes on from there. Called by
// sender.js; never decides what follows from a refusal.

import { exactBytes } from "../format.js";
import { request } from "./request.js";

const PIECE = 8 * 1024 * 1024;
const PARTIAL = "application/partial-upload";
// The hub and the page disagree about how much is there: more often than this
// in a row, something is wrong that asking again does not cure.
const CORRECTIONS = 3;

/** What the hub answered in place of going on: {status, head, answer}. */
export class Refused extends Error {
  constructor(response) {
    super(`refused with ${response.status}`);
    this.response = response;
  }
}

/**
 * Sends a file and gives the hub's last answer. item.upload holds the address
 * of what was begun, so that a later call goes on with it.
 *
 * sent(bytes): so many have arrived or are on the way. account: of the wire's log.
 */
export async function sendInPieces(item, file, { signal, sent, account }) {
  let offset = item.upload ? await offsetOf(item, { signal, account }) : null;
  let corrections = 0;
  for (;;) {
    offset ??= await begin(item, file, { signal, account });
    sent(offset);
    const end = Math.min(offset + PIECE, file.size);
    const isLast = end === file.size;
    const response = await sendPiece(item, file, { offset, end, isLast, signal, sent, account });
    const { status } = response;
    if (status === 404 || status === 410) {
      forget(item);
      offset = null;
      continue;
    }
    const there = offsetIn(response);
    if (status === 409 && there !== null && there !== offset && there <= file.size && corrections < CORRECTIONS) {
      corrections += 1;
      offset = there;
      continue;
    }
    if (isLast && status === 200) {
      forget(item);
      return response;
    }
    if (status !== 204 || there === null) throw new Refused(response);
    if (there > offset) corrections = 0;
    offset = there;
  }
}

/** Tells the hub to forget what was begun. */
export function abandon(item) {
  if (!item.upload) return;
  // Also when the page is being left.
  fetch(item.upload, { method: "DELETE", keepalive: true }).catch(() => {});
  forget(item);
}

function forget(item) {
  item.upload = null;
}

/** Asks for a place for it; nothing is sent yet, so that a no comes at once. */
async function begin(item, file, { signal, account }) {
  const headers = { "Upload-Complete": "?0", "Upload-Length": String(file.size), "Content-Type": PARTIAL };
  const response = await request({ method: "POST", path: item.href, headers, signal });
  const address = placeOf(response);
  account.add(response.seen, `wants to send ${exactBytes(file.size)} in pieces, under this name`, address ? "names the place for the pieces" : "refuses");
  if (response.status !== 201 || !address) throw new Refused(response);
  item.upload = address;
  return offsetIn(response) ?? 0;
}

async function offsetOf(item, { signal, account }) {
  const response = await request({ method: "HEAD", path: item.upload, signal });
  const there = offsetIn(response);
  account.add(response.seen, "asks how much has arrived", there === null ? "nothing is kept of it" : `${exactBytes(there)} have`);
  if (response.status === 404 || response.status === 410) {
    forget(item);
    return null;
  }
  if (response.status >= 300 || there === null) throw new Refused(response);
  return there;
}

async function sendPiece(item, file, { offset, end, isLast, signal, sent, account }) {
  const headers = { "Upload-Offset": String(offset), "Upload-Complete": isLast ? "?1" : "?0", "Content-Type": PARTIAL };
  const response = await request({
    method: "PATCH",
    path: item.upload,
    headers,
    body: file.slice(offset, end),
    signal,
    progress: (bytes) => sent(offset + bytes),
  });
  const asks = isLast ? "the last piece: with it the file is whole" : "a piece";
  account.add(response.seen, asks, response.status < 300 ? (isLast ? "has it whole, and under its name" : "has it") : "refuses");
  return response;
}

/** The address of what was begun, on this hub and nowhere else. */
function placeOf({ head }) {
  const location = head.get("location");
  if (!location) return null;
  const address = new URL(location, window.location.href);
  return address.origin === window.location.origin ? address.pathname : null;
}

function offsetIn({ head }) {
  const text = head.get("upload-offset");
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}
