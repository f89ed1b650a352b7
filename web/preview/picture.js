// A picture: fitted to the window, or larger. Fetched by viewer.js when it is
// first wanted. A drawing in SVG comes as a picture too, so that nothing in it
// runs or fetches anything.

import { element } from "../element.js";
import { number } from "../format.js";
import { drawing } from "./drawings.js";
import { Unshowable, findOut } from "./trouble.js";

const STEP = 1.25;
const SMALLEST = 0.05;
const LARGEST = 16;
const AHEAD_MAX_BYTES = 20_000_000; // a larger neighbour is fetched when it is its turn

export async function show(stage) {
  const { item, address, body, signal } = stage;
  const image = element("img", { class: "viewed", alt: item.shown, decoding: "async", draggable: "false" });
  const holder = element("div", { class: "picture-holder" }, image);
  await loaded(image, address, stage);
  if (signal.aborted) return null;
  const { naturalWidth: width, naturalHeight: height } = image;
  // A drawing has no pixels, and need not say how large it is.
  const isDrawing = item.type.startsWith("image/svg");
  if (!isDrawing) stage.fact(`${number(width)} × ${number(height)}`);
  body.replaceChildren(holder);
  const zoom = createZoom({ stage, holder, image, isDrawing, width: width || 300, height: height || 150 });
  listenForDrags(body, signal);
  lookAhead(stage);
  return { keys: zoom.keys };
}

function loaded(image, address, stage) {
  return new Promise((resolve, reject) => {
    stage.signal.addEventListener("abort", () => {
      image.removeAttribute("src");
      resolve();
    });
    image.addEventListener("load", resolve, { once: true });
    image.addEventListener(
      "error",
      () => {
        if (stage.signal.aborted) return;
        const broken = new Unshowable("This picture cannot be shown", "It is broken, or this browser does not know its format.");
        // The browser does not say why; the hub does.
        findOut(address).then(() => reject(broken), reject);
      },
      { once: true },
    );
    image.src = address;
  });
}

/** Fitted while `scale` is null; else that many CSS pixels for each of the picture's. */
function createZoom({ stage, holder, image, isDrawing, width, height }) {
  const { body } = stage;
  let scale = null;
  const label = element("button", { type: "button", class: "viewer-tool zoom-level", title: "Fit to the window (0)", "aria-keyshortcuts": "0", click: () => set(null) });
  stage.tool({ draw: drawing("smaller"), label: "Smaller", key: "-", run: () => set(current() / STEP) }).after(label);
  stage.tool({ draw: drawing("larger"), label: "Larger", key: "+", run: () => set(current() * STEP) });
  stage.explain(["0"], "fit to the window");
  stage.explain(["1"], "pixel for pixel");

  function fitted() {
    return Math.min(isDrawing ? LARGEST : 1, body.clientWidth / width, body.clientHeight / height);
  }
  const current = () => scale ?? fitted();

  /** at: the point of the window that stays where it is. */
  function set(wanted, at = null) {
    const before = image.getBoundingClientRect();
    const frame = body.getBoundingClientRect();
    const x = at?.x ?? frame.left + frame.width / 2;
    const y = at?.y ?? frame.top + frame.height / 2;
    const across = (x - before.left) / before.width;
    const down = (y - before.top) / before.height;
    scale = wanted === null ? null : Math.min(LARGEST, Math.max(SMALLEST, wanted));
    holder.classList.toggle("zoomed", scale !== null);
    size();
    const after = image.getBoundingClientRect();
    body.scrollBy({ left: after.left + across * after.width - x, top: after.top + down * after.height - y, behavior: "instant" });
    tell();
    stage.announce(scale === null ? "Fitted to the window." : label.textContent);
  }

  function size() {
    image.style.width = `${Math.max(1, Math.floor(width * current()))}px`;
    image.style.height = `${Math.max(1, Math.floor(height * current()))}px`;
  }

  function tell() {
    label.textContent = `${Math.round(current() * 100)} %`;
    label.setAttribute("aria-label", `${label.textContent}, fit to the window`);
  }

  body.addEventListener("dblclick", (event) => set(scale === null ? Math.max(1, 2 * fitted()) : null, event), { signal: stage.signal });
  const fit = () => {
    size();
    tell();
  };
  window.addEventListener("resize", fit, { signal: stage.signal });
  fit();

  return {
    keys(event) {
      if (event.key === "0") set(null);
      else if (event.key === "1") set(1);
      else if (event.key === "=") set(current() * STEP);
      else return false;
      return true;
    },
  };
}

/** A picture larger than the window follows the mouse. */
function listenForDrags(body, signal) {
  let from = null;
  const on = (type, heard) => body.addEventListener(type, heard, { signal });
  on("pointerdown", (event) => {
    const isLarger = body.scrollWidth > body.clientWidth || body.scrollHeight > body.clientHeight;
    if (event.pointerType !== "mouse" || event.button !== 0 || !isLarger) return;
    from = { x: event.clientX + body.scrollLeft, y: event.clientY + body.scrollTop };
    body.setPointerCapture(event.pointerId);
    body.classList.add("dragged");
  });
  on("pointermove", (event) => {
    if (from) body.scrollTo({ left: from.x - event.clientX, top: from.y - event.clientY, behavior: "instant" });
  });
  for (const type of ["pointerup", "pointercancel"]) {
    on(type, () => {
      from = null;
      body.classList.remove("dragged");
    });
  }
}

/** Fetches the next picture, which is wanted soon. */
function lookAhead(stage) {
  const next = stage.neighbour();
  if (!next || !stage.isPicture(next) || next.size > AHEAD_MAX_BYTES || navigator.connection?.saveData) return;
  const image = new Image();
  image.src = stage.addressOf(next);
  stage.ahead.image = image; // kept from being thrown away before its turn
}
