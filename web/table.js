// Draws the rows and keeps track of the current one. Called by app.js with
// items that listing.js has arranged; never sorts, never filters, never asks
// the hub. Names reach the document as text only.
//
// Up to 1,000 rows are all there, for find-in-page and screen readers. Above
// that, only the rows around the visible part are in the document, between
// two spacers, so that 50,000 entries scroll as smoothly as 50.

import { exactTime, timeForPeople } from "./format.js";
import { makeRow, markRow } from "./row.js";

const ALL_AT_ONCE = 1000;
const ROWS_BEYOND = 12;
// What of a row can have the focus beside its link.
const PARTS = ["a[download]", ".share", ".pick input"];

/** isPicked(item): whether it is selected. onCurrent(item): another row has the focus. */
export function createTable(table, { now, isPicked, onCurrent }) {
  const above = spacer();
  const body = document.createElement("tbody");
  const below = spacer();
  body.setAttribute("role", "rowgroup");
  table.append(above, body, below);

  let items = [];
  let folder = "/";
  let pageOf = (path) => path;
  let windowed = false;
  let from = 0;
  let to = 0;
  let rowHeight = 0;
  let current = null;
  let lastIndex = -1;
  let rows = new WeakMap(); // item -> its row, kept while a short list is sorted and filtered

  function spacer() {
    const part = document.createElement("tbody");
    part.setAttribute("aria-hidden", "true");
    part.className = "spacer";
    part.hidden = true;
    part.insertRow().insertCell().colSpan = 5;
    return part;
  }

  function rowOf(index) {
    const item = items[index];
    let row = rows.get(item);
    if (row) {
      markRow(row, isPicked(item)); // it may have been out of the document
    } else {
      row = makeRow(item, { folder, pageOf, now, isPicked });
      // Of a long list no more rows are kept than are in sight.
      if (!windowed) rows.set(item, row);
    }
    row.ariaRowIndex = String(index + 2); // the heading is row 1
    return row;
  }

  function drawRange(newFrom, newTo) {
    const overlap = newFrom < to && newTo > from;
    if (!overlap) {
      body.replaceChildren();
      from = newFrom;
      to = newFrom;
    }
    // Rows that stay are not touched, so that the focused one keeps its focus.
    while (from < newFrom) {
      body.firstElementChild.remove();
      from += 1;
    }
    while (to > newTo) {
      body.lastElementChild.remove();
      to -= 1;
    }
    while (from > newFrom) {
      from -= 1;
      body.prepend(rowOf(from));
    }
    const later = document.createDocumentFragment();
    while (to < newTo) {
      later.append(rowOf(to));
      to += 1;
    }
    body.append(later);
  }

  /** The y of a row's top, in the document. */
  function rowTop(index) {
    return above.getBoundingClientRect().top + window.scrollY + index * rowHeight;
  }

  function drawWindow() {
    if (!windowed) return;
    above.hidden = below.hidden = false;
    if (!rowHeight) {
      drawRange(0, 1);
      rowHeight = body.firstElementChild.getBoundingClientRect().height;
    }
    const first = Math.floor((window.scrollY - rowTop(0)) / rowHeight);
    const visible = Math.ceil(window.innerHeight / rowHeight);
    // After a leap nothing of what is there can stay: first what is in sight.
    const leap = first >= to || first + visible <= from;
    const beyond = leap ? 1 : ROWS_BEYOND;
    if (leap) redrawSoon();
    const newFrom = Math.max(0, Math.min(first - beyond, items.length - visible));
    const newTo = Math.min(items.length, Math.max(first, 0) + visible + beyond);
    drawRange(Math.min(newFrom, newTo), newTo);
    above.rows[0].cells[0].style.height = `${from * rowHeight}px`;
    below.rows[0].cells[0].style.height = `${(items.length - to) * rowHeight}px`;
  }

  const rowAt = (index) => (index < from ? undefined : body.children[index - from]);
  const linkAt = (index) => rowAt(index)?.querySelector(".name a");

  /** What is in sight of the list, below its heading and above what lies over it: {top, bottom}. */
  function sight() {
    // A sheet at the lower edge and the bar of what is selected say so there.
    const below = Number.parseFloat(getComputedStyle(document.documentElement).scrollPaddingBlockEnd) || 0;
    return { top: window.scrollY + table.tHead.getBoundingClientRect().height, bottom: window.scrollY + window.innerHeight - below };
  }

  function scrollToRow(index) {
    const top = rowTop(index);
    const seen = sight();
    if (top >= seen.top && top + rowHeight <= seen.bottom) return;
    const wanted = top < seen.top ? top - (seen.top - window.scrollY) : top + rowHeight - (seen.bottom - window.scrollY);
    window.scrollTo({ top: wanted, behavior: "instant" });
  }

  let frame = 0;
  const redrawSoon = () => {
    if (!windowed) return;
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      drawWindow();
    });
  };
  window.addEventListener("scroll", redrawSoon, { passive: true });
  window.addEventListener("resize", () => {
    rowHeight = 0; // another width may have another row height
    redrawSoon();
  });

  // Of a list drawn in part, all of it goes on paper.
  window.addEventListener("beforeprint", () => {
    if (!windowed) return;
    above.hidden = below.hidden = true;
    drawRange(0, items.length);
  });
  window.addEventListener("afterprint", drawWindow);

  // One button for all rows: it is where a pointer or the focus is.
  const share = document.getElementById("share-template").content.firstElementChild.cloneNode(true);
  function bringShare(row) {
    const item = view.itemOf(row);
    if (share.parentElement?.parentElement === row || share === document.activeElement) return;
    share.setAttribute("aria-label", `Share ${item.shown}`);
    row.querySelector(".get").prepend(share);
  }

  table.addEventListener("pointerover", (event) => {
    const row = event.target.closest("tbody:not(.spacer) tr");
    if (row && event.pointerType !== "touch") bringShare(row);
    const time = event.target.closest("td.modified")?.firstElementChild;
    if (time && !time.title) time.title = exactTime(Date.parse(time.dateTime));
  });

  table.addEventListener("focusin", (event) => {
    const row = event.target.closest("tbody tr");
    if (!row) return;
    bringShare(row);
    row.classList.toggle("at", event.target.matches(".name a:focus-visible"));
    if (row.dataset.href === current) return;
    current = row.dataset.href;
    onCurrent(items[from + [...body.children].indexOf(row)]);
  });

  table.addEventListener("focusout", (event) => event.target.closest("tr").classList.remove("at"));

  const view = {
    /** Shows these items of this folder in place of whatever was there. */
    draw(newItems, listing, pageOfFolder) {
      const focused = body.contains(document.activeElement) ? document.activeElement : null;
      const part = PARTS.find((one) => focused?.matches(one));
      const before = view.currentIndex();
      if (listing.folder !== folder) current = null;
      folder = listing.folder;
      pageOf = pageOfFolder;
      items = newItems;
      table.hidden = items.length === 0; // before drawing: rows are measured
      windowed = items.length > ALL_AT_ONCE;
      table.classList.toggle("windowed", windowed);
      table.ariaRowCount = String(items.length + 1);
      above.hidden = below.hidden = !windowed;
      body.replaceChildren();
      from = to = 0;
      rowHeight = 0;
      if (windowed) {
        drawWindow();
      } else {
        drawRange(0, items.length);
      }
      if (!focused || !items.length) return;
      // Moving rows about loses the focus: give it back to the same file, or
      // to what is in its place if the file is gone.
      const same = view.indexOf(current);
      const index = same >= 0 ? same : Math.min(Math.max(before, 0), items.length - 1);
      view.focus(index, { scroll: false, part });
    },

    /** Rows are made anew the next time: something about how they look has changed. */
    forget() {
      rows = new WeakMap();
    },

    /** Marks the rows that are selected, and no others. */
    mark() {
      for (const [offset, row] of [...body.children].entries()) markRow(row, isPicked(items[from + offset]));
    },

    /** Writes the times again, since "3 min ago" does not stay true. */
    retell() {
      for (const [offset, row] of [...body.children].entries()) {
        const time = row.querySelector("time");
        if (time) time.textContent = timeForPeople(items[from + offset].modified, now());
      }
    },

    count: () => items.length,
    item: (index) => items[index],
    indexOf(href) {
      if (href === null) return -1;
      // It is asked for again and again, and mostly for the same.
      if (items[lastIndex]?.href !== href) lastIndex = items.findIndex((item) => item.href === href);
      return lastIndex;
    },
    currentIndex: () => view.indexOf(current),
    current: () => current,
    isFocused: () => body.contains(document.activeElement),

    /** Makes a row current and gives it the focus. */
    focus(index, { scroll = true, part = null } = {}) {
      if (!items.length) return;
      const wanted = Math.max(0, Math.min(index, items.length - 1));
      if (windowed) {
        if (scroll) scrollToRow(wanted);
        drawWindow();
      }
      const row = rowAt(wanted);
      if (!row) return;
      ((part && row.querySelector(part)) ?? linkAt(wanted)).focus({ preventScroll: true });
      if (scroll) row.scrollIntoView({ block: "nearest" });
    },

    /** How many rows are a page of them. */
    pageRows() {
      const seen = sight();
      const height = rowHeight || body.firstElementChild?.getBoundingClientRect().height || 1;
      return Math.max(1, Math.floor((seen.bottom - seen.top) / height) - 1);
    },

    /** The first row in sight, to begin with where none is current. */
    firstInSight() {
      const { top } = sight();
      const at = [...body.children].findIndex((row) => row.getBoundingClientRect().top + window.scrollY >= top);
      return Math.max(0, from + at);
    },

    open(index) {
      linkAt(index)?.click();
    },

    /** Downloads that row's file, or folder as a zip. */
    download(index) {
      rowAt(index)?.querySelector("a[download]")?.click();
    },

    /** The item whose row that element is in. */
    itemOf(element) {
      const row = element.closest("tbody:not(.spacer) tr");
      return row ? items[from + [...body.children].indexOf(row)] : null;
    },
  };
  return view;
}
