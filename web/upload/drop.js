// Files and folders that are dropped on the page or pasted into it, and the
// words over the page while they hover. Called once by receiving.js, and by
// drop-page.js; never sends anything itself.

import { element, icon } from "../element.js";

// A screenshot on the clipboard has this name, and so has the next one.
const NAMELESS = /^(image|blob)?(\.\w+)?$/;

/**
 * send(grabbed): what was dropped or pasted. words(): {allowed, heading, text}
 * for the overlay. near(): something hovers, and will be dropped soon.
 */
export function listenForDrops({ send, words, near }) {
  const heading = element("strong", {});
  const text = element("p", {});
  const overlay = element("div", { class: "drop-overlay", "aria-hidden": "true", hidden: true }, element("div", { class: "drop-words" }, icon("send"), heading, text));
  document.body.append(overlay);
  let ours = false; // a picture of this page, dragged about in it
  let leaving = 0;

  const hasFiles = (event) => !ours && event.dataTransfer?.types.includes("Files");

  function show() {
    clearTimeout(leaving);
    if (!overlay.hidden) return;
    const said = words();
    heading.textContent = said.heading;
    text.textContent = said.text;
    overlay.classList.toggle("refusing", !said.allowed);
    // In front of whatever lies in front of the page.
    (document.querySelector("dialog:modal") ?? document.body).append(overlay);
    overlay.hidden = false;
    near();
  }

  function hide() {
    clearTimeout(leaving);
    overlay.hidden = true;
  }

  document.addEventListener("dragstart", () => {
    ours = true;
  });
  document.addEventListener("dragend", () => {
    ours = false;
  });
  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    show();
  });
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    // Also where nothing is taken: a drop that goes nowhere is told why.
    event.dataTransfer.dropEffect = "copy";
    show();
    // No event says for certain that the pointer has left the window: but as
    // long as it has not, this one comes again and again.
    leaving = setTimeout(hide, 600);
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) hide();
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hide();
    send(grab(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    send(named(files, new Date()));
  });
}

/** Entries where the browser has them, which also lead into folders. Valid only now: the drop's data is gone after it. */
function grab(transfer) {
  const grabbed = [...transfer.items].filter(({ kind }) => kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  return grabbed.filter(Boolean);
}

/** Gives pasted pictures that have no name of their own one that says when. */
function named(files, now) {
  const two = (number) => String(number).padStart(2, "0");
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join("-");
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(".");
  let count = 0;
  return files.map((file) => {
    if (!NAMELESS.test(file.name)) return file;
    count += 1;
    const ending = file.name.match(/\.\w+$/)?.[0] ?? `.${(file.type.split("/")[1] ?? "bin").replace(/\W.*$/, "")}`;
    return new File([file], `pasted ${day} ${time}${count > 1 ? ` ${count}` : ""}${ending}`, { type: file.type, lastModified: file.lastModified });
  });
}
