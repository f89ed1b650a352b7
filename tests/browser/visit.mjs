// Opens pages in a browser and watches them, for the tests of the page. Never
// starts a hub or a browser (hub.mjs does).

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };

/**
 * Opens a page and watches it: afterwards there must have been no message on
 * the console, no script error, no CSP violation, and no request to any other
 * host. `expected` names console messages that belong to the test.
 */
export async function visitIn(browser, address, run, { expected = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, locale: "en-GB", acceptDownloads: true, ...options });
  const page = await context.newPage();
  const complaints = [];
  const hosts = new Set();
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => complaints.push(`error: ${error.stack}`));
  // What needs no host (the browser's own viewer of PDF, a blob) has none.
  context.on("request", (request) => /^(https?|wss?):/.test(request.url()) && hosts.add(new URL(request.url()).origin));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
  });
  try {
    await page.goto(address);
    await run(page, context);
    assert.deepEqual(
      complaints.filter((complaint) => !expected.some((pattern) => pattern.test(complaint))),
      [],
    );
    assert.deepEqual([...hosts], [new URL(address).origin]);
  } finally {
    await context.close();
  }
}

/** Waits until the page says this; fails, with what it says instead. */
export async function eventually(page, read, wanted) {
  let last;
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    last = await read();
    try {
      assert.deepEqual(last, wanted);
      return;
    } catch {
      await page.evaluate(() => new Promise(requestAnimationFrame));
    }
  }
  assert.deepEqual(last, wanted);
}

/** What axe finds that keeps people out, in words; the page must bypass its CSP. */
export async function findingsOf(page) {
  await page.addScriptTag({ path: AXE });
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  assert.ok(
    passes.some((rule) => rule.id === "color-contrast"),
    "axe must have looked at the contrast",
  );
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}

export async function hasNoSeriousFault(page) {
  assert.deepEqual(await findingsOf(page), []);
}
