// What is said of sending: web/upload/pace.js and words.js, which need no browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importPure } from "./pure.mjs";

const { createPace, leftInWords } = await importPure("upload/pace.js");
const { meaningOf, outcomeInWords } = await importPure("upload/words.js");
const FACTS = { name: "a: b.txt", size: "5.0 MB", limit: null, isOn: true };

test("a speed is told from the second second on, over the last six", () => {
  const pace = createPace();
  pace.note(0, 0);
  assert.equal(pace.bytesPerSecond(), null);
  pace.note(500, 500);
  assert.equal(pace.bytesPerSecond(), null);
  for (let second = 1; second <= 20; second += 1) pace.note(second * 1000, second * 1000);
  assert.equal(pace.bytesPerSecond(), 1000);
  for (let second = 21; second <= 30; second += 1) pace.note(second * 1000, 20_000);
  assert.equal(pace.bytesPerSecond(), 0);
});

test("what is sent again is no speed below nothing", () => {
  const pace = createPace();
  pace.note(0, 0);
  pace.note(2000, 8000);
  pace.note(3000, 4000);
  assert.equal(pace.bytesPerSecond(), null);
  pace.note(5000, 6000);
  assert.equal(pace.bytesPerSecond(), 1000);
});

test("the time left is as coarse as it is long", () => {
  const words = [1, 20, 57, 58, 600, 4000, 400_000].map((seconds) => leftInWords(seconds, 1));
  assert.deepEqual(words, ["a few seconds left", "20 s left", "55 s left", "1 min left", "10 min left", "1 h 7 min left", "days left"]);
  assert.equal(leftInWords(100, null), "");
  assert.equal(leftInWords(100, 0), "");
});

test("of the hub's reason the page says what its reader does not see beside it", () => {
  const detail = "/logs/a: b.txt: there is a file of that name already, with other contents; send it under another name, or have the hub started with --overwrite or --rename";
  const { kind, text } = meaningOf({ status: 409, detail }, FACTS);
  assert.equal(kind, "refused");
  assert.equal(text, "There is a file of that name already, with other contents. The hub keeps what it has: give yours another name and send it again.");
});

test("what follows from each refusal", () => {
  const kinds = { 400: "refused", 401: "key", 403: "refused", 405: "refused", 408: "later", 409: "refused", 411: "refused", 412: "refused", 413: "refused", 415: "refused", 429: "later", 500: "refused", 503: "later", 507: "full", 418: "refused" };
  for (const [status, kind] of Object.entries(kinds)) {
    const meaning = meaningOf({ status: Number(status), error: null, detail: "", wait_s: null }, FACTS);
    assert.equal(meaning.kind, kind, status);
    assert.match(meaning.heading, /^[A-Z].*\.$/, status);
  }
  assert.equal(meaningOf({ status: 403, detail: "" }, { ...FACTS, isOn: false }).kind, "off");
});

test("the hub says how long to wait, within reason", () => {
  const wait = (wait_s) => meaningOf({ status: 503, detail: "", wait_s }, FACTS).wait_s;
  assert.deepEqual([wait(null), wait(0.2), wait(7), wait(86_400)], [5, 1, 7, 60]);
});

test("how it ended well", () => {
  assert.equal(outcomeInWords("renamed", "a (2).txt"), "sent, and is called “a (2).txt” there");
  assert.equal(outcomeInWords("same", ""), "was there already, byte for byte");
  assert.equal(outcomeInWords("saved", ""), "sent");
});
