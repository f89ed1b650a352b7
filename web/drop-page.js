// The page for strangers, who may put files here and see nothing. Loaded by
// drop.html; sends with what the folder page sends with (upload/).

import { know } from "./standing.js";
import { createCounter } from "./upload/counter.js";
import { listenForDrops } from "./upload/drop.js";

const byId = (id) => document.getElementById(id);
const { hub } = JSON.parse(byId("data").textContent);
// What a stranger may, while this page is shown at all.
know({ ...hub, access: { wanted: "key", may_read: false, may_write: true, is_host: false, guest: null } });

const form = byId("drop-form");
const queue = byId("queue");
const join = () => location.assign("/-/join");

const counter = createCounter({
  announce: (words) => {
    byId("status").textContent = words;
  },
  landed() {},
  join,
  isShown: () => !queue.hidden,
  rest: () => byId("drop-files").focus(),
  emptied: () => {
    queue.hidden = true;
  },
});
queue.append(counter.element);

function send(grabbed) {
  if (!grabbed.length) return;
  queue.hidden = false;
  counter.send(grabbed, { where: "/", called: "" });
}

form.addEventListener("submit", (event) => event.preventDefault());
// Chosen is meant: another button to press would only be forgotten.
form.querySelector(".choices").hidden = true;
byId("drop-files").addEventListener("change", (event) => {
  send([...event.target.files]);
  form.reset();
});
listenForDrops({ send, near() {}, words: () => ({ allowed: true, heading: "Drop to leave it here", text: "" }) });

// Who opened a link with the key is no stranger.
async function enterByLink() {
  const key = window.takeLinkKey();
  if (!key) return;
  const { trade } = await import("./join/trade.js");
  const said = await trade({ key });
  if (said.joined) location.reload();
  else {
    const place = form.querySelector(".said");
    place.textContent = `${said.heading} ${said.text}`;
    place.hidden = false;
  }
}
window.addEventListener("linkkey", enterByLink);
enterByLink();
