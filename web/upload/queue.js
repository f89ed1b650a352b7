// What is to be sent, in order, three at a time. Called by counter.js; sends by
// sender.js and never draws. Each item is in one state:
//
//   waiting -> active -> done | refused
//   waiting, active -> paused -> waiting      and out of any of them: cancelled
//
// Something that concerns all of them (no hub, no key, receiving off, a full
// disk, a busy hub) holds the whole queue, and puts what was active back.

import { anotherName } from "./another-name.js";
import { awaitHub } from "./line.js";
import { abandon } from "./pieces.js";
import { Trouble, sendItem } from "./sender.js";

const AT_ONCE = 3;
// A line that breaks so often without a byte of progress in between does not
// break by chance.
const CUTS = 5;
const BUSY = 20;
// With more than this, the wire's log takes nobody away from what they look at.
const FEW = 5;
// Tried for one file that may have any.
const NAMES = 50;

const STATES = ["refused", "active", "paused", "waiting", "done"];
let next = 1;

/** changed(): something did. landed(item): it is there. ended(item): refused or done. */
export function createQueue({ changed, landed, ended }) {
  const groups = Object.fromEntries(STATES.map((state) => [state, new Set()]));
  const totals = Object.fromEntries(STATES.map((state) => [state, { bytes: 0, sent: 0 }]));
  let held = null; // {kind, heading, text, until}
  let stopped = false; // by a person
  let line = null;
  let timer = 0;

  // ---- the states, and what they add up to

  function place(item, state, { first = false } = {}) {
    remove(item);
    item.state = state;
    totals[state].bytes += item.size;
    totals[state].sent += item.sent;
    if (first && groups[state].size) groups[state] = new Set([item, ...groups[state]]);
    else groups[state].add(item);
  }

  function remove(item) {
    if (!item.state) return;
    groups[item.state].delete(item);
    totals[item.state].bytes -= item.size;
    totals[item.state].sent -= item.sent;
    item.state = null;
  }

  function measure(item, sent, size = item.size) {
    const total = totals[item.state];
    total.sent += sent - item.sent;
    total.bytes += size - item.size;
    item.sent = sent;
    item.size = size;
  }

  // ---- going on

  function pump() {
    while (!held && !stopped && groups.active.size < AT_ONCE && groups.waiting.size) run(groups.waiting.values().next().value);
    changed();
  }

  async function run(item) {
    place(item, "active");
    item.words = null;
    const controller = new AbortController();
    item.stop = () => controller.abort();
    let before = item.sent;
    try {
      const { outcome, name } = await sendItem(item, {
        signal: controller.signal,
        byItself: counts().all > FEW,
        sent(bytes) {
          if (controller.signal.aborted) return;
          // Only what has left for good is progress: it may go back once.
          if (bytes > before) item.cuts = 0;
          before = Math.max(before, bytes);
          measure(item, bytes, item.file?.size ?? 0);
          changed();
        },
      });
      if (controller.signal.aborted) return;
      measure(item, item.size);
      place(item, "done");
      item.outcome = outcome;
      item.name = name;
      landed(item);
      ended(item);
    } catch (error) {
      // Paused or cancelled: whoever did that has put it where it belongs.
      if (controller.signal.aborted) return;
      // Anything else than trouble is a fault of this page: said, not hidden.
      const meaning = error instanceof Trouble ? error.meaning : { kind: "refused", heading: "This page failed.", text: String(error.message ?? error) };
      settle(item, meaning);
    }
    pump();
  }

  /** What follows from a trouble. */
  function settle(item, meaning) {
    const { kind } = meaning;
    if (kind === "silent") {
      item.cuts += 1;
      if (item.cuts > CUTS) refuse(item, { heading: "The hub cuts the line, again and again.", text: "It does answer otherwise. Its person can see why in its log." });
      else hold(meaning, [item]);
    } else if (kind === "later") {
      item.turnedAway += 1;
      if (item.turnedAway > BUSY) refuse(item, meaning);
      else hold({ ...meaning, until: performance.now() + meaning.wait_s * 1000 }, [item]);
    } else if (kind === "full") {
      refuse(item, meaning);
      hold(meaning, []);
    } else if (kind === "refused" && meaning.taken && item.another > 0 && item.another < NAMES) {
      // Somebody wanted any free name.
      giveAnother(item);
      place(item, "waiting", { first: true });
    } else if (kind === "refused") {
      refuse(item, meaning);
    } else {
      hold(meaning, [item]);
    }
  }

  function giveAnother(item) {
    abandon(item);
    item.another += 1;
    item.firstName ??= item.path.at(-1);
    item.path = [...item.path.slice(0, -1), anotherName(item.firstName, item.another + 1)];
    item.href = item.where + item.path.map(encodeURIComponent).join("/");
  }

  function refuse(item, { heading, text, taken = false }) {
    if (!item.upload) measure(item, 0);
    place(item, "refused");
    item.words = { heading, text, taken };
    ended(item);
  }

  /** Holds the queue; what is active goes back, for it would meet with the same. */
  function hold(why, items) {
    for (const item of items) putBack(item);
    // What is known first, and asks more of people, stays.
    if (held) return;
    held = { until: null, ...why };
    if (why.kind === "silent") {
      for (const item of [...groups.active]) putBack(item);
      line = awaitHub({
        waiting(ms) {
          if (held) held.until = performance.now() + ms;
          changed();
        },
      });
      const mine = line;
      mine.up.then(() => line === mine && release());
    } else if (held.until !== null) {
      timer = setTimeout(release, held.until - performance.now());
    }
  }

  function putBack(item) {
    item.stop?.();
    // A small file starts anew, pieces where they ended.
    if (!item.upload) measure(item, 0);
    place(item, "waiting", { first: true });
  }

  function release() {
    line?.end();
    line = null;
    clearTimeout(timer);
    held = null;
    pump();
  }

  // ---- what people do

  function pause(item) {
    if (!["active", "waiting"].includes(item.state)) return;
    item.stop?.();
    if (!item.upload) measure(item, 0);
    place(item, "paused");
    pump();
  }

  function cancel(item) {
    item.stop?.();
    abandon(item);
    remove(item);
    pump();
  }

  function goOn(item) {
    item.cuts = item.turnedAway = 0;
    place(item, "waiting", { first: true });
    if (held?.kind === "full") release();
    else pump();
  }

  function counts() {
    const all = Object.fromEntries(STATES.map((state) => [state, groups[state].size]));
    return { ...all, all: STATES.reduce((sum, state) => sum + groups[state].size, 0) };
  }

  return {
    counts,
    totals: () => totals,
    held: () => held,
    isStopped: () => stopped,
    /** Whether leaving the page would lose something. */
    isBusy: () => groups.active.size + groups.waiting.size + groups.paused.size > 0,
    /** The first few of those in a state, without copying the rest. */
    some(state, most) {
      const found = [];
      for (const item of groups[state]) {
        if (found.length === most) break;
        found.push(item);
      }
      return found;
    },
    /** The last few, the latest first. */
    latest: (state, most) => [...groups[state]].slice(-most).reverse(),

    add(found) {
      for (const one of found) {
        const item = { id: next, state: null, sent: 0, size: one.file?.size ?? 0, upload: null, cuts: 0, turnedAway: 0, another: 0, isStale: false, words: null, stop: null, ...one };
        next += 1;
        if (one.fault) {
          place(item, "refused");
          item.words = one.fault;
          ended(item);
        } else {
          place(item, "waiting");
        }
      }
      pump();
    },
    pause,
    cancel,
    goOn,
    /** Under the next name that is free. */
    goOnAsAnother(item) {
      giveAnother(item);
      goOn(item);
    },
    pauseAll() {
      stopped = true;
      for (const item of [...groups.active].reverse()) putBack(item);
      changed();
    },
    goOnAll() {
      stopped = false;
      for (const item of [...groups.paused].reverse()) place(item, "waiting", { first: true });
      pump();
    },
    cancelAll() {
      for (const state of ["active", "paused", "waiting"]) {
        for (const item of [...groups[state]]) {
          item.stop?.();
          abandon(item);
          remove(item);
        }
      }
      stopped = false;
      release();
    },
    retryAll() {
      for (const item of [...groups.refused].filter((one) => !one.fault).reverse()) {
        item.cuts = item.turnedAway = 0;
        place(item, "waiting", { first: true });
      }
      release();
    },
    /** Takes what is done, or refused, out of sight. */
    clear(state) {
      for (const item of [...groups[state]]) {
        abandon(item);
        remove(item);
      }
      changed();
    },
    /** Somebody says that the reason to wait is gone. */
    release,
    hurry: () => line?.hurry(),
    /** The page is being left for good. */
    leave() {
      for (const state of STATES) for (const item of groups[state]) abandon(item);
    },
  };
}
