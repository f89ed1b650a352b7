// How fast bytes go and how long the rest will take. Called by counter.js; pure:
// it is told the time.

const WINDOW_MS = 6000; // what a person feels to be "now"
const LEAST_MS = 1000; // before that, a speed is a guess

/** Takes note of how much has been sent in all, and tells bytes a second. */
export function createPace() {
  let samples = []; // [ms, bytes]

  return {
    note(now, bytes) {
      // What is sent again is no progress, and no speed below nothing.
      if (samples.length && bytes < samples.at(-1)[1]) samples = [];
      samples.push([now, bytes]);
      while (samples.length > 2 && samples[0][0] < now - WINDOW_MS) samples.shift();
    },
    forget() {
      samples = [];
    },
    /** null as long as nobody can say. */
    bytesPerSecond() {
      if (samples.length < 2) return null;
      const [[firstAt, first], [lastAt, last]] = [samples[0], samples.at(-1)];
      return lastAt - firstAt < LEAST_MS ? null : ((last - first) * 1000) / (lastAt - firstAt);
    },
  };
}

/** 4000 -> "1 h 7 min left". Coarser the longer it takes: nobody knows better. */
export function leftInWords(bytes, bytesPerSecond) {
  if (!bytesPerSecond) return "";
  const seconds = bytes / bytesPerSecond;
  if (seconds < 4.5) return "a few seconds left";
  if (seconds < 57.5) return `${Math.round(seconds / 5) * 5} s left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min left`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min left`;
  return "days left";
}
