// What is said aloud of the queue, to who does not see it: the start, each
// quarter of what takes long, the first refusal, a hold, and the end. Called by
// counter.js; never more than that, for ten thousand files land every moment.

import { counted, sizeForPeople, visibleName } from "../format.js";

const LONG = 8000; // ms: what takes less says only how it ended

export function createTelling({ queue, announce }) {
  let beganAt = null;
  let quarter = 0;
  let toldRefusal = false;
  let toldHold = null;

  function look() {
    if (beganAt === null) return;
    const { active, waiting, done, paused, refused } = queue.counts();
    const held = queue.held();
    if (held && held.kind !== toldHold) announce(`${held.heading} ${held.text}`);
    toldHold = held?.kind ?? null;
    if (active + waiting + paused === 0) {
      stop();
      const bad = refused ? ` ${counted(refused, "was", "were")} not taken.` : "";
      announce(done ? `${counted(done, "file is", "files are")} there, ${sizeForPeople(queue.totals().done.bytes)}.${bad}` : `Nothing was sent.${bad}`);
      return;
    }
    const totals = queue.totals();
    const open = [totals.active, totals.waiting, totals.paused, totals.done];
    const all = open.reduce((sum, { bytes }) => sum + bytes, 0);
    const reached = all ? Math.floor((open.reduce((sum, { sent }) => sum + sent, 0) / all) * 4) : 0;
    if (reached > quarter && reached < 4 && performance.now() - beganAt > LONG) announce(`${reached * 25} percent sent.`);
    quarter = Math.max(quarter, reached);
  }

  let timer = 0;
  function stop() {
    clearInterval(timer);
    timer = 0;
    beganAt = null;
  }

  return {
    /** Everything is in the queue. */
    began() {
      const { active, waiting, done } = queue.counts();
      toldRefusal = false;
      toldHold = null;
      quarter = 0;
      beganAt = performance.now();
      if (active + waiting) announce(`Sending ${counted(active + waiting + done, "file", "files")}.`);
      timer ||= setInterval(look, 1000);
      look();
    },
    /** One was refused or is done. */
    ended() {
      const [first] = queue.some("refused", 1);
      if (first && !toldRefusal) {
        toldRefusal = true;
        announce(`${visibleName(first.path.at(-1))}: ${first.words?.heading ?? ""} ${first.words?.text ?? ""}`);
      }
    },
  };
}
