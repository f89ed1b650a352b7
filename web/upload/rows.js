// Draws the queue: a few rows of each state, and how many more there are.
// Called by counter.js; asks the queue what to draw and tells it what people
// press. Of ten thousand files no more than some sixty rows are in the
// document.

import { element, icon } from "../element.js";
import { number, sizeForPeople, visibleName } from "../format.js";
import { kindOf } from "../kinds.js";
import { nameElement } from "../name.js";
import { anotherName } from "./another-name.js";
import { leftInWords } from "./pace.js";
import { outcomeInWords } from "./words.js";

const GROUPS = [
  { state: "refused", label: "Not taken", most: 30, more: "more were not taken" },
  { state: "active", label: "Being sent", most: 8, more: "" },
  { state: "paused", label: "Paused", most: 20, more: "more are paused" },
  { state: "waiting", label: "Waiting", most: 12, more: "more wait" },
  { state: "done", label: "Done", most: 12, more: "more are done", latest: true },
];

/** doings: {pause, goOn, cancel, retry, another}, each given the item. paceOf(item): bytes a second, or null. */
export function createRows({ queue, doings, paceOf }) {
  const lists = GROUPS.map((group) => {
    const list = element("ol", { class: `queue-${group.state}`, "aria-label": group.label });
    const rest = element("p", { class: "more" });
    return { ...group, list, rest, rows: new Map() };
  });
  const place = element("div", { class: "queue-rows" }, ...lists.flatMap(({ list, rest }) => [list, rest]));

  function button(item, name, label, does) {
    return element("button", { type: "button", class: "row-button", "aria-label": `${label} ${visibleName(item.path.at(-1))}`, title: label, "data-does": name, click: () => does(item) }, icon({ pause: "pause", goOn: "go-on", retry: "again", cancel: "close" }[name]));
  }

  function makeRow(item) {
    const shownKind = item.folder ? "folder" : kindOf({ name: item.path.at(-1), type: item.file?.type ?? "" });
    // The page for strangers has no more drawings than it needs.
    const drawing = icon(document.getElementById(`icon-${shownKind}`) ? shownKind : "other");
    drawing.classList.add("kind", shownKind);
    const name = element("p", { class: "row-name" }, nameElement(item.path.at(-1)));
    const bar = element("progress", { max: "1", "aria-label": `Sent of ${visibleName(item.path.at(-1))}` });
    const state = element("p", { class: "row-state" });
    const buttons = element("div", { class: "row-buttons" });
    const other = element("button", { type: "button", class: "button small", hidden: true, click: () => doings.another(item) });
    const row = element("li", {}, drawing, element("div", { class: "row-words" }, name, bar, state, other), buttons);
    return { row, name, bar, state, other, buttons, drawn: null };
  }

  function drawRow(made, item) {
    made.bar.hidden = !(item.state === "active" || (item.state === "paused" && item.sent > 0) || (item.state === "waiting" && item.sent > 0));
    made.bar.value = item.size ? item.sent / item.size : 0;
    const said = wordsOf(item);
    if (made.state.textContent !== said) made.state.textContent = said;
    made.row.classList.toggle("failed", item.state === "refused");
    if (made.drawn === item.state) return;
    made.drawn = item.state;
    const isTaken = item.state === "refused" && Boolean(item.words.taken) && !item.folder;
    made.other.hidden = !isTaken;
    if (isTaken) made.other.textContent = `Send as “${visibleName(anotherName(item.firstName ?? item.path.at(-1), item.another + 2))}”`;
    if (item.firstName) made.name.replaceChildren(nameElement(item.path.at(-1)));
    const focused = made.buttons.contains(document.activeElement);
    made.buttons.replaceChildren(...buttonsOf(item));
    if (focused) made.buttons.firstElementChild?.focus({ preventScroll: true });
  }

  function buttonsOf(item) {
    const cancel = button(item, "cancel", item.state === "done" || item.state === "refused" ? "Take off the list:" : "Cancel", doings.cancel);
    switch (item.state) {
      case "active":
      case "waiting":
        return [button(item, "pause", "Pause", doings.pause), cancel];
      case "paused":
        return [button(item, "goOn", "Go on with", doings.goOn), cancel];
      case "refused":
        return item.fault ? [cancel] : [button(item, "retry", "Try again:", doings.retry), cancel];
    }
    return [];
  }

  function wordsOf(item) {
    const above = item.path.length > 1 ? `${visibleName(item.path.slice(0, -1).join("/"))} · ` : "";
    const size = item.folder ? "folder" : sizeForPeople(item.size);
    switch (item.state) {
      case "refused":
        return `${above}${item.words.heading} ${item.words.text}`.trim();
      case "done":
        return `${above}${item.folder ? "" : `${size}, `}${outcomeInWords(item.outcome, visibleName(item.name ?? ""))}`;
      case "paused":
        return `${above}paused${item.sent ? ` at ${sizeForPeople(item.sent)} of` : ","} ${size}`;
      case "waiting":
        return `${above}${item.sent ? `waits, ${sizeForPeople(item.sent)} of ${size} sent` : `${size}, waits`}`;
    }
    if (!item.size) return `${above}${size}`;
    const speed = paceOf(item);
    if (item.sent >= item.size) return `${above}${size}, the hub writes it to its disk`;
    const parts = [`${sizeForPeople(item.sent)} of ${size}`, speed ? `${sizeForPeople(speed)}/s` : "", leftInWords(item.size - item.sent, speed)];
    return above + parts.filter(Boolean).join(" · ");
  }

  function drawGroup({ state, most, more, latest, list, rest, rows }, count) {
    const items = latest ? queue.latest(state, most) : queue.some(state, most);
    const wanted = new Set(items);
    for (const [item, made] of rows) {
      if (wanted.has(item)) continue;
      made.row.remove();
      rows.delete(item);
    }
    items.forEach((item, index) => {
      const made = rows.get(item) ?? makeRow(item);
      rows.set(item, made);
      drawRow(made, item);
      if (list.children[index] !== made.row) list.insertBefore(made.row, list.children[index] ?? null);
    });
    list.hidden = items.length === 0;
    rest.hidden = count <= items.length;
    rest.textContent = `and ${number(count - items.length)} ${more}`;
  }

  /** The button that had the focus, as what it does and for whom. */
  function focusedButton() {
    const button = document.activeElement?.closest?.(".row-button");
    if (!button || !place.contains(button)) return null;
    for (const { rows } of lists) for (const [item, made] of rows) if (made.row.contains(button)) return { item, does: button.dataset.does };
    return null;
  }

  return {
    element: place,
    /** lost(): whoever had the focus here is gone. */
    draw(lost) {
      const focused = focusedButton();
      const counts = queue.counts();
      for (const group of lists) drawGroup(group, counts[group.state]);
      if (!focused || place.contains(document.activeElement)) return;
      // An item that changes its state changes its place.
      const row = lists.map(({ rows }) => rows.get(focused.item)).find(Boolean);
      const button = row?.buttons.querySelector(`[data-does="${focused.does}"]`) ?? row?.buttons.firstElementChild;
      if (button) button.focus({ preventScroll: true });
      else lost();
    },
  };
}
