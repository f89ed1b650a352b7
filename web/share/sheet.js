// The link to a file or folder, and its picture for phones. Fetched by app.js
// when somebody shares something first; links.js asks the hub for the links.

import { breakable, copyButton } from "../copyable.js";
import { element, icon } from "../element.js";
import { visibleName } from "../format.js";
import { HubProblem, HubSilent } from "../hub.js";
import { nameElement } from "../name.js";
import { sheetStyle } from "../sheet.js";
import { access } from "../standing.js";
import { withStyle } from "../style-part.js";
import { askForLinks, codeOf } from "./links.js";

await Promise.all([sheetStyle(), withStyle(new URL("./share.css", import.meta.url))]);

/** path: encoded, on this hub; name: of the file or folder, for people. */
export async function showShare({ path, name, isFolder, announce }) {
  document.getElementById("share")?.close();
  const content = element("div", { class: "share-parts" });
  const said = element("p", { class: "unseen said", "aria-live": "polite" });
  const say = (words) => {
    said.textContent = words;
  };
  const title = element("h2", { id: "share-title", tabindex: "-1" }, "Share “", nameElement(name), "”");
  const dialog = element(
    "dialog",
    { class: "asking-box sheet-like", id: "share", "aria-labelledby": "share-title" },
    element("header", {}, title, element("button", { class: "close", type: "button", "aria-label": "Close", title: "Close (Esc)", click: () => dialog.close() }, icon("close"))),
    content,
    said,
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  title.focus();

  // Where all may read, a file's link lets nobody into anything by a key.
  const { is_host: isHost, wanted } = access();
  const offersKey = isHost && (wanted === "key" || (wanted === "key to write" && isFolder));
  let withKey = false;

  async function draw() {
    try {
      const found = await askForLinks(path, { key: withKey });
      content.replaceChildren(...(found.links.length ? partsOf(found) : partsAlone()));
    } catch (error) {
      content.replaceChildren(element("p", { class: "hold" }, ...troubleOf(error)));
      announce(content.textContent);
    }
  }

  function partsOf({ links, has_code: hasCode }) {
    const [link, ...others] = links;
    const scan = hasCode
      ? element("div", { class: "scan" }, element("img", { class: "qr", src: codeOf(path, 0, { key: withKey }), width: "200", height: "200", alt: "QR code of the link: a phone’s camera opens it" }), element("p", {}, whoMay()))
      : element("p", {}, whoMay(), " The link is too long for a QR code.");
    const parts = [scan, line(link, "the link"), buttons(link)];
    if (offersKey) parts.splice(1, 0, keySwitch());
    if (others.length) parts.push(element("details", {}, element("summary", {}, "If that address does not answer there"), ...others.map((one) => line(one, "this link"))));
    return parts;
  }

  /** Only this machine reaches the hub. */
  function partsAlone() {
    const link = location.origin + path;
    const start = "sockeye up --lan FOLDER";
    return [
      element("p", { class: "hold" }, element("strong", {}, "Only this machine can open it. "), "The hub listens on its own machine alone. Started so, it lets others on this network in:"),
      line(start, "the command"),
      element("p", { class: "told" }, "The link that works here:"),
      line(link, "the link"),
    ];
  }

  function line(text, what) {
    const code = element("code", {}, breakable(text));
    return element("div", { class: "copyable" }, code, copyButton(text, what, code, say));
  }

  function buttons(link) {
    const row = element("p", { class: "choices" });
    // Browsers give this to pages that came encrypted, or from their own machine.
    if (navigator.share) {
      const give = () => navigator.share({ title: visibleName(name), url: link }).catch(() => {}); // they thought better of it
      row.append(element("button", { type: "button", class: "button small", click: give }, icon("share"), "Share with an app"));
    }
    return row;
  }

  function keySwitch() {
    const box = element("input", { type: "checkbox", id: "share-key", checked: withKey });
    box.addEventListener("change", async () => {
      withKey = box.checked;
      await draw();
      document.getElementById("share-key")?.focus();
      say(withKey ? "The key is in the link now." : "The key is not in the link.");
    });
    return element("label", { class: "with-key", for: "share-key" }, box, element("span", {}, "With the key in it"));
  }

  function whoMay() {
    if (withKey) return `Whoever opens this is in: they may see everything here, not only this ${isFolder ? "folder" : "file"}. Give it to nobody else.`;
    if (wanted === "key") return isHost ? "Who opens this has to type the key, or be in already." : "Who opens this needs the key of this hub, or has to be in already. The person who runs the hub has it.";
    return `Whoever reaches this hub can open this ${isFolder ? "folder" : "file"}.`;
  }

  await draw();
}

function troubleOf(error) {
  if (error instanceof HubSilent) return [element("strong", {}, "The hub does not answer."), " It was to give the link."];
  if (!(error instanceof HubProblem)) throw error;
  return [element("strong", {}, `${error.message}.`), ` ${error.detail ?? ""}`];
}
