// "On this hub": the services and their addresses, and what to type in a
// terminal for the folder and file at hand. Called by app.js; never starts,
// stops or contacts a service.

import { inFolder, isLoopback, pageOfFolder } from "./addresses.js";
import { breakable, copyButton } from "./copyable.js";
import { visibleName } from "./format.js";
import { shellAddress } from "./shell-address.js";
import { hindrance, wantsKey } from "./standing.js";

export function createPanel(hub, { announce }) {
  const panel = document.getElementById("hub");
  const terminal = document.getElementById("terminal");

  function copyable(text, what, href) {
    const line = document.createElement("div");
    line.className = "copyable";
    const code = document.createElement("code");
    if (href) {
      const link = document.createElement("a");
      link.href = href;
      link.append(breakable(text));
      code.append(link);
    } else {
      code.append(breakable(text));
    }
    line.append(code, copyButton(text, what, code, announce));
    return line;
  }

  function drawServices() {
    document.getElementById("services").replaceChildren(
      ...hub.services.map((service) => {
        const item = document.createElement("li");
        const title = document.createElement("h3");
        const wire = document.createElement("span");
        wire.className = "wire";
        wire.textContent = service.wire;
        title.append(visibleName(service.name), " ", wire);
        const about = document.createElement("p");
        about.textContent = service.about;
        const address = parsed(service.url);
        const web = address && /^https?:$/.test(address.protocol);
        item.append(title, about, copyable(service.url, `the address of ${service.name} over ${service.wire}`, web ? service.url : null));
        if (address && isLoopback(address.hostname) && !isLoopback(location.hostname)) {
          const note = document.createElement("p");
          note.className = "note";
          note.textContent = "Answers only on the hub’s own machine.";
          item.append(note);
        }
        return item;
      }),
    );
  }

  drawServices();
  const started = new Date(hub.started);
  const about = document.getElementById("about");
  about.textContent = `Sockeye ${hub.version} on ${visibleName(hub.name)}, up since ${started.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })}`;
  panel.hidden = false;

  return {
    /** The commands for this folder, and for this file if there is one. */
    showCommands({ folder, browse, item }) {
      const list = document.getElementById("commands");
      const parts = [];
      const add = (label, command, what) => {
        const term = document.createElement("dt");
        term.textContent = label;
        const definition = document.createElement("dd");
        definition.append(copyable(command, what));
        parts.push(term, definition);
      };
      add("List this folder", `curl ${keyFor("GET")}${shellAddress(location.origin, pageOfFolder(folder, { browse }))}`, "the command that lists this folder");
      if (item) add("Fetch a file", fetchCommand(folder, item), "the command that fetches a file");
      if (hindrance() === null) add("Send a file", `curl ${keyFor("PUT")}-T photo.jpg ${shellAddress(location.origin, folder)}`, "the command that sends a file");
      list.replaceChildren(...parts);
      terminal.hidden = false;
    },

    /** For a folder that cannot be shown there is nothing to type either. */
    hideCommands() {
      terminal.hidden = true;
    },
  };
}

/** What lets a request of this kind in, for curl; the key itself stays out of sight. */
function keyFor(method) {
  return wantsKey(method) ? '-H "Authorization: Bearer $SOCKEYE_KEY" ' : "";
}

function parsed(url) {
  try {
    return new URL(url);
  } catch {
    return null;
  }
}

function fetchCommand(folder, item) {
  const address = shellAddress(location.origin, inFolder(folder, item.href));
  // -O names the file as the address does. Where that would leave %20 and the
  // like in the name, give the name itself, if a quoted one is safe anywhere.
  const plainInAddress = address.endsWith(`/${item.name}`);
  const safeInQuotes = /^[^\p{C}"$`\\!%/-][^\p{C}"$`\\!%/]*$/u.test(item.name);
  return plainInAddress || !safeInQuotes ? `curl ${keyFor("GET")}-O ${address}` : `curl ${keyFor("GET")}-o "${item.name}" ${address}`;
}
