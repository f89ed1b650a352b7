// Draws the rows and keeps track of the current one. Called by app.js with
// items that listing.js has arranged; never sorts, never filters, never asks
// the hub. Names reach the document as text only.
//
// Up to 2,000 rows are all there, for find-in-page and screen readers. Above
// that, only the rows around the visible part are in the document, between
// two spacers, so that 50,000 entries scroll as smoothly as 50.

import { inFolder } from "./addresses.js";
import { exactSize, exactTime, sizeForPeople, timeForPeople } from "./format.js";
import { KIND_WORDS, kindOf } from "./kinds.js";
import { nameElement } from "./name.js";

const ALL_AT_ONCE = 2000;
const ROWS_BEYOND = 12;

export function createTable(table, { now, onCurrent }) {
  const rowTemplate = document.getElementById("row-template").content.firstElementChild;
  const downloadTemplate = document.getElementById("download-template").content.firstElementChild;
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
  let rows = new WeakMap(); // item -> its row, kept while sorting and filtering

  function spacer() {
    const part = document.createElement("tbody");
    part.setAttribute("aria-hidden", "true");
    part.className = "spacer";
    part.hidden = true;
    part.insertRow().insertCell().colSpan = 4;
    return part;
  }

  function makeRow(item) {
    const row = rowTemplate.cloneNode(true);
    const kind = kindOf(item);
    const icon = row.querySelector(".kind");
    icon.classList.add(kind);
    icon.setAttribute("aria-label", KIND_WORDS[kind]);
    icon.firstElementChild.setAttribute("href", `#icon-${kind}`);

    const link = row.querySelector("a");
    const address = inFolder(folder, item.href);
    link.append(nameElement(item.name));
    if (item.folder) {
      link.href = pageOf(address);
      link.dataset.folder = address;
    } else {
      link.href = address;
      const size = row.querySelector(".size span");
      size.textContent = sizeForPeople(item.size);
      size.title = exactSize(item.size);
      const download = downloadTemplate.cloneNode(true);
      download.href = address;
      download.setAttribute("aria-label", `Download ${item.shown}`);
      download.title = "Download";
      row.querySelector(".get").append(download);
    }
    row.dataset.href = item.href;

    const time = row.querySelector("time");
    if (item.modified === null) {
      time.remove();
    } else {
      time.dateTime = new Date(item.modified).toISOString();
      time.textContent = timeForPeople(item.modified, now());
      time.title = exactTime(item.modified);
    }
    return row;
  }

  function rowOf(index) {
    const item = items[index];
    let row = rows.get(item);
    if (!row) {
      row = makeRow(item);
      rows.set(item, row);
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
    const newFrom = Math.max(0, Math.min(first - ROWS_BEYOND, items.length - visible));
    const newTo = Math.min(items.length, Math.max(first, 0) + visible + ROWS_BEYOND);
    drawRange(Math.min(newFrom, newTo), newTo);
    above.rows[0].cells[0].style.height = `${from * rowHeight}px`;
    below.rows[0].cells[0].style.height = `${(items.length - to) * rowHeight}px`;
  }

  function linkAt(index) {
    return body.children[index - from]?.querySelector("a");
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

  table.addEventListener("focusin", (event) => {
    const row = event.target.closest("tbody tr");
    if (!row || row.dataset.href === current) return;
    current = row.dataset.href;
    onCurrent(items[from + [...body.children].indexOf(row)]);
  });

  const view = {
    /** Shows these items of this folder in place of whatever was there. */
    draw(newItems, listing, pageOfFolder) {
      const focused = body.contains(document.activeElement) ? document.activeElement : null;
      const inDownload = focused?.hasAttribute("download");
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
        rows = new WeakMap();
        drawWindow();
      } else {
        drawRange(0, items.length);
      }
      if (!focused || !items.length) return;
      // Moving rows about loses the focus: give it back to the same file, or
      // to what is in its place if the file is gone.
      const same = view.indexOf(current);
      const index = same >= 0 ? same : Math.min(Math.max(before, 0), items.length - 1);
      view.focus(index, { scroll: false, download: inDownload });
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
    indexOf: (href) => (href === null ? -1 : items.findIndex((item) => item.href === href)),
    currentIndex: () => view.indexOf(current),
    current: () => current,
    isFocused: () => body.contains(document.activeElement),

    /** Makes a row current and gives it the focus. */
    focus(index, { scroll = true, download = false } = {}) {
      if (!items.length) return;
      const wanted = Math.max(0, Math.min(index, items.length - 1));
      if (windowed) {
        const top = rowTop(wanted);
        const heading = table.tHead.getBoundingClientRect().height;
        const hidden = top < window.scrollY + heading || top + rowHeight > window.scrollY + window.innerHeight;
        if (scroll && hidden) {
          const down = top > window.scrollY;
          window.scrollTo({ top: down ? top + rowHeight - window.innerHeight : top - heading, behavior: "instant" });
        }
        drawWindow();
      }
      const link = linkAt(wanted);
      if (!link) return;
      const target = download ? (link.closest("tr").querySelector("a[download]") ?? link) : link;
      target.focus({ preventScroll: true });
      if (scroll) link.closest("tr").scrollIntoView({ block: "nearest" });
    },

    open(index) {
      linkAt(index)?.click();
    },

    /** Whether there was something to download. */
    download(index) {
      const link = linkAt(index)?.closest("tr").querySelector("a[download]");
      link?.click();
      return Boolean(link);
    },
  };
  return view;
}
