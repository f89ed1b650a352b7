// What a refusal means for who sends, in plain words, and what follows from it.
// Called by sender.js and rows.js; pure.

/**
 * kind says what follows:
 *   refused   this one is not taken; the others go on (taken: under another
 *             name it may be)
 *   later     the hub wants to be asked again after wait_s
 *   key, off, full   nothing goes until a person did something
 *
 * answer: {status, error, detail} as the hub gives it; facts: {name, size,
 * limit, isOn}, what the page knows about it; sizes come in words.
 */
export function meaningOf({ status, error, detail, wait_s }, facts) {
  const told = detail ? sentence(forThePage(detail, facts.name)) : "";
  switch (status) {
    case 400:
      return refused("Not taken.", told || "The hub does not understand what this browser sends.");
    case 401:
      return { kind: "key", heading: "The hub wants the key again.", text: "This device was shown out, or the key has changed. What you are sending waits here until you have joined." };
    case 403:
      if (!facts.isOn) return { kind: "off", heading: "Receiving was turned off.", text: "The person at the hub can turn it on; what you are sending waits here." };
      return refused("Not taken.", told || "The hub does not take files of this name, or not here.");
    case 405:
      return refused("Not taken.", told || "Nothing can be sent to this place.");
    case 408:
      return { kind: "later", heading: "The line is too slow.", text: "Less than 20 KB came through in 20 seconds.", wait_s: 5 };
    case 409:
      return refused("The name is taken.", `${told || "Something else has this name already."} The hub keeps what it has: give yours another name and send it again.`, { taken: !/on the way/.test(told) });
    case 411:
      return refused("Not taken.", "The hub wants to know the length first, which this browser did not say.");
    case 412:
      return refused("The name is taken.", "A file of this name is there already.", { taken: true });
    case 413:
      return refused("Too large.", facts.limit ? `It has ${facts.size}, and this hub takes at most ${facts.limit} a file.` : told || "It is larger than this hub takes.");
    case 414:
    case 431:
      return refused("The name is too long.", "Its whole path is longer than the hub reads.");
    case 415:
      return refused("Not taken.", told || "The hub takes files as they are, not packed for the way.");
    case 429:
    case 503:
      return { kind: "later", heading: "The hub is busy.", text: told, wait_s: Math.min(Math.max(wait_s ?? 5, 1), 60) };
    case 507:
      return { kind: "full", heading: "The hub’s disk is full.", text: `${told || `There is no room for these ${facts.size}.`} The others wait; smaller ones may still fit.` };
  }
  if (status >= 500) return refused("The hub failed.", told || `It says ${status} and no more.`);
  return refused(error ? sentence(error) : "Not taken.", told || `The hub refuses (${status}).`);
}

function refused(heading, text, more = {}) {
  return { kind: "refused", heading, text, ...more };
}

/** How a transfer ended well. name: what it is called there now. */
export function outcomeInWords(outcome, name) {
  switch (outcome) {
    case "same":
      return "was there already, byte for byte";
    case "replaced":
      return "sent, in place of what was there";
    case "renamed":
      return `sent, and is called “${name}” there`;
    case "made":
      return "folder made";
    case "there":
      return "folder was there already";
  }
  return "sent";
}

/** Without the path, which stands beside it, and the advice to who has a terminal. */
function forThePage(detail, name) {
  const behind = detail.startsWith("/") ? detail.indexOf(`${name}: `) : -1;
  const why = behind < 0 ? detail : detail.slice(behind + name.length + 2);
  return why.replace(/; send it under another name, or have the hub.*$/, "");
}

function sentence(words) {
  return `${words[0].toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}
