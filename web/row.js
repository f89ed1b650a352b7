// One row of the list, made from an item of listing.js. Called by table.js;
// never knows where in the list it stands. Names reach the document as text only.

import { inFolder } from "./addresses.js";
import { exactSize, sizeForPeople, timeForPeople } from "./format.js";
import { KIND_WORDS, kindOf } from "./kinds.js";
import { nameElement } from "./name.js";

const template = document.getElementById("row-template").content.firstElementChild;

/** The address under which a folder comes as one file; `kind` is "zip" or "tar". */
export const archiveOf = (address, kind) => `${address}?${kind}`;

let place = () => {};

/** by(row, item): says in each row where its item lies. Called where there are several hubs. */
export function placeRows(by) {
  place = by;
}

/** folder: the encoded path that the item is in; pageOf(address): of a folder's page. */
export function makeRow(item, { folder, pageOf, now, isPicked }) {
  const row = template.cloneNode(true);
  const kind = kindOf(item);
  const icon = row.querySelector(".kind");
  icon.classList.add(kind);
  icon.setAttribute("aria-label", KIND_WORDS[kind]);
  icon.firstElementChild.setAttribute("href", `#icon-${kind}`);

  const link = row.querySelector(".name a");
  const address = inFolder(folder, item.href);
  link.append(nameElement(item.name));
  const download = row.querySelector("a[download]");
  if (item.folder) {
    link.href = pageOf(address);
    link.dataset.folder = address;
    download.href = archiveOf(address, "zip");
    download.setAttribute("aria-label", `Download ${item.shown} as zip`);
    download.title = "Download as zip";
  } else {
    link.href = address;
    const size = row.querySelector(".size span");
    size.textContent = sizeForPeople(item.size);
    size.title = exactSize(item.size);
    download.href = address;
    download.setAttribute("aria-label", `Download ${item.shown}`);
    download.title = "Download";
  }
  row.querySelector(".pick input").setAttribute("aria-label", `Select ${item.shown}`);
  row.dataset.href = item.href;
  markRow(row, isPicked(item));

  const time = row.querySelector("time");
  if (item.modified === null) {
    time.remove();
  } else {
    // The exact time is written when a pointer comes near: it is dear to make,
    // and hardly ever read.
    time.dateTime = new Date(item.modified).toISOString();
    time.textContent = timeForPeople(item.modified, now());
  }
  place(row, item);
  return row;
}

export function markRow(row, picked) {
  row.classList.toggle("picked", picked);
  row.querySelector(".pick input").checked = picked;
}
