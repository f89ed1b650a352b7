// Waits for a hub that does not answer: asks again and again, each time a
// little later, and at once when the device has a network again. Called by
// queue.js; never sends anything of the queue's.

const WAITS = [1000, 2000, 4000, 8000, 15_000];
const PATIENCE = 5000; // for an answer

/** waiting(ms): so long until the next try. Resolves when the hub answers; `hurry()` tries now. */
export function awaitHub({ waiting }) {
  let wake = () => {};
  let ended = false;

  async function answers() {
    try {
      const { ok } = await fetch("/-/health", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      return ok;
    } catch {
      return false;
    }
  }

  async function wait() {
    for (let turn = 0; !ended; turn += 1) {
      const ms = WAITS[Math.min(turn, WAITS.length - 1)];
      waiting(ms);
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, ms);
      });
      if (ended || (await answers())) break;
    }
    window.removeEventListener("online", hurry);
  }

  const hurry = () => wake();
  window.addEventListener("online", hurry);
  return {
    up: wait(),
    hurry,
    end() {
      ended = true;
      wake();
    },
  };
}
