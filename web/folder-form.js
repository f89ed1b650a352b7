// Asks for the name of a new folder and has the hub make it. Fetched by
// receiving.js when it is first wanted.

import { element } from "./element.js";
import { visibleName } from "./format.js";
import { HubProblem, HubSilent, ask, checked, parsed } from "./hub.js";
import { httpEntry } from "./wire/http.js";
import { record } from "./wire/log.js";

let dialog = null;

/** where: the encoded path of the folder that it is made in, called `called`. */
export function askForFolder({ where, called, announce, landed }) {
  dialog?.remove();
  const said = element("p", { class: "said", role: "alert", hidden: true });
  const field = element("input", { id: "folder-name", class: "field", type: "text", required: true, autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "255", enterkeyhint: "done" });
  const button = element("button", { class: "button main" }, "Make it");
  const form = element(
    "form",
    { class: "join-form", novalidate: true },
    element("h2", { id: "folder-title" }, "New folder"),
    said,
    element("label", { for: "folder-name" }, "Name ", element("span", { class: "may" }, `in “${visibleName(called)}”`)),
    field,
    element("p", { class: "choices" }, button, element("button", { class: "button", type: "button", click: () => dialog.close() }, "Cancel")),
  );
  dialog = element("dialog", { class: "asking-box", "aria-labelledby": "folder-title" }, form);
  document.body.append(dialog);

  function want(words) {
    said.textContent = words;
    said.hidden = false;
    field.focus();
    field.select();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const names = field.value.split("/").filter(Boolean);
    const fault = faultOf(names);
    if (fault) {
      want(fault);
      return;
    }
    button.disabled = true;
    try {
      await makeFolder(where, names);
      dialog.close();
      announce(`The folder ${visibleName(names.join("/"))} is made.`);
      landed(where);
    } catch (error) {
      want(wordsFor(error));
    }
    button.disabled = false;
  });
  dialog.showModal();
  field.focus();
}

/** Why these names cannot be a folder's; null if they can. */
function faultOf(names) {
  if (!names.length) return "The name is missing.";
  if (names.some((name) => /^\.{1,2}$/.test(name))) return "“.” and “..” mean places, and are no names.";
  return null;
}

/** names: of the folder, and of those in it that are made with it. */
async function makeFolder(where, names) {
  const path = `${where}${names.map((name) => encodeURIComponent(name.toWellFormed?.() ?? name)).join("/")}/`;
  const seen = await ask(path, {
    method: "MKCOL",
    headers: { Accept: "application/json" },
    tell(told) {
      const tells = told.status === 201 ? "made" : "refuses";
      record(httpEntry({ title: `New folder ${visibleName(names.join("/"))}`, requests: [{ seen: told, asks: "wants a folder of this name", tells }] }));
    },
  });
  checked(seen, parsed(seen.text), [201]);
}

function wordsFor(error) {
  if (error instanceof HubSilent) return "The hub does not answer. It may be switched off, or this device may have left its network.";
  if (!(error instanceof HubProblem)) throw error;
  const words = {
    401: "The hub wants the key again. Join first, then make the folder.",
    405: "A file or a folder of this name is there already.",
    409: "A file has the name of a folder on the way there.",
    507: "The hub’s disk is full.",
  }[error.status];
  const detail = error.detail ? sentence(error.detail) : `The hub refuses (${error.status}).`;
  return words ?? detail;
}

function sentence(words) {
  return `${words[0].toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}
