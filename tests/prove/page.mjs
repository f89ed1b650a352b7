// The folder page with 50,000 entries, beside the same with 500: what page.sh
// runs. Prints one line for each thing that is promised, `held` or `NOT HELD`,
// and takes pictures.
//   SOCKEYE=path/to/sockeye node tests/prove/page.mjs OUTDIR

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startBrowser, startHub } from "../browser/hub.mjs";
import { findingsOf } from "../browser/visit.mjs";

const MANY = 50_000;
const FEW = 500;
// A frame of a hub's page on a slow machine; beyond it people see a stutter.
const FRAME_MOST_MS = 50;
const target = process.argv[2];
if (!target) throw new Error("say where to: node tests/prove/page.mjs OUTDIR");
await mkdir(target, { recursive: true });

let failed = false;
function held(what, ok, figures) {
  failed ||= !ok;
  console.log(`${ok ? "held" : "NOT HELD"}: ${what}: ${figures}`);
}

const root = await mkdtemp(path.join(tmpdir(), "sockeye-page-"));
for (const [folder, count] of [["many", MANY], ["few", FEW]]) {
  await mkdir(path.join(root, folder));
  for (let index = 0; index < count; index += 1) {
    // Some are as long as a name can be.
    const long = index % 100 === 7 ? "x".repeat(200) : "";
    await writeFile(path.join(root, folder, `measurement ${(index * 7919) % count} of the bay${long}.csv`), "");
  }
}
const hub = await startHub("up", root, "--port", "0", "--quiet", "--ephemeral");
const browser = await startBrowser();

/** The longest time between two frames, and how many were too long, while `run` goes on. */
async function gaps(page, run) {
  await page.evaluate(() => {
    globalThis.gaps = [];
    let last = performance.now();
    const frame = () => {
      const now = performance.now();
      globalThis.gaps.push(now - last);
      last = now;
      globalThis.watching = requestAnimationFrame(frame);
    };
    globalThis.watching = requestAnimationFrame(frame);
  });
  await run();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  return page.evaluate(() => {
    cancelAnimationFrame(globalThis.watching);
    return { longest: Math.max(...globalThis.gaps), long: globalThis.gaps.filter((gap) => gap > 50).length, frames: globalThis.gaps.length };
  });
}

const DOINGS = {
  "End, Home and a page at a time": async (page) => {
    for (const key of ["End", "Home", "End", "Home", ...Array(20).fill("PageDown"), ...Array(10).fill("PageUp")]) await page.keyboard.press(key);
  },
  "the arrow held down": async (page) => {
    for (let at = 0; at < 60; at += 1) await page.keyboard.press("ArrowDown");
  },
  "the wheel": async (page) => {
    await page.mouse.move(500, 500);
    for (let at = 0; at < 60; at += 1) await page.mouse.wheel(0, 1200);
  },
  "the scroll bar, from top to bottom": async (page) => {
    for (let at = 0; at <= 40; at += 1) await page.evaluate((share) => new Promise((resolve) => requestAnimationFrame(() => resolve(window.scrollTo(0, share * document.body.scrollHeight)))), at / 40);
  },
  "sorting by size, time and name": async (page) => {
    await page.evaluate(() => window.scrollTo(0, 0));
    for (const column of ["size", "modified", "name"]) await page.locator(`th[data-column=${column}] button`).click();
  },
  "typing into the filter": async (page) => {
    await page.locator("#filter").focus();
    for (const key of "4321 bay") await page.keyboard.press(key);
    for (let at = 0; at < 8; at += 1) await page.keyboard.press("Backspace");
  },
  "selecting all, and nothing": async (page) => {
    await page.locator("#table tbody .name a").first().focus();
    await page.keyboard.press("Control+a");
    await page.locator(".selection").waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+a");
    await page.keyboard.press("Escape");
  },
};

async function open(folder) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(`${hub.address}/${folder}/`);
  await page.locator("#table tbody .name a").first().waitFor();
  await page.waitForLoadState("networkidle");
  return page;
}

async function scroll() {
  const seen = {};
  for (const folder of ["few", "many"]) {
    const page = await open(folder);
    const rows = await page.locator("#table").getAttribute("aria-rowcount");
    if (folder === "many") held("all entries are listed", rows === String(MANY + 1), `${Number(rows) - 1} of ${MANY}`);
    for (const [name, run] of Object.entries(DOINGS)) (seen[name] ??= {})[folder] = await gaps(page, () => run(page));
    if (folder === "many") await page.screenshot({ path: path.join(target, "many.png") });
    await page.close();
  }
  for (const [name, { few, many }] of Object.entries(seen)) {
    const figures = `longest frame ${many.longest.toFixed(0)} ms (${few.longest.toFixed(0)} ms with ${FEW} entries, ratio ${(many.longest / few.longest).toFixed(1)}); ${many.long} of ${many.frames} frames over ${FRAME_MOST_MS} ms (${few.long} of ${few.frames})`;
    held(name, many.longest <= Math.max(FRAME_MOST_MS, 1.5 * few.longest), figures);
  }
}

/** A slow phone on a slow line: when it sees something, and what came till then. */
async function slowPhone() {
  const seen = {};
  for (const folder of ["few", "many"]) {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", { offline: false, latency: 400, downloadThroughput: 50_000, uploadThroughput: 50_000 });
    await session.send("Emulation.setCPUThrottlingRate", { rate: 4 });
    await page.goto(`${hub.address}/${folder}/`, { timeout: 120_000 });
    const painted = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
    const before = await page.evaluate((at) => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].filter((one) => one.responseEnd <= at).reduce((sum, one) => sum + one.transferSize, 0), painted);
    await page.locator("#table tbody .name a").first().waitFor({ timeout: 120_000 });
    const whole = await page.evaluate(() => performance.now());
    await page.waitForLoadState("networkidle");
    const bytes = await page.evaluate(() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].reduce((sum, one) => sum + one.transferSize, 0));
    seen[folder] = { painted, before, whole, bytes };
    await page.screenshot({ path: path.join(target, `slow-phone-${folder}.png`) });
    await context.close();
  }
  const { few, many } = seen;
  const words = (one) => `something in sight after ${(one.painted / 1000).toFixed(1)} s (${Math.round(one.before / 1000)} KB till then), the list after ${(one.whole / 1000).toFixed(1)} s, ${Math.round(one.bytes / 1000)} KB in all`;
  held("a slow phone's first view does not wait for a long list", many.painted < 2 * few.painted, `${words(many)}; with ${FEW} entries ${words(few)}`);
}

async function axe() {
  const states = {
    list: async () => {},
    selection: async (page) => {
      await page.keyboard.press("j");
      await page.keyboard.press(" ");
      await page.locator(".selection").waitFor();
    },
    share: async (page) => {
      await page.keyboard.press("s");
      await page.locator("#share .copyable").first().waitFor();
    },
    settings: async (page) => {
      await page.keyboard.press(",");
      await page.locator("#settings").waitFor();
    },
    keys: async (page) => {
      await page.keyboard.press("?");
      await page.locator("#keys").waitFor();
    },
    "no match": (page) => page.locator("#filter").fill("walrus"),
  };
  let looked = 0;
  const found = [];
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [320, 390, 1280]) {
      for (const [name, prepare] of Object.entries(states)) {
        const context = await browser.newContext({ viewport: { width, height: 740 }, colorScheme, bypassCSP: true, isMobile: width < 500, hasTouch: width < 500 });
        const page = await context.newPage();
        await page.goto(`${hub.address}/few/`);
        await page.locator("#table tbody .name a").first().waitFor();
        await prepare(page);
        found.push(...(await findingsOf(page)).map((finding) => `${name}, ${colorScheme}, ${width} px: ${finding}`));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        if (wide > width) found.push(`${name}, ${colorScheme}, ${width} px: scrolls sideways to ${wide} px`);
        looked += 1;
        await page.screenshot({ path: path.join(target, `${name.replace(" ", "-")}-${colorScheme}-${width}.png`) });
        await context.close();
      }
    }
  }
  held("axe finds nothing serious, and nothing scrolls sideways", found.length === 0, `${looked} views, ${found.length} findings`);
  for (const one of found) console.log(`  ${one}`);
}

try {
  await scroll();
  await slowPhone();
  await axe();
} finally {
  await browser.close();
  await hub.stop();
  await rm(root, { recursive: true });
}
process.exitCode = failed ? 1 : 0;
