// How a selection is asked for as one archive. Called by selection/bar.js;
// never fetches by itself: the browser downloads what is linked or sent.

import { archiveOf } from "../row.js";

// Well below what hubs and whatever stands before them read of an address.
const ADDRESS_MOST = 3000;

/** A name as a parameter: it comes encoded as a segment of a path, where "+" is no space. */
const parameter = (href) => `name=${href.replace(/\/$/, "").replaceAll("+", "%2B")}`;

/** The address of an archive of these items, or null where it would be too long. */
export function selectionAddress(folder, items, kind) {
  let address = archiveOf(folder, kind);
  for (const item of items) {
    address += `&${parameter(item.href)}`;
    if (address.length > ADDRESS_MOST) return null;
  }
  return address;
}

/** Has the browser download an archive of these items, all of them in that folder. */
export function download(folder, items, kind, { elsewhere }) {
  const address = selectionAddress(folder, items, kind);
  if (address) follow(address);
  else post(folder, items, kind, elsewhere);
}

/** Downloads what that address gives. */
export function follow(address) {
  const link = document.createElement("a");
  link.href = address;
  link.download = "";
  link.hidden = true;
  document.body.append(link);
  link.click();
  link.remove();
}

/** elsewhere: in another tab, where this page would ask whether it may be left. */
function post(folder, items, kind, elsewhere) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = `/-/archive/${kind}${folder}`;
  form.hidden = true;
  if (elsewhere) form.target = "_blank";
  for (const item of items) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "name";
    field.value = plain(item.href.replace(/\/$/, ""));
    form.append(field);
  }
  document.body.append(form);
  form.submit();
  form.remove();
}

/** The form encodes it again. */
function plain(href) {
  try {
    return decodeURIComponent(href);
  } catch {
    return href; // not UTF-8, which no form can send
  }
}
