// How rows are selected: boxes, taps, Shift and clicks. Called by app.js, which
// has the keys; selection.js holds what is selected, selection/bar.js, fetched
// with the first of it, shows that.

import { counted } from "./format.js";
import { createSelection } from "./selection.js";

const byId = (id) => document.getElementById(id);

/**
 * shown(): the items, as they are shown; folder(): the encoded path; total(): how
 * many items it holds. isBusy(): whether leaving the page would be asked about.
 * share(item); unreachable(): the hub did not give a part of the page.
 */
export function createPicking({ table, tableElement, shown, folder, total, isBusy, share, announce, unreachable }) {
  const selection = createSelection({ changed: draw });
  let bar = null; // once it is there
  let isComing = false;

  async function draw() {
    table.mark();
    const all = byId("pick-all");
    const picked = inSight();
    all.checked = picked > 0 && picked === shown().length;
    all.indeterminate = picked > 0 && !all.checked;
    tableElement.classList.toggle("has-picked", selection.count() > 0);
    if (!bar) await fetchBar();
    bar?.draw();
    // The bar may have come to lie over the row that has the focus.
    if (selection.count() && table.isFocused()) table.focus(table.currentIndex());
  }

  /** How many of those that are shown are selected. */
  const inSight = () => (selection.count() ? shown().filter(selection.has).length : 0);

  async function fetchBar() {
    if (isComing || !selection.count()) return;
    isComing = true;
    try {
      const { createBar } = await import("./selection/bar.js");
      const rest = () => table.focus(Math.max(0, table.currentIndex()), { scroll: false });
      bar = createBar({ selection, folder, total, inSight, share, isBusy, announce, rest });
    } catch {
      unreachable();
    } finally {
      isComing = false;
    }
  }

  function pick(item) {
    selection.toggle(item);
    announce(`${item.shown} ${selection.has(item) ? "selected" : "not selected"}, ${counted(selection.count(), "item", "items")} in all`);
  }

  function all() {
    if (!shown().length) return false;
    selection.all(shown());
    announce(`${counted(selection.count(), "item", "items")} selected`);
  }

  /** False where nothing was. */
  function end() {
    byTap(false);
    if (!selection.clear()) return false;
    announce("Nothing is selected");
  }

  /** Where nothing hovers, a tap on a row selects it as long as this is on. */
  function byTap(on) {
    tableElement.classList.toggle("picking", on);
    byId("pick-some").setAttribute("aria-pressed", String(on));
    byId("pick-some").textContent = on ? "Done" : "Select";
  }

  byId("pick-some").addEventListener("click", () => {
    if (tableElement.classList.contains("picking")) end();
    else byTap(true);
  });
  byId("pick-all").addEventListener("change", (event) => {
    if (event.target.checked) all();
    else end();
  });

  tableElement.addEventListener("click", (event) => {
    const item = table.itemOf(event.target);
    if (!item || event.button !== 0) return;
    if (event.target.closest(".share")) {
      share(item);
      return;
    }
    const inBox = event.target.matches(".pick input");
    const wanted = inBox || (event.target.closest(".name a") && (event.shiftKey || tableElement.classList.contains("picking")));
    if (!wanted || event.ctrlKey || event.metaKey || event.altKey) return;
    // Neither what is shown nor another window: the row is meant.
    if (!inBox) event.preventDefault();
    const index = shown().indexOf(item);
    if (event.shiftKey) selection.extend(shown(), index, selection.count() ? null : shown()[Math.max(0, table.currentIndex())]);
    else pick(item);
    // The keys go on from here.
    table.focus(index, { scroll: false });
  });

  return { selection, draw, pick, all, end, download: () => bar?.get("zip") };
}
