// What is being sent, in sight: the whole in figures, what people can do with
// it, and its rows. Called by desk.js, which puts it into a sheet, and by
// drop-page.js; what is sent when is queue.js's business.

import { element, icon } from "../element.js";
import { counted, number, sizeForPeople, visibleName } from "../format.js";
import { hindrance, onStanding } from "../standing.js";
import { gather } from "./gather.js";
import { createPace, leftInWords } from "./pace.js";
import { createQueue } from "./queue.js";
import { createRows } from "./rows.js";
import { createTelling } from "./telling.js";

const DRAW_EVERY = 200; // ms: as often as figures can be read

/**
 * landed(folder): something new lies there. join(): shows the way in. isShown():
 * whether anybody sees it; drawn({counts, share}): for who shows the whole
 * elsewhere. rest(): takes the focus when what had it is gone. emptied(): there
 * is nothing left to show.
 */
export function createCounter({ announce, landed, join, isShown, drawn = () => {}, rest, emptied }) {
  const pace = createPace();
  const paces = new WeakMap(); // of each item
  let called = ""; // where things go, for people
  let left = { count: 0 };
  let looking = 0; // into folders
  let drawing = 0;

  const queue = createQueue({
    changed: drawSoon,
    landed: (item) => landed(item.where),
    ended: () => telling.ended(),
  });
  const telling = createTelling({ queue, announce });
  const doings = {
    pause: queue.pause,
    goOn: queue.goOn,
    retry: queue.goOn,
    another: queue.goOnAsAnother,
    cancel(item) {
      queue.cancel(item);
      announce(`${visibleName(item.path.at(-1))} is off the list.`);
    },
  };
  const rows = createRows({ queue, doings, paceOf: (item) => paces.get(item)?.bytesPerSecond() ?? null });
  const parts = makeParts();
  const place = element("div", { class: "counter" }, parts.summary, rows.element);

  // ---- what people press

  const act = {
    pause() {
      queue.pauseAll();
      announce("Paused. What has arrived is kept.");
    },
    goOn() {
      queue.goOnAll();
      announce("Going on.");
    },
    cancel() {
      queue.cancelAll();
      pace.forget();
      announce("Cancelled. What was sent whole stays on the hub.");
    },
    retry: () => queue.retryAll(),
    clear() {
      queue.clear("done");
      if (!queue.counts().all) emptied();
    },
    release: () => queue.release(),
    hurry: () => queue.hurry(),
    join,
  };
  place.addEventListener("click", (event) => {
    const does = event.target.closest("[data-act]")?.dataset.act;
    if (!does) return;
    act[does]();
    draw();
    // What was pressed may be gone, or mean something else now.
    if (!place.contains(document.activeElement) || document.activeElement.hidden) rest();
  });

  // ---- drawing

  function drawSoon() {
    drawing ||= setTimeout(() => {
      drawing = 0;
      draw();
      // Figures change also where nothing happens: the speed, the time left.
      if (queue.counts().active || queue.held()?.until) drawSoon();
    }, DRAW_EVERY);
  }

  function draw() {
    const now = performance.now();
    const counts = queue.counts();
    const totals = queue.totals();
    for (const item of queue.some("active", 8)) {
      if (!paces.has(item)) paces.set(item, createPace());
      paces.get(item).note(now, item.sent);
    }
    const { all, sent, toGo } = sumOf(totals);
    if (counts.active) pace.note(now, sent);
    else pace.forget();
    drawn({ counts, share: all ? sent / all : 0 });
    guardLeaving();
    if (!isShown()) return;
    drawSummary(counts, { all, sent, toGo });
    drawHold();
    rows.draw(rest);
  }

  function sumOf({ active, paused, waiting, done }) {
    const unfinished = [active, paused, waiting];
    const all = [...unfinished, done].reduce((sum, one) => sum + one.bytes, 0);
    const sent = [...unfinished, done].reduce((sum, one) => sum + one.sent, 0);
    return { all, sent, toGo: all - sent };
  }

  function drawSummary(counts, { all, sent, toGo }) {
    const open = counts.active + counts.waiting + counts.paused;
    parts.headline.textContent = headline(counts, open);
    parts.bar.hidden = open === 0;
    parts.bar.value = all ? sent / all : 0;
    const speed = pace.bytesPerSecond();
    const figures = open ? [`${sizeForPeople(sent)} of ${sizeForPeople(all)}`, speed ? `${sizeForPeople(speed)}/s` : "", counts.active ? leftInWords(toGo, speed) : ""] : [sizeForPeople(all)];
    const others = [counts.refused ? `${number(counts.refused)} not taken` : "", left.count ? `${counted(left.count, "file of the system’s own", "files of the system’s own")} left out` : "", looking ? "still looking into folders" : ""];
    parts.figures.textContent = [...figures, ...others].filter(Boolean).join(" · ");
    const stopped = queue.isStopped() || (open > 0 && counts.paused === open);
    parts.buttons.pause.hidden = stopped || !open;
    parts.buttons.goOn.hidden = !stopped || !open;
    parts.buttons.cancel.hidden = !open;
    parts.buttons.retry.hidden = counts.refused === 0;
    parts.buttons.clear.hidden = counts.done === 0;
  }

  function headline(counts, open) {
    const into = called ? ` into “${visibleName(called)}”` : "";
    if (!open) return counts.done ? `${counted(counts.done, "file is", "files are")} there` : counts.refused ? "Nothing was taken" : "Nothing is being sent";
    const paused = queue.isStopped() || counts.paused === open;
    const files = counts.done + open;
    const which = files === 1 ? "1 file" : `${number(counts.done + 1)} of ${counted(files, "file", "files")}`;
    return `${paused ? "Paused" : "Sending"}: ${which}${into}`;
  }

  function drawHold() {
    const held = queue.isStopped() ? null : queue.held();
    parts.hold.hidden = held === null;
    if (!held) return;
    const seconds = held.until === null ? null : Math.max(0, Math.ceil((held.until - performance.now()) / 1000));
    const again = seconds === null ? "" : seconds > 0 ? `Trying again in ${seconds} s.` : "Trying now.";
    const text = held.kind === "silent" ? "It may be switched off, or this device may have left its network. What has arrived is kept, and sending goes on by itself." : held.text;
    parts.holdHeading.textContent = held.heading;
    parts.holdText.textContent = text;
    parts.holdAgain.textContent = again;
    const offered = { silent: ["hurry", "Try now"], key: ["join", "Join"] }[held.kind] ?? ["release", held.kind === "full" ? "Go on with the others" : "Try now"];
    parts.holdButton.dataset.act = offered[0];
    parts.holdButton.textContent = offered[1];
  }

  // ---- leaving

  const ask = (event) => event.preventDefault();
  function guardLeaving() {
    // Only as long as there is something to lose: it keeps a page from being
    // brought back at once.
    if (queue.isBusy()) window.addEventListener("beforeunload", ask);
    else window.removeEventListener("beforeunload", ask);
  }
  window.addEventListener("pagehide", (event) => {
    if (!event.persisted) queue.leave();
  });

  // What the queue waited for may have come about elsewhere.
  onStanding(() => {
    const { kind } = queue.held() ?? {};
    if ((kind === "key" || kind === "off") && hindrance() === null) queue.release();
  });

  return {
    element: place,
    draw,
    isBusy: queue.isBusy,
    rejoined() {
      if (queue.held()?.kind === "key") queue.release();
    },

    /** grabbed: entries or files; where: the folder that they go into, `called` for people. */
    async send(grabbed, { where, called: name }) {
      called = name;
      if (!queue.isBusy()) {
        // How the last went was told; what is told now is of these.
        queue.clear("done");
        queue.clear("refused");
        left = { count: 0 };
        pace.forget();
      }
      looking += 1;
      for await (const found of gather(grabbed, left)) {
        queue.add(found.map((one) => addressed(one, where)));
        draw();
      }
      looking -= 1;
      telling.began();
      draw();
    },
  };
}

/** What was found, with the address that it gets. */
function addressed(found, where) {
  const item = { ...found, folder: Boolean(found.folder), where, href: null, fault: null };
  try {
    item.href = where + found.path.map(encodeURIComponent).join("/");
  } catch {
    item.fault = { heading: "This name cannot be written.", text: "It holds half a character. Rename the file on this device." };
  }
  if (found.unreadable) item.fault = { heading: "This device does not give it.", text: "The file or folder cannot be read: perhaps it is not yours, or it was moved." };
  return item;
}

function makeParts() {
  const button = (act, words, drawing) => element("button", { type: "button", class: "button small", "data-act": act }, icon(drawing), words);
  const parts = {
    headline: element("p", { class: "headline" }),
    bar: element("progress", { max: "1", "aria-label": "Sent of all" }),
    figures: element("p", { class: "figures" }),
    buttons: {
      pause: button("pause", "Pause", "pause"),
      goOn: button("goOn", "Go on", "go-on"),
      retry: button("retry", "Try again", "again"),
      cancel: button("cancel", "Cancel all", "close"),
      clear: button("clear", "Clear done", "done"),
    },
    holdHeading: element("strong", {}),
    holdText: element("p", {}),
    holdAgain: element("p", { class: "again" }),
    holdButton: element("button", { type: "button", class: "button small" }),
  };
  parts.hold = element("div", { class: "hold", hidden: true }, parts.holdHeading, parts.holdText, parts.holdAgain, parts.holdButton);
  parts.summary = element("div", { class: "summary" }, parts.headline, parts.bar, parts.figures, element("div", { class: "summary-buttons" }, ...Object.values(parts.buttons)), parts.hold);
  return parts;
}
