// Where things are: turns folders into page, list and file addresses and
// back. A folder is always written as its plain, percent-encoded path with a
// slash at both ends ("/", "/photos/a%20b/"). Called by everything that makes
// a link; never resolves a name as an address (a file may be called
// "javascript:x" or "//elsewhere"), it only puts paths end to end.

const BROWSE = "/-/browse";
const ALL = "?all";

let query = ""; // of folders' pages

/** Whether folders are shown as all hubs have them, and not as this one alone does. */
export const showsAll = () => query === ALL;

export function showAll(on) {
  query = on ? ALL : "";
}

/** As the address bar says. */
export function followAddress() {
  showAll(new URLSearchParams(location.search).has("all"));
}

/** "/" + at most one slash in front, so that no path can name another host. */
function rooted(path) {
  return path.replace(/^[/\\]*/, "/");
}

/** The folder that a page address shows. */
export function folderOfPage(pathname) {
  if (pathname === "/-/" || pathname === "/-") return "/";
  const path = pathname.startsWith(`${BROWSE}/`) ? pathname.slice(BROWSE.length) : pathname;
  const folder = rooted(path);
  return folder.endsWith("/") ? folder : `${folder}/`;
}

/**
 * The page address of a folder. The plain one, unless the visitor came in by
 * the browse address or the plain one shows something else: a web page of the
 * folder's own (index.html), or the hub's own space (a folder named "-").
 */
export function pageOfFolder(folder, { browse }) {
  if (!browse && !folder.startsWith("/-/")) return rooted(folder) + query;
  return (folder === "/" ? "/-/" : BROWSE + rooted(folder)) + query;
}

export function listOfFolder(folder) {
  return `/-/api/list${rooted(folder)}`;
}

export function inFolder(folder, href) {
  return rooted(folder) + href;
}

export function parentOf(folder) {
  return folder === "/" ? null : folder.slice(0, folder.lastIndexOf("/", folder.length - 2) + 1);
}

/** [{folder, name}] from the root's first child down to the folder itself. */
export function stepsTo(folder, path) {
  const hrefs = folder.split("/").filter(Boolean);
  const names = (path ?? "").split("/").filter(Boolean);
  let reached = "/";
  return hrefs.map((href, index) => {
    reached += `${href}/`;
    return { folder: reached, name: names.length === hrefs.length ? names[index] : decoded(href) };
  });
}

function decoded(href) {
  try {
    return decodeURIComponent(href);
  } catch {
    return href; // not UTF-8: the encoded form is the honest one
  }
}

/** Hosts that mean "this very machine", so are of no use to a visitor. */
export function isLoopback(host) {
  return host === "localhost" || host === "[::1]" || host === "::1" || /^127\./.test(host);
}
