// Sound and films in the browser's own player. Fetched by viewer.js when it is
// first wanted. A film has the subtitles that lie beside it (film.vtt, or
// film.en.vtt); after a sound, the next one plays.

import { inFolder } from "../addresses.js";
import { element, icon } from "../element.js";
import { recall, remember } from "../memory.js";
import { nameElement } from "../name.js";
import { Unshowable, findOut } from "./trouble.js";

export async function show(stage) {
  const { item, address, body, signal } = stage;
  const isFilm = item.type.startsWith("video/");
  const player = element(isFilm ? "video" : "audio", { controls: true, preload: "metadata", playsinline: true, "aria-label": item.shown });
  restoreVolume(player);
  if (isFilm) player.append(...tracksFor(stage));
  const note = element("p", { class: "viewer-note", hidden: true });
  const following = isFilm ? null : nextSound(stage);
  if (isFilm) {
    body.replaceChildren(note, player);
  } else {
    const after = following ? element("p", { class: "sound-next" }, "Then plays: ", nameElement(following.name)) : "";
    body.replaceChildren(note, element("div", { class: "sound" }, icon("sound"), element("p", { class: "sound-name" }, nameElement(item.name)), player, after));
  }

  player.addEventListener("error", () => {
    if (signal.aborted) return;
    const kind = isFilm ? "film" : "sound";
    const unknown = new Unshowable(`This browser cannot play this ${kind}`, `It has no decoder for it (${item.type.split(";")[0]}), or the file is broken. Downloaded, a player of your own may know it.`);
    // The browser does not say why; the hub does.
    findOut(address).then(() => stage.fail(unknown), stage.fail);
  });
  player.addEventListener("loadedmetadata", () => {
    if (!isFilm || player.videoWidth > 0) return;
    note.textContent = "Only the sound of it can be played: this browser has no decoder for the picture.";
    note.hidden = false;
    stage.announce(note.textContent);
  });
  player.addEventListener("ended", () => following && !signal.aborted && stage.goTo(following));
  player.addEventListener("volumechange", () => remember("volume", `${player.muted ? "muted" : "loud"} ${player.volume}`));
  signal.addEventListener("abort", () => {
    // Lets go of the connection, too.
    player.pause();
    player.removeAttribute("src");
    player.load();
  });
  stage.explain(["Space"], "play, pause");
  player.src = address;
  // Where the browser wants to be asked first, its own button is there.
  player.play().catch(() => {});
  return {
    keys({ key, target }) {
      if (key !== " " || target.closest("button, a")) return false;
      if (player.paused) player.play().catch(() => {});
      else player.pause();
      return true;
    },
  };
}

function restoreVolume(player) {
  const [loudness, volume] = (recall("volume") ?? "").split(" ");
  const value = Number.parseFloat(volume);
  if (value >= 0 && value <= 1) player.volume = value;
  player.muted = loudness === "muted";
}

function nextSound(stage) {
  const items = stage.items();
  const at = items.findIndex(({ href }) => href === stage.item.href);
  return at < 0 ? null : (items.slice(at + 1).find(({ type }) => type.startsWith("audio/")) ?? null);
}

/** The subtitles of the film's own stem. */
function tracksFor({ item, folder, allItems }) {
  const stem = item.name.replace(/\.[^.]*$/, "");
  return allItems()
    .filter(({ folder: isFolder, name }) => !isFolder && name.startsWith(`${stem}.`) && /\.vtt$/i.test(name))
    .map(({ name, href }) => {
      const language = name.slice(stem.length + 1, -4).replace(/\.$/, "");
      const known = /^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?$/.test(language);
      return element("track", { kind: "subtitles", src: inFolder(folder, href), srclang: known ? language : null, label: language || "Subtitles" });
    });
}
