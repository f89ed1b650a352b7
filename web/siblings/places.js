// Where an item lies, of a list of all hubs. Called by switch.js and
// selection/bar.js; never draws.

import { visibleName } from "../format.js";

const HERE = "here"; // as the hub calls itself

/** Whether this hub has it; so it is where nobody else was asked. */
export const isHere = (item) => !item.at || item.at[0] === HERE;

/** The other hubs that have it. */
export const hubsOf = (item) => item.at.filter((name) => name !== HERE);

/** "at harbour:8080", "here and at harbour:8080". */
export function placesInWords(item) {
  const others = hubsOf(item).map(visibleName).join(", ");
  return isHere(item) ? `here and at ${others}` : `at ${others}`;
}
