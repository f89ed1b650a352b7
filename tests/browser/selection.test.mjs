// Selecting rows, and what is done with them: by mouse, by key, by touch.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { makeFolder, startBrowser, startHub } from "./hub.mjs";
import { PHONE, eventually, hasNoSeriousFault, visitIn } from "./visit.mjs";

let folder;
let hub;
let browser;

before(async () => {
  folder = await makeFolder();
  hub = await startHub("up", folder.root, "--port", "0", "--quiet", "--ephemeral");
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await hub?.stop();
  await folder?.remove();
});

const visit = (place, run, options) =>
  visitIn(
    browser,
    hub.address + place,
    async (page, context) => {
      await page.locator("#table tbody .name a").first().waitFor();
      await run(page, context);
    },
    options,
  );
const picked = (page) => page.locator("#table tbody tr.picked").evaluateAll((rows) => rows.map((row) => decodeURIComponent(row.dataset.href)));
const bar = (page) => page.getByRole("region", { name: "Selected" });
const amount = (page) => bar(page).locator(".amount").textContent();
const link = (page, name) => page.getByRole("link", { name, exact: true });
const namesInZip = async (download) => execFileSync("python3", ["-c", "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(chr(10).join(sorted(z.namelist())))", await download.path()], { encoding: "utf8" }).trim().split("\n");

describe("selecting", () => {
  test("Space takes a row and lets it go, Shift and the arrows take those on the way", () =>
    visit("/", async (page) => {
      await link(page, "charts.zip").focus();
      await page.keyboard.press(" ");
      await eventually(page, () => picked(page), ["charts.zip"]);
      await eventually(page, () => amount(page), "1 item, 640 KB");
      assert.equal(await page.getByRole("status").textContent(), "charts.zip selected, 1 item in all");
      await page.keyboard.press("Shift+ArrowDown");
      await page.keyboard.press("Shift+ArrowDown");
      await eventually(page, () => picked(page), ["charts.zip", "Crew list.pdf", "crossing.mp4"]);
      await page.keyboard.press("Shift+ArrowUp");
      await eventually(page, () => picked(page), ["charts.zip", "Crew list.pdf"]);
      await page.keyboard.press(" ");
      await eventually(page, () => picked(page), ["charts.zip"]);
      await page.keyboard.press("Escape");
      await eventually(page, () => picked(page), []);
      assert.ok(await bar(page).isHidden());
      assert.equal(await page.getByRole("status").textContent(), "Nothing is selected");
    }));

  test("a box takes its row, Shift and a click those in between", () =>
    visit("/", async (page) => {
      await page.getByRole("checkbox", { name: "Select charts.zip" }).click();
      await link(page, "fog horn.flac").click({ modifiers: ["Shift"] });
      await eventually(page, () => picked(page), ["charts.zip", "Crew list.pdf", "crossing.mp4", "fog horn.flac"]);
      assert.equal(new URL(page.url()).pathname, "/");
      // The keys go on where the mouse was.
      await page.keyboard.press("j");
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "⟪U+202E⟫gpj.exe");
    }));

  test("Ctrl A takes all that are shown, and no others", () =>
    visit("/logs/", async (page) => {
      await page.getByRole("searchbox").fill("log-31");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Control+a");
      await eventually(page, () => amount(page), "11 items, 13 KB");
      await page.getByRole("searchbox").fill("log-31 5");
      await eventually(page, () => amount(page), "11 items, 13 KB, 10 of them not shown");
      await page.getByRole("searchbox").fill("");
      await eventually(page, () => page.locator("#pick-all").evaluate((box) => box.indeterminate), true);
      await page.locator("#pick-all").check({ force: true });
      await eventually(page, () => picked(page).then((all) => all.length), 320);
      await page.locator("#pick-all").uncheck({ force: true });
      await eventually(page, () => picked(page), []);
    }));

  test("in the filter Ctrl A and Space are the filter's own", () =>
    visit("/", async (page) => {
      await page.getByRole("searchbox").fill("crew");
      await page.keyboard.press("Control+a");
      await page.keyboard.type("a b");
      assert.equal(await page.getByRole("searchbox").inputValue(), "a b");
      assert.deepEqual(await picked(page), []);
    }));

  test("it outlives sorting and a fresh list, loses what is gone, and ends with the folder", () =>
    visit("/lectures/", async (page) => {
      await folder.write("lectures/soon gone.txt", "x", 5);
      try {
        await page.evaluate(() => window.dispatchEvent(new Event("focus")));
        await link(page, "soon gone.txt").waitFor();
        await page.keyboard.press("Control+a");
        await eventually(page, () => amount(page), "3 items, 11 B and 1 folder");
        await page.getByRole("button", { name: "Size" }).click();
        await eventually(page, () => picked(page).then((all) => all.length), 3);
        await rm(path.join(folder.root, "lectures/soon gone.txt"));
        await page.evaluate(() => window.dispatchEvent(new Event("focus")));
        await eventually(page, () => amount(page), "2 items, 10 B and 1 folder");
        await page.keyboard.press("Alt+ArrowUp");
        await link(page, "charts.zip").waitFor();
        await eventually(page, () => bar(page).isHidden(), true);
        await page.goBack();
        await link(page, "outline.md").waitFor();
        assert.deepEqual(await picked(page), []);
      } finally {
        await rm(path.join(folder.root, "lectures/soon gone.txt"), { force: true });
      }
    }));

  test("where nothing hovers, Select makes a tap take a row instead of opening it", () =>
    visit(
      "/",
      async (page) => {
        await page.getByRole("button", { name: "Select", exact: true }).tap();
        await link(page, "lectures").tap();
        await link(page, "charts.zip").tap();
        await eventually(page, () => picked(page), ["lectures", "charts.zip"].map((name) => (name === "lectures" ? "lectures/" : name)));
        assert.equal(await amount(page), "2 items, 640 KB and 1 folder");
        await page.getByRole("button", { name: "Done", exact: true }).tap();
        await eventually(page, () => picked(page), []);
        await link(page, "lectures").tap();
        await page.waitForURL("**/lectures/");
      },
      { viewport: PHONE, isMobile: true, hasTouch: true },
    ));
});

describe("what is selected", () => {
  test("comes as one zip with those and no others", () =>
    visit("/", async (page) => {
      await page.getByRole("checkbox", { name: "Select Ångström notes.txt" }).click();
      await page.getByRole("checkbox", { name: "Select lectures" }).click();
      await page.getByRole("checkbox", { name: /^Select two/ }).click();
      const waiting = page.waitForEvent("download");
      await bar(page).getByRole("button", { name: "Download as zip" }).click();
      const download = await waiting;
      assert.equal(download.suggestedFilename(), "Shared photos.zip");
      const files = (await namesInZip(download)).filter((name) => !name.endsWith("/"));
      assert.deepEqual(files.map((name) => name.replace(/^Shared photos\//, "")).sort(), ["lectures/outline.md", "lectures/week 1/intro.txt", "two  spaces and 100% #1? 'q\" & more.txt", "Ångström notes.txt"].sort());
    }));

  test("is the folder where it is all of it, however much that is", () =>
    visit("/logs/", async (page) => {
      await page.locator("#table tbody .name a").first().focus();
      await page.keyboard.press("Control+a");
      await bar(page).waitFor();
      const waiting = page.waitForEvent("download");
      await page.keyboard.press("d");
      const download = await waiting;
      assert.equal(new URL(download.url()).search, "?zip");
      assert.equal((await namesInZip(download)).filter((name) => !name.endsWith("/")).length, 320);
    }));

  test("comes as tar where that is wanted", () =>
    visit("/lectures/", async (page) => {
      await page.locator("#table tbody .name a").first().focus();
      await page.keyboard.press("Control+a");
      const waiting = page.waitForEvent("download");
      await bar(page).getByRole("button", { name: "Download as tar" }).click();
      assert.equal((await waiting).suggestedFilename(), "lectures.tar");
    }));

  test("is sent as a form where its names are too long for an address", () =>
    visit("/logs/", async (page) => {
      await page.locator("#table tbody .name a").first().focus();
      await page.keyboard.press("Control+a");
      const asked = page.waitForRequest((request) => request.method() === "POST");
      const waiting = page.waitForEvent("download");
      await bar(page).waitFor();
      // All of them are the folder; all but one are so many names.
      await page.keyboard.press("Space");
      await page.keyboard.press("d");
      const request = await asked;
      assert.equal(new URL(request.url()).pathname, "/-/archive/zip/logs/");
      assert.equal(new URLSearchParams(request.postData()).getAll("name").length, 319);
      const files = (await namesInZip(await waiting)).filter((name) => !name.endsWith("/"));
      assert.equal(files.length, 319);
      await bar(page).waitFor();
    }));

  test("if it is one file, comes as itself", () =>
    visit("/", async (page) => {
      await page.getByRole("checkbox", { name: "Select charts.zip" }).click();
      const waiting = page.waitForEvent("download");
      await bar(page).getByRole("button", { name: "Download", exact: true }).click();
      assert.equal((await waiting).suggestedFilename(), "charts.zip");
    }));

  test("gives its links, one a line", () =>
    visit(
      "/",
      async (page) => {
        await page.getByRole("checkbox", { name: "Select lectures" }).click();
        await page.getByRole("checkbox", { name: "Select Ångström notes.txt" }).click();
        await bar(page).getByRole("button", { name: "Copy links" }).click();
        await eventually(page, () => page.getByRole("status").textContent(), "2 links copied");
        assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${hub.address}/lectures/\n${hub.address}/%C3%85ngstr%C3%B6m%20notes.txt`);
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ));

  test("of names with a plus sign is asked for with no space in them", () =>
    visit("/", async (page) => {
      await page.route("**/-/api/list/lectures/", (route) => route.fulfill({ json: { path: "/lectures/", href: "/lectures/", entries: ["a+b", "c&d=e"].map((name) => ({ name, href: encodeURIComponent(name).replace("%2B", "+"), kind: "file", size: 1, modified: null, type: "" })), total: 3, truncated: true } }));
      await link(page, "lectures").click();
      await link(page, "a+b").focus();
      await page.keyboard.press("Control+a");
      await bar(page).waitFor();
      const waiting = page.waitForEvent("download");
      await bar(page).getByRole("button", { name: "Download as zip" }).click();
      assert.equal(new URL((await waiting).url()).search, "?zip&name=a%2Bb&name=c%26d%3De");
    }));
});

describe("a folder", () => {
  test("is downloaded as zip by its button and by d", () =>
    visit("/", async (page) => {
      for (const act of [() => page.getByRole("link", { name: "Download lectures as zip" }).click(), () => page.keyboard.press("d")]) {
        await link(page, "lectures").focus();
        const waiting = page.waitForEvent("download");
        await act();
        const download = await waiting;
        assert.equal(download.suggestedFilename(), "lectures.zip");
        assert.ok((await namesInZip(download)).some((name) => name.endsWith("week 1/intro.txt")));
      }
    }));

  test("that is shown is downloaded whole, as zip or tar", () =>
    visit("/lectures/", async (page) => {
      for (const kind of ["zip", "tar"]) {
        const waiting = page.waitForEvent("download");
        await page.getByRole("link", { name: `Download ${kind} of this folder` }).click();
        assert.equal((await waiting).suggestedFilename(), `lectures.${kind}`);
      }
    }));

  test("with nothing in it has nothing to download", () =>
    visitIn(browser, `${hub.address}/empty/`, async (page) => {
      await page.getByRole("heading", { name: "This folder is empty" }).waitFor();
      assert.ok(await page.getByRole("link", { name: /of this folder/ }).first().isHidden());
      await page.getByRole("button", { name: "Share" }).waitFor();
    }));
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 390, 1280]) {
    test(`a selection in ${colorScheme} at ${width} px has no serious fault that axe can find, and fits`, async () => {
      const context = await browser.newContext({ viewport: { width, height: 740 }, colorScheme, bypassCSP: true });
      try {
        const page = await context.newPage();
        await page.goto(hub.address);
        await link(page, "charts.zip").focus();
        await page.keyboard.press(" ");
        await page.keyboard.press("Shift+ArrowDown");
        await bar(page).waitFor();
        await hasNoSeriousFault(page);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
        // What lies over the list does not hide the row that has the focus.
        const [row, over] = await page.evaluate(() => [document.activeElement.closest("tr"), document.querySelector(".selection")].map((one) => one.getBoundingClientRect().toJSON()));
        assert.ok(row.bottom <= over.top + 1, JSON.stringify([row, over]));
      } finally {
        await context.close();
      }
    });
  }
}
