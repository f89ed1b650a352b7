// Several hubs as one, in the page: three hubs, three folders, and every file
// from every hub.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { startBrowser, startHub } from "./hub.mjs";
import { makePictures, readFilm } from "./samples.mjs";
import { PHONE, eventually, hasNoSeriousFault, visitIn } from "./visit.mjs";

const TEXT = "Nine knots, wind from the west.\n";

let parent;
let browser;
let silent; // a sibling that nobody can ask
const plain = []; // hubs that are asked
const hubs = []; // hubs that ask the two others of them

const nameOf = (hub) => hub.address.replace("http://", "");
const start = (root, ...flags) => startHub("up", root, "--port", "0", "--quiet", "--uploads", "--ephemeral", ...flags);

/** A port at which nobody listens. */
async function nobodyAt() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

before(async () => {
  browser = await startBrowser();
  parent = await mkdtemp(path.join(tmpdir(), "sockeye-siblings-"));
  const { jpeg } = await makePictures(browser, { words: "harbour" });
  const folders = [
    { "log.txt": TEXT, "everywhere.txt": "here", "charts/north.txt": "n\n" },
    { "harbour.jpg": jpeg, "everywhere.txt": "there too", "charts/south.txt": "s\n" },
    { "waves.webm": await readFilm(), "photos/2026/aboard.jpg": jpeg },
  ];
  for (const [index, files] of folders.entries()) {
    const root = path.join(parent, `hub ${index}`);
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(root, name)), { recursive: true });
      await writeFile(path.join(root, name), content);
    }
    plain.push(await start(root));
  }
  for (const index of [0, 1, 2]) {
    const peers = plain.filter((_, other) => other !== index).flatMap((other) => ["--peer", other.address]);
    hubs.push(await start(path.join(parent, `hub ${index}`), ...peers));
  }
  const peers = ["--peer", plain[1].address, "--peer", `http://${(silent = await nobodyAt())}`];
  hubs.push(await start(path.join(parent, "hub 0"), ...peers));
});

after(async () => {
  await browser?.close();
  for (const hub of [...hubs, ...plain]) await hub.stop();
  if (parent) await rm(parent, { recursive: true, force: true });
});

const visit = (hub, place, run, options) =>
  visitIn(
    browser,
    hub.address + place,
    async (page, context) => {
      await page.locator("#table tbody .name a, .notice").first().waitFor();
      await run(page, context);
    },
    options,
  );
const allHubs = (page) => page.getByRole("switch", { name: "All hubs" });
const rowOf = (page, name) => page.locator("#table tbody tr").filter({ has: page.locator(".name bdi").getByText(name, { exact: true }) });
const names = (page) => page.locator("#table tbody .name bdi").allTextContents();
const shows = (page, wanted) => eventually(page, () => names(page), wanted);
const ALL = ["charts", "photos", "everywhere.txt", "harbour.jpg", "log.txt", "waves.webm"];
const viewer = (page) => page.locator(".viewer-body");
const missing = [/404|504/];

describe("several hubs as one", () => {
  for (const index of [0, 1, 2]) {
    test(`every file of all opens from hub ${index}, and the film seeks`, () =>
      visit(hubs[index], "/?all", async (page) => {
        await shows(page, ALL);
        await rowOf(page, "log.txt").locator(".name a").click();
        await viewer(page).getByText("Nine knots").waitFor();
        await page.keyboard.press("Escape");

        await rowOf(page, "harbour.jpg").locator(".name a").click();
        const picture = viewer(page).locator("img");
        await eventually(page, () => picture.evaluate((one) => one.naturalWidth), 640);
        await page.keyboard.press("Escape");

        await rowOf(page, "waves.webm").locator(".name a").click();
        const film = viewer(page).locator("video");
        await eventually(page, () => film.evaluate((one) => one.videoWidth), 160);
        const sought = await film.evaluate(async (one) => {
          const next = (event) => new Promise((resolve) => one.addEventListener(event, resolve, { once: true }));
          one.muted = true;
          one.pause();
          const arrived = next("seeked");
          one.currentTime = 1.2;
          await arrived;
          const at = one.currentTime;
          const played = next("ended");
          await one.play();
          await played;
          return { at, end: one.currentTime };
        });
        assert.ok(Math.abs(sought.at - 1.2) < 0.1 && sought.end > 1.5, JSON.stringify(sought));
        await page.keyboard.press("Escape");

        // A folder that only another hub has, and what is in it.
        await page.locator("#table tbody .name a bdi").getByText("photos").click();
        await shows(page, ["2026"]);
        await page.locator("#table tbody .name a bdi").getByText("2026").click();
        await shows(page, ["aboard.jpg"]);
        assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, "/photos/2026/?all");
        const coming = page.waitForEvent("download");
        await rowOf(page, "aboard.jpg").locator("a[download]").click();
        assert.equal((await coming).suggestedFilename(), "aboard.jpg");
      }));
  }

  test("the switch works by keyboard, keeps its focus, and is remembered", () =>
    visit(hubs[0], "/", async (page) => {
      await shows(page, ["charts", "everywhere.txt", "log.txt"]);
      await page.locator("#filter").focus();
      await page.keyboard.press("Tab");
      assert.equal(await allHubs(page).evaluate((one) => one === document.activeElement), true);
      await page.keyboard.press("Space");
      await shows(page, ALL);
      assert.equal(await allHubs(page).evaluate((one) => one.checked && one === document.activeElement), true);
      assert.match(page.url(), /\/\?all$/);

      await page.goto(hubs[0].address);
      await shows(page, ALL);
      assert.match(page.url(), /\/\?all$/);
      await page.keyboard.press("a");
      await shows(page, ["charts", "everywhere.txt", "log.txt"]);
      assert.match(page.url(), /\/$/);
      await page.reload();
      await shows(page, ["charts", "everywhere.txt", "log.txt"]);
      assert.equal(await allHubs(page).isChecked(), false);
    }));

  test("folders keep it, and so does going back", () =>
    visit(hubs[0], "/?all", async (page) => {
      await shows(page, ALL);
      await rowOf(page, "charts").locator(".name a").click();
      await shows(page, ["north.txt", "south.txt"]);
      await page.locator("#crumbs a").click();
      await shows(page, ALL);
      await allHubs(page).uncheck({ force: true });
      await shows(page, ["charts", "everywhere.txt", "log.txt"]);
      await page.goBack();
      await shows(page, ["north.txt", "south.txt"]);
      assert.equal(await allHubs(page).isChecked(), true);
    }));

  test("each row says where it lies, in its name too", () =>
    visit(hubs[0], "/?all", async (page) => {
      await shows(page, ALL);
      const [there, third] = [nameOf(plain[1]), nameOf(plain[2])];
      const row = (name) => page.getByRole("rowheader", { name, exact: true });
      assert.equal(await row(`Picture harbour.jpg (at ${there})`).count(), 1);
      assert.equal(await row(`Text everywhere.txt (here and at ${there}, not the same everywhere)`).count(), 1);
      assert.equal(await row(`Folder photos (at ${third})`).count(), 1);
      assert.equal(await row("Text log.txt").count(), 1);
      assert.equal(await page.getByRole("link", { name: `harbour.jpg (at ${there})`, exact: true }).count(), 1);
      assert.equal(await rowOf(page, "harbour.jpg").locator(".lies").textContent(), there);
      assert.equal(await rowOf(page, "log.txt").locator(".lies").count(), 0);
    }));

  test("an archive holds what is here, and says so", () =>
    visit(hubs[0], "/?all", async (page) => {
      await shows(page, ALL);
      assert.equal(await rowOf(page, "photos").locator("a[download]").count(), 0);
      assert.equal(await rowOf(page, "charts").locator("a[download]").getAttribute("aria-label"), "Download what is here of charts as zip");
      await page.locator("#table tbody").nth(1).locator("tr").first().hover();
      await page.keyboard.press("Control+a");
      const bar = page.getByRole("region", { name: "Selected" });
      await bar.getByText("3 lie at other hubs: not in the archive.").waitFor();
      await page.keyboard.press("Escape");
      for (const name of ["photos", "waves.webm"]) await rowOf(page, name).locator(".pick input").check({ force: true });
      await bar.getByText("nothing of it is").waitFor();
      assert.equal(await bar.getByRole("button", { name: "Download as zip" }).isDisabled(), true);
      await rowOf(page, "photos").locator(".pick input").uncheck({ force: true });
      const coming = page.waitForEvent("download");
      await bar.getByRole("button", { name: "Download", exact: true }).click();
      assert.equal((await coming).suggestedFilename(), "waves.webm");
    }));

  test("a link to a folder leads to what all hubs have of it", () =>
    visit(hubs[0], "/?all", async (page) => {
      await shows(page, ALL);
      await rowOf(page, "photos").locator(".name a").focus();
      const said = page.waitForResponse((answer) => answer.url().includes("/-/api/link"));
      await page.keyboard.press("s");
      const asked = new URL((await said).url()).searchParams.get("path");
      assert.equal(asked, "/photos/?all");
    }));

  test("who could not be asked is named, and the rest is there", () =>
    visit(hubs[3], "/?all", async (page) => {
      await shows(page, ["charts", "everywhere.txt", "harbour.jpg", "log.txt"]);
      const words = await page.locator(".unasked").textContent();
      assert.match(words, new RegExp(`^${silent.replaceAll(".", "\\.")} .+: what it has is not in this list\\.$`));
      await allHubs(page).uncheck({ force: true });
      await shows(page, ["charts", "everywhere.txt", "log.txt"]);
      await eventually(page, () => page.locator(".unasked").isHidden(), true);
    }));

  test("a folder that is elsewhere can be looked for at all hubs", () =>
    visit(
      hubs[0],
      "/photos/2026/?all",
      async (page) => {
        await shows(page, ["aboard.jpg"]);
        // Nothing goes into a folder that is not here.
        assert.equal(await page.locator("#sending-ways").isHidden(), true);
        assert.equal(await page.locator("#get-folder").isHidden(), true);
        await allHubs(page).uncheck({ force: true });
        await page.getByRole("heading", { name: "There is no such folder" }).waitFor();
        await page.getByRole("button", { name: "Look at all hubs" }).click();
        await shows(page, ["aboard.jpg"]);
      },
      { expected: missing },
    ));

  test("a name that nobody has is a page that says so, and one that somebody may have says who", async () => {
    const context = await browser.newContext({ bypassCSP: true });
    try {
      const page = await context.newPage();
      const nobody = await page.goto(`${hubs[0].address}/nowhere.txt`);
      assert.equal(nobody.status(), 404);
      assert.equal(await page.getByRole("heading").textContent(), "Not found");
      await page.getByText("There is no /nowhere.txt here, nor at any sibling.").waitFor();
      await hasNoSeriousFault(page);

      const unreached = await page.goto(`${hubs[3].address}/nowhere.txt`);
      assert.equal(unreached.status(), 504);
      await page.getByText(silent).waitFor();
      await hasNoSeriousFault(page);
      await page.getByRole("link", { name: "Try again" }).click();
      await page.getByRole("heading", { name: "Not all could be asked" }).waitFor();
      assert.equal(new URL(page.url()).pathname, "/nowhere.txt");

      const folder = await page.goto(`${hubs[0].address}/photos/2026/`);
      assert.equal(folder.status(), 404);
      await page.getByRole("link", { name: "Look at all hubs" }).click();
      await shows(page, ["aboard.jpg"]);
    } finally {
      await context.close();
    }
  });

  test("a hub without siblings offers no switch", () =>
    visit(plain[0], "/?all", async (page) => {
      await shows(page, ["charts", "everywhere.txt", "log.txt"]);
      assert.equal(await allHubs(page).count(), 0);
      await page.keyboard.press("a");
      assert.equal(await page.locator(".lies").count(), 0);
    }));

  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [undefined, PHONE]) {
      test(`fits ${viewport ? "a phone" : "a desk"} in ${colorScheme}, and axe finds no serious fault`, () =>
        visit(
          hubs[3],
          "/?all",
          async (page) => {
            await shows(page, ["charts", "everywhere.txt", "harbour.jpg", "log.txt"]);
            await hasNoSeriousFault(page);
            assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), true);
            const whole = await page.locator(".lies").evaluateAll((marks) => marks.every((mark) => mark.scrollWidth <= mark.clientWidth));
            assert.equal(whole, true, "where it lies can be read to its end");
            await rowOf(page, "harbour.jpg").locator(".pick input").check({ force: true });
            await hasNoSeriousFault(page);
          },
          { colorScheme, bypassCSP: true, ...(viewport ? { viewport, hasTouch: true, isMobile: true } : {}) },
        ));
    }
  }
});
