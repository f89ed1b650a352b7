// The key in a link's fragment (`#k=KEY`, and perhaps `&f=FINGERPRINT` for
// programs, which no script could compare, or `&to=PATH` on the way to a file;
// or behind `#view=NAME&`, which stays) leaves the address bar and the
// history before anything else runs. A classic, blocking script, loaded first
// by index.html, join.html and drop.html; whoever trades the key takes it from
// here, once. Never puts it anywhere else.
(() => {
  let key = null;
  let to = null;
  const clean = () => {
    const found = location.hash.match(/^#(?:(view=[^&]*)&)?k=([^&]*)/);
    if (!found) return;
    history.replaceState(history.state, "", location.pathname + location.search + (found[1] ? `#${found[1]}` : ""));
    key = found[2];
    to = found.input.match(/&to=([^&]+)/)?.[1] ?? null;
    dispatchEvent(new Event("linkkey"));
  };
  clean();
  // A link that is opened where the page already is loads nothing.
  addEventListener("hashchange", clean);
  /** Where the link leads in the end, on this hub; null where it stays. */
  globalThis.linkLeadsTo = () => {
    const address = to && new URL(to, location.origin);
    return address && address.origin === location.origin ? address.pathname : null;
  };
  globalThis.takeLinkKey = () => {
    const taken = key;
    key = null;
    return taken;
  };
})();
