// Start-up and wiring of the folder page. Loaded by index.html; reads what
// the hub wrote into the page, then ties the parts together. Never asks the
// hub itself (navigation.js does) and never makes rows (table.js does).

import { followAddress, inFolder, pageOfFolder, parentOf, showsAll } from "./addresses.js";
import { counted, number, sizeForPeople, useFormats, visibleName } from "./format.js";
import { createHere } from "./here.js";
import { HubSilent, askForStanding } from "./hub.js";
import { listenForKeys } from "./keys.js";
import { COLUMNS, arrange, firstDirection } from "./listing.js";
import { recall, remember } from "./memory.js";
import { createNavigation } from "./navigation.js";
import { clearNotice, showNotice, tell } from "./notice.js";
import { createPanel } from "./panel.js";
import { drawPath } from "./path.js";
import { createPicking } from "./picking.js";
import { preference } from "./preferences.js";
import { createPreviews } from "./preview/offered.js";
import { createReceiving } from "./receiving.js";
import { archiveOf } from "./row.js";
import { createLateSheet, createSheet } from "./sheet.js";
import { access, hindrance, know, onKeyWanted } from "./standing.js";
import { createTable } from "./table.js";
import { startTheme } from "./theme.js";
import { offersTools } from "./tools/offered.js";
import { arrivalEntry } from "./wire/http.js";
import { record } from "./wire/log.js";

const data = JSON.parse(document.getElementById("data").textContent);
const { hub } = data;
know(hub);
const browse = data.base !== "";
const rootName = hub.folder || "Shared folder";
// Lab boards and ships' machines often have no clock worth the name: "3 min
// ago" is counted on the hub's clock, which also wrote the files' times.
const hubAhead = Date.parse(hub.time) - Date.now() || 0;
const now = () => Date.now() + hubAhead;

const byId = (id) => document.getElementById(id);
const filter = byId("filter");
const tableElement = byId("table");

let listing = null;
let hubs = null; // the switch between all hubs and this one, where there are others
let shown = []; // its items, as they are shown
let sort = rememberedSort();

function announce(words) {
  // What lies behind a modal sheet is silent, so that the sheet speaks.
  const inFront = [...document.querySelectorAll(".sheet[open]:not(.docked) .said")].at(-1);
  (inFront ?? byId("status")).textContent = words;
}

function rememberedSort() {
  const [column, direction] = (recall("sort") ?? "").split(" ");
  const known = COLUMNS.includes(column) && ["ascending", "descending"].includes(direction);
  return known ? { column, direction } : { column: "name", direction: "ascending" };
}

// ---- what is on the page -------------------------------------------------

const panel = createPanel(hub, { announce });

const table = createTable(tableElement, { now, isPicked: (item) => selection.has(item), onCurrent: showCommands });
const { selection, ...picking } = createPicking({
  table,
  tableElement,
  shown: () => shown,
  folder: () => listing.folder,
  total: () => listing.total,
  isBusy: () => receivingHere.isBusy(),
  share,
  announce,
  unreachable,
});

function showCommands(item) {
  const file = item && !item.folder ? item : listing?.items.find((candidate) => !candidate.folder);
  panel.showCommands({ folder: listing.folder, browse: browse || Boolean(listing.index), item: file ?? null });
}

const navigation = createNavigation({
  browse,
  view: {
    place: () => ({ scroll: window.scrollY, current: table.current(), focused: table.isFocused(), filter: filter.value }),
    showListing,
    showProblem,
    showStale,
    showFresh,
    showBusy,
  },
});

function title(name, folder) {
  // A name that is written from right to left turns nothing but itself round.
  const apart = (text) => (/[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/.test(text) ? `\u2068${text}\u2069` : text);
  const names = folder === "/" ? [rootName] : [name, rootName];
  document.title = [...names.map((one) => apart(visibleName(one))), "Sockeye"].join(" – ");
}

function showListing(newListing, place) {
  const first = listing === null;
  if (listing && listing.folder !== newListing.folder) picking.end();
  listing = newListing;
  selection.refresh(listing.items);
  filter.value = place?.filter ?? "";
  byId("find").hidden = listing.items.length === 0;
  const name = drawPath({ folder: listing.folder, path: listing.path, rootName, browse, index: listing.index });
  title(name, listing.folder);
  byId("plain").replaceChildren();
  drawFolderTools();
  drawItems();
  receivingHere.draw();
  showCommands(null);
  announce(`${name}: ${summary()}${lacking()}`);

  const from = place?.from ? table.indexOf(hrefWithin(listing.folder, place.from)) : -1;
  if (from >= 0) {
    window.scrollTo(0, 0);
    table.focus(from);
  } else if (place?.current !== undefined) {
    window.scrollTo(0, place.scroll);
    const index = table.indexOf(place.current);
    if (index >= 0 && place.focused) table.focus(index, { scroll: false });
  } else if (!first) {
    window.scrollTo(0, 0);
    if (table.count()) table.focus(0, { scroll: false });
    else byId("title").focus({ preventScroll: true });
  }
  previews.follow();
}

function hrefWithin(folder, child) {
  return child.slice(folder.length);
}

function showFresh(newListing, changed) {
  listing = newListing;
  selection.refresh(listing.items);
  // Also when nothing changed: this takes away "the hub does not answer".
  if (changed || byId("notice").querySelector(".strip")) {
    const { scrollY } = window;
    drawPath({ folder: listing.folder, path: listing.path, rootName, browse, index: listing.index });
    byId("find").hidden = listing.items.length === 0;
    drawFolderTools();
    drawItems();
    window.scrollTo(0, scrollY);
    if (changed && !receivingHere.isBusy()) announce(`The folder has changed: ${summary()}`);
  }
}

function drawItems() {
  const items = arrange(listing, sort, filter.value, preference("folders"));
  shown = items;
  table.draw(items, listing, (folder) => pageOfFolder(folder, { browse }));
  for (const heading of tableElement.querySelectorAll("th[data-column]")) {
    if (heading.dataset.column === sort.column) heading.setAttribute("aria-sort", sort.direction);
    else heading.removeAttribute("aria-sort");
  }

  const filtering = filter.value.trim() !== "";
  byId("count").textContent = filtering ? `${number(items.length)} of ${number(listing.items.length)}` : "";
  byId("totals").textContent = listing.items.length ? summary() : "";
  byId("shortfall").textContent = shortfall();
  hubs?.draw(listing);

  if (items.length) clearNotice();
  else if (filtering) showNoMatch();
  else showEmpty();
  if (selection.count()) picking.draw(); // some of it may be out of sight now
}

/** Downloads and links of the folder as a whole. */
function drawFolderTools() {
  byId("folder-tools").hidden = false;
  byId("get-folder").hidden = listing.items.length === 0;
  byId("get-zip").href = archiveOf(listing.folder, "zip");
  byId("get-tar").href = archiveOf(listing.folder, "tar");
  byId("printed").textContent = location.origin + pageOfFolder(listing.folder, { browse });
}

function summary() {
  const { items, folders, files, bytes } = listing;
  if (!items.length) return "empty";
  const parts = [counted(items.length, "item", "items")];
  if (files) parts.push(sizeForPeople(bytes));
  const kinds = folders && files ? ` (${counted(folders, "folder", "folders")}, ${counted(files, "file", "files")})` : "";
  return parts.join(", ") + kinds;
}

/** Whose part of it is missing, as a sentence of its own. */
function lacking() {
  return hubs ? hubs.lacking(listing) : "";
}

function shortfall() {
  if (listing.truncated) return `The hub lists the first ${number(listing.items.length)} of ${number(listing.total)} entries of this folder.`;
  if (tableElement.classList.contains("windowed")) return "Rows of a list this long are drawn as you scroll: to find a name, use the filter.";
  return "";
}

function showNoMatch() {
  showNotice({
    picture: "no-catch",
    heading: "Nothing in the net",
    text: `No name in this folder contains “${visibleName(filter.value.trim())}”. The filter looks at this folder only, not inside the folders in it.`,
    actions: [{ label: "Clear the filter", run: clearFilter }],
  });
}

function showEmpty() {
  const parent = parentOf(listing.folder);
  showNotice({
    picture: "still-water",
    heading: "This folder is empty",
    text: hindrance() === null ? "Drop files here, paste them, or use the buttons above." : "Whatever is put into it on the hub shows up here by itself when you come back to this page.",
    actions: parent ? [{ label: "Up one folder", href: pageOfFolder(parent, { browse }), folder: parent }] : [],
  });
}

function showProblem(error, folder, retryIn) {
  picking.end();
  listing = null;
  shown = [];
  const name = drawPath({ folder, path: null, rootName, browse, index: null });
  title(name, folder);
  byId("plain").replaceChildren();
  tableElement.hidden = true;
  byId("find").hidden = true;
  byId("folder-tools").hidden = true;
  byId("totals").textContent = "";
  byId("shortfall").textContent = "";
  hubs?.draw(null);
  receivingHere.draw();
  panel.hideCommands();
  window.scrollTo(0, 0);

  // On a small screen nobody would see it behind what is open.
  if (error.status === 401) for (const sheet of document.querySelectorAll(".sheet[open]:not(.docked)")) sheet.close();
  const retry = { label: "Try again", run: navigation.refresh };
  const parent = parentOf(folder);
  const up = parent ? [{ label: "Up one folder", href: pageOfFolder(parent, { browse }), folder: parent }] : [];
  const notice =
    error instanceof HubSilent
      ? { heading: "The hub does not answer", text: silentText(retryIn), actions: [retry] }
      : error.status === 401
        ? { heading: "You are not in this hub any more", text: "Its person has shown this device out, or its key has changed. With the new key or a new link you can come back.", actions: [{ label: "Join", run: join }] }
      : { heading: error.status === 404 ? "There is no such folder" : error.message, text: error.detail ?? "", actions: [...(hubs && !showsAll() ? [{ label: "Look at all hubs", run: hubs.toggle }] : []), ...up, retry] };
  showNotice({ picture: "cut-line", ...notice });
  announce(`${notice.heading}. ${notice.text}`);
}

function silentText(retryIn) {
  return `It may be switched off, or this device may have left its network. Trying again in ${Math.round(retryIn / 1000)} seconds, and then by itself until it answers.`;
}

function showStale(error, retryIn) {
  showNotice({
    heading: "The hub does not answer.",
    text: `This is the list as last seen. Trying again in ${Math.round(retryIn / 1000)} seconds.`,
    actions: [{ label: "Try now", run: navigation.refresh }],
  });
  announce("The hub does not answer. This is the list as last seen.");
}

function showBusy(busy) {
  byId("progress").hidden = !busy;
  byId("files").setAttribute("aria-busy", String(busy));
  if (busy && !listing) announce("The list is on its way.");
}

// ---- the tools and the wire ----------------------------------------------

function unreachable() {
  tell({ heading: "The hub does not answer.", text: "It was to give another part of this page. Try again, or load the page anew." });
}

let drawer = null; // once it is there
const wire = createLateSheet(
  byId("show-wire"),
  async () => {
    const { createDrawer } = await import("./wire/drawer.js");
    drawer = createDrawer({ announce });
    return createSheet(byId("wire"), { button: byId("show-wire"), pressed: false, arrive: drawer.arrive, changed: (open) => open && drawer.show() });
  },
  unreachable,
);
byId("show-wire").hidden = false;

async function showWire(number) {
  (await wire.get()).open();
  drawer.show(number);
  drawer.arrive();
}

const tools = createLateSheet(
  byId("show-tools"),
  async () => {
    const { createBench } = await import("./tools/bench.js");
    const bench = createBench(hub, { showWire });
    return createSheet(byId("tools"), { button: byId("show-tools"), pressed: false, arrive: bench.arrive, changed: bench.changed });
  },
  unreachable,
);
byId("show-tools").hidden = !offersTools(hub);

// The page's own arrival is complete when all of it is there.
window.addEventListener("load", () => {
  const entry = arrivalEntry();
  if (entry) record(entry);
  // Not left until it is wanted: when the hub is gone, it tells how.
  wire.get().catch(() => {});
});

// ---- previews ------------------------------------------------------------

const previews = createPreviews({
  folder: () => listing?.folder ?? null,
  items: () => shown,
  entries: () => (listing?.truncated ? null : (listing?.items ?? null)),
  share,
  focus: (href) => table.indexOf(href) >= 0 && table.focus(table.indexOf(href)),
  join,
  failed: unreachable,
});

// ---- who may, and what is received ----------------------------------------

async function join() {
  const { askForKey } = await import("./join/again.js");
  askForKey({ announce, joined });
}

/** The key was right: everything that waited for it goes on. */
async function joined() {
  await askForStanding().catch(() => {});
  navigation.refresh();
  receivingHere.rejoined();
}

/** A link with the key was opened: who is not in yet comes in by it. */
async function enterByLink() {
  const key = window.takeLinkKey();
  if (!key || access().wanted === "nothing" || access().guest) return;
  const { trade } = await import("./join/trade.js");
  const said = await trade({ key });
  if (!said.joined) {
    tell({ heading: said.heading, text: said.text, actions: [{ label: "Type the key", run: join }] });
    announce(`${said.heading} ${said.text}`);
    return;
  }
  announce("You are in.");
  joined();
}

const receivingHere = createReceiving({
  folder: () => (listing?.here ? listing.folder : null),
  name: () => (listing ? byId("title").textContent : ""),
  refresh: () => navigation.refreshByItself(),
  announce,
  join,
});
const here = createHere({ hub, now, announce, join });

// Found out by whatever asked; what is asked here may find it out again.
let looking = false;
onKeyWanted(async () => {
  if (looking) return;
  looking = true;
  if (listing) navigation.refreshByItself();
  await askForStanding().catch(() => {});
  looking = false;
});
window.addEventListener("linkkey", enterByLink);
enterByLink();

// ---- what is fetched when it is first wanted -----------------------------

/** Runs what a late part of the page does; says so where it does not come. */
async function late(fetched, run) {
  const part = await fetched.catch(unreachable);
  if (part) run(part);
}

function showKeys() {
  late(import("./keys/sheet.js"), ({ showKeys: show }) => show({ offersTools: offersTools(hub), hasSiblings: hubs !== null }));
}

function settings() {
  late(import("./settings/sheet.js"), ({ showSettings }) => showSettings({ theme, announce, changed: applyPreferences }));
}

/** Shares that item, or the folder that is shown. */
function share(item) {
  const address = item ? inFolder(listing.folder, item.href) : listing.folder;
  const isFolder = !item || item.folder;
  const path = isFolder ? pageOfFolder(address, { browse: !item && (browse || Boolean(listing.index)) }) : address;
  const name = item ? item.name : byId("title").textContent;
  late(import("./share/sheet.js"), ({ showShare }) => showShare({ path, name, isFolder, announce }));
}

function applyPreferences() {
  useFormats({ units: preference("units"), dates: preference("dates") });
  document.documentElement.dataset.density = preference("density");
  table.forget();
  if (listing) drawItems();
}

// ---- what people do ------------------------------------------------------

function goTo(folder) {
  const here = listing?.folder;
  const goingUp = here && here !== folder && here.startsWith(folder);
  // The row to come back to is the child on the way to where we were.
  const child = goingUp ? here.slice(0, here.indexOf("/", folder.length) + 1) : null;
  navigation.go(folder, child);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.dataset.folder) {
    event.preventDefault();
    goTo(link.dataset.folder);
  } else if (link.getAttribute("href").startsWith("#")) {
    // Within the page, without an entry in the history of folders.
    event.preventDefault();
    const target = document.querySelector(link.getAttribute("href"));
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "start" });
  } else if (!link.hasAttribute("download")) {
    navigation.keepPlace();
    if (tableElement.contains(link) && previews.open(link.closest("tr").dataset.href)) event.preventDefault();
  }
});

tableElement.tHead.addEventListener("click", (event) => {
  const column = event.target.closest("th[data-column]")?.dataset.column;
  if (!column) return;
  const turned = sort.direction === "ascending" ? "descending" : "ascending";
  sort = { column, direction: sort.column === column ? turned : firstDirection(column) };
  remember("sort", `${sort.column} ${sort.direction}`);
  drawItems();
  announce(`Sorted by ${sort.column}, ${sort.direction}`);
});

function clearFilter() {
  filter.value = "";
  drawItems();
  announce(summary());
  filter.focus();
}

filter.addEventListener("input", () => {
  drawItems();
  announce(byId("count").textContent || summary());
});

filter.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape") {
    event.preventDefault();
    if (filter.value) clearFilter();
    else filter.blur();
  } else if ((event.key === "Enter" || event.key === "ArrowDown") && table.count()) {
    event.preventDefault();
    table.focus(0);
  }
});

/** Moves to another row; `extending`, and selects those on the way. */
function step(by, extending = false) {
  if (!table.count()) return false;
  const index = table.currentIndex();
  const start = index < 0 ? table.firstInSight() : index;
  const next = index < 0 ? start : Math.max(0, Math.min(index + by, table.count() - 1));
  if (extending) selection.extend(shown, next, shown[start]);
  table.focus(next);
}

/** Where the list is on its way, its keys do nothing, rather than what the browser makes of them. */
const inList = (act) => () => (navigation.isFirstComing() ? undefined : act());

listenForKeys({
  next: inList(() => step(1)),
  previous: inList(() => step(-1)),
  extendNext: inList(() => step(1, true)),
  extendPrevious: inList(() => step(-1, true)),
  first: inList(() => (table.count() ? table.focus(0) : false)),
  last: inList(() => (table.count() ? table.focus(table.count() - 1) : false)),
  pageDown: inList(() => step(table.pageRows())),
  pageUp: inList(() => step(-table.pageRows())),
  open() {
    // On a link or a button, Enter means that link or button.
    if (document.activeElement !== document.body || table.currentIndex() < 0) return false;
    table.open(table.currentIndex());
  },
  pick() {
    const index = table.currentIndex();
    // Elsewhere, Space means that button, or scrolls.
    if (index < 0 || !(table.isFocused() || document.activeElement === document.body)) return false;
    picking.pick(table.item(index));
  },
  pickAll: inList(picking.all),
  clear: picking.end,
  up() {
    const parent = listing && parentOf(listing.folder);
    if (!parent) return false;
    goTo(parent);
  },
  filter() {
    if (byId("find").hidden) return false;
    filter.focus();
    filter.select();
  },
  download() {
    const index = table.currentIndex();
    if (selection.count()) picking.download();
    else if (index >= 0) table.download(index);
    else return false;
  },
  share() {
    if (!listing) return false;
    const index = table.currentIndex();
    share(index < 0 ? null : table.item(index));
  },
  settings: () => settings(),
  keys: () => showKeys(),
  makeFolder: () => receivingHere.makeFolder(),
  send: () => receivingHere.choose(),
  here: () => here.toggle(),
  allHubs: () => (hubs ? hubs.toggle() : false),
  tools: () => (offersTools(hub) ? void tools.toggle() : false),
  wire: () => void wire.toggle(),
});

byId("show-keys").addEventListener("click", showKeys);
byId("show-keys").hidden = false;
byId("show-settings").addEventListener("click", settings);
byId("show-settings").hidden = false;
byId("share-folder").addEventListener("click", () => share(null));
byId("hub-name").textContent = visibleName(hub.name);

const theme = startTheme(byId("theme"), announce);
applyPreferences();

setInterval(() => {
  if (document.visibilityState === "visible") table.retell();
}, 60_000);

followAddress();
if (hub.siblings?.length) {
  await late(import("./siblings/switch.js"), ({ createSwitch }) => {
    hubs = createSwitch({ navigation, announce });
  });
}
navigation.start(hubs?.begin() ? null : data.listing);
