// The reckoning of web/tools/offset.js: a bound that holds, and words with no
// digit that it does not bear.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importPure } from "./pure.mjs";

const { reckon, best, offsetInWords } = await importPure("tools/offset.js");
const words = (ahead_ms, bound_ms) => offsetInWords({ ahead_ms, bound_ms }).replaceAll("\u00a0", " ");

test("the bound holds wherever on the way the hub read its clock, and however the device's ticks", () => {
  const START = 1_800_000_000_000;
  for (const ahead of [-5000.4, -3, 0, 0.7, 213.2]) {
    for (const round_trip_ms of [0.2, 3.3, 41.7]) {
      for (const at of [0, 0.3, 1]) {
        for (const phase of [0, 0.25, 0.5, 0.999]) {
          const sent = START + phase; // the device's clock, finer than it tells
          const wall = [Math.floor(sent), Math.floor(sent + round_trip_ms)];
          const hub_ms = sent + at * round_trip_ms - ahead;
          const { ahead_ms, bound_ms } = reckon({ wall, round_trip_ms, hub_ms });
          const off = Math.abs(ahead_ms - ahead);
          assert.ok(off <= bound_ms + 0.001, `${off} ms off, ± ${bound_ms}: ${JSON.stringify({ ahead, round_trip_ms, at, phase })}`);
          assert.ok(bound_ms <= round_trip_ms / 2 + 1);
        }
      }
    }
  }
});

test("a clock that was set during the question widens the bound", () => {
  const { bound_ms } = reckon({ wall: [1000, 1504], round_trip_ms: 4, hub_ms: 1002 });
  assert.ok(bound_ms >= 250, String(bound_ms));
});

test("the surest answer counts", () => {
  assert.equal(best([{ bound_ms: 3 }, { bound_ms: 1, mine: true }, { bound_ms: 2 }]).mine, true);
});

test("the words have as many digits as the bound bears", () => {
  assert.equal(words(213.4, 3.2), "This device is 0.213 s ahead of the hub (± 4 ms).");
  assert.equal(words(-213.4, 32), "This device is 0.21 s behind the hub (± 40 ms).");
  assert.equal(words(5.04, 0.71), "This device is 5.0 ms ahead of the hub (± 0.8 ms).");
  assert.equal(words(5123.4, 1.6), "This device is 5.123 s ahead of the hub (± 2 ms).");
  assert.equal(words(-75_512.4, 1.6), "This device is 1 min 15.512 s behind the hub (± 2 ms).");
  assert.equal(words(3 * 3_600_000 + 62_000, 1.6), "This device is about 3 h 1 min ahead of the hub.");
  assert.equal(words(-1.7e12, 1.6), "This device is about 19675 d 22 h behind the hub.");
});

test("what the bound does not tell from nothing is called agreement, with the most that it can be", () => {
  assert.equal(words(1.1, 1.9), "This device and the hub agree: their clocks are less than 3 ms apart.");
  assert.equal(words(-0.2, 0.6), "This device and the hub agree: their clocks are less than 0.8 ms apart.");
  assert.equal(words(0, 9.6), "This device and the hub agree: their clocks are less than 10 ms apart.");
});
