// What this browser remembers between visits: small strings by name.
// Called by theme.js, preferences.js and app.js; never throws, because storage may be
// forbidden or full, and a page that forgets is better than one that stops.

const PREFIX = "sockeye.";

export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Forgetting is the only sensible thing left to do.
  }
}
