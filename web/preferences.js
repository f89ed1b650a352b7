// What this browser's owner prefers about the page. Called by app.js and
// settings/sheet.js; kept by memory.js, so where storage is forbidden it holds
// until the page is left. The first value of each is the usual one.

import { recall, remember } from "./memory.js";

export const PREFERENCES = {
  density: ["comfortable", "compact"],
  units: ["decimal", "binary"],
  dates: ["relative", "exact"],
  folders: ["first", "mixed"],
  hubs: ["this", "all"],
};

const chosen = new Map();

export function preference(name) {
  const value = chosen.get(name) ?? recall(name);
  return PREFERENCES[name].includes(value) ? value : PREFERENCES[name][0];
}

export function prefer(name, value) {
  chosen.set(name, value);
  remember(name, value);
}
