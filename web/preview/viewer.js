// The viewer: one file of the folder over the whole window, and the way to the
// next. It follows the address, so that going back closes it and a reload keeps
// it. Fetched by offered.js when it is first wanted; what shows a kind of file is
// fetched in turn (picture.js, media.js, text.js and so on). Nothing of a shared
// file ever becomes markup, style or script of this page.

import { folderOfPage, inFolder } from "../addresses.js";
import { element, icon } from "../element.js";
import { counted, sizeForPeople, visibleName } from "../format.js";
import { KIND_WORDS, kindOf } from "../kinds.js";
import { nameElement } from "../name.js";
import { withStyle } from "../style-part.js";
import { makeFrame, toolButton } from "./frame.js";
import { MARK, hasPreview } from "./offered.js";
import { listenForSwipes } from "./swipe.js";
import { troubleElement } from "./trouble.js";

await withStyle(new URL("./preview.css", import.meta.url));

const VIEWS = {
  picture: () => import("./picture.js"),
  grid: () => import("./grid.js"),
  media: () => import("./media.js"),
  pdf: () => import("./pdf.js"),
  text: () => import("./text.js"),
  markdown: () => import("./markdown.js"),
  table: () => import("./table.js"),
};

/** Which of the views is made for a file. */
function viewFor({ type, name }) {
  if (type.startsWith("image/")) return "picture";
  if (/^(audio|video)\//.test(type) && !/^(code|text)$/.test(kindOf({ type, name }))) return "media";
  if (type.startsWith("application/pdf")) return "pdf";
  if (type.startsWith("text/markdown")) return "markdown";
  if (/^text\/(csv|tab-separated-values)/.test(type)) return "table";
  return "text";
}

/**
 * page: {folder(), items(), entries(), focus(href), share(item), join()} of what
 * lies behind, where entries() is all of the folder, or null where the hub lists
 * a part of it; named(): what the address names.
 */
export function createViewer(page) {
  const { named } = page;
  const frame = makeFrame({ step, grid: toggleGrid, share: () => shown && page.share(shown.item), keys: showKeys, close });
  const { dialog, body } = frame;
  let shown = null; // {item, view, leave: AbortController, keys(), own: [[keys, words]]}
  let last = null; // the href of the file that was viewed last
  let place = 0; // where in the folder that was
  let direction = 1;
  let title = ""; // the window's, while a file is viewed
  let titleBehind = "";

  const ahead = {}; // what was fetched before its turn

  const announce = (words) => {
    frame.said.textContent = words;
  };

  const viewable = () => page.items().filter(hasPreview);

  /** Shows what the address names, and closes where it names nothing. */
  function follow() {
    const href = named();
    if (href === null) {
      if (dialog.open) dialog.close();
      return;
    }
    // Coming from another folder, its list may be on its way yet.
    if (page.folder() !== folderOfPage(location.pathname)) return;
    const item = page.items().find((candidate) => candidate.href === href) ?? page.items().find((candidate) => decoded(candidate.href) === decoded(href));
    if (item && shown?.item.href === item.href && dialog.open) return;
    if (!dialog.open) {
      titleBehind = document.title;
      dialog.showModal();
      body.focus();
    }
    show(item ?? { name: decoded(href), shown: visibleName(decoded(href)), href, size: null, type: "", missing: true });
  }

  function show(item, view = viewFor(item), options = {}) {
    leave();
    const items = viewable();
    const index = items.findIndex(({ href }) => href === item.href);
    if (index >= 0) place = index;
    last = item.href;
    const address = inFolder(page.folder(), item.href);
    drawHead(item, address, index, items.length);
    shown = { item, view, leave: new AbortController(), keys: () => false, own: [] };
    title = `${item.shown} – Sockeye`;
    document.title = title;
    announce(`${item.shown}, ${KIND_WORDS[kindOf(item)]}${index >= 0 ? `, ${index + 1} of ${items.length}` : ""}`);
    load(shown, address, options);
  }

  function drawHead(item, address, index, count) {
    const kind = kindOf(item);
    frame.kind.replaceChildren(icon(kind));
    frame.name.replaceChildren(nameElement(item.name));
    frame.name.title = item.shown;
    frame.facts.textContent = item.size === null ? "" : sizeForPeople(item.size);
    frame.place.textContent = index >= 0 ? `${index + 1} of ${count}` : "";
    frame.place.hidden = index < 0;
    frame.previous.disabled = count === 0 || (index >= 0 && index === 0);
    frame.next.disabled = count === 0 || index === count - 1;
    frame.grid.hidden = !viewable().some((one) => viewFor(one) === "picture");
    frame.grid.setAttribute("aria-pressed", "false");
    frame.download.href = address;
    frame.open.href = address;
    frame.own.replaceChildren();
  }

  async function load(mine, address, options) {
    const { item, view } = mine;
    const isCurrent = () => shown === mine;
    empty(`viewer-body ${view}`);
    dialog.dataset.view = view;
    body.setAttribute("aria-busy", "true");
    const fail = (error) => {
      if (!isCurrent() || mine.leave.signal.aborted) return;
      frame.own.replaceChildren();
      mine.own = [];
      mine.keys = () => false;
      empty("viewer-body");
      const trouble = troubleElement(error, { retry: () => show(item, view, options), join: page.join, download: address });
      body.append(trouble);
      announce(trouble.innerText);
    };
    try {
      const { show: showView } = await VIEWS[view]();
      if (!isCurrent()) return;
      const made = await showView({
        item,
        address,
        folder: page.folder(),
        body,
        signal: mine.leave.signal,
        announce,
        fail,
        options,
        items: viewable,
        allItems: page.items,
        entries: page.entries,
        addressOf: (one) => inFolder(page.folder(), one.href),
        ahead,
        isPicture: (one) => viewFor(one) === "picture",
        /** The file's natural view, or another; its address stays. */
        view,
        natural: viewFor(item),
        showAs: (other, wanted) => show(item, other, wanted),
        goTo,
        /** What is worth knowing beside its size. */
        fact: (text) => isCurrent() && (frame.facts.textContent = [item.size === null ? "" : sizeForPeople(item.size), text].filter(Boolean).join(" · ")),
        tool(settings) {
          const button = toolButton(settings);
          frame.own.append(button);
          if (settings.key) mine.own.push([[settings.key], settings.label[0].toLowerCase() + settings.label.slice(1)]);
          return button;
        },
        explain: (keys, words) => mine.own.push([keys, words]),
        neighbour: () => viewable()[place + direction],
        step,
      });
      if (isCurrent() && made?.keys) mine.keys = made.keys;
    } catch (error) {
      fail(error);
    } finally {
      if (isCurrent()) body.removeAttribute("aria-busy");
    }
  }

  function empty(name) {
    body.className = name;
    body.replaceChildren();
    // What had the focus may be gone with it; the keys go to what has it.
    if (!dialog.contains(document.activeElement)) body.focus();
  }

  function leave() {
    shown?.leave.abort();
    shown = null;
  }

  // ---- going on

  /** Puts another file of the folder in the place of this one. */
  function goTo(item) {
    if (!item) return;
    history.replaceState(history.state, "", MARK + item.href);
    body.scrollTo(0, 0);
    show(item);
  }

  function step(by) {
    const items = viewable();
    const index = items.findIndex(({ href }) => href === last);
    // One that is gone leaves its place to the next.
    const wanted = index >= 0 ? index + by : by > 0 ? place : place - 1;
    direction = by;
    if (wanted < 0 || wanted >= items.length) {
      announce(by > 0 ? "This is the last file." : "This is the first file.");
      return;
    }
    const focused = document.activeElement;
    goTo(items[wanted]);
    // A button that has come to the end loses the focus by itself.
    if (focused?.disabled || !dialog.contains(document.activeElement)) body.focus();
  }

  function toEnd(first) {
    const pictures = viewable().filter((item) => viewFor(item) === "picture");
    const item = first ? pictures[0] : pictures.at(-1);
    if (item && item.href !== last) goTo(item);
  }

  function toggleGrid() {
    if (!shown || frame.grid.hidden) return;
    const { item, view } = shown;
    if (view === "grid") {
      show(item);
      return;
    }
    show(item, "grid");
    frame.grid.setAttribute("aria-pressed", "true");
    const count = viewable().filter((one) => viewFor(one) === "picture").length;
    announce(counted(count, "picture", "pictures"));
  }

  function showKeys() {
    frame.keys.show(keysOfNow());
  }

  /** The keys that do something to what is shown, and what. */
  function keysOfNow() {
    const isGrid = shown?.view === "grid";
    const isOneOfPictures = shown?.view === "picture" && viewable().filter((one) => viewFor(one) === "picture").length > 1;
    const keys = [
      [["←", "→"], "previous, next file", !isGrid && !(frame.previous.disabled && frame.next.disabled)],
      [["Home", "End"], "first, last picture", isOneOfPictures],
      [["Shift ←", "Shift →"], "move what is wider than the window", body.scrollWidth > body.clientWidth],
      [["g"], isGrid ? "one picture again" : "all pictures", !frame.grid.hidden],
      [["s"], "share: a link and its QR code"],
      [["d"], "download"],
      [["o"], "open the file itself in a new tab"],
      [["Esc"], isGrid ? "one picture again" : "close"],
      [["?"], "this list"],
    ];
    return [...(shown?.own ?? []), ...keys.filter(([, , means = true]) => means)];
  }

  // ---- leaving

  function close() {
    dialog.close();
  }

  dialog.addEventListener("cancel", (event) => {
    if (event.target !== dialog) return;
    // From all pictures, Escape leads back to the one.
    if (shown?.view === "grid") {
      event.preventDefault();
      toggleGrid();
    }
  });

  dialog.addEventListener("close", (event) => {
    if (event.target !== dialog) return;
    leave();
    body.replaceChildren();
    if (document.title === title) document.title = titleBehind;
    if (named() !== null) {
      // Closed here, and not by going back: the address follows.
      if (history.state?.viewed) history.back();
      else history.replaceState(history.state, "", location.pathname + location.search);
    }
    page.focus(last);
  });

  // ---- keys

  dialog.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (frame.keys.dialog.open || event.target.closest("input, select, textarea, audio, video")) return;
    if (shown?.keys(event) || actOn(event)) event.preventDefault();
  });

  /** Whether a key meant something. */
  function actOn({ key, shiftKey, target }) {
    if (key === "?") return done(showKeys);
    if (shiftKey && key !== "+") return shiftKey && key.startsWith("Arrow") ? sideways(key) : false;
    switch (key) {
      case "ArrowLeft":
        return done(() => step(-1));
      case "ArrowRight":
        return done(() => step(1));
      case "Home":
      case "End":
        return shown?.view === "picture" && done(() => toEnd(key === "Home"));
      case "Enter":
      case " ":
        return false;
    }
    const tool = [...dialog.querySelectorAll("[aria-keyshortcuts]")].find((one) => one.getAttribute("aria-keyshortcuts") === ({ "+": "plus", "-": "minus" }[key] ?? key.toLowerCase()));
    if (!tool || tool.hidden || tool.disabled || target.closest("dialog") !== dialog) return false;
    return done(() => tool.click());
  }

  /** With Shift, the arrows move what is wider than the window. */
  function sideways(key) {
    const by = { ArrowLeft: -80, ArrowRight: 80 }[key];
    if (!by) return false;
    body.scrollBy({ left: by, behavior: "instant" });
    return true;
  }

  // The page behind handles clicks on links in its own way.
  dialog.addEventListener("click", (event) => event.stopPropagation());
  listenForSwipes(body, step);

  return { follow };
}

function done(act) {
  act();
  return true;
}

function decoded(href) {
  try {
    return decodeURIComponent(href);
  } catch {
    return href; // not UTF-8: the encoded form is the honest one
  }
}
