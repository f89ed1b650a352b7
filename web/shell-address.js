// Addresses in commands that people paste. Called by panel.js and wire/by-hand.js.

/**
 * An address that means the same in every shell and to curl itself: whatever
 * either could take for its own is percent-encoded, but for the mark before a
 * query.
 */
export function shellAddress(origin, path) {
  const plain = path.replace(/[^A-Za-z0-9%/._~?-]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
  const address = origin + plain;
  return /[[?]/.test(address) ? `"${address}"` : address;
}
