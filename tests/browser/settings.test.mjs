// What a browser's owner chooses about the page, and what the page does for
// those who see, move and print in other ways.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { makeFolder, startBrowser, startHub } from "./hub.mjs";
import { PHONE, hasNoSeriousFault, visitIn } from "./visit.mjs";

let folder;
let hub;
let browser;

before(async () => {
  folder = await makeFolder();
  await folder.write("שלום/מסמך 12.txt", "x", 5);
  hub = await startHub("up", folder.root, "--port", "0", "--quiet", "--uploads", "--ephemeral");
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
const settings = (page) => page.getByRole("dialog", { name: "Settings" });
const cell = (page, name, column) => page.locator("#table tbody tr").filter({ has: page.getByRole("link", { name, exact: true }) }).locator(column);
const choose = (page, label) => settings(page).getByRole("radio", { name: label }).check({ force: true });
const names = (page) => page.locator("#table tbody .name a").allTextContents();

describe("settings", () => {
  test("change what they say, at once, and are there the next time", () =>
    visit("/", async (page) => {
      const height = () => cell(page, "charts.zip", ".name").evaluate((one) => one.parentElement.getBoundingClientRect().height);
      const before = await height();
      await page.keyboard.press(",");
      await choose(page, "KiB, MiB (1024)");
      await choose(page, "2024-03-20 14:03");
      await choose(page, "Among files");
      await choose(page, "Compact");
      await choose(page, "Dark");
      await settings(page).getByRole("button", { name: "Done" }).click();
      const check = async () => {
        assert.equal(await cell(page, "charts.zip", ".size").textContent(), "625 KiB");
        assert.match(await cell(page, "charts.zip", "time").textContent(), /^\d{4}-\d\d-\d\d \d\d:\d\d$/);
        assert.ok((await names(page)).indexOf("lectures") > (await names(page)).indexOf("charts.zip"));
        assert.ok((await height()) < before);
        assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
      };
      await check();
      await page.reload();
      await page.locator("#table tbody .name a").first().waitFor();
      await check();

      await page.locator("#show-settings").click();
      await settings(page).getByRole("button", { name: "As at first" }).click();
      await settings(page).getByRole("button", { name: "Done" }).click();
      assert.equal(await cell(page, "charts.zip", ".size").textContent(), "640 KB");
      assert.equal(await height(), before);
      assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "light");
    }));

  test("hold for the visit where nothing may be kept", async () => {
    const context = await browser.newContext();
    await context.addInitScript(() => {
      Object.defineProperty(window, "localStorage", { get: () => { throw new DOMException("forbidden", "SecurityError"); } });
    });
    try {
      const page = await context.newPage();
      await page.goto(hub.address);
      await page.locator("#table tbody .name a").first().waitFor();
      await page.keyboard.press(",");
      await choose(page, "KiB, MiB (1024)");
      await page.keyboard.press("Escape");
      await settings(page).waitFor({ state: "detached" });
      assert.equal(await cell(page, "charts.zip", ".size").textContent(), "625 KiB");
    } finally {
      await context.close();
    }
  });
});

describe("the keys", () => {
  test("are listed by what they are for, without those that do nothing here", () =>
    visit("/", async (page) => {
      await page.keyboard.press("?");
      const keys = page.getByRole("dialog", { name: "Keys" });
      await keys.waitFor();
      assert.deepEqual(await keys.locator("h3").allTextContents(), ["In the list", "Select", "Find", "Put something here", "The page"]);
      await page.keyboard.press("Escape");
      await keys.waitFor({ state: "detached" });
    }));

  test("walk a page of rows at a time", () =>
    visit("/logs/", async (page) => {
      await page.keyboard.press("Home");
      await page.keyboard.press("PageDown");
      const at = () => page.evaluate(() => Number(document.activeElement.closest("tr").ariaRowIndex));
      const first = await at();
      assert.ok(first > 8 && first < 24, String(first));
      await page.keyboard.press("PageDown");
      assert.equal(await at(), 2 * first - 2);
      await page.keyboard.press("PageUp");
      assert.equal(await at(), first);
      assert.ok(await page.evaluate(() => document.activeElement.matches(":focus-visible") && document.activeElement.closest("tr").classList.contains("at")));
    }));

  test("reach everything by Tab, and nothing holds the focus", () =>
    visit("/lectures/", async (page) => {
      const seen = new Set();
      for (let at = 0; at < 60; at += 1) {
        await page.keyboard.press("Tab");
        const what = await page.evaluate(() => (document.activeElement === document.body ? "the end" : document.activeElement.id || document.activeElement.getAttribute("aria-label") || document.activeElement.textContent));
        if (seen.has(what)) break;
        seen.add(what);
      }
      for (const wanted of ["show-settings", "show-keys", "show-wire", "get-zip", "get-tar", "share-folder", "filter", "send-files", "pick-all", "week 1", "Download week 1 as zip", "outline.md"]) assert.ok(seen.has(wanted), `${wanted} in ${[...seen].join(", ")}`);
    }));
});

describe("names from right to left", () => {
  test("turn round neither the path, nor the row, nor the title", () =>
    visit("/%D7%A9%D7%9C%D7%95%D7%9D/", async (page) => {
      assert.equal(await page.title(), "\u2068שלום\u2069 – Shared photos – Sockeye");
      for (const place of ["#title bdi", "#table .name bdi"]) assert.equal(await page.locator(place).first().evaluate((one) => getComputedStyle(one).unicodeBidi), "isolate");
      assert.equal(await page.locator("#title").evaluate((one) => getComputedStyle(one).direction), "ltr");
    }));

  test("that hide their ending are shown with what hides it, with and without scripts", async () => {
    for (const javaScriptEnabled of [true, false]) {
      const context = await browser.newContext({ javaScriptEnabled });
      try {
        const page = await context.newPage();
        await page.goto(hub.address);
        await page.getByRole("link", { name: "charts.zip", exact: true }).waitFor();
        const text = await page.locator("main").innerText();
        assert.ok(!/[\u202a-\u202e\u2066-\u2069]/.test(text));
        assert.match(text, /202e.{1,2}gpj\.exe/i);
      } finally {
        await context.close();
      }
    }
  });
});

describe("the page", () => {
  for (const [name, options] of [
    ["keeps still for who wants no motion", { reducedMotion: "reduce" }],
    ["moves things otherwise", { reducedMotion: "no-preference" }],
  ]) {
    test(name, () =>
      visit(
        "/",
        async (page) => {
          const durations = await page.evaluate(() => {
            document.getElementById("progress").hidden = false;
            return getComputedStyle(document.getElementById("progress"), "::before").animationName;
          });
          assert.equal(durations === "none", options.reducedMotion === "reduce");
        },
        options,
      ));
  }

  test("on paper is a list with its address, and no buttons", () =>
    visit("/lectures/", async (page) => {
      await page.emulateMedia({ media: "print" });
      assert.equal(await page.locator("#printed").innerText(), `${hub.address}/lectures/`);
      for (const gone of [".top-tools", ".find", "#folder-tools", ".get", ".pick", ".hub", ".sending-ways"]) assert.ok(await page.locator(gone).first().isHidden(), gone);
      await page.getByRole("link", { name: "outline.md", exact: true }).waitFor();
    }));

  test("keeps its marks where the system chooses the colours", () =>
    visit(
      "/",
      async (page) => {
        await page.getByRole("link", { name: "charts.zip", exact: true }).focus();
        await page.keyboard.press(" ");
        await page.locator(".selection").waitFor();
        const edge = await page.locator("tr.picked").evaluate((row) => getComputedStyle(row).outlineStyle);
        assert.notEqual(edge, "none");
      },
      { forcedColors: "active" },
    ));

  test("at twice its size on a small window scrolls down only", () =>
    visit(
      "/",
      async (page) => {
        await page.evaluate(() => {
          document.documentElement.style.fontSize = "200%";
        });
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 640);
      },
      { viewport: { width: 640, height: 480 } },
    ));

  for (const [name, options] of [["a phone", { viewport: PHONE, isMobile: true, hasTouch: true }], ["320 px", { viewport: { width: 320, height: 640 } }]]) {
    test(`at ${name} has no target smaller than 24 px`, () =>
      visit(
        "/",
        async (page) => {
          const small = await page.evaluate(() =>
            [...document.querySelectorAll("a, button, input, summary")]
              .filter((one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !one.closest("p, .unseen, .skip, .symbol"))
              .map((one) => [one.id || one.textContent || one.getAttribute("aria-label"), one.getBoundingClientRect()])
              .filter(([, { width, height }]) => width > 1 && (width < 24 || height < 24))
              .map(([what, { width, height }]) => `${what}: ${width} by ${height}`),
          );
          assert.deepEqual(small, []);
        },
        options,
      ));
  }

  for (const colorScheme of ["light", "dark"]) {
    for (const [key, title] of [[",", "Settings"], ["?", "Keys"]]) {
      for (const width of [320, 1280]) {
        test(`${title} in ${colorScheme} at ${width} px has no serious fault that axe can find`, async () => {
          const context = await browser.newContext({ viewport: { width, height: 740 }, colorScheme, bypassCSP: true });
          try {
            const page = await context.newPage();
            await page.goto(hub.address);
            await page.locator("#table tbody .name a").first().waitFor();
            await page.keyboard.press(key);
            await page.getByRole("dialog", { name: title }).waitFor();
            await hasNoSeriousFault(page);
            const inside = await page.getByRole("dialog", { name: title }).evaluate((one) => [one.scrollWidth, one.clientWidth]);
            assert.equal(inside[0], inside[1]);
          } finally {
            await context.close();
          }
        });
      }
    }
  }
});
