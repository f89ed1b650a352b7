// All pictures of the folder as small ones. The hub makes no small pictures, so
// each is fetched whole, drawn small once and let go: a few at a time, those in
// sight first, and only so many are kept. Fetched by viewer.js when it is first
// wanted.

import { element, icon } from "../element.js";
import { nameElement } from "../name.js";

const AT_ONCE = 4;
const DRAWN_MAX = 240;
const SIDE = 360; // px of a small picture's longer side
const LARGEST_BYTES = 40_000_000; // larger ones keep their icon

export async function show(stage) {
  const { body, item, signal } = stage;
  const pictures = stage.items().filter(stage.isPicture);
  const list = element("ul", { class: "tiles", "aria-label": "All pictures of this folder" });
  const tiles = pictures.map((picture) => makeTile(picture, stage));
  list.append(...tiles.map(({ element: part }) => part));
  body.replaceChildren(list);
  const current = Math.max(0, pictures.findIndex(({ href }) => href === item.href));
  const walker = createWalker(list, tiles, current);
  drawInSight(body, tiles, signal);
  walker.focus(current);
  stage.explain(["←", "→", "↑", "↓"], "another picture");
  stage.explain(["Home", "End"], "first, last picture");
  stage.explain(["Enter"], "the picture by itself");
  return { keys: walker.keys };
}

function makeTile(picture, stage) {
  const frame = element("span", { class: "tile-picture" }, icon("picture"));
  const button = element("button", { type: "button", tabindex: "-1", click: () => stage.goTo(picture) }, frame, element("span", { class: "tile-name" }, nameElement(picture.name)));
  return { picture, address: stage.addressOf(picture), element: element("li", {}, button), button, frame, state: "waiting" };
}

/** The arrows walk from tile to tile; the page's Tab order holds one of them. */
function createWalker(list, tiles, start) {
  let at = start;
  function focus(wanted) {
    tiles[at].button.tabIndex = -1;
    at = Math.max(0, Math.min(wanted, tiles.length - 1));
    tiles[at].button.tabIndex = 0;
    tiles[at].button.focus();
  }
  list.addEventListener("focusin", (event) => {
    const index = tiles.findIndex(({ button }) => button === event.target);
    if (index < 0 || index === at) return;
    tiles[at].button.tabIndex = -1;
    at = index;
    tiles[at].button.tabIndex = 0;
  });
  const columns = () => {
    const top = tiles[0].element.offsetTop;
    const found = tiles.findIndex(({ element: part }) => part.offsetTop !== top);
    return found < 0 ? tiles.length : found;
  };
  const steps = { ArrowLeft: () => at - 1, ArrowRight: () => at + 1, ArrowUp: () => at - columns(), ArrowDown: () => at + columns(), Home: () => 0, End: () => tiles.length - 1 };
  return {
    focus,
    keys({ key, shiftKey }) {
      const wanted = shiftKey ? undefined : steps[key]?.();
      if (wanted === undefined) return false;
      // Above the first row and below the last there is nothing to go to.
      if (wanted >= 0 && wanted < tiles.length) focus(wanted);
      return true;
    },
  };
}

function drawInSight(body, tiles, signal) {
  const byElement = new Map(tiles.map((tile) => [tile.element, tile]));
  const wanted = new Set(); // in sight, or nearly
  const drawn = new Set(); // the ones drawn longest ago first
  let running = 0;

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const tile = byElement.get(target);
        if (isIntersecting) wanted.add(tile);
        else wanted.delete(tile);
      }
      goOn();
    },
    { root: body, rootMargin: "50% 0px" },
  );
  for (const { element: part } of tiles) observer.observe(part);
  signal.addEventListener("abort", () => observer.disconnect());

  function goOn() {
    for (const tile of wanted) {
      if (running >= AT_ONCE || signal.aborted) return;
      if (tile.state !== "waiting") continue;
      tile.state = "coming";
      running += 1;
      draw(tile).finally(() => {
        running -= 1;
        goOn();
      });
    }
  }

  async function draw(tile) {
    try {
      if (tile.picture.size > LARGEST_BYTES) throw new Error("too large for a small picture");
      tile.frame.replaceChildren(await smallPicture(tile.address, signal));
      tile.state = "drawn";
      drawn.add(tile);
      forgetSome();
    } catch {
      // The icon stays; opening it says why.
      tile.state = "broken";
      tile.frame.classList.add("broken");
    }
  }

  function forgetSome() {
    for (const tile of drawn) {
      if (drawn.size <= DRAWN_MAX) return;
      if (wanted.has(tile)) continue;
      drawn.delete(tile);
      tile.frame.replaceChildren(icon("picture"));
      tile.state = "waiting";
    }
  }
}

/** The picture, drawn small; the large one is let go. */
async function smallPicture(address, signal) {
  const image = new Image();
  const stop = () => image.removeAttribute("src");
  signal.addEventListener("abort", stop);
  try {
    image.decoding = "async";
    image.src = address;
    await image.decode();
    const width = image.naturalWidth || SIDE;
    const height = image.naturalHeight || SIDE;
    const scale = Math.min(1, SIDE / Math.max(width, height));
    const canvas = element("canvas", { width: String(Math.max(1, Math.round(width * scale))), height: String(Math.max(1, Math.round(height * scale))), "aria-hidden": "true" });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas;
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}
