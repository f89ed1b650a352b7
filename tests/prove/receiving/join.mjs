// One hub and one guest on two machines: the guest joins by the link, sends a
// folder by drag, is thrown out in the middle of another file, cannot come back
// by the old link, and comes back by the new one. Usage:
//   node join.mjs HUB_NAMESPACE HUB_ADDRESS WORK PICTURES
// CHROMIUM is a browser that runs on the guest's machine.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import readline from "node:readline";
import { promisify } from "node:util";
import { startBrowser } from "../../browser/hub.mjs";
import { DESKTOP, eventually } from "../../browser/visit.mjs";

const [namespace, address, work, pictures] = process.argv.slice(2);
const run = promisify(execFile);
const share = path.join(work, "joined");
const MEGABYTE = 1024 * 1024;

const held = (promise, figure = "") => console.log(`held   ${promise.padEnd(62)} ${figure}`);

/** A hub on the hub's machine: {link, stop()}. It is let in by the link that it prints. */
function startHub() {
  const parameters = ["up", share, "--lan", "--uploads", "--addr", address, "--port", "8080", "--data", path.join(work, "data")];
  const hub = spawn("ip", ["netns", "exec", namespace, process.env.SOCKEYE, ...parameters], { stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((resolve) => {
    hub.once("exit", resolve);
  });
  return new Promise((resolve, reject) => {
    hub.once("exit", (code) => reject(new Error(`the hub ended (${code}) before it listened`)));
    readline.createInterface({ input: hub.stdout }).on("line", (line) => {
      const found = line.match(/http:\/\/\S+\/#k=\S+/);
      if (found) resolve({ link: found[0], stop: () => (hub.kill("SIGINT"), ended) });
    });
  });
}

/** The person at the hub's own machine, who has joined as well: asks its page's questions. */
async function ask(place, ...parameters) {
  const cookies = path.join(work, "cookies");
  const command = ["netns", "exec", namespace, "curl", "-sS", "--fail-with-body", "-b", cookies, "-c", cookies, ...parameters, `http://${address}:8080${place}`];
  const { stdout } = await run("ip", command);
  return stdout && JSON.parse(stdout);
}

const keyOf = (link) => new URL(link).hash.slice("#k=".length);
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** A folder with folders, of names that go through every layer. */
async function makeAlbum() {
  const files = { "album/harbour.bin": 3 * MEGABYTE + 1, "album/day 1/100% #1?.txt": 120, "album/day 1/写真.jpg": 400_000, "album/deep/er/empty": 0 };
  for (const [name, size] of Object.entries(files)) {
    const file = path.join(work, "guest", name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, Buffer.alloc(size, name));
  }
  await mkdir(path.join(work, "guest/album/nothing here"));
  return Object.keys(files);
}

/** Drops files and folders on the page, as the browser itself hands them over. */
async function drop(page, files) {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  const at = (type) => session.send("Input.dispatchDragEvent", { type, x: 300, y: 400, data });
  await at("dragEnter");
  await at("dragOver");
  await picture(page, "3-a folder hovers over the page");
  await at("drop");
  await session.detach();
}

async function picture(page, name) {
  await page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations === 1).map((one) => one.finished.catch(() => {}))));
  await page.screenshot({ path: path.join(pictures, `${name.replaceAll(" ", "-")}.png`) });
}

const heading = (page) => page.getByRole("heading", { level: 1 }).textContent();
const sending = (page) => page.getByRole("dialog", { name: "Sending" });
const names = (page) => page.locator("#table tbody:not(.spacer) .name a").allTextContents();

async function joins(page, link) {
  await page.goto(`http://${address}:8080/`);
  assert.equal(await heading(page), "Join this hub");
  assert.equal((await page.textContent("body")).includes("what is there"), false);
  await picture(page, "1-the key is wanted");
  held("a guest without the key sees the form for it, and nothing else");

  await page.goto(link);
  await page.getByRole("link", { name: "what is there.txt", exact: true }).waitFor();
  assert.equal(await heading(page), "joined");
  assert.equal(page.url(), `http://${address}:8080/`);
  await picture(page, "2-joined by the link");
  held("by the link it is in, and the key is gone from the address bar", page.url());
  const cookies = await page.context().cookies();
  assert.deepEqual(
    cookies.map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite]),
    [["sockeye-8080", true, "Strict"]],
  );
  assert.equal(cookies[0].value.includes(keyOf(link)), false);
  held("its cookie is out of scripts' and other sites' reach", "HttpOnly, SameSite=Strict");
}

async function sendsAFolder(page) {
  const files = await makeAlbum();
  await drop(page, [path.join(work, "guest/album")]);
  await sending(page).locator(".headline", { hasText: /^\d files are there$/ }).waitFor();
  for (const name of files) {
    assert.equal(sha(await readFile(path.join(share, name))), sha(await readFile(path.join(work, "guest", name))), name);
  }
  assert.deepEqual(await readdir(path.join(share, "album/nothing here")), []);
  await eventually(page, () => names(page), ["album", "what is there.txt"]);
  await picture(page, "4-the folder is there");
  held("a folder that it drags onto the page is there, byte for byte", `${files.length} files, and an empty folder`);
}

/** Throws the guest out while it sends; returns the new link. */
async function isThrownOut(page, link) {
  await ask("/-/join", "-H", "Accept: application/json", "--data-urlencode", `key=${keyOf(link)}`);
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 2 * MEGABYTE });
  await writeFile(path.join(work, "guest/voyage.mp4"), Buffer.alloc(40 * MEGABYTE, "film"));
  await page.locator("#files-chooser").setInputFiles(path.join(work, "guest/voyage.mp4"));
  await sending(page).getByText("voyage.mp4").waitFor();
  await page.waitForTimeout(1000);

  const { guests } = await ask("/-/api/here");
  const guest = guests.find((one) => !one.is_host);
  assert.match(guest.address, /^192\.168\.1\.8/);
  assert.match(guest.device, /Chrom/);
  held("the host sees who is here", `${guest.id} ${guest.address} ${guest.device}`);
  const begun = Date.now();
  await ask(`/-/api/guests/${guest.id}/out`, "-X", "POST", "-H", "Content-Type: application/json", "-d", "{}");
  await sending(page).getByText("The hub wants the key again.").waitFor();
  await picture(page, "5-thrown out in the middle of a file");
  held("thrown out by the host, it is asked for the key in the middle of a file", `after ${Date.now() - begun} ms`);
  assert.deepEqual((await readdir(share)).sort(), ["album", "what is there.txt"]);
  held("of which nothing is left on the hub");
  await session.detach();
  return (await ask("/-/api/invite")).link;
}

async function comesBack(page, oldLink, newLink) {
  assert.notEqual(oldLink, newLink);
  await page.goto("about:blank");
  await page.goto(oldLink);
  await page.locator(".said strong").getByText("not the key").or(page.locator("#join [aria-invalid=true]")).first().waitFor();
  assert.equal(await heading(page), "Join this hub");
  await picture(page, "6-the old link is worth nothing");
  const said = (await page.locator("#join .said").textContent()).trim();
  const status = await page.evaluate(() => fetch("/what%20is%20there.txt").then((answer) => answer.status));
  assert.equal(status, 401);
  held("by the old link it does not come back", `${status}: ${said}`);

  await page.goto("about:blank");
  await page.goto(newLink);
  await page.getByRole("link", { name: "album", exact: true }).waitFor();
  assert.deepEqual(await names(page), ["album", "what is there.txt"]);
  await picture(page, "7-back with the new key");
  held("by the new link it does", newLink.replace(/#k=.*/, "#k=…"));
}

await mkdir(share, { recursive: true });
await writeFile(path.join(share, "what is there.txt"), "what is there\n");
const hub = await startHub();
const browser = await startBrowser();
const page = await browser.newPage({ viewport: DESKTOP, locale: "en-GB" });
page.setDefaultTimeout(15_000);
try {
  await joins(page, hub.link);
  await sendsAFolder(page);
  const newLink = await isThrownOut(page, hub.link);
  await comesBack(page, hub.link, newLink);
} catch (error) {
  console.log(`BROKEN between two machines: ${error.stack}`);
  await page.screenshot({ path: path.join(pictures, "broken.png") });
  process.exitCode = 1;
} finally {
  await browser.close();
  await hub.stop();
}
