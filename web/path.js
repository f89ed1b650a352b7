// The path bar: the folders around the one that is shown, and its name as the
// page's heading. Called by app.js; never navigates itself (its links carry
// data-folder, which app.js listens for).

import { inFolder, pageOfFolder, stepsTo } from "./addresses.js";
import { visibleName } from "./format.js";
import { nameElement } from "./name.js";

/** Draws the path and returns the heading's text. */
export function drawPath({ folder, path, rootName, browse, index }) {
  const steps = [{ folder: "/", name: rootName }, ...stepsTo(folder, path)];
  const here = steps.pop();

  const crumbs = document.getElementById("crumbs");
  crumbs.hidden = steps.length === 0;
  crumbs.querySelector("ol").replaceChildren(
    ...steps.map((step) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = pageOfFolder(step.folder, { browse });
      link.dataset.folder = step.folder;
      link.append(nameElement(step.name));
      item.append(link);
      return item;
    }),
  );

  document.getElementById("title").replaceChildren(nameElement(here.name));

  const asPage = document.getElementById("as-page");
  asPage.hidden = !index;
  if (index) asPage.href = inFolder(folder, index.href);
  return visibleName(here.name);
}
