// Who is here, and for the person at the hub: what is received, how others are
// let in, and how one is shown out. Fetched by here.js when it is first wanted.

import { element, icon } from "../element.js";
import { agoForPeople, exactTime, visibleName } from "../format.js";
import { HERE_FOR, askWhoIsHere } from "../here.js";
import { HubProblem, HubSilent } from "../hub.js";
import { nameElement } from "../name.js";
import { createSheet } from "../sheet.js";
import { access, knowReceiving, onStanding, receiving } from "../standing.js";
import { withStyle } from "../style-part.js";
import { confirmed } from "./confirm.js";
import { createInvite } from "./invite.js";
import { leave, setReceiving, showOut } from "./requests.js";

const LOOK_EVERY = 5000;
// Where no key is wanted, nobody can be kept out.
const wantsKeys = () => access().wanted !== "nothing";

await withStyle(new URL("./here.css", import.meta.url));

export async function createHereSheet({ hub, now, button, announce, counted, join }) {
  const parts = makeSheet();
  let guests = [];
  let timer = 0;
  const invite = access().is_host && wantsKeys() ? createInvite({ announce, say }) : null;
  const switched = access().is_host ? createSwitch() : null;
  parts.host.append(...[switched?.element, invite?.element].filter(Boolean));
  parts.host.hidden = !parts.host.hasChildNodes();

  const sheet = createSheet(parts.dialog, { button, pressed: false, arrive: () => parts.title.focus(), changed });

  function changed(open) {
    clearInterval(timer);
    if (!open) return;
    timer = setInterval(() => document.visibilityState === "visible" && look(true), LOOK_EVERY);
    look(false);
    invite?.show();
    switched?.draw();
  }

  function say(heading, text) {
    parts.trouble.replaceChildren(element("strong", {}, heading), ` ${text}`);
    parts.trouble.hidden = heading === "";
    if (heading) announce(`${heading} ${text}`);
  }

  /** Runs what somebody wanted, and tells them if it did not come about. */
  async function attempt(what) {
    say("", "");
    try {
      await what();
      return true;
    } catch (error) {
      say(...wordsFor(error));
      return false;
    }
  }

  async function look(byItself) {
    try {
      ({ guests } = await askWhoIsHere(byItself));
      counted({ guests });
      if (!parts.trouble.hidden && parts.trouble.dataset.from === "look") say("", "");
      drawGuests();
    } catch (error) {
      const [heading, text] = wordsFor(error);
      // Asked every few seconds: said once.
      if (parts.trouble.hidden) say(heading, text);
      parts.trouble.dataset.from = "look";
    }
  }

  // ---- receiving

  function createSwitch() {
    const box = element("input", { type: "checkbox", role: "switch", id: "receiving-switch" });
    const note = element("p", { class: "told", id: "receiving-note" });
    box.setAttribute("aria-describedby", "receiving-note");
    box.addEventListener("change", async () => {
      const wanted = box.checked;
      const done = await attempt(async () => knowReceiving(await setReceiving(wanted)));
      box.checked = receiving().on;
      if (done) announce(wanted ? "Receiving is on." : "Receiving is off.");
    });
    function draw() {
      const { on, dropbox, existing } = receiving();
      box.checked = on;
      const kept = { refuse: "What is there is kept: another file of the same name is refused.", replace: "Another file of the same name replaces what is there.", rename: "Another file of the same name gets a free name." }[existing] ?? "";
      const strangers = dropbox ? " Who has no key may put files here too, and sees nothing of them." : "";
      note.textContent = on ? `${wantsKeys() ? "Who has the key" : "Everybody who reaches the hub"} may put files here. ${kept}${strangers}` : "Nobody puts anything here.";
    }
    onStanding(draw);
    const label = element("label", { class: "switch", for: "receiving-switch" }, box, element("span", { class: "knob", "aria-hidden": "true" }), "Receive files");
    return { element: element("section", { class: "host-part" }, label, note), draw };
  }

  // ---- the guests

  function drawGuests() {
    const focused = document.activeElement?.dataset?.guest;
    const called = callEach(guests);
    const here = guests.filter((guest) => !isGone(guest));
    const gone = guests.filter(isGone);
    const elements = (some) => some.map((guest) => guestElement(guest, called.get(guest)));
    parts.guests.replaceChildren(...elements(here));
    parts.earlier.replaceChildren(...elements(gone));
    parts.earlierPart.hidden = gone.length === 0;
    parts.nobody.hidden = guests.length > 0;
    parts.nobody.textContent = "Nobody has come yet.";
    const own = guests.find(({ is_you: isYou }) => isYou);
    parts.leave.hidden = !(access().guest && !access().is_host && own && wantsKeys());
    parts.join.hidden = !(wantsKeys() && !access().guest);
    if (!focused || document.activeElement !== document.body) return;
    (parts.dialog.querySelector(`[data-guest="${CSS.escape(focused)}"]`) ?? parts.title).focus({ preventScroll: true });
  }

  /** A page that only lies open says nothing; who has not been heard for a while is taken to have left. */
  const isGone = (guest) => !guest.is_you && now() - Date.parse(guest.last_seen) >= HERE_FOR;

  function guestElement(guest, called) {
    const title = element("p", { class: "guest-name" }, guest.name ? nameElement(guest.name) : called);
    if (guest.is_you) title.append(element("span", { class: "tag" }, "you"));
    if (guest.is_host) title.append(element("span", { class: "tag host" }, "at the hub"));
    const about = [guest.name ? guest.device : "", guest.address].filter(Boolean).join(", ");
    const seen = element("time", { datetime: guest.last_seen, title: exactTime(Date.parse(guest.last_seen)) }, agoForPeople(Date.parse(guest.last_seen), now()));
    const came = element("time", { datetime: guest.since, title: exactTime(Date.parse(guest.since)) }, agoForPeople(Date.parse(guest.since), now()));
    const row = element("li", {}, title, element("p", { class: "guest-about" }, about), element("p", { class: "guest-about" }, "came ", came, isGone(guest) ? ", was here " : ", last heard ", seen));
    if (isGone(guest)) row.classList.add("gone");
    if (access().is_host && wantsKeys() && !guest.is_host && !guest.is_you) {
      row.append(element("button", { type: "button", class: "button small out", "data-guest": guest.id, "aria-label": `Throw out ${called}`, click: () => throwOut(guest, called) }, "Throw out"));
    }
    return row;
  }

  async function throwOut(guest, called) {
    const sure = await confirmed({
      heading: `Throw out ${called}?`,
      text: "What they are sending or fetching is cut, and the key changes, so that the old link does not bring them back. Others in a browser stay; programs that use the key need the new one.",
      yes: "Throw out",
      no: "Let them stay",
    });
    if (!sure) return;
    const done = await attempt(() => showOut(guest.id));
    if (done) announce(`${called} is out, and the key is a new one.`);
    invite?.show();
    await look(false);
    if (document.activeElement === document.body) parts.title.focus();
  }

  parts.leave.addEventListener("click", async () => {
    const sure = await confirmed({ heading: "Leave this hub?", text: "This browser then needs the key again to come back.", yes: "Leave", no: "Stay" });
    if (sure && (await attempt(leave))) location.reload();
  });
  parts.join.addEventListener("click", join);
  parts.title.textContent = `Here on ${visibleName(hub.name)}`;
  return sheet;
}

function groups(items, keyOf) {
  const found = new Map();
  for (const item of items) found.set(keyOf(item), [...(found.get(keyOf(item)) ?? []), item]);
  return found;
}

/** What each is called: by name, or by device, with a number where several would be called the same. */
function callEach(guests) {
  const nameOf = (guest) => visibleName(guest.name || guest.device || "Somebody");
  const alike = groups(guests, nameOf);
  return new Map(
    guests.map((guest) => {
      const others = alike.get(nameOf(guest));
      return [guest, others.length > 1 ? `${nameOf(guest)} (${others.indexOf(guest) + 1})` : nameOf(guest)];
    }),
  );
}

function wordsFor(error) {
  if (error instanceof HubSilent) return ["The hub does not answer.", "It may be switched off, or this device may have left its network."];
  if (!(error instanceof HubProblem)) throw error;
  if (error.status === 401) return ["You are not in this hub any more.", "Its person has shown this device out, or its key has changed."];
  return [`${error.message}.`, error.detail ?? ""];
}

function makeSheet() {
  const parts = {
    title: element("h2", { id: "here-title", tabindex: "-1" }, "Here"),
    trouble: element("p", { class: "hold", hidden: true }),
    host: element("div", { class: "host-parts" }),
    guests: element("ul", { class: "guests", "aria-labelledby": "guests-title" }),
    earlier: element("ul", { class: "guests", "aria-labelledby": "earlier-title" }),
    nobody: element("p", { class: "told", hidden: true }),
    leave: element("button", { type: "button", class: "button small", hidden: true }, "Leave this hub"),
    join: element("button", { type: "button", class: "button small", hidden: true }, "Join with the key"),
  };
  parts.earlierPart = element("section", { class: "host-part", hidden: true }, element("h3", { id: "earlier-title" }, "Was here"), parts.earlier);
  parts.dialog = element(
    "dialog",
    { class: "sheet at-edge", id: "here", "aria-labelledby": "here-title" },
    element("header", { class: "sheet-head" }, parts.title, element("button", { class: "close", type: "button", "aria-label": "Close who is here", title: "Close (Esc)" }, icon("close"))),
    element("div", { class: "here-parts" }, parts.trouble, parts.host, element("section", { class: "host-part" }, element("h3", { id: "guests-title" }, "Who is here"), parts.guests, parts.nobody, element("p", { class: "choices" }, parts.leave, parts.join)), parts.earlierPart),
    element("p", { class: "unseen said", "aria-live": "polite" }),
  );
  document.body.append(parts.dialog);
  return parts;
}
