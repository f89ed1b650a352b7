// Clock: the hub's date and time, how far this device's clock is from it, and
// the clock service over its own wires. Called by tools/bench.js. The time
// shown is this device's with the measured offset taken off, so that a ticking
// clock asks nothing.

import { element } from "../element.js";
import { milliseconds } from "../format.js";
import { HubProblem, askForTime, exchange } from "../hub.js";
import { httpEntry } from "../wire/http.js";
import { record } from "../wire/log.js";
import { best, offsetInWords, reckon } from "./offset.js";
import { createResult, wordsFor } from "./result.js";
import { createWires, noteOf, wiresOf } from "./wires.js";

const SAMPLES = 6;
const SPACING = 120; // ms, so that one burst of traffic does not spoil them all
const STALE = 10 * 60_000; // clocks drift: measured again when next looked at
const MESSAGES = { Date: "SEND_DATE", Time: "SEND_TIME" };

export const clock = {
  name: "Clock",
  about: "The hub’s time, and how far this device’s clock is from it.",

  /** null where the hub runs no clock. */
  create(hub, tools) {
    const offered = wiresOf(hub, "clock");
    if (!offered) return null;
    const face = createFace();
    const offset = createOffset(face, tools);
    return {
      element: element("div", {}, face.element, offset.element, createAsking(offered, tools)),
      opened() {
        face.tick();
        offset.measureIfStale();
      },
      closed: face.stop,
    };
  },
};

/** The time in digits, ticking while it is in sight. */
function createFace() {
  const time = element("time", { class: "digits" }, "--:--:--");
  const date = element("p", { class: "date" }, "");
  let known = null; // {ahead_ms, answer}, as sample() keeps it
  let timer = 0;

  function tick() {
    clearTimeout(timer);
    if (!known) return;
    const now = Date.now() - known.ahead_ms;
    const there = new Date(now + minutesOf(known.answer.offset) * 60_000).toISOString();
    time.textContent = there.slice(11, 19);
    time.dateTime = new Date(now).toISOString();
    const weekday = new Intl.DateTimeFormat("en", { weekday: "long", timeZone: "UTC" }).format(Date.parse(there));
    date.textContent = `${weekday}, ${there.slice(0, 10)}, ${known.answer.zone ? `${known.answer.zone} ` : ""}(UTC${known.answer.offset})`;
    // A little after the full second, for timers come early at times.
    timer = setTimeout(tick, 1005 - (((now % 1000) + 1000) % 1000));
  }

  return {
    element: element("div", { class: "face" }, element("p", {}, time), date),
    show(kept) {
      known = kept;
      tick();
    },
    tick,
    stop: () => clearTimeout(timer),
  };
}

/** "+05:30" -> 330 */
function minutesOf(offset) {
  const [, sign, hours, minutes] = offset.match(/^([+-])(\d+):(\d+)/) ?? [null, "+", 0, 0];
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

/** The offset in words, with its button. */
function createOffset(face, { showWire }) {
  const words = element("p", { class: "words" });
  const how = element("p", { class: "told" });
  const again = element("button", { type: "button", class: "button small" }, "Measure again");
  const wire = element("button", { type: "button", class: "to-wire", hidden: true }, "Show the wire");
  let number; // of the measurement in the wire's log
  let measuredAt = -Infinity;
  let measuring = false;

  async function measure(byItself) {
    if (measuring) return;
    measuring = true;
    again.setAttribute("aria-disabled", "true");
    words.textContent = "Measuring …";
    how.textContent = "";
    try {
      const { kept, recordedAs } = await sample(byItself);
      number = recordedAs;
      measuredAt = performance.now();
      words.textContent = offsetInWords(kept);
      how.textContent = `The quickest of ${SAMPLES} questions over HTTP took ${milliseconds(kept.round_trip_ms, 0.1)} there and back.`;
      face.show(kept);
    } catch (error) {
      const [heading, text] = wordsFor(error);
      words.textContent = `${heading} ${text}`;
      number = undefined;
    }
    wire.hidden = false;
    again.removeAttribute("aria-disabled");
    measuring = false;
  }

  again.addEventListener("click", () => measure(false));
  wire.addEventListener("click", () => showWire(number));
  return {
    element: element("div", { class: "offset" }, element("div", { "aria-live": "polite" }, words, how), element("p", { class: "row" }, again, wire)),
    measureIfStale() {
      if (performance.now() - measuredAt > STALE) measure(true);
    },
  };
}

/** Asks a few times and keeps the answer that says most. */
async function sample(byItself) {
  const taken = [];
  const seen = [];
  const tell = () =>
    record(
      httpEntry({
        title: "Clock over HTTP",
        byItself,
        requests: seen.map((told, index) => ({ seen: told, asks: `asks what time it is, ${index + 1} of ${SAMPLES}`, tells: meaningOf(taken[index], best(taken)) })),
      }),
    );
  try {
    for (let index = 0; index < SAMPLES; index += 1) {
      if (index) await new Promise((resolve) => setTimeout(resolve, SPACING));
      const answer = await askForTime((told) => seen.push(told));
      const { began, answered, wall } = answer.seen;
      const round_trip_ms = answered - began;
      taken.push({ ...reckon({ wall, round_trip_ms, hub_ms: answer.unix_ms }), round_trip_ms, answer });
    }
  } catch (error) {
    tell();
    throw error;
  }
  return { kept: best(taken), recordedAs: tell() };
}

function meaningOf(taken, kept) {
  if (!taken) return "tells no time";
  const took = `tells the time; there and back in ${milliseconds(taken.round_trip_ms, 0.1)}`;
  return taken === kept ? `${took}, which makes it the surest answer: this one counts` : took;
}

/** Date and time from the service itself. */
function createAsking(offered, { showWire }) {
  const heading = element("h4", {}, "Ask the service");
  const note = noteOf(offered, "clock-elsewhere");
  if (!offered.reached.length) return element("div", { class: "asking" }, heading, note ?? "");
  const wires = createWires(offered, "clock-wire", note);
  const result = createResult({ showWire });
  const buttons = Object.keys(MESSAGES).map((what) => element("button", { type: "button", class: "button", click: (event) => ask(what, event.currentTarget) }, what));

  async function ask(what, button) {
    const wire = wires.chosen();
    button.disabled = true;
    result.busy();
    try {
      const { answer, failure, number } = await exchange({ service: "clock", wire, message: MESSAGES[what], line: wire === "tcp" });
      if (failure) throw new HubProblem(200, "The hub got no answer from its own clock service", failure);
      const took = answer.round_trip_ms === null ? "" : `: ${milliseconds(answer.round_trip_ms)} there and back`;
      result.say({ answer: answer.text, note: `The hub asked its own clock service over ${wire.toUpperCase()}${took}.`, number });
    } catch (error) {
      result.fail(error);
    }
    button.disabled = false;
    if (document.activeElement === document.body) button.focus({ preventScroll: true });
  }

  return element("div", { class: "asking" }, heading, element("div", { class: "row" }, wires.element, element("div", { class: "buttons" }, ...buttons)), note ?? "", result.element);
}
