// What people may choose about the page, each kept by this browser. Fetched by
// app.js when somebody opens it; never applies anything itself but the theme.

import { element } from "../element.js";
import { PREFERENCES, prefer, preference } from "../preferences.js";
import { withStyle } from "../style-part.js";

await withStyle(new URL("./settings.css", import.meta.url));

const QUESTIONS = [
  { name: "theme", title: "Theme", choices: [["auto", "As the system"], ["light", "Light"], ["dark", "Dark"]] },
  { name: "density", title: "Rows", choices: [["comfortable", "Comfortable"], ["compact", "Compact"]] },
  { name: "folders", title: "Folders", choices: [["first", "Before files"], ["mixed", "Among files"]] },
  { name: "units", title: "Sizes", choices: [["decimal", "KB, MB (1000)"], ["binary", "KiB, MiB (1024)"]] },
  { name: "dates", title: "Dates", choices: [["relative", "3 min ago"], ["exact", "2024-03-20 14:03"]] },
];

/** theme: {choice(), choose(one)}. changed(): something other than the theme is another one now. */
export function showSettings({ theme, announce, changed }) {
  const chosen = (name) => (name === "theme" ? theme.choice() : preference(name));
  const said = element("p", { class: "unseen", "aria-live": "polite" });

  function choose(name, value) {
    if (name === "theme") {
      theme.choose(value);
      return;
    }
    prefer(name, value);
    changed();
  }

  function questionElement({ name, title, choices }) {
    const options = choices.map(([value, label]) => {
      const input = element("input", { type: "radio", name, value, checked: chosen(name) === value, change: () => choose(name, value) });
      return element("label", {}, input, element("span", {}, label));
    });
    return element("fieldset", { class: "choice" }, element("legend", {}, title), element("div", {}, ...options));
  }

  function reset() {
    theme.choose("auto");
    for (const name of Object.keys(PREFERENCES)) prefer(name, PREFERENCES[name][0]);
    changed();
    for (const input of dialog.querySelectorAll("input")) input.checked = chosen(input.name) === input.value;
    said.textContent = "Everything is as it was at first.";
  }

  const dialog = element(
    "dialog",
    { class: "asking-box settings", id: "settings", "aria-labelledby": "settings-title" },
    element(
      "form",
      { method: "dialog" },
      element("h2", { id: "settings-title" }, "Settings"),
      ...QUESTIONS.map(questionElement),
      element("p", { class: "kept" }, "Kept by this browser, for this hub."),
      element("p", { class: "choices" }, element("button", { class: "button main" }, "Done"), element("button", { class: "button", type: "button", click: reset }, "As at first")),
      said,
    ),
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    announce("");
  });
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector(":checked").focus();
}
