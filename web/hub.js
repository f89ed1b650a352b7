// The hub's answers. Called by navigation.js and app.js; never draws and
// never retries (navigation.js decides that).

import { listOfFolder } from "./addresses.js";

/** The hub answered, but not with what was asked for. */
export class HubProblem extends Error {
  constructor(status, title, detail) {
    super(title);
    this.status = status;
    this.detail = detail;
  }
}

/** The hub did not answer at all. */
export class HubSilent extends Error {}

/** The folder's listing as the hub wrote it. */
export async function askForListing(folder, signal) {
  let response;
  let text;
  try {
    // "no-cache" asks the hub each time, yet lets it say "nothing new".
    response = await fetch(listOfFolder(folder), { cache: "no-cache", headers: { Accept: "application/json" }, signal });
    text = await response.text();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new HubSilent("no answer", { cause: error });
  }
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new HubProblem(response.status, "That was not the hub", "Something else answered in its place. This device may have joined another network.");
  }
  if (!response.ok) throw new HubProblem(response.status, answer.error, answer.detail);
  return answer;
}
