// Drives coming in by the key, and being shown out again, with a real browser
// against the real binary at an address other than loopback, where a page is no
// secure context. Who comes through a proxy, as their header says, counts as a
// guest, although everybody here is on one machine.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { outwardAddress, startBrowser, startHub } from "./hub.mjs";
import { DESKTOP, PHONE, eventually, hasNoSeriousFault, visitIn } from "./visit.mjs";

const run = promisify(execFile);
const KEY = "abcdefgh2345";
const REFUSED = [/Failed to load resource/, /\/favicon\.ico$/];
const GUEST = { extraHTTPHeaders: { Via: "1.1 elsewhere" } };

let place;
let root;
let outward;
let browser;

before(async () => {
  place = await mkdtemp(path.join(tmpdir(), "sockeye-joining-"));
  root = path.join(place, "Shared");
  await mkdir(path.join(root, "lectures"), { recursive: true });
  await writeFile(path.join(root, "notes.txt"), "nine knots\n");
  outward = outwardAddress();
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  outward?.release();
  await rm(place, { recursive: true, force: true });
});

/** A hub of its own for each test: tries are counted, and keys change. */
async function withHub(parameters, act) {
  const data = await mkdtemp(path.join(place, "data-"));
  await writeFile(path.join(data, "key"), `${KEY}\n`, { mode: 0o600 });
  const hub = await startHub("up", root, "--quiet", "--data", data, "--on", `files=http://${outward.address}:0`, ...parameters);
  try {
    await act(hub.address);
  } finally {
    await hub.stop();
  }
}

const asGuest = (address, act, options) => visitIn(browser, address, act, { ...GUEST, expected: REFUSED, ...options });
const asHost = (address, act, options) => visitIn(browser, address, act, { expected: REFUSED, ...options });
const keyField = (page) => page.getByLabel("Key", { exact: true });
const names = (page) => page.locator("#table tbody:not(.spacer) .name a").allTextContents();
/** The folder is in sight; until then the page may be loaded anew. */
async function isIn(page) {
  await page.locator("#table tbody .name a").first().waitFor();
  await eventually(page, () => names(page), ["lectures", "notes.txt"]);
}
const here = (page) => page.getByRole("dialog", { name: /^Here on/ });
const said = (page) => page.locator(".said").filter({ visible: true }).first().textContent();

/** All addresses that the tab would go back and forward to. */
async function history(page) {
  const session = await page.context().newCDPSession(page);
  const { entries } = await session.send("Page.getNavigationHistory");
  await session.detach();
  return entries.map(({ url }) => url).filter((url) => url !== "about:blank");
}

/** The key is nowhere that outlives the moment. */
async function holdsNoKey(page) {
  assert.ok(!page.url().includes(KEY));
  assert.ok(!(await page.title()).includes(KEY));
  assert.deepEqual(
    (await history(page)).filter((url) => url.includes(KEY) || url.includes("#")),
    [],
  );
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, globalThis.history.state, globalThis.name]));
  assert.ok(!kept.includes(KEY), kept);
}

describe("coming in", () => {
  test("by the link, at the folder that it names, and the key leaves the address", () =>
    withHub([], (address) =>
      asGuest(`${address}/lectures/#k=${KEY}`, async (page) => {
        await page.getByRole("heading", { name: "This folder is empty" }).waitFor();
        assert.equal(page.url(), `${address}/lectures/`);
        await holdsNoKey(page);
        await page.goto(`${address}/`);
        await isIn(page);
        assert.equal(await page.evaluate(() => window.isSecureContext), false);
      }),
    ));

  test("by the form, typed as people write it, with a name that others see", () =>
    withHub([], (address) =>
      asGuest(`${address}/`, async (page) => {
        const [cookie] = await page.context().cookies();
        assert.equal(cookie, undefined);
        await keyField(page).fill("ABCD-efgh 2345");
        await page.getByLabel(/^Your name/).fill("Ana");
        await page.keyboard.press("Enter");
        await isIn(page);
        await holdsNoKey(page);
        const [got] = await page.context().cookies();
        assert.match(got.name, /^sockeye-\d+$/);
        assert.deepEqual([got.httpOnly, got.sameSite], [true, "Strict"]);
        await page.keyboard.press("p");
        await here(page).getByRole("listitem").filter({ hasText: "Ana" }).getByText("you").waitFor();
        await eventually(page, () => page.getByRole("button", { name: /^Here/ }).textContent(), "Here1");
      }),
    ));

  test("by the form at its own address, and then to the folder", () =>
    withHub([], (address) =>
      asGuest(`${address}/-/join`, async (page) => {
        await keyField(page).fill(KEY);
        await page.getByRole("button", { name: "Join" }).click();
        await isIn(page);
        assert.equal(page.url(), `${address}/`);
      }),
    ));

  test("without scripts", () =>
    withHub([], async (address) => {
      const context = await browser.newContext({ ...GUEST, javaScriptEnabled: false });
      try {
        const page = await context.newPage();
        await page.goto(`${address}/`);
        await keyField(page).fill("not the key");
        await page.getByRole("button", { name: "Join" }).click();
        await page.getByText("that is not the key of this hub").waitFor();
        await keyField(page).fill(KEY);
        await page.getByRole("button", { name: "Join" }).click();
        await page.getByRole("link", { name: "notes.txt", exact: true }).waitFor();
      } finally {
        await context.close();
      }
    }));

  test("a link to a file that is viewed lets in, and then shows the file", () =>
    withHub([], (address) =>
      asGuest(`${address}/#view=notes.txt&k=${KEY}`, async (page) => {
        const shown = page.locator("#viewer-name");
        await eventually(page, () => shown.textContent(), "notes.txt");
        assert.equal(page.url(), `${address}/#view=notes.txt`);
        await page.locator(".line").first().waitFor();
        assert.ok(!(await history(page)).some((url) => url.includes(KEY)));
        await page.keyboard.press("Escape");
        await isIn(page);
        // In the tab where the page is open, only the fragment changes.
        await page.evaluate((key) => {
          location.hash = `#view=notes.txt&k=${key}`;
        }, KEY);
        await page.locator(".line").first().waitFor();
        assert.equal(page.url(), `${address}/#view=notes.txt`);
      }),
    ));

  test("a link opened by who is in already is only cleaned", () =>
    withHub([], (address) =>
      asGuest(`${address}/#k=${KEY}`, async (page) => {
        await isIn(page);
        const asked = [];
        page.on("request", (request) => request.url().endsWith("/-/join") && asked.push(request.method()));
        await page.goto(`${address}/lectures/#k=${KEY}`);
        await page.getByRole("heading", { name: "This folder is empty" }).waitFor();
        // In the tab where the page is open, only the fragment changes.
        await page.evaluate((key) => {
          location.hash = `#k=${key}`;
        }, KEY);
        await eventually(page, () => page.url(), `${address}/lectures/`);
        await holdsNoKey(page);
        assert.deepEqual(asked, []);
      }),
    ));

  test("where the key is wanted to write alone, the link lets one write", () =>
    withHub(["--open=read", "--uploads"], (address) =>
      asGuest(`${address}/`, async (page) => {
        await isIn(page);
        assert.ok(await page.getByRole("button", { name: "Send files" }).isHidden());
        await page.evaluate((key) => {
          location.hash = `#k=${key}`;
        }, KEY);
        await page.getByRole("button", { name: "Send files" }).waitFor();
        await holdsNoKey(page);
      }),
    ));

  test("a wrong key is told, in the form and from a link", () =>
    withHub([], (address) =>
      asGuest(`${address}/#k=zzzzzzzzzzzz`, async (page) => {
        await eventually(page, async () => /^That is not the key\./.test(await said(page)), true);
        assert.equal(page.url(), `${address}/`);
        await keyField(page).fill("nor this one");
        const answered = page.waitForResponse((response) => response.url().endsWith("/-/join"));
        await page.getByRole("button", { name: "Join" }).click();
        await answered;
        await eventually(page, async () => /^That is not the key\./.test(await said(page)), true);
        assert.equal(await keyField(page).getAttribute("aria-invalid"), "true");
        assert.equal(await page.evaluate(() => document.activeElement.id), "key");
      }),
    ));

  test("too many wrong keys: the seconds are counted down, and none is sent", () =>
    withHub([], (address) =>
      asGuest(`${address}/`, async (page) => {
        for (let turn = 0; turn < 6; turn += 1) {
          const answered = page.waitForResponse((response) => response.url().endsWith("/-/join"));
          await keyField(page).fill(`wrong key ${turn}`);
          await page.keyboard.press("Enter");
          await answered;
          await eventually(page, async () => (await said(page)).length > 0, true);
        }
        await eventually(page, async () => /^Too many wrong keys came from here\..* Try again in \d+ s\./.test(await said(page)), true);
        const seconds = async () => Number((await said(page)).match(/in (\d+) s\./)[1]);
        const first = await seconds();
        assert.ok(first > 1 && first <= 60, `${first}`);
        await eventually(page, async () => (await seconds()) < first, true);
        const asked = [];
        page.on("request", (request) => asked.push(request.url()));
        await page.keyboard.press("Enter");
        assert.deepEqual(asked, []);
      }),
    ));

  test("shows on the wire with dots for the key, and by hand with its variable", () =>
    withHub(["--open=read"], (address) =>
      asGuest(`${address}/`, async (page) => {
        await isIn(page);
        await page.evaluate((key) => {
          location.hash = `#k=${key}`;
        }, KEY);
        await eventually(page, async () => (await page.context().cookies()).length, 1);
        await page.keyboard.press("w");
        const wire = page.getByRole("dialog", { name: "The wire" });
        await wire.getByRole("button", { name: /Joining the hub/ }).click();
        const text = await wire.textContent();
        assert.ok(text.includes("key=••••••••••••") && text.includes("204 No Content"), text);
        assert.ok(text.includes('--data-urlencode "key=$SOCKEYE_KEY"'), text);
        assert.ok(!text.includes(KEY));
      }),
    ));
});

describe("by hand", () => {
  test("what the page prints reads and writes with the key in its variable", () =>
    withHub(["--uploads"], (address) =>
      asHost(
        `${address}/#k=${KEY}`,
        async (page) => {
          await isIn(page);
          const file = path.join(place, "by hand.txt");
          await writeFile(file, "by hand\n");
          await page.locator("#files-chooser").setInputFiles(file);
          await page.getByRole("dialog", { name: "Sending" }).getByText("1 file is there").waitFor();
          const listing = page.locator("#commands code").first();
          assert.match(await listing.textContent(), /^curl -H "Authorization: Bearer \$SOCKEYE_KEY" http/);
          const environment = { cwd: place, timeout: 20_000, env: { ...process.env, SOCKEYE_KEY: KEY } };
          assert.match((await run("bash", ["-c", await listing.textContent()], environment)).stdout, /by hand\.txt/);
          await page.keyboard.press("w");
          const wire = page.getByRole("dialog", { name: "The wire" });
          await wire.getByRole("heading", { name: "Sending by hand.txt" }).waitFor();
          for (const [program, shell] of [
            ["curl", ["bash", "-c"]],
            ["netcat", ["bash", "-c"]],
            ["Python", ["python3", "-c"]],
          ]) {
            const printed = await wire.locator(".program", { hasText: program }).locator("+ pre").textContent();
            assert.ok(!printed.includes(KEY) && printed.includes("SOCKEYE_KEY"), printed);
            await rm(path.join(root, "by hand.txt"), { force: true });
            await run(shell[0], [shell[1], printed], environment);
            assert.equal(String(await readFile(path.join(root, "by hand.txt"))), "by hand\n", printed);
          }
          await rm(path.join(root, "by hand.txt"));
        },
      ),
    ));
});

describe("who is here", () => {
  test("the host sees the guests, shows one out, and the old link does not bring it back", () =>
    withHub(["--uploads"], (address) =>
      asHost(`${address}/#k=${KEY}`, async (host) => {
        await isIn(host);
        await asGuest(`${address}/`, async (guest) => {
          await keyField(guest).fill(KEY);
          await guest.getByLabel(/^Your name/).fill("Ben");
          await guest.keyboard.press("Enter");
          await isIn(guest);
          await host.keyboard.press("p");
          const ben = here(host).getByRole("listitem").filter({ hasText: "Ben" });
          await ben.waitFor();
          await here(host).getByRole("listitem").filter({ hasText: "at the hub" }).getByText("you").waitFor();
          const link = () => here(host).locator(".invite code").first().textContent();
          assert.equal(await link(), `${address}/#k=${KEY}`);

          await ben.getByRole("button", { name: "Throw out Ben" }).click();
          const sure = host.getByRole("dialog", { name: "Throw out Ben?" });
          assert.match(await sure.textContent(), /the key changes/);
          await sure.getByRole("button", { name: "Let them stay" }).click();
          await ben.waitFor();
          await ben.getByRole("button", { name: "Throw out Ben" }).click();
          await sure.getByRole("button", { name: "Throw out", exact: true }).click();
          await ben.waitFor({ state: "detached" });
          await eventually(host, async () => (await link()).includes(KEY), false);
          const newLink = await link();

          // At the next answer the guest knows, and is shown the way back.
          await guest.getByRole("link", { name: "lectures", exact: true }).click();
          await guest.getByRole("heading", { name: "You are not in this hub any more" }).waitFor();
          await guest.getByRole("button", { name: "Join" }).click();
          const again = guest.getByRole("dialog", { name: "Join this hub" });
          await again.getByLabel("Key", { exact: true }).fill(KEY);
          await again.getByRole("button", { name: "Join" }).click();
          await again.getByText("That is not the key.").waitFor();
          await again.getByRole("button", { name: "Not now" }).click();
          await guest.goto(`${address}/?old#k=${KEY}`);
          await eventually(guest, async () => /^That is not the key\./.test(await said(guest)), true);
          await guest.goto(`${newLink.replace("/#", "/?new#")}`);
          await isIn(guest);
        });
        // The host stays in all the time.
        await host.reload();
        await isIn(host);
      }),
    ));

  test("what a guest who is shown out was sending waits, and goes on with the new key", () =>
    withHub(["--uploads"], (address) =>
      asHost(`${address}/#k=${KEY}`, async (host) => {
        await isIn(host);
        await asGuest(`${address}/#k=${KEY}`, async (guest) => {
          await isIn(guest);
          const session = await guest.context().newCDPSession(guest);
          await session.send("Network.enable");
          const line = (rate) => session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: rate });
          await line(4_000_000);
          const bytes = Buffer.alloc(30_000_000, "sockeye");
          await writeFile(path.join(place, "waits.bin"), bytes);
          await guest.locator("#files-chooser").setInputFiles(path.join(place, "waits.bin"));
          const sending = guest.getByRole("dialog", { name: "Sending" });
          await eventually(guest, async () => (await sending.getByRole("progressbar").last().evaluate((bar) => bar.value)) > 0.1, true);
          await host.keyboard.press("p");
          await here(host)
            .getByRole("button", { name: /^Throw out/ })
            .click();
          await host.getByRole("dialog", { name: /^Throw out/ }).getByRole("button", { name: "Throw out", exact: true }).click();
          await sending.getByText("The hub wants the key again.").waitFor();
          assert.ok(!(await readdir(root)).includes("waits.bin"));
          await line(-1);
          const link = here(host).locator(".invite code").first();
          await eventually(host, async () => (await link.textContent()).includes(KEY), false);
          const key = (await link.textContent()).split("#k=")[1];
          await sending.getByRole("button", { name: "Join" }).click();
          const again = guest.getByRole("dialog", { name: "Join this hub" });
          await again.getByLabel("Key", { exact: true }).fill(key);
          await guest.keyboard.press("Enter");
          await sending.getByText("1 file is there").waitFor();
          assert.ok((await readFile(path.join(root, "waits.bin"))).equals(bytes));
          await eventually(guest, async () => (await names(guest)).includes("waits.bin"), true);
          await rm(path.join(root, "waits.bin"));
        });
      }),
    ));

  test("a new key keeps those who are here, and the picture shows its link", () =>
    withHub([], (address) =>
      asHost(`${address}/#k=${KEY}`, async (host) => {
        await isIn(host);
        await host.keyboard.press("p");
        const picture = here(host).getByRole("img", { name: /^QR code/ });
        await picture.waitFor();
        await eventually(host, () => picture.evaluate((image) => image.complete && image.naturalWidth > 100), true);
        const before = await picture.getAttribute("src");
        assert.ok(!before.includes(KEY));
        await here(host).getByRole("button", { name: "New key" }).click();
        await host.getByRole("dialog", { name: "Make a new key?" }).getByRole("button", { name: "New key" }).click();
        await eventually(host, async () => (await here(host).locator(".invite").textContent()).includes(KEY), false);
        assert.notEqual(await picture.getAttribute("src"), before);
        // On the wire there are dots in its place.
        await host.keyboard.press("w");
        const text = await host.getByRole("dialog", { name: "The wire" }).textContent();
        const [, key] = (await here(host).locator(".invite code").first().textContent()).split("#k=");
        assert.ok(text.includes("••••••••••••") && !text.includes(key), text);
        await host.reload();
        await isIn(host);
      }),
    ));

  test("a guest leaves by itself, and sees nothing of the host's own", () =>
    withHub(["--uploads"], (address) =>
      asGuest(`${address}/#k=${KEY}`, async (page) => {
        await isIn(page);
        await page.keyboard.press("p");
        await here(page).getByText("you").waitFor();
        assert.equal(await here(page).getByRole("switch").count(), 0);
        assert.equal(await here(page).getByText("Let others in").count(), 0);
        await here(page).getByRole("button", { name: "Leave this hub" }).click();
        await page.getByRole("dialog", { name: "Leave this hub?" }).getByRole("button", { name: "Leave" }).click();
        await keyField(page).waitFor();
        assert.deepEqual(await page.context().cookies(), []);
      }),
    ));

  test("the list is asked for again while it is open and in sight", () =>
    withHub([], (address) =>
      asHost(`${address}/#k=${KEY}`, async (host) => {
        await isIn(host);
        await host.keyboard.press("p");
        await eventually(host, () => here(host).locator(".guests li").count(), 1);
        await asGuest(`${address}/#k=${KEY}`, async (guest) => {
          await isIn(guest);
          await eventually(host, () => here(host).locator(".guests li").count(), 2);
        });
        assert.equal(await host.getByRole("button", { name: /^Here/ }).textContent(), "Here2");
      }),
    ));
});

describe("a stranger, where files may be dropped", () => {
  test("leaves files and sees nothing", () =>
    withHub(["--uploads", "--dropbox"], (address) =>
      asGuest(`${address}/`, async (page) => {
        await page.getByRole("heading", { name: "Leave files here" }).waitFor();
        assert.equal(await page.getByText("notes.txt").count(), 0);
        await page.getByLabel("Files").setInputFiles([
          { name: "for you.txt", mimeType: "text/plain", buffer: Buffer.from("for you\n") },
          { name: "large.bin", mimeType: "", buffer: Buffer.alloc(9_000_000, 3) },
        ]);
        await page.getByText("2 files are there").waitFor();
        assert.equal(String(await readFile(path.join(root, "for you.txt"))), "for you\n");
        assert.equal((await readFile(path.join(root, "large.bin"))).length, 9_000_000);
        await page.getByRole("link", { name: "I have the key" }).click();
        await keyField(page).fill(KEY);
        await page.keyboard.press("Enter");
        await page.getByRole("link", { name: "for you.txt", exact: true }).waitFor();
        await rm(path.join(root, "for you.txt"));
        await rm(path.join(root, "large.bin"));
      }),
    ));

  test("comes in by a link with the key", () =>
    withHub(["--uploads", "--dropbox"], (address) =>
      asGuest(`${address}/#k=${KEY}`, async (page) => {
        await isIn(page);
        await holdsNoKey(page);
      }),
    ));
});

describe("the pages for who is not in", () => {
  for (const theme of ["light", "dark"]) {
    for (const [size, viewport] of [
      ["desk", DESKTOP],
      ["phone", PHONE],
    ]) {
      test(`fit a ${size} in ${theme}, and axe finds no serious fault`, () =>
        withHub(["--uploads", "--dropbox"], async (address) => {
          const context = await browser.newContext({ ...GUEST, viewport, colorScheme: theme, bypassCSP: true, isMobile: size === "phone", hasTouch: size === "phone" });
          try {
            const page = await context.newPage();
            for (const [at, ready] of [
              ["/-/join", "Join this hub"],
              ["/", "Leave files here"],
            ]) {
              await page.goto(address + at);
              await page.getByRole("heading", { name: ready }).waitFor();
              if (at === "/") {
                await page.getByLabel("Files").setInputFiles({ name: "notes.txt", mimeType: "", buffer: Buffer.from("x") });
                await page.locator("#queue li").first().waitFor();
              } else {
                await keyField(page).fill("wrong");
                await page.getByRole("button", { name: "Join" }).click();
                await page.getByText("That is not the key.").waitFor();
              }
              await hasNoSeriousFault(page);
              assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
            }
          } finally {
            await context.close();
            for (const name of await readdir(root)) if (/^notes /.test(name)) await rm(path.join(root, name));
          }
        }));
    }
  }

  test("are worked by keyboard alone", () =>
    withHub([], (address) =>
      asGuest(`${address}/`, async (page) => {
        assert.equal(await page.evaluate(() => document.activeElement.id), "key");
        await page.keyboard.type(KEY);
        await page.keyboard.press("Tab");
        await page.keyboard.type("Cy");
        await page.keyboard.press("Tab");
        await page.keyboard.press("Enter");
        await isIn(page);
      }),
    ));
});
