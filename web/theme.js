// The theme button: automatic, light, dark, round and round. Called once by
// app.js; first-paint.js has applied the remembered choice already. Never
// knows a colour: it only says when dark.css applies.

import { recall, remember } from "./memory.js";

const CHOICES = ["auto", "light", "dark"];
const MEDIA = { auto: "(prefers-color-scheme: dark)", light: "not all", dark: "all" };
const LABELS = { auto: "Automatic", light: "Light", dark: "Dark" };

/** {choice(), choose(one of them)}. */
export function startTheme(button, announce) {
  let choice = CHOICES.includes(recall("theme")) ? recall("theme") : "auto";

  const show = () => {
    document.getElementById("dark").media = MEDIA[choice];
    button.querySelector("use").setAttribute("href", `#icon-theme-${choice}`);
    button.querySelector("span").textContent = LABELS[choice];
    button.setAttribute("aria-label", `Theme: ${LABELS[choice].toLowerCase()}`);
    button.title = `Theme: ${LABELS[choice].toLowerCase()}`;
  };

  function choose(wanted) {
    choice = wanted;
    remember("theme", choice);
    show();
  }

  button.addEventListener("click", () => {
    choose(CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length]);
    announce(`Theme: ${LABELS[choice].toLowerCase()}`);
  });
  button.hidden = false;
  show();
  return { choice: () => choice, choose };
}
