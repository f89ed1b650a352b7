// Swipes to the side: to the next file and back. Called by viewer.js; never
// takes a swipe that moves something, a player's slider or a wide table.

const FAR = 56; // px: less is a tap that slipped
const STEEP = 1.5; // a swipe goes that much more sideways than up or down

/** step(by): +1 for a swipe to the left. */
export function listenForSwipes(body, step) {
  let start = null;
  body.addEventListener(
    "touchstart",
    ({ touches, target }) => {
      const zoomed = (window.visualViewport?.scale ?? 1) > 1.01;
      start = touches.length === 1 && !zoomed && !movesSideways(target, body) ? { x: touches[0].clientX, y: touches[0].clientY } : null;
    },
    { passive: true },
  );
  body.addEventListener(
    "touchmove",
    (event) => {
      // Else the browser may take it for its own way back.
      if (start && event.cancelable && isAcross(event.touches[0], start)) event.preventDefault();
    },
    { passive: false },
  );
  body.addEventListener("touchcancel", () => {
    start = null;
  });
  body.addEventListener(
    "touchend",
    ({ changedTouches }) => {
      if (!start) return;
      const across = changedTouches[0].clientX - start.x;
      const isSwipe = Math.abs(across) >= FAR && isAcross(changedTouches[0], start) && getSelection().isCollapsed;
      start = null;
      if (isSwipe) step(across < 0 ? 1 : -1);
    },
    { passive: true },
  );
}

function isAcross({ clientX, clientY }, { x, y }) {
  return Math.abs(clientX - x) > STEEP * Math.abs(clientY - y);
}

function movesSideways(target, body) {
  if (target.closest("audio, video, input, iframe")) return true;
  for (let part = target; part && part !== body.parentElement; part = part.parentElement) {
    if (part.scrollWidth > part.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(part).overflowX)) return true;
  }
  return false;
}
