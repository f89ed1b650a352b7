// Links to a file or folder for others: what they say, and where they lead.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { makeFolder, outwardAddress, startBrowser, startHub } from "./hub.mjs";
import { eventually, hasNoSeriousFault, visitIn } from "./visit.mjs";

const KEY = "abcdefgh2345";
// Through something that names whom it asks for: no longer from the hub's own machine.
const GUEST = { extraHTTPHeaders: { Via: "1.1 elsewhere" } };

let folder;
let outward;
let inner; // wants the key
let alone; // on loopback
let browser;

before(async () => {
  folder = await makeFolder();
  await folder.write("script.html", "<!doctype html><title>script</title><script>document.title = 'saw ' + location.href</script>", 5);
  outward = outwardAddress();
  inner = await startHub("up", folder.root, "--quiet", "--uploads", "--ephemeral", "--join-key", KEY, "--on", `files=http://${outward.address}:0`);
  alone = await startHub("up", folder.root, "--port", "0", "--quiet", "--ephemeral");
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await inner?.stop();
  await alone?.stop();
  outward?.release();
  await folder?.remove();
});

const silence = [/Failed to load resource.*401/];
const visit = (address, run, options) => visitIn(browser, address, run, { expected: silence, ...options });
// Of the table: before it stands, a plain list of links does, which knows no keys.
const link = (page, name) => page.locator("#table").getByRole("link", { name, exact: true });
const sheet = (page) => page.getByRole("dialog", { name: /^Share/ });
const shared = (page) => sheet(page).locator(".copyable code").first().textContent();

/** What is shared of that row, by key; `withKey`: as the person at the hub may. */
async function linkOf(page, name, { withKey = false } = {}) {
  await link(page, name).focus();
  await page.keyboard.press("s");
  await sheet(page).locator(".copyable").first().waitFor();
  if (withKey) {
    await page.getByRole("checkbox", { name: "With the key in it" }).check();
    await eventually(page, async () => (await shared(page)).includes(KEY), true);
  }
  return shared(page);
}

describe("sharing", () => {
  test("gives a file's link and its QR code, for who has the key already", () =>
    visit(`${inner.address}/#k=${KEY}`, async (page) => {
      assert.equal(await linkOf(page, "charts.zip"), `${inner.address}/charts.zip`);
      const code = page.getByRole("img", { name: /^QR code/ });
      await eventually(page, () => code.evaluate((image) => image.complete && image.naturalWidth > 100), true);
      await sheet(page).getByText("Who opens this has to type the key, or be in already.").waitFor();
      await page.keyboard.press("Escape");
      await sheet(page).waitFor({ state: "detached" });
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "charts.zip");
    }));

  test("gives the link of the folder that is shown, and of a row by its button", () =>
    visit(`${inner.address}/#k=${KEY}`, async (page) => {
      await link(page, "lectures").hover();
      await page.getByRole("button", { name: "Share lectures" }).click();
      await eventually(page, () => shared(page), `${inner.address}/lectures/`);
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Share", exact: true }).click();
      await eventually(page, () => shared(page), `${inner.address}/`);
    }));

  test("copies the link", () =>
    visit(
      `${inner.address}/#k=${KEY}`,
      async (page) => {
        const wanted = await linkOf(page, "charts.zip");
        // No secure context: what was copied shows where it is pasted.
        await sheet(page).getByRole("button", { name: "Copy the link" }).click();
        await sheet(page).getByText("Copied", { exact: true }).waitFor({ state: "attached" });
        await page.keyboard.press("Escape");
        await page.getByRole("searchbox").focus();
        await page.keyboard.press("Control+v");
        assert.equal(await page.getByRole("searchbox").inputValue(), wanted);
      },
    ));

  test("a guest shares without the key, and is told what the other needs", () =>
    visit(
      `${inner.address}/#k=${KEY}`,
      async (page) => {
        await page.getByRole("heading", { name: "Shared photos" }).waitFor();
        assert.equal(await linkOf(page, "charts.zip"), `${inner.address}/charts.zip`);
        await sheet(page).getByText("Who opens this needs the key of this hub").waitFor();
        assert.equal(await page.getByRole("checkbox", { name: "With the key in it" }).count(), 0);
      },
      GUEST,
    ));

  test("a guest who asks the hub for a link with the key gets none", async () => {
    const context = await browser.newContext(GUEST);
    try {
      const page = await context.newPage();
      await page.goto(`${inner.address}/#k=${KEY}`);
      await page.getByRole("heading", { name: "Shared photos" }).waitFor();
      const asked = await page.evaluate(async () => Promise.all(["/-/api/link?path=/&key=yes", "/-/link.svg?path=/&key=yes", "/-/api/link?path=/"].map(async (address) => [(await fetch(address)).status, (await (await fetch(address)).text())])));
      assert.deepEqual(asked.map(([status]) => status), [403, 403, 200]);
      assert.ok(asked.every(([, text]) => !text.includes(KEY)));
    } finally {
      await context.close();
    }
  });

  test("on a hub that only its own machine reaches, says so and how to change it", () =>
    visit(alone.address, async (page) => {
      await link(page, "lectures").focus();
      await page.keyboard.press("s");
      await sheet(page).getByText("Only this machine can open it.").waitFor();
      await sheet(page).getByText("sockeye up --lan FOLDER").waitFor();
      assert.equal(await page.getByRole("img", { name: /^QR code/ }).count(), 0);
    }));

  test("the hub makes codes of its own addresses alone, and of no endless path", () =>
    visit(
      `${inner.address}/#k=${KEY}`,
      async (page) => {
        await page.getByRole("heading", { name: "Shared photos" }).waitFor();
        const ask = (path) => page.evaluate(async (wanted) => {
          const answer = await fetch(`/-/api/link?${new URLSearchParams({ path: wanted })}`);
          return [answer.status, answer.ok ? (await answer.json()).links : []];
        }, path);
        for (const path of ["//elsewhere.example/", "http://elsewhere.example/", "@elsewhere.example", "/%5C%5Celsewhere.example"]) {
          const [, links] = await ask(path);
          for (const one of links) assert.equal(new URL(one).origin, inner.address, one);
        }
        assert.equal((await ask(`/${"x".repeat(10_000)}`))[0], 400);
      },
      { expected: [...silence, /Failed to load resource.*400/] },
    ));
});

describe("a link with the key in it", () => {
  for (const name of ["lectures", "Ångström notes.txt"]) {
    test(`lets a stranger in, and arrives at ${name}`, async () => {
      let wanted;
      await visit(`${inner.address}/#k=${KEY}`, async (page) => {
        wanted = await linkOf(page, name, { withKey: true });
      });
      const stranger = await browser.newContext(GUEST);
      try {
        const page = await stranger.newPage();
        await page.goto(inner.address);
        await page.getByRole("heading", { name: "Join this hub" }).waitFor();
        await page.goto(wanted);
        if (name === "lectures") await link(page, "outline.md").waitFor();
        else await page.getByText("one angstrom is 0.1 nm").waitFor();
        const address = await page.evaluate(() => location.href);
        assert.equal(decodeURIComponent(new URL(address).pathname), name === "lectures" ? "/lectures/" : `/${name}`);
        assert.ok(!address.includes(KEY), address);
      } finally {
        await stranger.close();
      }
    });
  }

  test("shows the key to no script of the file's, whoever opens it", async () => {
    let wanted;
    await visit(`${inner.address}/#k=${KEY}`, async (page) => {
      wanted = await linkOf(page, "script.html", { withKey: true });
      // Who is in already opens it, too.
      await page.goto(wanted);
      await page.waitForURL(`${inner.address}/script.html`);
      await page.waitForFunction(() => document.title.startsWith("saw "));
      assert.equal(await page.title(), `saw ${inner.address}/script.html`);
    }, { expected: [...silence, /favicon/] });
    assert.ok(wanted.includes("/-/join#k="));
  });

  test("leads nowhere but to this hub", async () => {
    const context = await browser.newContext(GUEST);
    try {
      const page = await context.newPage();
      await page.goto(`${inner.address}/-/join#k=${KEY}&to=//elsewhere.example/x`);
      await page.getByRole("heading", { name: "Shared photos" }).waitFor();
      assert.equal(new URL(page.url()).origin, inner.address);
    } finally {
      await context.close();
    }
  });
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 1280]) {
    test(`the sheet in ${colorScheme} at ${width} px has no serious fault that axe can find`, async () => {
      const context = await browser.newContext({ viewport: { width, height: 740 }, colorScheme, bypassCSP: true });
      try {
        const page = await context.newPage();
        await page.goto(`${inner.address}/#k=${KEY}`);
        await linkOf(page, "a name that has to say everything about the voyage, its weather and its crew, as names of spreadsheets do (final, really final).xlsx");
        await hasNoSeriousFault(page);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
      } finally {
        await context.close();
      }
    });
  }
}
