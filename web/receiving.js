// What can be put into the folder that is shown, and the ways to do it: the
// buttons, drop and paste, a new folder. Called once by app.js. It holds only
// what must be there from the start; what sends (upload/) and what asks for a
// folder's name (folder-form.js) is fetched when it is first wanted.

import { visibleName } from "./format.js";
import { askForStanding } from "./hub.js";
import { tell, untell } from "./notice.js";
import { createLateSheet } from "./sheet.js";
import { hindrance, onStanding, receiving } from "./standing.js";
import { listenForDrops } from "./upload/drop.js";

const byId = (id) => document.getElementById(id);
const REFRESH_AFTER = 400; // ms: many small files land together
const QUIET_FOR = 3000; // ms: how it ended is said then, and nothing over it

/**
 * folder(): the encoded path of the folder that is shown, or null; name(): what
 * it is called. refresh(): has the list asked for again, and says whether that
 * was begun. join(): shows the way in.
 */
export function createReceiving({ folder, name, refresh, announce, join }) {
  const button = byId("show-sending");
  let desk = null; // once it is there
  let refreshing = 0;
  let landedAt = -Infinity;

  const sheet = createLateSheet(
    button,
    async () => {
      const { createDesk } = await import("./upload/desk.js");
      desk = createDesk({ button, announce, landed, join });
      return desk;
    },
    unreachable,
  );

  function unreachable() {
    tell({ heading: "The hub does not answer.", text: "It was to give the part of this page that sends files. Try again, or load the page anew." });
    announce("The hub does not answer.");
  }

  /** Shows what landed in the folder that is in sight, soon and not too often. */
  function landed(where) {
    landedAt = performance.now();
    if (where !== folder() || refreshing) return;
    refreshing = setTimeout(() => {
      refreshing = 0;
      // Asked just before it landed, the list may lack it.
      if (!refresh()) landed(where);
    }, REFRESH_AFTER);
  }

  function draw() {
    const hidden = hindrance() !== null || folder() === null;
    byId("sending-ways").hidden = hidden;
  }

  /** Why nothing goes into this folder now, in words; null if something does. */
  function refusal() {
    if (folder() === null) return { heading: "Nothing can be put here.", text: "This folder is not in sight." };
    switch (hindrance()) {
      case "key":
        return { heading: "Only who has the key puts files here.", text: "The person who runs the hub has it, and the link with it.", actions: [{ label: "Join", run: join }] };
      case "off":
        return { heading: "This hub takes no files now.", text: "Receiving is turned off. The person at the hub can turn it on." };
    }
    return null;
  }

  /** grabbed: entries, or files; where: the folder at that moment. */
  async function send(grabbed) {
    untell();
    if (!grabbed.length) return;
    const where = folder();
    const called = name();
    // The host may have turned it on since this page last heard.
    if (refusal() && folder() !== null) await askForStanding().catch(() => {});
    const why = refusal();
    if (why) {
      tell(why);
      announce(`${why.heading} ${why.text}`);
      return;
    }
    try {
      (await sheet.get()).send(grabbed, { where, called });
    } catch {
      unreachable();
    }
  }

  function chooser(attributes) {
    const input = document.createElement("input");
    input.type = "file";
    input.multiple = true;
    input.hidden = true;
    Object.assign(input, attributes);
    input.addEventListener("change", () => {
      send([...input.files]);
      input.value = ""; // so that the same can be chosen again
    });
    document.body.append(input);
    return input;
  }

  const files = chooser({ id: "files-chooser" });
  const folders = chooser({ id: "folder-chooser", webkitdirectory: true });
  byId("send-files").addEventListener("click", () => files.click());
  byId("send-folder").addEventListener("click", () => folders.click());
  // Whoever comes near it will want it.
  byId("sending-ways").addEventListener("pointerenter", () => sheet.get().catch(() => {}), { once: true });

  async function makeFolder() {
    if (hindrance() !== null || folder() === null) return;
    try {
      const { askForFolder } = await import("./folder-form.js");
      askForFolder({ where: folder(), called: name(), announce, landed });
    } catch {
      unreachable();
    }
  }
  byId("make-folder").addEventListener("click", makeFolder);

  listenForDrops({
    send,
    near: () => sheet.get().catch(() => {}),
    words() {
      const why = refusal();
      if (why) return { allowed: false, heading: why.heading, text: why.text };
      const limit = receiving().dropbox ? "Others who have no key see nothing of it." : "";
      return { allowed: true, heading: `Drop to send into “${visibleName(name())}”`, text: limit };
    },
  });
  onStanding(draw);
  draw();

  return {
    draw,
    makeFolder: () => (byId("sending-ways").hidden ? false : void makeFolder()),
    choose: () => (byId("sending-ways").hidden ? false : files.click()),
    /** While much is sent, the list changes all the time: nobody wants to hear of it. */
    isBusy: () => desk?.isBusy() || performance.now() - landedAt < QUIET_FOR,
    rejoined: () => desk?.rejoined(),
  };
}
