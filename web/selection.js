// What is selected of the folder in sight. Called by picking.js, which tells it
// what people do. Never draws. It goes by addresses, so that it outlives sorting,
// filtering and a fresh list; it ends when the folder is left.

/** changed(): something is selected that was not, or the other way round. */
export function createSelection({ changed }) {
  let chosen = new Map(); // href -> item
  let anchor = null; // where a stretch of rows begins: an href
  let beside = null; // what was selected beside the stretch that is being drawn out

  /** Selects the rows from the anchor to this one, and lets go what an earlier, longer stretch had. */
  function stretch(items, index) {
    const start = Math.max(0, items.findIndex(({ href }) => href === anchor));
    beside ??= new Map(chosen);
    chosen = new Map(beside);
    for (let at = Math.min(start, index); at <= Math.max(start, index); at += 1) chosen.set(items[at].href, items[at]);
    changed();
  }

  return {
    has: (item) => chosen.has(item.href),
    count: () => chosen.size,
    items: () => [...chosen.values()],

    toggle(item) {
      if (!chosen.delete(item.href)) chosen.set(item.href, item);
      anchor = item.href;
      beside = null;
      changed();
    },

    /** To that one of the rows that are shown, from the last that was toggled or `start`. */
    extend(items, index, start) {
      if (beside === null && start) anchor = start.href;
      anchor ??= items[index].href;
      stretch(items, index);
    },

    all(items) {
      for (const item of items) chosen.set(item.href, item);
      beside = null;
      changed();
    },

    clear() {
      if (!chosen.size) return false;
      chosen = new Map();
      anchor = beside = null;
      changed();
      return true;
    },

    /** The same folder as it is now: what is gone from it is not selected. */
    refresh(items) {
      if (!chosen.size) return;
      const now = new Map(items.map((item) => [item.href, item]));
      chosen = new Map([...chosen.keys()].filter((href) => now.has(href)).map((href) => [href, now.get(href)]));
      beside = null;
      changed();
    },
  };
}
