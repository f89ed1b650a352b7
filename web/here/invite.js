// How others are let in: the link, its picture for phones, and a new key.
// Called by here/sheet.js, for the person at the hub alone.

import { breakable, copyButton } from "../copyable.js";
import { element } from "../element.js";
import { HubProblem, HubSilent } from "../hub.js";
import { confirmed } from "./confirm.js";
import { askForInvite, changeKey } from "./requests.js";

/** {element, show()}. say(heading, text): what went wrong. */
export function createInvite({ announce, say }) {
  const content = element("div", {});
  let shown = null; // the key that is in sight
  const newKey = element("button", { type: "button", class: "button small", click: change }, "New key");
  const place = element("section", { class: "host-part invite", "aria-labelledby": "invite-title" }, element("h3", { id: "invite-title" }, "Let others in"), content, element("p", { class: "choices" }, newKey));

  function line(text, what) {
    const code = element("code", {}, breakable(text));
    return element("div", { class: "copyable" }, code, copyButton(text, what, code, announce));
  }

  function draw({ key, link, links, fingerprint }) {
    if (key === shown) return;
    shown = key;
    const others = links.filter((one) => one !== link);
    const parts = [
      element(
        "div",
        { class: "scan" },
        // Another address for another key, so that no old picture is kept; the
        // key itself is in no address but the link.
        element("img", { class: "qr", src: `/-/invite.svg?${Date.now()}`, width: "160", height: "160", alt: "QR code of the link: a phone’s camera opens it" }),
        element("p", { class: "told" }, "Scan this with a phone, or send the link. Whoever has it is in."),
      ),
      line(link, "the link"),
      element("dl", {}, element("div", {}, element("dt", {}, "The key alone"), element("dd", {}, line(key, "the key")))),
    ];
    if (fingerprint) parts.push(element("dl", {}, element("div", {}, element("dt", {}, "The certificate’s fingerprint: the same must show on the other side"), element("dd", {}, line(fingerprint, "the fingerprint")))));
    if (others.length) parts.push(element("details", {}, element("summary", {}, "If that address does not answer there"), ...others.map((one) => line(one, "this link"))));
    content.replaceChildren(...parts);
  }

  async function attempt(what) {
    try {
      draw(await what());
      return true;
    } catch (error) {
      if (error instanceof HubProblem && error.status === 404) place.hidden = true;
      else if (error instanceof HubProblem) say(`${error.message}.`, error.detail ?? "");
      else if (error instanceof HubSilent) say("The hub does not answer.", "The invite could not be shown.");
      else throw error;
      return false;
    }
  }

  async function change() {
    const sure = await confirmed({
      heading: "Make a new key?",
      text: "The old link lets nobody in any more. Who is here stays.",
      yes: "New key",
      no: "Keep this one",
    });
    if (!sure) return;
    if (await attempt(changeKey)) announce("The key is a new one, and so is the link.");
    newKey.focus();
  }

  return { element: place, show: () => attempt(askForInvite) };
}
