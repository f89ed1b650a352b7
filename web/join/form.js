// Makes a form with a field for the key do its work without leaving the page.
// Called by join/page.js and join/again.js; the form also works without it.

import { element } from "../element.js";
import { trade } from "./trade.js";

/**
 * form: with the fields `key` and `name`, a button, and a `.said` for what the
 * hub says. joined(): the key was right.
 */
export function enliven(form, joined) {
  const said = form.querySelector(".said");
  const button = form.querySelector("button");
  const field = form.elements.key;
  let counting = 0;

  function say(heading, text) {
    said.replaceChildren(element("strong", {}, heading), ` ${text}`);
    said.hidden = false;
  }

  function free() {
    clearInterval(counting);
    counting = 0;
    button.removeAttribute("aria-disabled");
  }

  function countDown(heading, text, wait_s) {
    const end = performance.now() + wait_s * 1000;
    const left = element("span", { "aria-hidden": "true" });
    const tick = () => {
      const seconds = Math.ceil((end - performance.now()) / 1000);
      if (seconds > 0) {
        left.textContent = ` Try again in ${seconds} s.`;
        return;
      }
      free();
      say("Now you can try again.", "");
    };
    say(heading, text);
    said.append(left, element("span", { class: "unseen" }, ` Try again in ${wait_s} seconds.`));
    button.setAttribute("aria-disabled", "true");
    counting = setInterval(tick, 1000);
    tick();
  }

  async function attempt(key) {
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    // What is said again in the same words is said again.
    said.hidden = true;
    const verdict = await trade({ key, name: form.elements.name.value });
    if (verdict.joined) {
      field.value = "";
      joined();
      return;
    }
    free();
    field.setAttribute("aria-invalid", "true");
    if (verdict.wait_s) countDown(verdict.heading, verdict.text, verdict.wait_s);
    else say(verdict.heading, verdict.text);
    field.focus();
    field.select();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(field.value);
  });
  field.addEventListener("input", () => field.removeAttribute("aria-invalid"));
  return { attempt, say };
}
