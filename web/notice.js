// What is said in place of, or above, the list: an empty folder, a filter
// that matches nothing, a hub that does not answer, a drop that led nowhere.
// Called by app.js and receiving.js; never decides which of these is the case.

const place = document.getElementById("notice");
const told = document.getElementById("told");

/**
 * Above whatever the list says, until somebody closes it: what became of
 * something that a person just tried.
 */
export function tell({ heading, text, actions = [] }) {
  const close = { label: "Close", run: () => told.replaceChildren() };
  showNotice({ heading, text, actions: [...actions, close], within: told });
}

export function untell() {
  told.replaceChildren();
}

/**
 * picture: an icon's name, or null for a one-line notice above the list.
 * actions: [{label, run}] become buttons, [{label, href, folder}] links.
 */
export function showNotice({ picture = null, heading, text, actions = [], within = place }) {
  const notice = document.createElement("section");
  notice.className = picture ? "notice" : "notice strip";
  if (picture) notice.append(scene(picture));
  const title = document.createElement(picture ? "h2" : "strong");
  title.textContent = heading;
  const words = document.createElement("p");
  words.textContent = text;
  notice.append(title, words);
  if (actions.length) {
    const row = document.createElement("p");
    row.className = "actions";
    row.append(...actions.map(actionElement));
    notice.append(row);
  }
  within.replaceChildren(notice);
}

export function clearNotice() {
  place.replaceChildren();
}

function actionElement({ label, run, href, folder }) {
  const element = document.createElement(run ? "button" : "a");
  element.className = "button";
  element.textContent = label;
  if (run) {
    element.type = "button";
    element.addEventListener("click", run);
  } else {
    element.href = href;
    element.dataset.folder = folder;
  }
  return element;
}

function scene(name) {
  const namespace = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(namespace, "svg");
  drawing.setAttribute("class", "scene");
  drawing.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(namespace, "use");
  use.setAttribute("href", `#icon-${name}`);
  drawing.append(use);
  return drawing;
}
