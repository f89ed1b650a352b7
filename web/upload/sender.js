// Sends one thing of the queue: a folder's name, a small file in one request, a
// larger one in pieces. Called by queue.js, which decides what follows; never
// tries again by itself.

import { askForStanding } from "../hub.js";
import { receiving } from "../standing.js";
import { sizeForPeople } from "../format.js";
import { createAccount } from "./account.js";
import { fileOf } from "./gather.js";
import { Refused, abandon, sendInPieces } from "./pieces.js";
import { LineBroken, request } from "./request.js";
import { meaningOf } from "./words.js";

const SMALL = 1024 * 1024;
// A hub that refuses while bytes still come may have to cut the line, and then
// nobody reads why. In pieces it says no before any have left.
const CUTS_OF_SMALL = 2;

/** What became of it instead: {kind, heading, text, wait_s}, as words.js says; kind "silent" is a broken line. */
export class Trouble extends Error {
  constructor(meaning) {
    super(meaning.heading);
    this.meaning = meaning;
  }
}

/** {outcome, name}. sent(bytes): so far. signal: to stop; what arrived of pieces is kept. */
export async function sendItem(item, { signal, sent, byItself }) {
  const account = createAccount({ title: `Sending ${item.path.at(-1)}`, path: item.href, file: item.folder ? null : item.path.at(-1), bytes: item.size, byItself });
  try {
    const response = item.folder ? await sendFolder(item, { signal, account }) : await sendFile(item, { signal, sent, account });
    return { outcome: outcomeOf(item, response), name: nameIn(response) };
  } catch (error) {
    if (error.seen) account.add(error.seen, item.folder ? "wants a folder of this name" : "sends its bytes", "");
    // Whether it is this name, or receiving as a whole, the hub's facts tell.
    if (error instanceof Refused && error.response.status === 403) await askForStanding().catch(() => {});
    if (error instanceof Refused) throw new Trouble(meaningOf(said(error.response), factsOf(item)));
    if (!(error instanceof LineBroken)) throw error;
    throw new Trouble((await faultHere(item)) ?? { kind: "silent", heading: "The hub does not answer.", text: "" });
  } finally {
    account.close();
  }
}

async function sendFolder(item, { signal, account }) {
  const response = await request({ method: "MKCOL", path: `${item.href}/`, signal });
  // 405 says that something is there: a folder is all that is wanted.
  const isThere = response.status === 405 && !/is a file/.test(response.answer?.detail ?? "");
  const well = response.status === 201 || isThere;
  account.add(response.seen, "wants a folder of this name", well ? (response.status === 201 ? "made" : "it is there") : "refuses");
  if (!well) throw new Refused(response);
  return response;
}

async function sendFile(item, how) {
  if (item.isStale) await takeAnew(item);
  const { file } = item;
  if (file.size > SMALL || item.cuts >= CUTS_OF_SMALL) return sendInPieces(item, file, how);
  const response = await request({
    method: "POST",
    path: item.href,
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
    signal: how.signal,
    progress: how.sent,
  });
  const well = response.status === 200;
  how.account.add(response.seen, "the file’s bytes, to be kept under this name", well ? "has them, on its disk" : "refuses");
  if (!well) throw new Refused(response);
  return response;
}

/** A file that was changed here is another one: what was sent of the old is worth nothing. */
async function takeAnew(item) {
  abandon(item);
  try {
    if (item.entry) item.file = await fileOf(item.entry);
    item.isStale = false;
    item.size = item.file.size;
  } catch {
    throw new Trouble({ kind: "refused", heading: "It is not there any more.", text: "This device does not find the file: it was moved, renamed or deleted." });
  }
}

/** Browsers say of a file that vanished what they say of a broken line. */
async function faultHere(item) {
  if (item.folder) return null;
  try {
    await item.file.slice(0, 1).arrayBuffer();
    return null;
  } catch {
    item.isStale = true;
    const text = item.entry ? "It was changed, moved or deleted. “Try again” takes it as it is now." : "It was changed, moved or deleted. Choose it again.";
    return { kind: "refused", heading: "The file changed on this device while it was being sent.", text };
  }
}

function said({ status, head, answer }) {
  const wait_s = Number(head.get("retry-after")) || null;
  return { status, error: answer?.error ?? null, detail: answer?.detail ?? null, wait_s };
}

function factsOf(item) {
  const { on, max_bytes: limit } = receiving();
  return { name: item.path.at(-1), size: sizeForPeople(item.size), limit: limit === null ? null : sizeForPeople(limit), isOn: on };
}

function outcomeOf(item, { status, answer }) {
  if (item.folder) return status === 201 ? "made" : "there";
  return answer?.outcome ?? "saved";
}

/** What it is called there, which with --rename may be something else. */
function nameIn({ answer, head }) {
  const path = answer?.path ?? head.get("content-location") ?? "";
  return decoded(path.split("/").at(-1));
}

function decoded(path) {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
