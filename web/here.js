// The button that says how many are here. Called once by app.js; the list of
// them and the invite (here/) are fetched when they are first wanted.

import { HubProblem, ask, askForStanding, checked, parsed } from "./hub.js";
import { tell } from "./notice.js";
import { createLateSheet } from "./sheet.js";
import { hasGuests, onStanding } from "./standing.js";
import { httpEntry } from "./wire/http.js";
import { record } from "./wire/log.js";

export const HERE_FOR = 5 * 60_000; // ms after they were last heard of

/** {guests} of the hub. */
export async function askWhoIsHere(byItself) {
  const seen = await ask("/-/api/here", {
    headers: { Accept: "application/json" },
    tell(told) {
      const tells = told.status === 200 ? "who is here" : "refuses";
      record(httpEntry({ title: "Who is here", byItself, requests: [{ seen: told, asks: "asks who is here", tells }] }));
    },
  });
  return checked(seen, parsed(seen.text));
}

export function createHere({ hub, now, announce, join }) {
  const button = document.getElementById("show-here");
  const howMany = button.querySelector(".how-many");

  function count({ guests }) {
    const here = guests.filter((guest) => guest.is_you || now() - Date.parse(guest.last_seen) < HERE_FOR).length;
    howMany.textContent = here ? String(here) : "";
  }

  const sheet = createLateSheet(
    button,
    async () => {
      const { createHereSheet } = await import("./here/sheet.js");
      return createHereSheet({ hub, now, button, announce, counted: count, join });
    },
    () => tell({ heading: "The hub does not answer.", text: "It was to say who is here. Try again, or load the page anew." }),
  );

  async function look() {
    if (!hasGuests() || document.visibilityState !== "visible") return;
    try {
      count(await askWhoIsHere(true));
    } catch (error) {
      // A number beside a button is worth no words; what matters is said elsewhere.
      if (error instanceof HubProblem && error.status === 404) button.hidden = true;
    }
  }

  function draw() {
    button.hidden = !hasGuests();
  }

  onStanding(draw);
  draw();
  // After the page itself is there.
  window.addEventListener("load", look);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    // What one may do here can change too, and nobody tells a page.
    if (hasGuests()) askForStanding().catch(() => {});
    look();
  });

  return { toggle: () => (button.hidden ? false : void sheet.toggle()) };
}
