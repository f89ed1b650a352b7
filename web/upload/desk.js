// The sheet of what is being sent, and its button in the header. Fetched by
// receiving.js when it is first wanted; what is in it is counter.js's.

import { element, icon } from "../element.js";
import { createSheet } from "../sheet.js";
import { withStyle } from "../style-part.js";
import { createCounter } from "./counter.js";

await withStyle(new URL("./desk.css", import.meta.url));

/** button: in the header, which says how far it is. landed(folder): something new lies there. */
export function createDesk({ button, announce, landed, join }) {
  const title = element("h2", { id: "sending-title", tabindex: "-1" }, "Sending");
  const dialog = element("dialog", { class: "sheet at-edge", id: "sending", "aria-labelledby": "sending-title" });
  let sheet = null;
  const counter = createCounter({
    announce,
    landed,
    join,
    drawn: drawButton,
    isShown: () => dialog.open,
    rest: () => title.focus(),
    emptied: () => sheet.close(),
  });
  dialog.append(
    element("header", { class: "sheet-head" }, title, element("button", { class: "close", type: "button", "aria-label": "Close what is being sent", title: "Close (Esc)" }, icon("close"))),
    counter.element,
    element("p", { class: "unseen said", "aria-live": "polite" }),
  );
  document.body.append(dialog);
  sheet = createSheet(dialog, { button, pressed: false, arrive: () => title.focus(), changed: (open) => open && counter.draw() });

  function drawButton({ counts, share }) {
    button.hidden = counts.all === 0;
    const busy = counts.active + counts.waiting + counts.paused > 0;
    const percent = `${Math.floor(share * 100)} %`;
    const word = busy ? percent : counts.refused ? "Not all sent" : "All sent";
    button.querySelector("span").textContent = word;
    button.setAttribute("aria-label", busy ? `Sending: ${percent}` : word);
  }
  drawButton({ counts: { all: 0, active: 0, waiting: 0, paused: 0, refused: 0 }, share: 0 });

  return {
    toggle: sheet.toggle,
    isBusy: counter.isBusy,
    rejoined: counter.rejoined,
    send(grabbed, place) {
      sheet.open();
      return counter.send(grabbed, place);
    },
  };
}
