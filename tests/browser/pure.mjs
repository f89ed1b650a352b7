// Imports a module of the page that imports no other, so that what is pure in
// it can be tested without a browser.

import { readFile } from "node:fs/promises";

export async function importPure(name) {
  const source = await readFile(new URL(`../../web/${name}`, import.meta.url), "utf8");
  return import(`data:text/javascript,${encodeURIComponent(source)}`);
}
