// Several hubs as one: the switch that shows a folder as all of them have it,
// where each thing lies, and who could not be asked. Fetched by app.js where
// the hub has siblings; never asks the hub itself (navigation.js does). What lies
// elsewhere has this hub's own addresses: it passes it on.

import { showAll, showsAll } from "../addresses.js";
import { element } from "../element.js";
import { counted, visibleName } from "../format.js";
import { prefer, preference } from "../preferences.js";
import { placeRows } from "../row.js";
import { withStyle } from "../style-part.js";
import { hubsOf, isHere, placesInWords } from "./places.js";

await withStyle(new URL("./siblings.css", import.meta.url));

export function createSwitch({ navigation, announce }) {
  const box = element("input", { type: "checkbox", role: "switch", "aria-keyshortcuts": "a", change: () => turn(box.checked) });
  const label = element("label", { class: "all-hubs", title: "Show what all hubs have (a)" }, box, element("span", { class: "groove", "aria-hidden": "true" }), "All hubs");
  const unasked = element("p", { class: "unasked", hidden: true });
  const bar = document.querySelector(".bar");
  document.getElementById("find").after(label);
  bar.after(unasked);
  placeRows(place);

  function turn(on) {
    prefer("hubs", on ? "all" : "this");
    showAll(on);
    box.checked = on;
    announce(on ? "Asking all hubs" : "This hub alone");
    navigation.again();
  }

  /** What is an archive of this folder holds what is here alone. */
  function drawArchives(listing) {
    const parts = document.getElementById("get-folder");
    if (!listing.here) parts.hidden = true;
    for (const kind of ["zip", "tar"]) {
      const link = document.getElementById(`get-${kind}`);
      link.title = listing.nodes.length ? `Download what is here of this folder as ${kind}` : `Download this folder as ${kind}`;
      link.setAttribute("aria-label", listing.nodes.length ? `Download ${kind} of what is here of this folder` : `Download ${kind} of this folder`);
    }
  }

  return {
    toggle: () => turn(!showsAll()),

    /** Whether another listing is wanted than the one that came with the page. */
    begin() {
      const isWanted = preference("hubs") === "all" && !showsAll();
      if (isWanted) {
        showAll(true);
        navigation.rename();
      }
      return isWanted;
    },

    /** listing: what is shown, or null. */
    draw(listing) {
      box.checked = showsAll();
      const words = listing ? lacking(listing) : "";
      unasked.textContent = words;
      unasked.hidden = words === "";
      if (listing) drawArchives(listing);
    },

    lacking: (listing) => (lacking(listing) ? `. ${lacking(listing)}` : ""),
  };
}

/** Whose part is not in a list, and why. */
function lacking({ nodes }) {
  const missing = nodes.filter((node) => node.why);
  if (!missing.length) return "";
  const told = missing.map(({ name, why }) => `${visibleName(name)} ${why}`).join(", and ");
  return `${told}: what ${missing.length === 1 ? "it has" : "they have"} is not in this list.`;
}

/** Says in a row where its item lies, if that is not here alone. */
function place(row, item) {
  if (!item.at || (item.at.length === 1 && isHere(item))) return;
  const others = hubsOf(item);
  const words = `${placesInWords(item)}${item.differs ? ", not the same everywhere" : ""}`;
  const name = row.querySelector("th.name");
  const first = visibleName(others[0]);
  const shown = others.length === 1 ? first : counted(others.length, "hub", "hubs");
  const mark = element("span", { class: isHere(item) ? "lies also" : "lies", "aria-hidden": "true" }, isHere(item) ? `+ ${shown}` : shown);
  name.prepend(mark);
  name.title = words[0].toUpperCase() + words.slice(1);
  name.querySelector("a").append(element("span", { class: "unseen" }, ` (${words})`));
  if (!item.folder) return;
  const download = row.querySelector("a[download]");
  // An archive holds what is here.
  if (isHere(item)) {
    download.title = "Download what is here as zip";
    download.setAttribute("aria-label", `Download what is here of ${item.shown} as zip`);
  } else {
    download.remove();
  }
}
