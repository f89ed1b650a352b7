// Takes pictures of the page, for a person to look at:
//   SOCKEYE=path/to/sockeye node screenshots.mjs OUTDIR
// Asserts nothing; the tests do that.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeFolder, outwardAddress, startBrowser, startHub } from "./hub.mjs";
import { makeAlbum, makePreviewFolder } from "./preview-folder.mjs";

const target = process.argv[2];
if (!target) throw new Error("say where to: node screenshots.mjs OUTDIR");
await mkdir(target, { recursive: true });

const folder = await makeFolder();
const LONG = 12_000; // enough for the window on a long list to show itself
for (let index = 0; index < LONG; index += 1) await folder.write(`long/sample-${index}.csv`, "", index);
const shelf = await mkdtemp(path.join(tmpdir(), "sockeye-outgoing-"));
const outgoing = [];
for (const [name, content] of [
  ["track.py", "print('ten knots')"],
  ["chart of the bay.png", Buffer.alloc(300_000, 7)],
  ["Storm off the point.mp4", Buffer.alloc(60_000_000, 7)],
]) {
  outgoing.push(path.join(shelf, name));
  await writeFile(outgoing.at(-1), content);
}
const KEY = "abcdefgh2345";
const outward = outwardAddress();
const hub = await startHub("up", folder.root, "--port", "0", "--quiet", "--uploads", "--ephemeral");
const inner = await startHub("up", folder.root, "--quiet", "--uploads", "--dropbox", "--ephemeral", "--join-key", KEY, "--on", `files=http://${outward.address}:0`);
const browser = await startBrowser();
const passage = await makePreviewFolder(browser);
await makeAlbum(browser, passage);
const viewing = await startHub("up", passage.root, "--port", "0", "--quiet", "--ephemeral");

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

async function picture(name, address, { size = DESKTOP, theme = "light", prepare = async () => {}, from = hub, guest = false } = {}) {
  const context = await browser.newContext({ ...(guest ? { extraHTTPHeaders: { Via: "1.1 elsewhere" } } : {}), viewport: size, colorScheme: theme, hasTouch: size === PHONE, deviceScaleFactor: size === PHONE ? 2 : 1 });
  const page = await context.newPage();
  await page.goto(from.address + address);
  await prepare(page);
  await page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations === 1).map((one) => one.finished)));
  await page.screenshot({ path: path.join(target, `${name}.png`) });
  await context.close();
}

/** Opens the tools, says something by that wire, and asks the time by it. */
const useTools = (wire) => async (page) => {
  await page.getByRole("button", { name: "Tools" }).click();
  await page.locator(".words", { hasText: "hub" }).waitFor();
  const clock = page.getByRole("region", { name: "Clock", exact: true });
  await clock.getByRole("radio", { name: wire }).check();
  await clock.getByRole("button", { name: "Time", exact: true }).click();
  await clock.locator(".answer").waitFor();
  const echo = page.getByRole("region", { name: "Echo", exact: true });
  await echo.getByRole("radio", { name: wire }).check();
  await echo.getByRole("button", { name: "Say it" }).click();
  await echo.locator(".answer").waitFor();
};

/** The wire of what was last done by the tools, which are closed again if `alone`. */
const showWire = (wire, alone) => async (page) => {
  await useTools(wire)(page);
  if (alone) {
    await page.getByRole("button", { name: "Close the tools" }).click();
    await page.getByRole("button", { name: "Wire" }).click();
  } else {
    await page.getByRole("region", { name: "Echo", exact: true }).getByRole("button", { name: "Show the wire" }).click();
  }
  await page.locator("#exchange").waitFor();
};

/** One on its way, one that is refused, one that is there. */
const send = async (page) => {
  await loaded(page);
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 6_000_000 });
  await page.locator("#files-chooser").setInputFiles(outgoing);
  await page.locator(".queue-done li").waitFor();
  await page.locator(".figures", { hasText: "left" }).waitFor();
};

const openHere = async (page) => {
  await loaded(page);
  await page.keyboard.press("p");
  await page.locator(".qr").waitFor();
  await page.locator(".guests li").first().waitFor();
};

const viewed = (page) => page.locator(".viewer-body:not([aria-busy])").waitFor();

const viewAll = async (page) => {
  await viewed(page);
  await page.keyboard.press("g");
  await page.locator(".tile-picture canvas").nth(11).waitFor();
};

const loaded = (page) => page.locator("#table tbody tr a").first().waitFor();
try {
  for (const theme of ["light", "dark"]) {
    await picture(`root-${theme}`, "/", { theme, prepare: loaded });
    await picture(`phone-${theme}`, "/", { theme, size: PHONE, prepare: loaded });
    await picture(`error-${theme}`, "/nothing-here", { theme });
    await picture(`keys-${theme}`, "/", {
      theme,
      prepare: async (page) => {
        await loaded(page);
        await page.keyboard.press("j");
        await page.keyboard.press("j");
        await page.keyboard.press("?");
      },
    });
  }
  for (const theme of ["light", "dark"]) {
    await picture(`tools-${theme}`, "/", { theme, prepare: useTools("UDP") });
    await picture(`tools-and-wire-${theme}`, "/", { theme, prepare: showWire("TCP", false) });
    await picture(`wire-tcp-${theme}`, "/", { theme, prepare: showWire("TCP", true) });
    await picture(`wire-udp-${theme}`, "/", { theme, prepare: showWire("UDP", true) });
    await picture(`phone-tools-${theme}`, "/", { theme, size: PHONE, prepare: useTools("UDP") });
    await picture(`phone-wire-tcp-${theme}`, "/", { theme, size: PHONE, prepare: showWire("TCP", false) });
    await picture(`phone-wire-udp-${theme}`, "/", { theme, size: PHONE, prepare: showWire("UDP", false) });
  }
  for (const theme of ["light", "dark"]) {
    for (const [name, size] of [
      ["", DESKTOP],
      ["phone-", PHONE],
    ]) {
      const look = { theme, size };
      await picture(`${name}sending-${theme}`, "/", { ...look, prepare: send });
      await picture(`${name}here-${theme}`, `/#k=${KEY}`, { ...look, from: inner, prepare: openHere });
      await picture(`${name}join-${theme}`, "/-/join", { ...look, from: inner, guest: true });
      await picture(`${name}drop-${theme}`, "/", { ...look, from: inner, guest: true, prepare: (page) => page.getByRole("heading", { name: "Leave files here" }).waitFor() });
    }
    await picture(`folder-form-${theme}`, "/", {
      theme,
      prepare: async (page) => {
        await loaded(page);
        await page.keyboard.press("n");
        await page.locator("#folder-name").waitFor();
      },
    });
  }
  for (const theme of ["light", "dark"]) {
    for (const [name, size] of [
      ["", DESKTOP],
      ["phone-", PHONE],
    ]) {
      for (const file of ["harbour.png", "whistle.wav", "waves.webm", "notes.md", "knots.py", "trojan.c", "track.csv", "broken.png"]) {
        await picture(`${name}view-${file.replace(".", "-")}-${theme}`, `/#view=${file}`, { theme, size, from: viewing, prepare: viewed });
      }
      await picture(`${name}view-all-${theme}`, "/harbour/#view=morning.jpg", { theme, size, from: viewing, prepare: viewAll });
    }
  }
  await picture("phone-clock", "/", {
    size: PHONE,
    prepare: async (page) => {
      await useTools("TCP")(page);
      await page.locator(".asking .result").scrollIntoViewIfNeeded();
    },
  });
  await picture("wire-listing", "/", {
    prepare: async (page) => {
      await loaded(page);
      await page.keyboard.press("w");
      await page.getByRole("link", { name: "lectures", exact: true }).click();
      await page.getByRole("heading", { name: "List of /lectures/" }).waitFor();
    },
  });
  await picture("phone-error", "/nothing-here", { size: PHONE });
  await picture("phone-hub", "/", { size: PHONE, prepare: (page) => page.getByRole("link", { name: "On this hub" }).click() });
  await picture("phone-long", "/long/", { size: PHONE, prepare: loaded });
  await picture("deep", "/lectures/week%201/", { prepare: loaded });
  await picture("empty", "/empty/", { prepare: (page) => page.getByText("This folder is empty").waitFor() });
  await picture("site", "/-/browse/site/", { prepare: loaded });
  await picture("filter", "/logs/", {
    prepare: async (page) => {
      await page.getByRole("searchbox").fill("31");
      await page.keyboard.press("Enter");
    },
  });
  await picture("no-match", "/logs/", { prepare: (page) => page.getByRole("searchbox").fill("walrus") });
  await picture("long", "/long/", {
    prepare: async (page) => {
      await loaded(page);
      await page.keyboard.press("End");
    },
  });
  await picture("silent", "/", {
    prepare: async (page) => {
      await page.route("**/-/api/**", (route) => route.abort());
      await page.getByRole("link", { name: "lectures" }).click();
      await page.locator("#notice").getByText("does not answer").waitFor();
    },
  });
  await picture("stale", "/", {
    prepare: async (page) => {
      await loaded(page);
      await page.route("**/-/api/**", (route) => route.abort());
      await page.evaluate(() => window.dispatchEvent(new Event("focus")));
      await page.locator("#notice").getByText("does not answer").waitFor();
    },
  });
} finally {
  await browser.close();
  await hub.stop();
  await inner.stop();
  await viewing.stop();
  await passage.remove();
  outward.release();
  await rm(shelf, { recursive: true });
  await folder.remove();
}
