// A folder of 50,000 entries: all of it is there, little of it in the document.
// How smooth that is, tests/prove/page.sh measures.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { startBrowser, startHub } from "./hub.mjs";
import { eventually, visitIn } from "./visit.mjs";

const MANY = 50_000;
const LONGEST = "x".repeat(255);

let root;
let hub;
let browser;

before(async () => {
  root = await mkdtemp(path.join(tmpdir(), "sockeye-large-"));
  await mkdir(path.join(root, "many"));
  await writeFile(path.join(root, "many", LONGEST), "");
  for (let index = 1; index < MANY; index += 1) await writeFile(path.join(root, "many", `entry ${index}`), "");
  hub = await startHub("up", root, "--port", "0", "--quiet", "--ephemeral");
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await hub?.stop();
  await rm(root, { recursive: true, force: true });
});

const rows = (page) => page.locator("#table tbody:not(.spacer) tr");
const visit = (run) =>
  visitIn(browser, `${hub.address}/many/`, async (page) => {
    await rows(page).first().waitFor();
    await run(page);
  });
const focused = (page) => page.evaluate(() => document.activeElement.closest("tr")?.dataset.href);

test("all of them are listed, and the document holds only those in sight", () =>
  visit(async (page) => {
    assert.equal(await page.locator("#table").getAttribute("aria-rowcount"), String(MANY + 1));
    assert.match(await page.locator("#totals").textContent(), /^50,000 items, 0 B/);
    assert.ok((await rows(page).count()) < 100);
    await page.keyboard.press("End");
    assert.equal(await focused(page), LONGEST);
    await page.keyboard.press("PageUp");
    assert.match(await focused(page), /^entry%204\d{4}$/);
    await page.keyboard.press("Home");
    assert.equal(await focused(page), "entry%201");
    await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight / 2));
    await eventually(page, async () => /^entry%20(24|25)\d{3}$/.test(await rows(page).first().getAttribute("data-href")), true);
    await eventually(page, async () => (await rows(page).count()) < 100, true);
  }));

test("the filter, the order and the selection are of all of them", () =>
  visit(async (page) => {
    await page.getByRole("searchbox").fill("4999");
    await eventually(page, () => page.locator("#count").textContent(), "15 of 50,000");
    await page.getByRole("searchbox").fill("");
    await page.locator("th[data-column=name] button").click();
    await eventually(page, () => rows(page).first().getAttribute("data-href"), LONGEST);
    await page.keyboard.press("Home");
    await page.keyboard.press("Control+a");
    await eventually(page, () => page.locator(".selection .amount").textContent(), "50,000 items, 0 B");
    await page.keyboard.press("End");
    assert.ok(await page.evaluate(() => document.activeElement.closest("tr").classList.contains("picked")));
    // What lies over the list does not hide the last row.
    const [row, over] = await page.evaluate(() => [document.activeElement.closest("tr"), document.querySelector(".selection")].map((one) => one.getBoundingClientRect().toJSON()));
    assert.ok(row.bottom <= over.top + 1, JSON.stringify([row, over]));
  }));

test("all of a list that is drawn in part go on paper", () =>
  visit(async (page) => {
    await page.getByRole("searchbox").fill("11");
    const matches = Array.from({ length: MANY - 1 }, (_, n) => String(n + 1)).filter((n) => n.includes("11")).length;
    await eventually(page, () => page.locator("#count").textContent(), `${matches.toLocaleString("en")} of 50,000`);
    await page.evaluate(() => window.dispatchEvent(new Event("beforeprint")));
    assert.equal(await rows(page).count(), matches);
    await page.evaluate(() => window.dispatchEvent(new Event("afterprint")));
    await eventually(page, async () => (await rows(page).count()) < 100, true);
  }));
