// A PDF in the browser's own viewer, where it has one. Fetched by viewer.js when
// it is first wanted. The frame holds nothing but what the hub calls a PDF, which
// browsers show in a place of its own, apart from this page.

import { element } from "../element.js";
import { Unshowable, findOut } from "./trouble.js";

export async function show(stage) {
  const { item, address, body } = stage;
  // In a frame, an error of the hub would look like part of this page.
  await findOut(address);
  if (!navigator.pdfViewerEnabled) {
    const open = { label: "Open it by itself", run: () => window.open(address, "_blank", "noopener") };
    throw new Unshowable("This browser shows no PDF in a page", "It can be downloaded, or opened by itself, where the device may have a program for it.", [open]);
  }
  body.replaceChildren(element("iframe", { class: "pdf", src: address, title: item.shown }));
}
