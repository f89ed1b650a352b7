// The bar of what is selected: how much it is, and what can be done with it.
// Fetched by picking.js when something is selected first.

import { copyText } from "../clipboard.js";
import { element, icon } from "../element.js";
import { inFolder, pageOfFolder } from "../addresses.js";
import { counted, sizeForPeople } from "../format.js";
import { archiveOf } from "../row.js";
import { baseForOthers } from "../share/links.js";
import { isHere } from "../siblings/places.js";
import { withStyle } from "../style-part.js";
import { download, follow } from "./archive.js";

await withStyle(new URL("./bar.css", import.meta.url));

/**
 * selection: of selection.js. folder(): the encoded path that is shown; total():
 * how many items it holds. inSight(): how many of those selected are. share(item);
 * isBusy(): whether leaving the page would be asked about. rest(): takes the focus when the bar goes.
 */
export function createBar({ selection, folder, total, inSight, share, isBusy, announce, rest }) {
  const words = element("p", { class: "amount" });
  const button = (does, drawing, label, ...attributes) => element("button", { type: "button", class: "button small", click: does, ...Object.assign({}, ...attributes) }, icon(drawing), element("span", {}, label));
  const zip = button(() => get("zip"), "download", "Download as zip", { "aria-keyshortcuts": "d" });
  const tar = element("button", { type: "button", class: "button small", "aria-label": "Download as tar", title: "Download as tar", click: () => get("tar") }, "tar");
  const copy = button(copyLinks, "copy", "Copy links");
  const sharing = button(() => share(selection.items()[0]), "share", "Share");
  const clear = element("button", { type: "button", class: "row-button", "aria-label": "Clear the selection", title: "Clear the selection (Esc)", click: () => selection.clear() }, icon("close"));
  const bar = element("section", { class: "selection", "aria-label": "Selected" }, words, clear, element("div", { class: "doings" }, element("span", { class: "split" }, zip, tar), copy, sharing));
  document.querySelector("main").append(bar);

  /** One file is downloaded as itself; anything else as one archive, of what is here. */
  function get(kind) {
    const items = selection.items();
    const here = items.filter(isHere);
    if (isOneFile(items)) follow(inFolder(folder(), items[0].href));
    else if (!here.length) return announce(elsewhere(items, here));
    // All of a large folder would be too many names for one question.
    else if (items.length === total()) follow(archiveOf(folder(), kind));
    else download(folder(), here, kind, { elsewhere: isBusy() });
    announce(isOneFile(items) ? `Downloading ${amount(items)}.` : `Downloading ${amount(here)}. ${elsewhere(items, here)}`);
  }

  async function copyLinks() {
    const items = selection.items();
    const base = await baseForOthers();
    const addressOf = (item) => inFolder(folder(), item.href);
    const links = items.map((item) => base + (item.folder ? pageOfFolder(addressOf(item), { browse: false }) : addressOf(item)));
    const copied = await copyText(links.join("\n"));
    const said = copied ? `${counted(items.length, "link", "links")} copied` : "This browser does not let a page write the clipboard";
    copy.lastChild.textContent = copied ? "Copied" : "Not copied";
    copy.addEventListener("blur", asBefore, { once: true });
    copy.addEventListener("pointerleave", asBefore, { once: true });
    announce(said);
  }

  function asBefore() {
    copy.lastChild.textContent = "Copy links";
  }

  return {
    get,
    draw() {
      const items = selection.items();
      const hadFocus = bar.contains(document.activeElement);
      bar.hidden = items.length === 0;
      document.documentElement.classList.toggle("selecting", items.length > 0);
      if (!items.length) {
        if (hadFocus) rest();
        return;
      }
      const isFile = isOneFile(items);
      const here = items.filter(isHere);
      for (const part of [zip, tar]) part.disabled = !isFile && !here.length;
      zip.lastChild.textContent = isFile ? "Download" : "Download as zip";
      tar.hidden = isFile;
      sharing.hidden = items.length !== 1;
      const hidden = items.length - inSight();
      words.textContent = amount(items) + (hidden ? `, ${hidden} of them not shown` : "") + (isFile ? "" : `. ${elsewhere(items, here)}`.replace(/\. $/, ""));
    },
  };
}

const isOneFile = (items) => items.length === 1 && !items[0].folder;

/** What an archive cannot hold; nothing where it holds all. */
function elsewhere(items, here) {
  const count = items.length - here.length;
  if (!count) return "";
  if (!here.length) return "An archive holds only what is here, and nothing of it is: download files one by one.";
  return `${counted(count, "lies", "lie")} at other hubs: not in the archive.`;
}

/** "3 items, 12 MB": what a folder holds is not known here. */
export function amount(items) {
  const folders = items.filter((item) => item.folder).length;
  const bytes = items.reduce((sum, item) => sum + (item.folder ? 0 : item.size), 0);
  if (folders === items.length) return counted(folders, "folder", "folders");
  const size = sizeForPeople(bytes);
  return folders ? `${counted(items.length, "item", "items")}, ${size} and ${counted(folders, "folder", "folders")}` : `${counted(items.length, "item", "items")}, ${size}`;
}
