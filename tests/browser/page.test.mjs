// Drives the real binary with a real browser: what a visitor sees and does,
// and what no other site may see or do. Needs SOCKEYE; see hub.mjs.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, rename, rm } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { ODD_NAMES, PICTURE, makeFolder, outwardAddress, startBrowser, startHub } from "./hub.mjs";
import { DESKTOP, PHONE, eventually, hasNoSeriousFault, visitIn } from "./visit.mjs";

const FIRST_VIEW_LIMIT = 60 * 1024;

let folder;
let hub;
let browser;

before(async () => {
  folder = await makeFolder();
  await folder.write(
    "sandboxed.html",
    `<!doctype html><meta charset="utf-8"><title>from the folder</title>
<img id="picture" src="harbour.png">
<script>
const tries = {
  read: () => fetch("/-/api/hub").then((answer) => answer.text()),
  blind: () => fetch("/-/api/hub", { mode: "no-cors" }).then((answer) => answer.text()).then((text) => text || Promise.reject(new Error("opaque"))),
  post: () => fetch("/-/api/hub", { method: "POST", body: "x" }).then((answer) => answer.text()),
  storage: async () => String(localStorage.length),
};
globalThis.outcome = Promise.all(Object.entries(tries).map(([name, run]) =>
  new Promise((resolve) => resolve(run())).then((text) => [name, "read: " + text], () => [name, "refused"])));
</script>
`,
    5,
  );
  hub = await startHub("up", folder.root, "--port", "0", "--quiet");
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await hub?.stop();
  await folder?.remove();
});

const visit = (address, run, options) => visitIn(browser, address, run, options);
const at = (place) => hub.address + place;
const rowLinks = (page) => page.locator("#table tbody:not(.spacer) .name a");
const names = (page) => rowLinks(page).allTextContents();
// For a page that names no icon, browsers ask for one by themselves.
const favicon = [/\/favicon\.ico$/];
const row = (page, name) => page.locator("#table tbody:not(.spacer) tr").filter({ has: page.getByRole("link", { name, exact: true }) });
const focusedName = (page) => page.evaluate(() => document.activeElement.closest("tbody tr")?.querySelector(".name a").textContent);

const heading = (page) => page.getByRole("heading", { level: 1 }).textContent();
const shows = (page, name) => eventually(page, () => heading(page), name);

describe("browsing", () => {
  test("in and out of folders, with address, title and path", () =>
    visit(at("/"), async (page) => {
      await shows(page, "Shared photos");
      assert.equal(await page.title(), "Shared photos – Sockeye");
      assert.ok(await page.getByRole("navigation", { name: "Path" }).isHidden());
      // A mark that a full load would wipe out.
      await page.evaluate(() => (window.sameDocument = true));

      await page.getByRole("link", { name: "lectures", exact: true }).click();
      await shows(page, "lectures");
      await page.getByRole("link", { name: "week 1", exact: true }).click();
      await shows(page, "week 1");
      assert.equal(new URL(page.url()).pathname, "/lectures/week%201/");
      assert.equal(await page.title(), "week 1 – Shared photos – Sockeye");
      const crumbs = page.getByRole("navigation", { name: "Path" }).getByRole("link");
      assert.deepEqual(await crumbs.allTextContents(), ["Shared photos", "lectures"]);
      assert.deepEqual(await names(page), ["intro.txt"]);

      await crumbs.first().click();
      await shows(page, "Shared photos");
      assert.equal(new URL(page.url()).pathname, "/");
      assert.equal(await focusedName(page), "lectures");
      assert.equal(await page.evaluate(() => window.sameDocument), true);
    }));

  test("a deep address opens by itself and is the same after a reload", () =>
    visit(at("/lectures/week%201/"), async (page) => {
      await shows(page, "week 1");
      await page.reload();
      await shows(page, "week 1");
      assert.deepEqual(await names(page), ["intro.txt"]);
    }));

  test("back and forward find the place again", () =>
    visit(at("/logs/"), async (page) => {
      await shows(page, "logs");
      await page.getByRole("link", { name: "log-250.txt", exact: true }).focus();
      const scrolled = await page.evaluate(() => window.scrollY);
      assert.ok(scrolled > 1000);
      await page.keyboard.press("Backspace");
      await shows(page, "Shared photos");
      await eventually(page, () => focusedName(page), "logs");

      await page.goBack();
      await shows(page, "logs");
      await eventually(page, () => focusedName(page), "log-250.txt");
      assert.equal(await page.evaluate(() => window.scrollY), scrolled);

      await page.goForward();
      await shows(page, "Shared photos");
      await eventually(page, () => focusedName(page), "logs");
    }));

  test("coming back from a file finds the place and the filter again", () =>
    visit(
      at("/logs/"),
      async (page) => {
        await page.getByRole("searchbox").fill("log-25");
        await eventually(page, () => rowLinks(page).count(), 11);
        await page.goto(at("/logs/log-255.txt"));
        await page.goBack();
        await eventually(page, () => page.getByRole("searchbox").inputValue(), "log-25");
        await eventually(page, () => rowLinks(page).count(), 11);
      },
      { expected: favicon },
    ));

  test("a folder with its own web page is browsed at the browse address, and says so", () =>
    visit(
      at("/"),
      async (page) => {
        await page.getByRole("link", { name: "site", exact: true }).click();
        await shows(page, "site");
        assert.equal(new URL(page.url()).pathname, "/-/browse/site/");
        await page.getByRole("link", { name: "deeper", exact: true }).click();
        await shows(page, "deeper");
        assert.equal(new URL(page.url()).pathname, "/site/deeper/");
        await page.goBack();
        await shows(page, "site");
        await page.reload();
        await shows(page, "site");
        await page.getByRole("link", { name: "Open as web page" }).click();
        await page.getByRole("heading", { name: "A site of its own" }).waitFor();
      },
      { expected: favicon },
    ));

  test("whoever came by the browse address stays there", () =>
    visit(at("/-/"), async (page) => {
      await page.getByRole("link", { name: "lectures", exact: true }).click();
      await shows(page, "lectures");
      assert.equal(new URL(page.url()).pathname, "/-/browse/lectures/");
      await page.keyboard.press("Backspace");
      await shows(page, "Shared photos");
      assert.equal(new URL(page.url()).pathname, "/-/");
    }));

  test("links are real: a modified click is left to the browser", () =>
    visit(at("/"), async (page, context) => {
      const opened = context.waitForEvent("page");
      await page.getByRole("link", { name: "lectures", exact: true }).click({ modifiers: ["Control"] });
      const other = await opened;
      await other.waitForURL("**/lectures/");
      assert.equal(await heading(page), "Shared photos");
    }));

  test("an empty folder says so and leads back", () =>
    visit(at("/empty/"), async (page) => {
      await page.getByRole("heading", { name: "This folder is empty" }).waitFor();
      assert.ok(await page.getByRole("table").isHidden());
      await page.getByRole("link", { name: "Up one folder" }).click();
      await shows(page, "Shared photos");
    }));
});

describe("the list", () => {
  test("sorts by name with numbers as numbers, folders first, both ways", () =>
    visit(at("/"), async (page) => {
      await shows(page, "Shared photos");
      const pictures = async () => (await names(page)).filter((name) => /^img_\d/i.test(name));
      const column = (name) => page.getByRole("columnheader", { name });
      assert.equal(await column("Name").getAttribute("aria-sort"), "ascending");
      assert.deepEqual(await pictures(), ["img_1.jpg", "IMG_2.jpg", "IMG_10.jpg"]);
      await page.getByRole("button", { name: "Name", exact: true }).click();
      assert.equal(await column("Name").getAttribute("aria-sort"), "descending");
      assert.deepEqual(await pictures(), ["IMG_10.jpg", "IMG_2.jpg", "img_1.jpg"]);
      assert.deepEqual((await names(page)).slice(0, 4), ["site", "logs", "lectures", "empty"]);
    }));

  test("sorts by size and by time, and remembers", () =>
    visit(at("/"), async (page) => {
      await page.getByRole("button", { name: "Size" }).click();
      const files = async () => (await names(page)).slice(4);
      assert.deepEqual((await files()).slice(0, 3), ["crossing.mp4", "IMG_2.jpg", "img_1.jpg"]);
      await page.getByRole("button", { name: "Modified" }).click();
      assert.equal((await files())[0], "IMG_2.jpg");
      await page.getByRole("button", { name: "Modified" }).click();
      assert.equal((await files())[0], "charts.zip");
      await page.reload();
      await eventually(page, () => page.getByRole("columnheader", { name: "Modified" }).getAttribute("aria-sort"), "ascending");
      assert.equal((await files())[0], "charts.zip");
    }));

  test("filters as one types, without regard to case and accents", () =>
    visit(at("/logs/"), async (page) => {
      await page.keyboard.press("/");
      await page.keyboard.type("LOG-31");
      await eventually(page, () => page.locator("#count").textContent(), "11 of 320");
      assert.equal(await rowLinks(page).count(), 11);
      await page.keyboard.type("x");
      await page.getByRole("heading", { name: "Nothing in the net" }).waitFor();
      await page.keyboard.press("Escape");
      await eventually(page, () => rowLinks(page).count(), 320);
      assert.equal(await page.locator("#count").textContent(), "");

      await page.goto(at("/"));
      await page.getByRole("searchbox").fill("angstrom");
      await eventually(page, () => names(page), ["Ångström notes.txt"]);
    }));

  test("sizes and times are for people, exact ones a pointer away", () =>
    visit(at("/"), async (page) => {
      const picture = row(page, "IMG_2.jpg");
      assert.equal(await picture.locator(".size").textContent(), "3.2 MB");
      assert.equal(await picture.locator(".size span").getAttribute("title"), "3,210,332 bytes");
      assert.match(await picture.locator("time").textContent(), /^[3-9] min ago$/);
      await picture.locator("time").hover();
      assert.match(await picture.locator("time").getAttribute("title"), /\d{4}.*\d:\d\d:\d\d/);
      assert.match(await page.locator("#totals").textContent(), /^\d+ items, 19 MB \(4 folders, \d+ files\)$/);
    }));

  test("a list too long to draw at once can still be walked and found in", () =>
    visit(at("/"), async (page) => {
      const long = 6000;
      const entries = Array.from({ length: long }, (_, index) => ({ name: `sample ${index}`, href: `sample%20${index}`, kind: "file", size: index, modified: null, type: "" }));
      await page.route("**/-/api/list/lectures/", (route) => route.fulfill({ json: { path: "/lectures/", href: "/lectures/", entries, total: long, truncated: false } }));
      await page.getByRole("link", { name: "lectures", exact: true }).click();
      await shows(page, "lectures");
      assert.ok((await rowLinks(page).count()) < 200);
      assert.equal(await page.getByRole("table").getAttribute("aria-rowcount"), String(long + 1));
      await page.keyboard.press("End");
      assert.equal(await focusedName(page), "sample 5999");
      assert.equal(await row(page, "sample 5999").getAttribute("aria-rowindex"), String(long + 1));
      await page.getByRole("link", { name: "sample 5999", exact: true }).waitFor();
      await page.keyboard.press("k");
      assert.equal(await focusedName(page), "sample 5998");
      await page.keyboard.press("Home");
      assert.equal(await focusedName(page), "sample 0");
      await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight / 2));
      await page
        .getByRole("link", { name: /^sample (29|30)\d\d$/ })
        .first()
        .waitFor();
      await page.getByRole("searchbox").fill("sample 4321");
      await eventually(page, () => names(page), ["sample 4321"]);
    }));

  test("changes in the folder show up when the window is looked at again", () =>
    visit(at("/lectures/"), async (page) => {
      await page.getByRole("link", { name: "outline.md", exact: true }).focus();
      await folder.write("lectures/a new one.txt", "new\n", 0);
      try {
        await page.evaluate(() => window.dispatchEvent(new Event("focus")));
        await eventually(page, () => names(page), ["week 1", "a new one.txt", "outline.md"]);
        assert.equal(await focusedName(page), "outline.md");
      } finally {
        await rm(path.join(folder.root, "lectures/a new one.txt"));
      }
    }));
});

describe("a list that is on its way", () => {
  test("is announced, and its keys do not mean the page's text", async () => {
    for (let index = 0; index < 1_050; index += 1) await folder.write(`many/sample ${index}.csv`, "", 5);
    await visit(at("/"), async (page) => {
      let release;
      const held = new Promise((resolve) => {
        release = resolve;
      });
      await page.route("**/-/api/list/many/", async (route) => {
        await held;
        await route.continue();
      });
      await page.goto(at("/many/"));
      const busy = () => page.locator("#files").getAttribute("aria-busy");
      await eventually(page, busy, "true");
      assert.equal(await page.locator("#status").textContent(), "The list is on its way.");
      for (const key of ["Control+a", "End", "PageDown", "ArrowDown"]) await page.keyboard.press(key);
      assert.equal(await page.evaluate(() => `${getSelection()}${scrollY}`), "0");
      release();
      await eventually(page, busy, "false");
      await page.keyboard.press("Control+a");
      await eventually(page, () => page.locator("#status").textContent(), "1,050 items selected");
    }).finally(() => rm(path.join(folder.root, "many"), { recursive: true }));
  });
});

describe("a narrow window with a mouse", () => {
  for (const width of [320, 390, 600]) {
    test(`a row of ${width} px is as tall with the pointer over it`, () =>
      visit(at("/"), async (page) => {
        const row = page.locator("#table tbody:not(.spacer) tr").filter({ hasText: "charts.zip" });
        const { height } = await row.boundingBox();
        await row.hover();
        await row.getByRole("button", { name: "Share charts.zip" }).waitFor();
        assert.equal((await row.boundingBox()).height, height);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
      }, { viewport: { width, height: 780 } }));
  }
});

describe("files", () => {
  // What is viewed, and how, is preview.test.mjs's.
  test("open over the page, which stays where it is", () =>
    visit(at("/lectures/week%201/"), async (page) => {
      await page.getByRole("link", { name: "intro.txt", exact: true }).click();
      await page.getByRole("dialog", { name: "intro.txt" }).waitFor();
      await page.getByText("Welcome aboard.", { exact: true }).waitFor();
      await page.goBack();
      await page.getByRole("dialog").waitFor({ state: "hidden" });
      assert.equal(await heading(page), "week 1");
    }));

  test("download with the same bytes and the same name", () =>
    visit(at("/"), async (page) => {
      const waiting = page.waitForEvent("download");
      await page.getByRole("link", { name: "Download IMG_2.jpg" }).click();
      const download = await waiting;
      assert.equal(download.suggestedFilename(), "IMG_2.jpg");
      assert.deepEqual(await readFile(await download.path()), await readFile(path.join(folder.root, "IMG_2.jpg")));
    }));

  for (const name of ODD_NAMES) {
    test(`named ${JSON.stringify(name)} is shown as text and can be fetched`, () =>
      visit(at("/"), async (page) => {
        await shows(page, "Shared photos");
        const link = page
          .locator("#table tbody:not(.spacer) tr")
          .nth((await hrefs(page)).indexOf(name))
          .locator("a[download]");
        const body = await page.evaluate(async (address) => (await fetch(address)).text(), await link.getAttribute("href"));
        assert.equal(body, name);
        assert.equal(await page.evaluate(() => window.hurt), undefined);
        assert.equal(await page.locator("#table img").count(), 0);
        // Nothing that hides or turns text may reach the page.
        assert.doesNotMatch((await page.locator("main").textContent()).replaceAll("\n", ""), /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }));
  }

  test("whose names turn the text round are shown with symbols", () =>
    visit(at("/"), async (page) => {
      assert.ok((await names(page)).includes("⟪U+202E⟫gpj.exe"));
      assert.ok((await names(page)).includes("bell␇ and␊newline.txt"));
    }));

  /** The rows' names, from their exact addresses. */
  async function hrefs(page) {
    const found = await page.locator("#table tbody:not(.spacer) tr").evaluateAll((rows) => rows.map((element) => element.dataset.href));
    return found.map((href) => decodeURIComponent(href));
  }
});

describe("the keyboard", () => {
  test("walks, opens, goes up, filters, downloads, explains itself", () =>
    visit(at("/"), async (page) => {
      await shows(page, "Shared photos");
      await page.keyboard.press("ArrowDown");
      assert.equal(await focusedName(page), "empty");
      await page.keyboard.press("j");
      assert.equal(await focusedName(page), "lectures");
      await page.keyboard.press("ArrowUp");
      await page.keyboard.press("j");
      await page.keyboard.press("Enter");
      await shows(page, "lectures");
      await eventually(page, () => focusedName(page), "week 1");
      await page.keyboard.press("End");
      assert.equal(await focusedName(page), "outline.md");
      const waiting = page.waitForEvent("download");
      await page.keyboard.press("d");
      assert.equal((await waiting).suggestedFilename(), "outline.md");
      await page.keyboard.press("Home");
      assert.equal(await focusedName(page), "week 1");
      await page.keyboard.press("Alt+ArrowUp");
      await shows(page, "Shared photos");
      await eventually(page, () => focusedName(page), "lectures");

      await page.keyboard.press("?");
      await page.getByRole("dialog", { name: "Keys" }).waitFor();
      await page.keyboard.press("j");
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "hidden" });
      assert.equal(await focusedName(page), "lectures");
    }));

  test("types letters into the filter instead of acting on them", () =>
    visit(at("/"), async (page) => {
      await page.keyboard.press("/");
      await page.keyboard.type("djk?/");
      assert.equal(await page.getByRole("searchbox").inputValue(), "djk?/");
      await page.keyboard.press("Backspace");
      assert.equal(await page.getByRole("searchbox").inputValue(), "djk?");
      assert.equal(await heading(page), "Shared photos");
    }));

  test("leaves keys with modifiers alone", () =>
    visit(at("/"), async (page) => {
      await shows(page, "Shared photos");
      await page.evaluate(() => {
        window.untouched = [];
        document.addEventListener("keydown", (event) => window.untouched.push([event.key, !event.defaultPrevented]));
      });
      await page.keyboard.press("Control+j");
      await page.keyboard.press("Meta+k");
      await page.keyboard.press("Alt+d");
      const seen = await page.evaluate(() => window.untouched.filter(([key]) => "jkd".includes(key)));
      assert.deepEqual(seen, [
        ["j", true],
        ["k", true],
        ["d", true],
      ]);
      assert.equal(await focusedName(page), undefined);
    }));

  test("reaches the files by the skip link", () =>
    visit(at("/"), async (page) => {
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the files");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement.id), "files");
    }));
});

describe("trouble", () => {
  const silence = [/^error: Failed to load resource/];

  test("an address with nothing there gets a page that says so", () =>
    visit(
      at("/nothing/here"),
      async (page) => {
        assert.equal(await heading(page), "Not found");
        await page.getByText("404", { exact: true }).waitFor();
        await page.getByRole("link", { name: "Go to the shared folder" }).click();
        await shows(page, "Shared photos");
      },
      { expected: silence },
    ));

  test("a folder that is gone says so and leads up", () =>
    visit(
      at("/lectures/"),
      async (page) => {
        await shows(page, "lectures");
        const original = path.join(folder.root, "lectures/week 1");
        await rename(original, path.join(folder.root, "elsewhere"));
        try {
          await page.getByRole("link", { name: "week 1", exact: true }).click();
          await page.getByRole("heading", { name: "There is no such folder" }).waitFor();
          assert.equal(await heading(page), "week 1");
        } finally {
          await rename(path.join(folder.root, "elsewhere"), original);
        }
        await page.getByRole("button", { name: "Try again" }).click();
        await eventually(page, () => names(page), ["intro.txt"]);
      },
      { expected: silence },
    ));

  test("a silent hub is said to be silent, and asked again by itself", () =>
    visit(
      at("/"),
      async (page) => {
        await shows(page, "Shared photos");
        await page.route("**/-/api/**", (route) => route.abort());
        await page.getByRole("link", { name: "lectures", exact: true }).click();
        await page.getByRole("heading", { name: "The hub does not answer" }).waitFor();
        assert.equal(new URL(page.url()).pathname, "/lectures/");
        await page.unroute("**/-/api/**");
        await eventually(page, () => names(page), ["week 1", "outline.md"]);
        assert.equal(await page.locator("#notice").textContent(), "");
      },
      { expected: silence },
    ));

  test("a hub that falls silent leaves the list in sight", () =>
    visit(
      at("/lectures/"),
      async (page) => {
        await shows(page, "lectures");
        await page.route("**/-/api/**", (route) => route.abort());
        await page.evaluate(() => window.dispatchEvent(new Event("focus")));
        await page.locator("#notice").getByText("The hub does not answer.").waitFor();
        assert.deepEqual(await names(page), ["week 1", "outline.md"]);
        await page.unroute("**/-/api/**");
        await page.getByRole("button", { name: "Try now" }).click();
        await eventually(page, () => page.locator("#notice").textContent(), "");
        assert.deepEqual(await names(page), ["week 1", "outline.md"]);
      },
      { expected: silence },
    ));
});

describe("the page itself", () => {
  for (const theme of ["light", "dark"]) {
    for (const [place, ready] of [
      ["/", "Shared photos"],
      ["/empty/", "empty"],
      ["/nothing-here", "Not found"],
    ]) {
      test(`${place} in ${theme} has no serious fault that axe can find`, async () => {
        const context = await browser.newContext({ viewport: DESKTOP, colorScheme: theme, bypassCSP: true });
        try {
          const page = await context.newPage();
          await page.goto(at(place));
          await shows(page, ready);
          await hasNoSeriousFault(page);
        } finally {
          await context.close();
        }
      });
    }
  }

  test("the theme is chosen by button and remembered", () =>
    visit(at("/"), async (page) => {
      const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const light = await background();
      const button = page.getByRole("button", { name: /^Theme/ });
      await button.click();
      await button.click();
      const dark = await background();
      assert.notEqual(dark, light);
      await page.reload();
      assert.equal(await background(), dark);
      assert.equal(await button.getAttribute("aria-label"), "Theme: dark");
    }));

  test("announces folders and counts", () =>
    visit(at("/"), async (page) => {
      await page.getByRole("link", { name: "lectures", exact: true }).click();
      await eventually(page, () => page.getByRole("status").textContent(), "lectures: 2 items, 10 B (1 folder, 1 file)");
    }));

  for (const place of ["/", "/logs/", "/empty/", "/nothing-here"]) {
    test(`${place} fits a phone`, () =>
      visit(
        at(place),
        async (page) => {
          await page.getByRole("heading", { level: 1 }).waitFor();
          const widths = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
          assert.deepEqual(widths, [PHONE.width, PHONE.width]);
        },
        { viewport: PHONE, isMobile: true, hasTouch: true, expected: [/Failed to load resource.*404/] },
      ));
  }

  test("the first view weighs little", async () => {
    let weight = 0;
    const parts = [];
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      // What is fetched behind it, nobody waits for.
      let isThere = false;
      page.on("load", () => (isThere = true));
      page.on("response", (response) => isThere || parts.push(response));
      await page.goto(at("/"), { waitUntil: "networkidle" });
      for (const part of parts) weight += gzipSync(await part.body()).length;
      assert.ok(parts.length > 5, "the page's own files must have been counted");
      assert.ok(weight <= FIRST_VIEW_LIMIT, `${weight} bytes`);
    } finally {
      await context.close();
    }
  });

  test("without script there is still a list of links", async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    try {
      const page = await context.newPage();
      await page.goto(at("/"));
      await page.getByRole("link", { name: /^lectures\/?$/ }).click();
      await page.waitForURL("**/lectures/");
      await page.getByRole("link", { name: "outline.md", exact: true }).waitFor();
    } finally {
      await context.close();
    }
  });

  test("addresses can be copied", () =>
    visit(
      at("/"),
      async (page) => {
        await page.getByRole("button", { name: "Copy the command that lists this folder" }).click();
        await eventually(page, () => page.getByRole("status").textContent(), "Copied");
        assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `curl ${hub.address}/`);
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ));
});

describe("another address than loopback", () => {
  let outward;
  let other;

  before(async () => {
    outward = outwardAddress();
    other = await startHub("serve", "files", folder.root, "--on", `http://${outward.address}:0`);
  });

  after(async () => {
    await other?.stop();
    outward?.release();
  });

  test("everything works in what the browser calls an insecure context", () =>
    visit(`${other.address}/`, async (page) => {
      assert.equal(await page.evaluate(() => window.isSecureContext), false);
      await page.getByRole("link", { name: "lectures", exact: true }).click();
      await shows(page, "lectures");
      await page.getByRole("button", { name: "Copy the command that lists this folder" }).click();
      await eventually(page, () => page.getByRole("status").textContent(), "Copied");
      await page.getByRole("searchbox").focus();
      await page.keyboard.press("Control+v");
      assert.equal(await page.getByRole("searchbox").inputValue(), `curl ${other.address}/lectures/`);
      await page.keyboard.press("Escape");
      const waiting = page.waitForEvent("download");
      await page.getByRole("link", { name: "Download outline.md" }).click();
      assert.equal((await waiting).suggestedFilename(), "outline.md");
    }));
});

describe("other sites", () => {
  let site;
  let open;
  let origin;
  let openOrigin;

  const serve = async (answer) => {
    const server = http.createServer(answer);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return server;
  };

  before(async () => {
    // The attacker's own page, and a server that lets everybody read: the
    // same tries must succeed there, or they would prove nothing.
    site = await serve((request, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html><title>elsewhere</title>"));
    open = await serve((request, response) => {
      response.setHeader("Access-Control-Allow-Origin", "*");
      if (request.url.endsWith(".png")) response.setHeader("Content-Type", "image/png").end(PICTURE);
      else if (request.url.endsWith(".js")) response.setHeader("Content-Type", "text/javascript").end("window.leak = 1");
      else response.setHeader("Content-Type", "application/json").end('{"leak":1}');
    });
    origin = `http://127.0.0.1:${site.address().port}`;
    openOrigin = `http://127.0.0.1:${open.address().port}`;
  });

  after(() => {
    for (const server of [site, open]) {
      server?.close();
      server?.closeAllConnections();
    }
  });

  /** From a page of another origin: what could be read of this address. */
  async function reading(address, picture) {
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      await page.goto(origin);
      return await page.evaluate(
        async ([target, image]) => {
          const got = {};
          const attempt = async (name, run) => {
            got[name] = await run().then(
              (value) => value || "nothing",
              () => "nothing",
            );
          };
          await attempt("fetch", async () => (await fetch(target)).text());
          await attempt("fetch with credentials", async () => (await fetch(target, { credentials: "include" })).text());
          await attempt("fetch no-cors", async () => (await fetch(target, { mode: "no-cors" })).text());
          await attempt(
            "XMLHttpRequest",
            () =>
              new Promise((resolve, reject) => {
                const request = new XMLHttpRequest();
                request.open("GET", target);
                request.onload = () => resolve(request.responseText);
                request.onerror = () => reject(new Error("refused"));
                request.send();
              }),
          );
          await attempt("picture", async () => {
            const element = new Image();
            if (image.anonymous) element.crossOrigin = "anonymous";
            element.src = image.address;
            await element.decode();
            const canvas = document.createElement("canvas");
            canvas.getContext("2d").drawImage(element, 0, 0);
            return String(canvas.getContext("2d").getImageData(0, 0, 1, 1).data.length);
          });
          await attempt("frame", async () => {
            const frame = document.createElement("iframe");
            frame.src = target;
            const loaded = new Promise((resolve) => {
              frame.onload = resolve;
            });
            document.body.append(frame);
            await loaded;
            return frame.contentDocument?.body.textContent;
          });
          return got;
        },
        [address, picture],
      );
    } finally {
      await context.close();
    }
  }

  test("the tries do read where reading is allowed", async () => {
    const got = await reading(`${openOrigin}/x`, { address: `${openOrigin}/x.png`, anonymous: true });
    for (const way of ["fetch", "XMLHttpRequest"]) assert.equal(got[way], '{"leak":1}');
    assert.equal(got.picture, "4");
  });

  for (const place of ["/-/api/hub", "/-/api/list/", "/", "/lectures/week%201/intro.txt"]) {
    test(`cannot read ${place}`, async () => {
      for (const anonymous of [false, true]) {
        const got = await reading(at(place), { address: at("/harbour.png"), anonymous });
        assert.deepEqual([...new Set(Object.values(got))], ["nothing"], JSON.stringify(got));
      }
    });
  }

  test("get nothing out of loading the hub's answers as a script", async () => {
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      await page.goto(origin);
      const globalsAfter = (address) =>
        page.evaluate(async (source) => {
          const known = new Set(Object.getOwnPropertyNames(window));
          const script = document.createElement("script");
          script.src = source;
          const done = new Promise((resolve) => {
            script.onload = script.onerror = resolve;
          });
          document.head.append(script);
          await done;
          return Object.getOwnPropertyNames(window).filter((name) => !known.has(name));
        }, address);
      assert.deepEqual(await globalsAfter(`${openOrigin}/x.js`), ["leak"]);
      for (const place of ["/-/api/hub", "/-/api/list/", "/", "/lectures/week%201/intro.txt"]) {
        assert.deepEqual(await globalsAfter(at(place)), [], place);
      }
    } finally {
      await context.close();
    }
  });

  for (const place of ["/", "/-/", "/-/api/hub", "/-/api/list/", "/lectures/", "/lectures/outline.md", "/new.txt"]) {
    test(`cannot post to ${place}, by script or by form`, async () => {
      const context = await browser.newContext();
      try {
        const page = await context.newPage();
        const statuses = [];
        context.on("response", (response) => {
          if (response.request().method() === "POST") statuses.push(response.status());
        });
        await page.goto(origin);
        const read = await page.evaluate(async (target) => {
          const outcomes = [];
          for (const init of [{}, { mode: "no-cors" }, { headers: { "Content-Type": "application/json" } }]) {
            outcomes.push(
              await fetch(target, { method: "POST", body: "x", ...init }).then(
                (answer) => answer.text(),
                () => "",
              ),
            );
          }
          return outcomes;
        }, at(place));
        assert.deepEqual(read, ["", "", ""]);
        const answered = page.waitForResponse((response) => response.request().isNavigationRequest());
        await page.evaluate((target) => {
          const form = document.createElement("form");
          form.method = "post";
          form.action = target;
          document.body.append(form);
          form.submit();
        }, at(place));
        await answered;
        assert.ok(statuses.length > 0, "the form's POST must have been answered");
        assert.deepEqual(
          statuses.filter((status) => status < 400),
          [],
        );
      } finally {
        await context.close();
      }
    });
  }

  test("nor can a page that lies in the folder, though its pictures show", async () => {
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      const statuses = [];
      page.on("response", (response) => {
        if (response.request().method() === "POST") statuses.push(response.status());
      });
      const answer = await page.goto(at("/sandboxed.html"));
      assert.match(answer.headers()["content-security-policy"], /\bsandbox allow-scripts\b/);
      const outcome = Object.fromEntries(await page.evaluate(() => globalThis.outcome));
      assert.deepEqual(outcome, { read: "refused", blind: "refused", post: "refused", storage: "refused" });
      assert.deepEqual(
        statuses.filter((status) => status < 400),
        [],
      );
      assert.equal(await page.evaluate(() => document.getElementById("picture").naturalWidth), 3);
    } finally {
      await context.close();
    }
  });
});
