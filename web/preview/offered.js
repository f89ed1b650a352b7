// Which files the page shows by itself, and the way to the viewer that does,
// which is fetched when it is first wanted. What is viewed stands in the
// address (#view=NAME), so that it can be shared, reloaded and left by going
// back. Called by app.js; never draws.

import { kindOf } from "../kinds.js";

const SHOWN = /^(audio\/(?!midi)|video\/|text\/|image\/(jpeg|png|gif|webp|avif|svg|bmp|x-icon|vnd\.mi)|application\/(pdf|json|xml|javascript|x-tex))/;
export const MARK = "#view=";

export function hasPreview(item) {
  return !item.folder && (SHOWN.test(item.type) || ["code", "text"].includes(kindOf(item)));
}

/** page: {folder(), items(), entries(), focus(href), share(item), join(), failed()} */
export function createPreviews(page) {
  let coming = null;
  // In a name, & is written otherwise; behind one may stand a key, which is not gone yet.
  const named = () => (location.hash.startsWith(MARK) ? location.hash.slice(MARK.length).split("&")[0] : null);

  /** Shows what the address says, or nothing any more. */
  function follow() {
    if (named() === null && !coming) return;
    coming ??= import("./viewer.js").then(({ createViewer }) => createViewer({ ...page, named }));
    coming.then(
      (viewer) => viewer.follow(),
      () => {
        coming = null;
        page.failed();
      },
    );
  }
  window.addEventListener("popstate", follow);

  return {
    follow,
    /** Whether this file is one to show; then it is being shown. */
    open(href) {
      const item = page.items().find((candidate) => candidate.href === href);
      if (!item || !hasPreview(item)) return false;
      history.pushState({ ...history.state, viewed: true }, "", MARK + href);
      follow();
      return true;
    },
  };
}
