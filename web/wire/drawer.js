// "Show the wire": the exchanges of wire/log.js, newest first, each with its
// messages and the same by hand. Fetched by app.js once the page is
// there; never asks the hub.

import { copyButton } from "../copyable.js";
import { element } from "../element.js";
import { clockTime, milliseconds } from "../format.js";
import { requestByHand } from "./by-hand.js";
import { onRecord, recorded } from "./log.js";

const DIRECTIONS = { out: ["→", "sent"], in: ["←", "received"] };
const PROGRAMS = [
  ["curl", "curl"],
  ["netcat", "netcat"],
  ["python", "Python"],
];
const FINEST_OF_A_PAGE = 0.1; // browsers keep finer time from pages

export function createDrawer({ announce }) {
  const list = document.getElementById("exchanges");
  const detail = document.getElementById("exchange");
  let chosen = null; // its number

  function choose(number) {
    chosen = number;
    for (const button of list.querySelectorAll("button")) {
      if (Number(button.dataset.number) === number) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    drawDetail();
  }

  function drawList() {
    // While a thousand files are sent, nobody reads a closed drawer.
    if (!list.closest("dialog").open) return;
    const focused = document.activeElement?.closest("#exchanges button")?.dataset.number;
    list.replaceChildren(
      ...recorded().map((entry) => {
        const button = element(
          "button",
          { type: "button", "data-number": entry.number, click: () => choose(entry.number) },
          element("span", { class: "what" }, entry.title),
          element("span", { class: "when" }, [clockTime(entry.at), entry.failure ? "failed" : "", entry.byItself ? "by itself" : ""].filter(Boolean).join(" · ")),
        );
        return element("li", {}, button);
      }),
    );
    if (focused) buttonOf(focused)?.focus({ preventScroll: true });
  }

  const buttonOf = (number) => list.querySelector(`button[data-number="${number}"]`);

  function drawDetail() {
    if (!detail.closest("dialog").open) return;
    const entry = recorded().find(({ number }) => number === chosen);
    detail.hidden = !entry;
    document.getElementById("no-exchange").hidden = Boolean(entry);
    if (!entry) {
      detail.replaceChildren();
      return;
    }
    const messages = element("div", { class: "messages" }, element("h3", {}, entry.title), element("p", { class: "account" }, entry.account));
    const passed = element("ol", { "aria-label": "Messages" }, ...entry.messages.map((message) => messageElement(message, entry.wire)));
    messages.append(passed);
    if (entry.failure) messages.append(element("p", { class: "failure" }, sentence(entry.failure)));
    if (entry.beyond) messages.append(element("p", { class: "beyond" }, entry.beyond));
    detail.replaceChildren(messages, byHandElement(entry));
    detail.scrollTop = 0;
  }

  function messageElement({ direction, after_ms, size, lines, meaning }, wire) {
    const [arrow, word] = DIRECTIONS[direction];
    const finest = wire === "http" ? FINEST_OF_A_PAGE : undefined;
    const head = element(
      "p",
      { class: "passed" },
      element("span", { class: "direction" }, element("span", { "aria-hidden": "true" }, `${arrow} `), word),
      element("span", { class: "after" }, `at ${milliseconds(after_ms, finest)}`),
      element("span", { class: "size" }, size),
    );
    const item = element("li", { class: direction }, head, element("p", { class: "meaning" }, meaning));
    if (lines.length) item.append(element("pre", {}, lines.join("\n")));
    return item;
  }

  function byHandElement(entry) {
    const place = element("div", { class: "by-hand" }, element("h3", {}, "The same by hand"));
    const byHand = entry.byHand ?? (entry.asked && requestByHand(entry.asked));
    for (const [key, name] of PROGRAMS) {
      const text = byHand?.[key];
      if (!text) continue;
      const code = element("pre", {}, text.trimEnd());
      place.append(
        element("div", { class: "program" }, element("h4", {}, name), copyButton(text, `the ${name} for this`, code, announce)),
        code,
      );
    }
    return place;
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!step) return;
    event.preventDefault();
    const button = event.target.closest("li")?.[step]?.firstElementChild;
    if (!button) return;
    button.focus();
    choose(Number(button.dataset.number));
  });

  onRecord((entry) => {
    drawList();
    // What the page does by itself takes nobody away from what they look at.
    const gone = !recorded().some(({ number }) => number === chosen);
    choose(gone || !entry.byItself ? entry.number : chosen);
  });

  return {
    /** Shows one exchange; without a number, the last that somebody did. */
    show(number = (recorded().find(({ byItself }) => !byItself) ?? recorded()[0])?.number) {
      drawList();
      choose(number ?? null);
    },
    arrive() {
      (buttonOf(chosen) ?? document.getElementById("wire-title")).focus();
    },
  };
}

function sentence(words) {
  const whole = words[0].toUpperCase() + words.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
