// Going from folder to folder without loading the page again: asks the hub,
// keeps the browser's history true, retries while the hub is silent. Called
// by app.js, which draws what `view` is told; never draws anything itself.

import { folderOfPage, followAddress, pageOfFolder, showsAll } from "./addresses.js";
import { HubSilent, askForListing } from "./hub.js";
import { readListing, readLongListing } from "./listing.js";

const FOLDERS_KEPT = 12;
const ENTRIES_KEPT = 100_000; // of all of them
const LONG = 2000; // entries
const BUSY_AFTER = 200; // a shorter wait is not worth a sign of it
const RETRY_AFTER = [2000, 4000, 8000, 15000];

/**
 * browse: whether the visitor came in by the browse address.
 * view: {place(), showListing(listing, place), showProblem(error, folder, retryIn), showStale(error, retryIn), showBusy(busy)}
 */
export function createNavigation({ browse, view }) {
  // Where the visitor was, by entry of the history. Going back leaves an entry
  // without a chance to write into it, so its place is kept here as well.
  const places = new Map();
  const kept = new Map(); // folder and whose -> listing, so that going back is immediate
  const nameOf = (folder) => `${folder} ${showsAll()}`;
  let shown = null; // the listing on the page
  let wanted = folderOfPage(location.pathname); // the folder of the address bar
  let asking = null;
  let retry = 0;
  let failures = 0;
  let entry = history.state?.entry ?? Math.random();

  history.scrollRestoration = "manual";
  history.replaceState({ ...history.state, entry }, "");

  function keep(listing) {
    const name = nameOf(listing.folder);
    kept.delete(name);
    kept.set(name, listing);
    let entries = [...kept.values()].reduce((sum, one) => sum + one.items.length, 0);
    for (const [folder, one] of kept) {
      if (one === listing || (kept.size <= FOLDERS_KEPT && entries <= ENTRIES_KEPT)) break;
      kept.delete(folder);
      entries -= one.items.length;
    }
  }

  async function ask(folder, byItself) {
    asking?.abort();
    clearTimeout(retry);
    const mine = new AbortController();
    asking = mine;
    const busy = setTimeout(() => view.showBusy(true), BUSY_AFTER);
    try {
      const answer = await askForListing(folder, mine.signal, byItself);
      const listing = answer.entries.length < LONG ? readListing(answer) : await readLongListing(answer, mine.signal);
      failures = 0;
      keep(listing);
      return listing;
    } finally {
      clearTimeout(busy);
      if (asking === mine) {
        asking = null;
        view.showBusy(false);
      }
    }
  }

  function retryIn(error, again) {
    if (!(error instanceof HubSilent)) return null;
    const wait = RETRY_AFTER[Math.min(failures, RETRY_AFTER.length - 1)];
    failures += 1;
    clearTimeout(retry);
    retry = setTimeout(again, wait);
    return wait;
  }

  /** The page address of a listing: not the plain one if that is a web page. */
  function pageOf(folder, listing) {
    return pageOfFolder(folder, { browse: browse || Boolean(listing?.index) });
  }

  function arrive(folder, listing, push) {
    if (push) history.pushState({ entry: Math.random() }, "", pageOf(folder, listing));
    entry = history.state.entry;
    wanted = folder;
  }

  async function load(folder, { push, place, byItself = false }) {
    let listing;
    try {
      listing = await ask(folder, byItself);
    } catch (error) {
      if (error.name === "AbortError") return;
      arrive(folder, null, push);
      shown = null;
      view.showProblem(
        error,
        folder,
        retryIn(error, () => load(folder, { push: false, place, byItself: true })),
      );
      return;
    }
    arrive(folder, listing, push);
    shown = listing;
    view.showListing(listing, place);
  }

  function keepPlace() {
    if (shown) history.replaceState({ ...history.state, ...view.place(), entry }, "");
  }

  /** Asks again for what is shown, and says nothing if nothing changed. */
  async function refresh(byItself) {
    if (asking) return;
    if (!shown) {
      load(wanted, { push: false, place: null, byItself });
      return;
    }
    let listing;
    try {
      listing = await ask(shown.folder, byItself);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error instanceof HubSilent) {
        view.showStale(error, retryIn(error, refreshByItself));
      } else {
        const folder = shown.folder;
        shown = null;
        kept.delete(nameOf(folder));
        view.showProblem(error, folder, null);
      }
      return;
    }
    const changed = listing.fingerprint !== shown.fingerprint;
    shown = listing;
    view.showFresh(listing, changed);
  }
  /** Whether it is being asked now: not while it is asked anyway. */
  function refreshByItself() {
    if (asking) return false;
    refresh(true);
    return true;
  }

  window.addEventListener("popstate", (event) => {
    // Within the folder, only what is viewed has changed (preview/offered.js).
    if (event.state && event.state.entry === entry) return;
    followAddress();
    const folder = folderOfPage(location.pathname);
    asking?.abort();
    if (shown) places.set(entry, view.place());
    // An address that somebody typed comes without a state.
    if (!event.state?.entry) history.replaceState({ entry: Math.random() }, "");
    entry = history.state.entry;
    const place = places.get(entry) ?? event.state;
    const listing = kept.get(nameOf(folder));
    wanted = folder;
    if (!listing) {
      load(folder, { push: false, place });
      return;
    }
    clearTimeout(retry);
    shown = listing;
    view.showListing(listing, place);
    refresh(false);
  });

  // Opening a file leaves this page; coming back must find the place again.
  window.addEventListener("pagehide", keepPlace);
  window.addEventListener("focus", refreshByItself);
  window.addEventListener("online", refreshByItself);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) refreshByItself();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") refreshByItself();
    else keepPlace();
  });

  return {
    /** Shows the listing that came with the page, or asks for it. */
    start(listing) {
      if (!listing) {
        view.showBusy(true);
        load(wanted, { push: false, place: history.state });
        return;
      }
      shown = readListing(listing);
      keep(shown);
      view.showListing(shown, history.state);
    },

    /** Goes to a folder; `coming` is the folder being left, when going up. */
    go(folder, coming = null) {
      keepPlace();
      load(folder, { push: true, place: coming ? { from: coming } : null });
    },

    /** Asks for the same folder of other hubs: of all, or of this one alone. */
    again() {
      this.rename();
      load(wanted, { push: false, place: shown && view.place() });
    },

    /** The address bar says anew what is shown. */
    rename() {
      history.replaceState(history.state, "", pageOf(wanted, shown) + location.hash);
    },

    /** Asks again, because somebody wants it. */
    refresh: () => refresh(false),
    refreshByItself,
    keepPlace,
    /** Whether a list is on its way, and none is there. */
    isFirstComing: () => Boolean(asking) && !shown,
  };
}
