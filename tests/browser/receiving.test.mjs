// Drives sending files from the page with a real browser against the real
// binary, and looks at what is on the disk afterwards.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { startBrowser, startHub } from "./hub.mjs";
import { PHONE, eventually, hasNoSeriousFault, visitIn } from "./visit.mjs";

const run = promisify(execFile);
const MEGABYTE = 1024 * 1024;
const REFUSED = [/Failed to load resource/];

let place; // of everything that is made here
let root; // that the hub shares
let hub;
let browser;

before(async () => {
  place = await mkdtemp(path.join(tmpdir(), "sockeye-receiving-"));
  root = path.join(place, "Shared");
  await mkdir(path.join(root, "lectures"), { recursive: true });
  await writeFile(path.join(root, "taken.txt"), "what is there\n");
  hub = await startHub("up", root, "--port", "0", "--quiet", "--ephemeral", "--uploads", "--max-upload", "64M");
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await hub?.stop();
  await rm(place, { recursive: true, force: true });
});

const visit = (at, act, options) => visitIn(browser, hub.address + at, act, options);
const sending = (page) => page.getByRole("dialog", { name: "Sending" });
const headline = (page) => sending(page).locator(".headline").textContent();
const isThere = (page, words) => eventually(page, () => headline(page), words);
const item = (page, name) => sending(page).locator("li").filter({ has: page.getByText(name, { exact: true }) });
const itemWords = (page, name) => item(page, name).locator(".row-state").textContent();
const names = (page) => page.locator("#table tbody:not(.spacer) .name a").allTextContents();
const onDisk = (...names) => readFile(path.join(root, ...names));
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
const said = (page) => page.locator("#status, dialog[open] .said").allTextContents();

/** A file on this machine; returns its path. */
async function made(name, content) {
  const file = path.join(place, "here", name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}

/** Bytes of which no two pieces are alike. */
function bytesOf(length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2654435761) >>> 0, at);
  return bytes;
}

const choose = (page, files) => page.locator("#files-chooser").setInputFiles(files);

/** Drops files and folders of this machine on the page, as the browser itself hands them over. */
async function drop(page, files) {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) await session.send("Input.dispatchDragEvent", { type, x: 300, y: 400, data });
  await session.detach();
}

describe("what is sent", () => {
  test("by the button lands in the folder in sight, with the same bytes, and shows up", () =>
    visit("/lectures/", async (page) => {
      const small = bytesOf(70_001);
      await choose(page, [await made("week 1 – notes.pdf", small), await made("写真 é.txt", "one\n"), await made("empty.bin", "")]);
      await isThere(page, "3 files are there");
      assert.equal(sha(await onDisk("lectures", "week 1 – notes.pdf")), sha(small));
      assert.equal(String(await onDisk("lectures", "写真 é.txt")), "one\n");
      assert.equal((await stat(path.join(root, "lectures", "empty.bin"))).size, 0);
      await eventually(page, () => names(page), ["empty.bin", "week 1 – notes.pdf", "写真 é.txt"]);
      await eventually(page, async () => (await said(page)).some((words) => /^3 files are there, 70 KB\.$/.test(words)), true);
    }));

  test("keeps names as they are, composed or not", () =>
    visit("/", async (page) => {
      for (const name of ["caf\u00e9 (composed).txt", "cafe\u0301 (apart).txt", "100% #1? 'q' & more;.txt", "a\\b.txt"]) {
        await page.evaluate(async (called) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([called], called));
          document.querySelector("#files-chooser").files = transfer.files;
          document.querySelector("#files-chooser").dispatchEvent(new Event("change"));
        }, name);
        await eventually(page, async () => (await readdir(root)).includes(name), true);
        assert.equal(String(await onDisk(name)), name);
        await rm(path.join(root, name));
      }
    }));

  test("by dropping folders comes whole, with the empty ones, and without what systems leave in them", () =>
    visit("/", async (page) => {
      const many = 240; // a browser lists a hundred at a time
      for (let index = 0; index < many; index += 1) await made(`voyage/days/day ${index}.txt`, `day ${index}\n`);
      await made("voyage/deep/er/log.txt", "nine knots\n");
      await made("voyage/.DS_Store", "x");
      await mkdir(path.join(place, "here/voyage/nothing here"), { recursive: true });
      await drop(page, [path.join(place, "here/voyage"), await made("beside.txt", "beside\n")]);
      await isThere(page, `${many + 3} files are there`);
      assert.equal((await readdir(path.join(root, "voyage/days"))).length, many);
      assert.equal(String(await onDisk("voyage/days/day 239.txt")), "day 239\n");
      assert.equal(String(await onDisk("voyage/deep/er/log.txt")), "nine knots\n");
      assert.deepEqual(await readdir(path.join(root, "voyage/nothing here")), []);
      assert.deepEqual((await readdir(path.join(root, "voyage"))).sort(), ["days", "deep", "nothing here"]);
      assert.match(await sending(page).locator(".figures").textContent(), /1 file of the system’s own left out/);
      assert.ok((await sending(page).locator("li").count()) <= 20, "of many, a few rows are drawn");
      await eventually(page, async () => (await names(page)).slice(0, 2), ["lectures", "voyage"]);
    }));

  test("by choosing a folder keeps its inner paths", () =>
    visit("/lectures/", async (page) => {
      await made("album/sea/wave.txt", "wave\n");
      await page.locator("#folder-chooser").setInputFiles(path.join(place, "here/album"));
      await isThere(page, "1 file is there");
      assert.equal(String(await onDisk("lectures/album/sea/wave.txt")), "wave\n");
    }));

  test("by paste: a picture gets a name that says when, a file keeps its own", () =>
    visit("/", async (page) => {
      const paste = (files) =>
        page.evaluate((given) => {
          const clipboardData = new DataTransfer();
          for (const [name, type] of given) clipboardData.items.add(new File(["pixels"], name, { type }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }, files);
      await paste([["image.png", "image/png"]]);
      await isThere(page, "1 file is there");
      await paste([["chart.csv", "text/csv"]]);
      await eventually(page, async () => (await readdir(root)).includes("chart.csv"), true);
      const pasted = (await readdir(root)).filter((name) => name.startsWith("pasted"));
      assert.equal(pasted.length, 1);
      assert.match(pasted[0], /^pasted \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.png$/);
    }));

  test("says over the page where a drop would go", () =>
    visit("/lectures/", async (page) => {
      const session = await page.context().newCDPSession(page);
      const data = { items: [], files: [await made("hover.txt", "x")], dragOperationsMask: 1 };
      await session.send("Input.dispatchDragEvent", { type: "dragEnter", x: 300, y: 400, data });
      await session.send("Input.dispatchDragEvent", { type: "dragOver", x: 300, y: 400, data });
      await page.getByText("Drop to send into “lectures”").waitFor();
      await session.send("Input.dispatchDragEvent", { type: "dragCancel", x: 300, y: 400, data });
      await page.locator(".drop-overlay").waitFor({ state: "hidden" });
    }));
});

describe("a large file", () => {
  const LARGE = 40 * MEGABYTE;
  /** So that there is time to press something: a line of so many bytes a second, up. */
  async function slow(page, bytesPerSecond) {
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    const line = (rate) => session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: rate });
    await line(bytesPerSecond);
    return { free: () => line(-1), cut: () => session.send("Network.emulateNetworkConditions", { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 }) };
  }
  const bytesSent = async (page, name) => item(page, name).getByRole("progressbar").evaluate((bar) => bar.value * 40);

  test("is paused and goes on where it was, and is the same on the disk", () =>
    visit("/", async (page) => {
      const bytes = bytesOf(LARGE);
      const requests = [];
      page.on("request", (request) => requests.push([request.method(), request.headers()["upload-offset"] ?? null]));
      const line = await slow(page, 12 * MEGABYTE);
      await choose(page, await made("film.mkv", bytes));
      await eventually(page, async () => (await bytesSent(page, "film.mkv")) > 9, true);
      await sending(page).getByRole("button", { name: "Pause film.mkv" }).click();
      await eventually(page, async () => /^paused at/.test(await itemWords(page, "film.mkv")), true);
      assert.ok(!(await readdir(root)).includes("film.mkv"), "no half file under its name");
      await line.free();
      await sending(page).getByRole("button", { name: "Go on with film.mkv" }).click();
      await isThere(page, "1 file is there");
      assert.equal(sha(await onDisk("film.mkv")), sha(bytes));
      assert.ok(requests.some(([method]) => method === "HEAD"), "it asked how much was there");
      const starts = requests.filter(([method, offset]) => method === "PATCH" && offset === "0");
      assert.equal(starts.length, 1, "nothing that had arrived was sent again");
      await rm(path.join(root, "film.mkv"));
    }));

  test("survives a broken line by itself", () =>
    visit(
      "/",
      async (page) => {
        const bytes = bytesOf(LARGE);
        const line = await slow(page, 12 * MEGABYTE);
        await choose(page, await made("storm.mkv", bytes));
        await eventually(page, async () => (await bytesSent(page, "storm.mkv")) > 9, true);
        await line.cut();
        await sending(page).getByText("The hub does not answer.").waitFor();
        await line.free();
        await isThere(page, "1 file is there");
        assert.equal(sha(await onDisk("storm.mkv")), sha(bytes));
        await rm(path.join(root, "storm.mkv"));
      },
      { expected: REFUSED },
    ));

  test("that is cancelled leaves nothing", () =>
    visit("/", async (page) => {
      const line = await slow(page, 12 * MEGABYTE);
      await choose(page, await made("never.mkv", bytesOf(LARGE)));
      await eventually(page, async () => (await bytesSent(page, "never.mkv")) > 9, true);
      const forgotten = page.waitForResponse((response) => response.request().method() === "DELETE");
      await sending(page).getByRole("button", { name: "Cancel all" }).click();
      assert.equal((await forgotten).status(), 204);
      await line.free();
      await isThere(page, "Nothing is being sent");
      const everything = await readdir(root, { recursive: true });
      assert.deepEqual(
        everything.filter((name) => /never|\.part|tmp/.test(name)),
        [],
      );
    }));

  test("that changes here while it is sent is told, and taken anew", () =>
    visit(
      "/",
      async (page) => {
        const line = await slow(page, 12 * MEGABYTE);
        const file = await made("living.log", bytesOf(LARGE));
        await drop(page, [file]);
        await eventually(page, async () => (await bytesSent(page, "living.log")) > 1, true);
        const later = bytesOf(3 * MEGABYTE);
        await writeFile(file, later);
        await eventually(page, async () => /^The file changed on this device/.test(await itemWords(page, "living.log")), true);
        await line.free();
        await sending(page).getByRole("button", { name: "Try again: living.log" }).click();
        await isThere(page, "1 file is there");
        assert.equal(sha(await onDisk("living.log")), sha(later));
        await rm(path.join(root, "living.log"));
      },
      { expected: REFUSED },
    ));

  test("keeps the page from being left by mistake, as long as it is sent", () =>
    visit("/", async (page) => {
      const line = await slow(page, 12 * MEGABYTE);
      await choose(page, await made("guarded.mkv", bytesOf(LARGE)));
      await eventually(page, async () => (await bytesSent(page, "guarded.mkv")) > 1, true);
      const isGuarded = () =>
        page.evaluate(() => {
          const leaving = new Event("beforeunload", { cancelable: true });
          window.dispatchEvent(leaving);
          return leaving.defaultPrevented;
        });
      assert.equal(await isGuarded(), true);
      await sending(page).getByRole("button", { name: "Cancel all" }).click();
      await line.free();
      assert.equal(await isGuarded(), false);
    }));
});

describe("what is not taken", () => {
  const give = (name, content = "other\n") => [{ name, mimeType: "application/octet-stream", buffer: Buffer.from(content) }];

  test("a name that is taken: what is there stays, and it says so", () =>
    visit(
      "/",
      async (page) => {
        await choose(page, give("taken.txt"));
        await eventually(page, async () => (await itemWords(page, "taken.txt")) === "The name is taken. There is a file of that name already, with other contents. The hub keeps what it has: give yours another name and send it again.", true);
        assert.equal(String(await onDisk("taken.txt")), "what is there\n");
        await isThere(page, "Nothing was taken");
      },
      { expected: REFUSED },
    ));

  test("the same bytes again are simply there", () =>
    visit("/", async (page) => {
      await choose(page, give("taken.txt", "what is there\n"));
      await eventually(page, () => itemWords(page, "taken.txt"), "14 B, was there already, byte for byte");
    }));

  test("a hidden name, and the others go on", () =>
    visit(
      "/",
      async (page) => {
        await choose(page, [...give(".secret"), ...give("open.txt")]);
        await eventually(page, async () => /^Not taken\. .*begin with a dot/.test(await itemWords(page, ".secret")), true);
        assert.equal(String(await onDisk("open.txt")), "other\n");
        await rm(path.join(root, "open.txt"));
      },
      { expected: REFUSED },
    ));

  test("too large is told with both sizes, before a byte is sent", () =>
    visit(
      "/",
      async (page) => {
        const bodies = [];
        page.on("request", (request) => request.method() === "PATCH" && bodies.push(request.url()));
        await choose(page, await made("whale.bin", Buffer.alloc(70 * MEGABYTE)));
        await eventually(page, () => itemWords(page, "whale.bin"), "Too large. It has 73 MB, and this hub takes at most 67 MB a file.");
        assert.deepEqual(bodies, []);
      },
      { expected: REFUSED },
    ));

  /** Answers in the hub's place, as often as said, and then lets it answer. */
  async function instead(page, answers) {
    let count = 0;
    await page.route("**/told.txt", (route) => {
      const answer = route.request().method() === "POST" ? answers[count] : null;
      count += 1;
      if (!answer) return route.fallback();
      const [status, detail, headers = {}] = answer;
      return route.fulfill({ status, headers, json: { status, error: "No", detail } });
    });
  }

  for (const [status, detail, words] of [
    [405, "a folder is there", "Not taken. A folder is there."],
    [411, "", "Not taken. The hub wants to know the length first, which this browser did not say."],
    [412, "", "The name is taken. A file of this name is there already."],
    [415, "files are kept as they come", "Not taken. Files are kept as they come."],
    [431, "", "The name is too long. Its whole path is longer than the hub reads."],
    [500, "the disk groans", "The hub failed. The disk groans."],
  ]) {
    test(`${status} in plain words, and by trying again it lands`, () =>
      visit(
        "/",
        async (page) => {
          await instead(page, [[status, detail]]);
          await choose(page, give("told.txt"));
          await eventually(page, () => itemWords(page, "told.txt"), words);
          await sending(page).getByRole("button", { name: "Try again: told.txt" }).click();
          await isThere(page, "1 file is there");
          await rm(path.join(root, "told.txt"));
        },
        { expected: REFUSED },
      ));
  }

  for (const [status, words] of [
    [408, "The line is too slow."],
    [429, "The hub is busy."],
    [503, "The hub is busy."],
  ]) {
    test(`${status} is waited out`, () =>
      visit(
        "/",
        async (page) => {
          await instead(page, [[status, "", { "Retry-After": "1" }]]);
          await choose(page, give("told.txt"));
          await sending(page).getByText(words).waitFor();
          await sending(page).getByRole("button", { name: "Try now" }).click();
          await isThere(page, "1 file is there");
          await rm(path.join(root, "told.txt"));
        },
        { expected: REFUSED },
      ));
  }

  test("507 holds the others until somebody says so", () =>
    visit(
      "/",
      async (page) => {
        await instead(page, [[507, "4 GB are wanted and 1 GB is free"]]);
        await choose(page, give("told.txt"));
        await sending(page).locator(".hold").getByText("4 GB are wanted and 1 GB is free. The others wait; smaller ones may still fit.").waitFor();
        await choose(page, give("small.txt"));
        assert.match(await itemWords(page, "small.txt"), /waits$/);
        await sending(page).getByRole("button", { name: "Go on with the others" }).click();
        await eventually(page, async () => (await readdir(root)).includes("small.txt"), true);
        await rm(path.join(root, "small.txt"));
      },
      { expected: REFUSED },
    ));

  test("a browser name that holds half a character is told so", () =>
    visit("/", async (page) => {
      await page.evaluate(() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["x"], "fine.txt"));
        const file = new File(["x"], "x.txt");
        Object.defineProperty(file, "name", { value: "half \ud800.txt" });
        const list = [file];
        Object.defineProperty(document.querySelector("#files-chooser"), "files", { configurable: true, value: list });
        document.querySelector("#files-chooser").dispatchEvent(new Event("change"));
      });
      await sending(page).getByText(/This name cannot be written\./).waitFor();
    }));
});

describe("where receiving is turned off", () => {
  test("there are no buttons, and a drop is told why", async () => {
    const other = await startHub("up", root, "--port", "0", "--quiet", "--ephemeral");
    try {
      await visitIn(browser, other.address, async (page) => {
        await page.locator("#table tbody a").first().waitFor();
        assert.ok(await page.getByRole("button", { name: "Send files" }).isHidden());
        await drop(page, [await made("nowhere.txt", "x")]);
        await page.locator("#told").getByText("This hub takes no files now.").waitFor();
        assert.ok(!(await readdir(root)).includes("nowhere.txt"));
        await page.locator("#told").getByRole("button", { name: "Close" }).click();
        assert.equal(await page.locator("#told").textContent(), "");
      });
    } finally {
      await other.stop();
    }
  });

  test("the person at the hub turns it on, and off again", async () => {
    const other = await startHub("up", root, "--port", "0", "--quiet", "--ephemeral");
    try {
      await visitIn(
        browser,
        other.address,
        async (page) => {
          await page.locator("#table tbody a").first().waitFor();
          await page.keyboard.press("p");
          const receive = page.getByRole("switch", { name: "Receive files" });
          await receive.waitFor();
          assert.equal(await receive.isChecked(), false);
          await receive.focus();
          await page.keyboard.press("Space");
          await page.getByRole("button", { name: "Send files" }).waitFor();
          await choose(page, [{ name: "now.txt", mimeType: "text/plain", buffer: Buffer.from("now\n") }]);
          await isThere(page, "1 file is there");
          await rm(path.join(root, "now.txt"));
          // Turned off behind the page's back.
          assert.equal(await page.evaluate(async () => (await fetch("/-/api/receiving", { method: "POST", body: '{"on": false}' })).status), 200);
          await choose(page, [{ name: "later.txt", mimeType: "text/plain", buffer: Buffer.from("later\n") }]);
          await sending(page).getByText("Receiving was turned off.").waitFor();
          assert.ok(await page.getByRole("button", { name: "Send files" }).isHidden());
        },
        { expected: REFUSED },
      );
    } finally {
      await other.stop();
    }
  });
});

describe("a new folder", () => {
  test("is made by keyboard alone, with those in it", () =>
    visit("/lectures/", async (page) => {
      await page.locator("#table tbody a").first().waitFor();
      await page.keyboard.press("n");
      const form = page.getByRole("dialog", { name: "New folder" });
      await form.waitFor();
      await page.keyboard.type("Ünder/way");
      await page.keyboard.press("Enter");
      await form.waitFor({ state: "hidden" });
      assert.ok((await stat(path.join(root, "lectures/Ünder/way"))).isDirectory());
      await eventually(page, async () => (await names(page)).includes("Ünder"), true);
    }));

  test("says what is wrong with a name", () =>
    visit(
      "/",
      async (page) => {
        await page.getByRole("button", { name: "New folder" }).click();
        const form = page.getByRole("dialog", { name: "New folder" });
        const says = async (name, words) => {
          await form.getByRole("textbox").fill(name);
          await form.getByRole("button", { name: "Make it" }).click();
          await eventually(page, () => form.getByRole("alert").textContent(), words);
        };
        await says("", "The name is missing.");
        await says("..", "“.” and “..” mean places, and are no names.");
        await says("lectures", "A file or a folder of this name is there already.");
        await says("taken.txt/inside", "A file has the name of a folder on the way there.");
        await form.getByRole("button", { name: "Cancel" }).click();
        await form.waitFor({ state: "hidden" });
      },
      { expected: REFUSED },
    ));
});

describe("the wire", () => {
  test("tells what was sent, and the same by hand does it", () =>
    visit(
      "/",
      async (page) => {
        const content = "nine knots [steady] {100%}\n";
        const name = "it's [one] {two}.txt";
        const file = await made(name, content);
        await choose(page, file);
        await isThere(page, "1 file is there");
        await page.keyboard.press("w");
        const wire = page.getByRole("dialog", { name: "The wire" });
        await wire.getByRole("heading", { name: `Sending ${name}` }).waitFor();
        const lines = await wire.getByRole("list", { name: "Messages" }).locator("pre").allTextContents();
        assert.match(lines[0], /^POST \/it's%20%5Bone%5D/);
        assert.match(lines[1], /^200 OK/);
        assert.match(await wire.locator(".out .size").first().textContent(), /^27 B body$/);
        const printed = {};
        for (const program of ["curl", "netcat", "Python"]) {
          await wire.getByRole("button", { name: `Copy the ${program} for this` }).click();
          printed[program] = await page.evaluate(() => navigator.clipboard.readText());
        }
        for (const command of [
          ["bash", "-c", printed.curl],
          ["bash", "-c", printed.netcat],
          ["python3", "-c", printed.Python],
        ]) {
          await rm(path.join(root, name), { force: true });
          await run(command[0], command.slice(1), { cwd: path.dirname(file), timeout: 20_000 });
          assert.equal(String(await onDisk(name)), content, command.at(-1));
        }
        await rm(path.join(root, name));
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ));

  test("of a large file the first and the last requests are kept", () =>
    visit("/", async (page) => {
      await choose(page, await made("pieces.bin", bytesOf(60 * MEGABYTE)));
      await isThere(page, "1 file is there");
      await page.keyboard.press("w");
      const wire = page.getByRole("dialog", { name: "The wire" });
      await wire.getByText("in 9 requests. The first 3 and the last 3 are shown.").waitFor();
      assert.equal(await wire.getByRole("list", { name: "Messages" }).locator("li").count(), 12);
      await rm(path.join(root, "pieces.bin"));
    }));
});

describe("the sheets", () => {
  for (const theme of ["light", "dark"]) {
    for (const [size, viewport] of [
      ["desk", { width: 1280, height: 800 }],
      ["phone", PHONE],
    ]) {
      test(`of what is sent, of a new folder and of who is here fit a ${size} in ${theme}, and axe finds no serious fault`, async () => {
        const context = await browser.newContext({ viewport, colorScheme: theme, bypassCSP: true, reducedMotion: "reduce", isMobile: size === "phone", hasTouch: size === "phone" });
        try {
          const page = await context.newPage();
          const fits = async () => assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
          await page.goto(hub.address);
          await page.locator("#table tbody a").first().waitFor();
          await hasNoSeriousFault(page);
          await choose(page, [{ name: "taken.txt", mimeType: "text/plain", buffer: Buffer.from("other") }, { name: `a name that is longer than any line ${"x".repeat(60)}.txt`, mimeType: "text/plain", buffer: Buffer.from("x") }]);
          await sending(page).getByText(/^The name is taken/).waitFor();
          await eventually(page, () => sending(page).locator(".queue-active li").count(), 0);
          await hasNoSeriousFault(page);
          await fits();
          await sending(page).getByRole("button", { name: "Close what is being sent" }).click();
          await fits();
          await page.getByRole("button", { name: "New folder" }).click();
          await hasNoSeriousFault(page);
          await page.keyboard.press("Escape");
          await page.getByRole("button", { name: /^Here/ }).click();
          await page.getByRole("dialog", { name: /^Here on/ }).getByText("you").waitFor();
          await hasNoSeriousFault(page);
          await fits();
        } finally {
          await context.close();
        }
      });
    }
  }

  test("offer another name for one that is taken, and count no refusal of the last time", () =>
    visit("/", async (page) => {
      await writeFile(path.join(root, "taken (2).txt"), "this one too\n");
      await choose(page, [{ name: "taken.txt", mimeType: "text/plain", buffer: Buffer.from("another") }]);
      await sending(page).getByRole("button", { name: "Send as “taken (2).txt”" }).click();
      await sending(page).getByText("1 file is there").waitFor();
      await eventually(page, () => itemWords(page, "taken (3).txt"), "7 B, sent");
      assert.equal(String(await onDisk("taken (3).txt")), "another");
      assert.equal(String(await onDisk("taken (2).txt")), "this one too\n");

      await choose(page, [{ name: "taken.txt", mimeType: "text/plain", buffer: Buffer.from("another") }]);
      await sending(page).getByText(/^The name is taken/).waitFor();
      await choose(page, [{ name: "taken (3).txt", mimeType: "text/plain", buffer: Buffer.from("another") }]);
      await sending(page).getByText("1 file is there").waitFor();
      assert.ok(!(await sending(page).locator(".figures").textContent()).includes("not taken"));
    }, { expected: [/status of 409/] }));

  test("are worked by keyboard alone", () =>
    visit(
      "/",
      async (page) => {
        await choose(page, [{ name: "taken.txt", mimeType: "text/plain", buffer: Buffer.from("other") }]);
        await sending(page).getByText(/^The name is taken/).waitFor();
        const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
        assert.equal(await focused(), "Sending");
        const passed = [];
        for (let step = 0; step < 5; step += 1) {
          await page.keyboard.press("Tab");
          passed.push(await focused());
        }
        assert.deepEqual(passed, ["Close what is being sent", "Try again", "Send as “taken (2).txt”", "Try again: taken.txt", "Take off the list: taken.txt"]);
        await page.keyboard.press("Enter");
        await isThere(page, "Nothing is being sent");
        assert.equal(await focused(), "Sending");
        await page.keyboard.press("Escape");
        await sending(page).waitFor({ state: "hidden" });
      },
      { expected: REFUSED },
    ));
});
