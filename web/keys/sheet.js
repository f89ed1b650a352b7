// The list of all keys. Fetched by app.js when somebody asks for it; never
// listens for them (keys.js does). Keys that mean nothing here are left out.

import { element } from "../element.js";
import { hasGuests, hindrance } from "../standing.js";
import { withStyle } from "../style-part.js";

await withStyle(new URL("./keys.css", import.meta.url));

const GROUPS = [
  {
    title: "In the list",
    keys: [
      [["↓", "j"], "next row"],
      [["↑", "k"], "previous row"],
      [["PgDn", "PgUp"], "a page of rows on, or back"],
      [["Home", "End"], "first, last row"],
      [["Enter"], "open, or view (there, ? has more keys)"],
      [["d"], "download: a file, a folder as zip, or what is selected"],
      [["s"], "share: a link and its QR code"],
      [["Backspace", "Alt ↑"], "up to the folder around this one"],
    ],
  },
  {
    title: "Select",
    keys: [
      [["Space"], "select the row, or not"],
      [["Shift ↓", "Shift ↑"], "select on the way"],
      [["Ctrl A"], "select all that are shown"],
      [["Esc"], "select nothing"],
    ],
  },
  {
    title: "Find",
    keys: [
      [["/"], "filter by name"],
      [["Enter"], "in the filter: to the first match"],
      [["Esc"], "in the filter: clear it"],
    ],
  },
  {
    title: "Put something here",
    shown: () => hindrance() === null,
    keys: [
      [["u"], "send files (also by drop and paste)"],
      [["n"], "new folder"],
    ],
  },
  {
    title: "The page",
    keys: [
      [["a"], "all hubs, or this one alone", ({ hasSiblings }) => hasSiblings],
      [["p"], "who is here, and how to let others in", () => hasGuests()],
      [["t"], "tools: echo, clock", ({ offersTools }) => offersTools],
      [["w"], "show the wire: what was just said, and the same by hand"],
      [[","], "settings"],
      [["?"], "these keys"],
      [["Esc"], "close what is open"],
    ],
  },
];

/** offersTools: whether this hub has any. */
export function showKeys(offers) {
  const dialog = element(
    "dialog",
    { id: "keys", "aria-labelledby": "keys-title" },
    element(
      "form",
      { method: "dialog" },
      element("header", {}, element("h2", { id: "keys-title" }, "Keys"), element("button", { class: "button small" }, "Close")),
      element("div", { class: "key-groups" }, ...GROUPS.filter(({ shown }) => shown?.() ?? true).map((group) => groupElement(group, offers))),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function groupElement({ title, keys }, offers) {
  const rows = keys.filter(([, , shown]) => shown?.(offers) ?? true).map(([names, does]) => element("div", {}, element("dt", {}, ...names.flatMap((name) => [element("kbd", {}, name), " "])), element("dd", {}, does)));
  return element("section", {}, element("h3", {}, title), element("dl", {}, ...rows));
}
