// Drives the tools and "show the wire" in a real browser against the real
// binary, and runs what the page prints under "the same by hand".

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { makeFolder, outwardAddress, startBrowser, startHub } from "./hub.mjs";
import { PHONE, eventually, hasNoSeriousFault, visitIn } from "./visit.mjs";

const run = promisify(execFile);
const NASTY = "it's 100% \"quoted\" \\n $(id) `id` ~ & é 日本 😀";
const TIME = /^\d\d:\d\d:\d\d$/;
const DATE = /^\d\d\d\d-\d\d-\d\d$/;

let folder;
let hub;
let browser;

before(async () => {
  folder = await makeFolder();
  hub = await startHub("up", folder.root, "--port", "0", "--quiet");
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await hub?.stop();
  await folder?.remove();
});

const visit = (place, act, options) => visitIn(browser, hub.address + place, act, options);
const tools = (page) => page.getByRole("dialog", { name: "Tools" });
const wire = (page) => page.getByRole("dialog", { name: "The wire" });
const tool = (page, name) => tools(page).getByRole("region", { name, exact: true });
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
const offsetWords = async (page) => (await page.locator(".words").textContent()).replaceAll("\u00a0", " ");

async function openTools(page) {
  await page.getByRole("button", { name: "Tools" }).click();
  await tools(page).waitFor();
}

/** Opens the tools and waits for the measured offset. */
async function openMeasured(page) {
  await openTools(page);
  await page.locator(".words", { hasText: "hub" }).waitFor();
}

async function say(page, text, over) {
  const echo = tool(page, "Echo");
  await echo.getByRole("textbox").fill(text);
  await echo.getByRole("radio", { name: over }).check();
  await echo.getByRole("button", { name: "Say it" }).click();
  await echo.locator(".answer").waitFor();
  return { answer: await echo.locator(".answer").textContent(), note: await echo.locator(".result .told").textContent() };
}

async function askClock(page, what, over) {
  const clock = tool(page, "Clock");
  await clock.getByRole("radio", { name: over }).check();
  await clock.getByRole("button", { name: what, exact: true }).click();
  await clock.locator(".answer").waitFor();
  return { answer: await clock.locator(".answer").textContent(), note: await clock.locator(".result .told").textContent() };
}

/** The messages that the wire shows: [{direction, after, size, meaning, lines}]. */
const messages = (page) =>
  wire(page)
    .getByRole("list", { name: "Messages" })
    .locator("li")
    .evaluateAll((items) =>
      items.map((item) => ({
        direction: item.querySelector(".direction").textContent,
        after: item.querySelector(".after").textContent.replaceAll("\u00a0", " "),
        size: item.querySelector(".size").textContent,
        meaning: item.querySelector(".meaning").textContent,
        lines: item.querySelector("pre")?.textContent.split("\n") ?? [],
      })),
    );

/** What was asked, but for how many are here, which the page asks by itself when it is there. */
const exchanges = async (page) => (await wire(page).getByRole("list", { name: /Exchanges/ }).locator(".what").allTextContents()).filter((title) => title !== "Who is here");

/** What the page prints for each program, as the copy button copies it. */
async function byHand(page) {
  const printed = {};
  for (const name of ["curl", "netcat", "Python"]) {
    await wire(page).getByRole("button", { name: `Copy the ${name} for this` }).click();
    printed[name] = await page.evaluate(() => navigator.clipboard.readText());
  }
  return printed;
}

const CLIPBOARD = { permissions: ["clipboard-read", "clipboard-write"] };
const shell = async (line) => (await run("bash", ["-c", line], { timeout: 20_000 })).stdout;
const python = async (program) => (await run("python3", ["-c", program], { timeout: 20_000 })).stdout;

describe("echo", () => {
  test("over HTTP gives the text back, with the round trip as the page measured it", () =>
    visit("/", async (page) => {
      await openTools(page);
      const { answer, note } = await say(page, NASTY, "HTTP");
      assert.equal(answer, NASTY);
      assert.match(note, /^The same came back\. \d+(\.\d)?\sms there and back, as this page measured it\.$/);
    }));

  for (const over of ["TCP", "UDP"]) {
    test(`over ${over} says that it was the hub that asked`, () =>
      visit("/", async (page) => {
        await openTools(page);
        const { answer, note } = await say(page, NASTY, over);
        assert.equal(answer, NASTY);
        assert.match(note, new RegExp(`^The same came back\\. The hub asked its own echo service over ${over}: [\\d.]+\\sms there and back\\.$`));
      }));
  }

  test("markup stays text, and what is invisible is shown", () =>
    visit("/", async (page) => {
      await openTools(page);
      const { answer } = await say(page, "<img src=x onerror=window.hurt=1>\u202e", "HTTP");
      assert.equal(answer, "<img src=x onerror=window.hurt=1>⟪U+202E⟫");
      assert.equal(await page.evaluate(() => window.hurt), undefined);
    }));

  test("a text that is too long is told so, and not sent", () =>
    visit("/", async (page) => {
      await openTools(page);
      const echo = tool(page, "Echo");
      const field = echo.getByRole("textbox");
      assert.equal(await field.getAttribute("maxlength"), "4096");
      const asked = [];
      page.on("request", (request) => asked.push(request.url()));
      for (const over of ["HTTP", "TCP", "UDP"]) {
        await field.fill("ahoy");
        await echo.getByRole("radio", { name: over }).check();
        await echo.getByRole("button", { name: "Say it" }).click();
        await echo.locator(".answer").waitFor();
        asked.length = 0;
        await field.fill("😀".repeat(1025));
        await echo.getByRole("button", { name: "Say it" }).click();
        await echo.getByText("Too long: at most 4096 bytes here.").waitFor();
        assert.ok(await echo.locator(".answer").isHidden());
        assert.deepEqual(asked.filter((url) => /echo|exchange/.test(url)), []);
        // As long as may be is not too long.
        await field.fill("😀".repeat(1024));
        await echo.getByRole("button", { name: "Say it" }).click();
        await echo.getByText("The same came back.").waitFor();
      }
    }));

  for (const status of [414, 431]) {
    test(`a refusal with ${status} is the hub's own`, () =>
      visit(
        "/",
        async (page) => {
          await page.route(/api\/(echo|exchange)/, (route) => route.fulfill({ status, body: "" }));
          await openTools(page);
          const echo = tool(page, "Echo");
          for (const over of ["HTTP", "TCP"]) {
            await echo.getByRole("radio", { name: over }).check();
            await echo.getByRole("button", { name: "Say it" }).click();
            await echo.getByText("Too long for the hub.").waitFor();
          }
        },
        { expected: [/Failed to load resource.*4[13][41]/] },
      ));
  }

  test("without a text, the last answer goes and what is missing is said", () =>
    visit("/", async (page) => {
      await openTools(page);
      await say(page, "ahoy", "HTTP");
      const echo = tool(page, "Echo");
      await echo.getByRole("textbox").fill("");
      await page.keyboard.press("Enter");
      await echo.getByText("the text is missing").waitFor();
      assert.ok(await echo.locator(".answer").isHidden());
      assert.equal(await focused(page), "echo-text");
    }));

  test("the chosen wire can be read with the mouse over it", () =>
    visit("/", async (page) => {
      await openTools(page);
      const label = (name) => tool(page, "Echo").locator(".wires label", { hasText: name });
      const colour = (name) => label(name).locator("span").evaluate((span) => getComputedStyle(span).backgroundColor);
      const [checked, other] = [await colour("HTTP"), await colour("TCP")];
      await label("HTTP").hover();
      assert.equal(await colour("HTTP"), checked);
      await label("TCP").hover();
      assert.notEqual(await colour("TCP"), other);
    }));

  test("by keyboard alone, and back to where one was", () =>
    visit("/", async (page) => {
      await page.locator("#table tbody a").first().focus();
      await page.keyboard.press("t");
      await eventually(page, () => focused(page), "echo-text");
      await page.keyboard.press("Control+a");
      await page.keyboard.type("two words");
      await page.keyboard.press("Tab");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("Tab");
      assert.equal(await focused(page), "Say it");
      await page.keyboard.press("Enter");
      await tool(page, "Echo").getByText("over TCP").waitFor();
      assert.equal(await tool(page, "Echo").locator(".answer").textContent(), "two words");
      await eventually(page, () => focused(page), "Say it");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await wire(page).waitFor();
      assert.match(await focused(page), /^Echo over TCP/);
      await page.keyboard.press("Escape");
      assert.equal(await focused(page), "Show the wire");
      await page.keyboard.press("Escape");
      await tools(page).waitFor({ state: "hidden" });
      assert.equal(await focused(page), "empty");
    }));

  test("a letter in the field is a letter", () =>
    visit("/", async (page) => {
      await openTools(page);
      await page.keyboard.press("Control+a");
      await page.keyboard.type("twd?/");
      assert.equal(await tool(page, "Echo").getByRole("textbox").inputValue(), "twd?/");
      assert.ok(await wire(page).isHidden());
    }));
});

describe("clock", () => {
  /** Lets the device's clock stand wrong by this much. */
  const shifted = (shift) =>
    browser.newContext({ viewport: { width: 1280, height: 800 } }).then(async (context) => {
      const page = await context.newPage();
      await page.addInitScript((by) => {
        const real = Date.now;
        Date.now = () => real.call(Date) + by;
      }, shift);
      await page.goto(hub.address);
      return { page, close: () => context.close() };
    });

  test("agrees with a hub on the same machine, and says how surely", () =>
    visit("/", async (page) => {
      await openMeasured(page);
      const found = (await offsetWords(page)).match(/^This device and the hub agree: their clocks are less than ([\d.]+) ms apart\.$/);
      assert.ok(found, await offsetWords(page));
      assert.ok(Number(found[1]) < 500);
    }));

  for (const [shift, way] of [
    [213, "ahead of"],
    [-5000, "behind"],
  ]) {
    test(`a device that is ${shift} ms off is told so, within the bound`, async () => {
      const { page, close } = await shifted(shift);
      try {
        await openMeasured(page);
        const words = await offsetWords(page);
        const found = words.match(/^This device is ([\d.]+) (m?s) (ahead of|behind) the hub \(± ([\d.]+) ms\)\.$/);
        assert.ok(found, words);
        assert.equal(found[3], way);
        const shown_ms = Number(found[1]) * (found[2] === "s" ? 1000 : 1);
        // The bound, and as much again at most for the digits that it leaves.
        assert.ok(Math.abs(shown_ms - Math.abs(shift)) <= 2 * Number(found[4]), words);
      } finally {
        await close();
      }
    });
  }

  test("shows the hub's time, not the device's, and ticks without asking", async () => {
    const { page, close } = await shifted(-7 * 3_600_000);
    try {
      await openMeasured(page);
      assert.match(await offsetWords(page), /^This device is about 7 h behind the hub\.$/);
      const asked = [];
      page.on("request", (request) => asked.push(request.url()));
      const shown = () => page.locator(".digits").getAttribute("datetime");
      const first = await shown();
      assert.ok(Math.abs(Date.parse(first) - Date.now()) < 3000, first);
      for (let ticks = 0; ticks < 2; ticks += 1) {
        const before = await shown();
        await page.waitForFunction((was) => document.querySelector(".digits").dateTime !== was, before);
      }
      const { offset } = await (await fetch(`${hub.address}/-/api/clock`)).json();
      assert.ok((await page.locator(".date").textContent()).endsWith(`(UTC${offset})`));
      assert.match(await page.locator(".digits").textContent(), TIME);
      assert.deepEqual(asked, []);
    } finally {
      await close();
    }
  });

  test("measures again when told to", () =>
    visit("/", async (page) => {
      await openMeasured(page);
      let asked = 0;
      page.on("request", (request) => {
        if (request.url().endsWith("/-/api/clock")) asked += 1;
      });
      await tool(page, "Clock").getByRole("button", { name: "Measure again" }).click();
      await page.locator(".words", { hasText: "agree" }).waitFor();
      assert.equal(asked, 6);
    }));

  for (const over of ["TCP", "UDP"]) {
    test(`tells the date and the time over ${over}`, () =>
      visit("/", async (page) => {
        await openTools(page);
        const date = await askClock(page, "Date", over);
        assert.match(date.answer, DATE);
        assert.match(date.note, new RegExp(`^The hub asked its own clock service over ${over}: [\\d.]+\\sms there and back\\.$`));
        await tool(page, "Clock").getByRole("button", { name: "Time", exact: true }).click();
        await eventually(page, async () => TIME.test(await tool(page, "Clock").locator(".answer").textContent()), true);
      }));
  }
});

for (const reducedMotion of ["no-preference", "reduce"]) {
  test(`an answer below the fold comes into view, with motion ${reducedMotion}`, () =>
    visit(
      "/",
      async (page) => {
        await openMeasured(page);
        await say(page, "ahoy", "HTTP");
        const { answer } = await askClock(page, "Date", "TCP");
        assert.match(answer, DATE);
        const inSight = () =>
          page.evaluate(() => {
            const shown = document.querySelector(".asking .result").getBoundingClientRect();
            const list = document.getElementById("tool-list").getBoundingClientRect();
            return shown.top >= list.top && shown.bottom <= list.bottom;
          });
        await eventually(page, inSight, true);
      },
      { viewport: { width: 1280, height: 560 }, reducedMotion },
    ));
}

describe("from another machine", () => {
  let outward;
  before(() => {
    outward = outwardAddress();
  });
  after(() => outward.release());

  const fromAfar = async (parameters, act, options) => {
    const other = await startHub("up", folder.root, "--quiet", "--open", "--on", `files=http://${outward.address}:0`, ...parameters);
    try {
      await visitIn(browser, other.address, act, options);
    } finally {
      await other.stop();
    }
  };
  const state = (page, name) =>
    tool(page, name)
      .locator(".wires label")
      .evaluateAll((labels) => labels.map((label) => `${label.textContent}${label.control.disabled ? " disabled" : ""}`));
  const LOOPBACK = ["echo=tcp", "echo=udp", "clock=tcp", "clock=udp"].flatMap((on) => ["--on", `${on}://127.0.0.1:0`]);

  for (const [size, viewport] of [
    ["desk", { width: 1280, height: 800 }],
    ["phone", PHONE],
  ]) {
    test(`what works over HTTP is there, and what lets in is told, on a ${size}`, () =>
      fromAfar(
        LOOPBACK,
        async (page) => {
          await openMeasured(page);
          assert.deepEqual(await state(page, "Echo"), ["HTTP", "TCP disabled", "UDP disabled"]);
          assert.equal((await say(page, "ahoy", "HTTP")).answer, "ahoy");
          assert.match(await offsetWords(page), /agree/);
          for (const name of ["Echo", "Clock"]) {
            const note = await tool(page, name).locator(".elsewhere").textContent();
            const on = (wire) => `--on ${name.toLowerCase()}=${wire}://0\\.0\\.0\\.0:\\d+`;
            assert.match(note, new RegExp(`^TCP and UDP: only on the hub's own machine; it lets others in when started with ${on("tcp")} ${on("udp")}$`));
          }
          assert.deepEqual(await state(page, "Clock"), []);
          assert.ok(await tool(page, "Clock").getByRole("button", { name: "Date" }).isHidden());
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
          await hasNoSeriousFault(page);
        },
        { viewport, bypassCSP: true, reducedMotion: "reduce" },
      ));
  }

  test("each wire is told by itself", () =>
    fromAfar(["--on", `echo=tcp://${outward.address}:0`, "--on", "echo=udp://127.0.0.1:0", "--on", `clock=tcp://${outward.address}:0`, "--without", "clock.udp"], async (page) => {
      await openTools(page);
      assert.deepEqual(await state(page, "Echo"), ["HTTP", "TCP", "UDP disabled"]);
      assert.equal((await say(page, "ahoy", "TCP")).answer, "ahoy");
      assert.match(await tool(page, "Echo").locator(".elsewhere").textContent(), /^UDP: only on the hub's own machine;/);
      assert.deepEqual(await state(page, "Clock"), ["TCP"]);
      assert.equal(await tool(page, "Clock").locator(".elsewhere").count(), 0);
    }));

  test("what does not run is not there", () =>
    fromAfar(["--without", "echo", ...LOOPBACK.slice(4)], async (page) => {
      await openTools(page);
      assert.deepEqual(await tools(page).getByRole("heading", { level: 3 }).allTextContents(), ["Clock"]);
    }));
});

describe("what the hub leaves out", () => {
  const withHub = async (parameters, act) => {
    const other = await startHub("up", folder.root, "--port", "0", "--quiet", ...parameters);
    try {
      await visitIn(browser, other.address, act);
    } finally {
      await other.stop();
    }
  };
  const radios = (page, name) => tool(page, name).locator(".wires label").allTextContents();

  test("a service is not shown", () =>
    withHub(["--without", "echo"], async (page) => {
      await openTools(page);
      assert.deepEqual(await tools(page).getByRole("heading", { level: 3 }).allTextContents(), ["Clock"]);
    }));

  test("a wire is not shown", () =>
    withHub(["--without", "clock.udp", "--without", "echo.tcp"], async (page) => {
      await openTools(page);
      assert.deepEqual(await radios(page, "Clock"), ["TCP"]);
      assert.deepEqual(await radios(page, "Echo"), ["HTTP", "UDP"]);
    }));

  test("without any, there are no tools", () =>
    withHub(["--without", "echo", "--without", "clock"], async (page) => {
      await page.locator("#table tbody a").first().waitFor();
      assert.ok(await page.getByRole("button", { name: "Tools" }).isHidden());
      await page.keyboard.press("t");
      assert.ok(await tools(page).isHidden());
    }));
});

describe("the wire", () => {
  test("of the page's own arrival", () =>
    visit("/lectures/?x=1", async (page) => {
      await page.getByRole("button", { name: "Wire" }).click();
      const [out, back] = await messages(page);
      assert.match(out.lines[0], /^GET \/lectures\/\?x=1/);
      assert.equal(back.lines[0], "200");
      assert.match(back.size, /^[\d,]+ B body/);
    }));

  test("of a folder, as far as a page can see, and live while it is open", () =>
    visit("/", async (page) => {
      await page.locator("#table tbody a").first().waitFor();
      await page.keyboard.press("w");
      await wire(page).waitFor();
      await page.getByRole("link", { name: "lectures", exact: true }).click();
      await wire(page).getByRole("heading", { name: "List of /lectures/" }).waitFor();
      const [out, back] = await messages(page);
      assert.deepEqual(out.lines, ["GET /-/api/list/lectures/", "Accept: application/json"]);
      assert.equal(out.direction, "→ sent");
      assert.match(out.meaning, /asks for the folder’s list/);
      assert.equal(back.direction, "← received");
      assert.equal(back.lines[0], "200 OK");
      assert.ok(back.lines.includes("content-type: application/json"), back.lines.join("\n"));
      assert.equal(back.meaning, "the list: 2 entries");
      const length = (await (await fetch(`${hub.address}/-/api/list/lectures/`, { headers: { Accept: "application/json" } })).arrayBuffer()).byteLength;
      assert.ok(back.size.startsWith(`${length} B body`), back.size);
      await wire(page).getByText("as far as a page can see").waitFor();
      // The rows keep their keys: nothing lies in front of them.
      await page.keyboard.press("j");
      assert.equal(await focused(page), "outline.md");
    }));

  test("of an exchange over TCP and UDP is the hub's own transcript", () =>
    visit("/", async (page) => {
      await openTools(page);
      await say(page, "ahoy", "TCP");
      await tool(page, "Echo").getByRole("button", { name: "Show the wire" }).click();
      let [out, back] = await messages(page);
      assert.deepEqual(out.lines, ['"ahoy\\n"']);
      assert.equal(out.size, "5 B");
      assert.match(out.after, /^at [\d.]+ ms$/);
      assert.match(out.meaning, /wants these bytes back/);
      assert.match(back.meaning, /gives the same bytes back/);
      await wire(page).getByText(/The hub asked its own echo service at tcp:\/\//).waitFor();

      await askClock(page, "Time", "UDP");
      await wire(page).getByRole("heading", { name: "Clock over UDP" }).waitFor();
      [out, back] = await messages(page);
      assert.deepEqual(out.lines, ['"SEND_TIME"']);
      assert.match(back.lines[0], /^"\d\d:\d\d:\d\d"$/);
    }));

  test("tells what was said from what was said before, as text and not at length", () =>
    visit("/", async (page) => {
      await openTools(page);
      await say(page, "<b>😀</b>\u202e", "UDP");
      await eventually(page, () => tool(page, "Echo").locator(".answer").textContent(), "<b>😀</b>⟪U+202E⟫");
      await say(page, "😀".repeat(40), "TCP");
      await eventually(page, () => tool(page, "Echo").locator(".answer").textContent(), "😀".repeat(40));
      await askClock(page, "Date", "TCP");
      await page.getByRole("button", { name: "Wire", exact: true }).click();
      const said = (await exchanges(page)).filter((title) => title.includes('"'));
      assert.deepEqual(said, ['Clock over TCP: "SEND_DATE"', `Echo over TCP: "${"😀".repeat(24)}…"`, 'Echo over UDP: "<b>😀</b>⟪U+202E⟫"']);
    }));

  test("of the clock's offset has every question, and which one counts", () =>
    visit("/", async (page) => {
      await openMeasured(page);
      await tool(page, "Clock").getByRole("button", { name: "Show the wire" }).click();
      const told = await messages(page);
      assert.equal(told.length, 12);
      assert.equal(told.filter(({ meaning }) => meaning.endsWith("this one counts")).length, 1);
    }));

  test("keeps the last twenty, newest first, and each can be chosen by keyboard", () =>
    visit("/", async (page) => {
      await openMeasured(page);
      for (let index = 0; index < 23; index += 1) {
        await say(page, `text ${index}`, "HTTP");
        await eventually(page, () => tool(page, "Echo").locator(".answer").textContent(), `text ${index}`);
      }
      await tools(page).getByRole("button", { name: "Close the tools" }).click();
      await page.keyboard.press("w");
      assert.deepEqual(
        await exchanges(page),
        Array.from({ length: 20 }, (_, index) => `Echo over HTTP: "text ${22 - index}"`),
      );
      assert.ok((await messages(page))[1].lines.includes("text 22"));
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      assert.ok((await messages(page))[1].lines.includes("text 20"));
      await page.keyboard.press("ArrowUp");
      assert.ok((await messages(page))[1].lines.includes("text 21"));
      await page.keyboard.press("w");
      await wire(page).waitFor({ state: "hidden" });
    }));

  test("what the page does by itself is marked and takes nobody away", () =>
    visit("/lectures/", async (page) => {
      await page.getByRole("link", { name: "week 1", exact: true }).click();
      await page.getByRole("link", { name: "intro.txt", exact: true }).waitFor();
      await page.getByRole("button", { name: "Wire" }).click();
      const newest = () => wire(page).getByRole("list", { name: /Exchanges/ }).locator("button").first().getAttribute("data-number");
      for (let times = 0; times < 2; times += 1) {
        const before = await newest();
        // While it still asks, the page asks no more.
        const looked = async () => {
          await page.evaluate(() => window.dispatchEvent(new Event("focus")));
          return (await newest()) !== before;
        };
        await eventually(page, looked, true);
      }
      await eventually(page, () => exchanges(page), ["List of /lectures/week 1/", "List of /lectures/week 1/", "This page, with the folder in it"]);
      const listed = wire(page).getByRole("list", { name: /Exchanges/ }).locator("button");
      assert.match(await listed.first().textContent(), /by itself$/);
      assert.equal(await listed.nth(1).getAttribute("aria-current"), "true");
    }));

  test("is in the list of keys", () =>
    visit("/", async (page) => {
      await page.keyboard.press("?");
      const keys = page.getByRole("dialog", { name: "Keys" });
      await keys.getByText("show the wire").waitFor();
      await keys.getByText("tools: echo, clock").waitFor();
      await page.keyboard.press("w");
      assert.ok(await wire(page).isHidden());
    }));
});

describe("the same by hand", () => {
  const JSON_IN = (text) => JSON.parse(text.slice(text.indexOf("{")));

  for (const over of ["TCP", "UDP"]) {
    test(`asks the clock over ${over}`, () =>
      visit(
        "/",
        async (page) => {
          await openTools(page);
          await askClock(page, "Time", over);
          await tool(page, "Clock").locator(".result").getByRole("button", { name: "Show the wire" }).click();
          const printed = await byHand(page);
          assert.match((await shell(printed.netcat)).trim(), TIME);
          assert.match((await python(printed.Python)).trim(), TIME);
          assert.match(JSON.parse(await shell(printed.curl)).answer.text, TIME);
        },
        CLIPBOARD,
      ));

    test(`says any text over ${over}`, () =>
      visit(
        "/",
        async (page) => {
          await openTools(page);
          await say(page, NASTY, over);
          await tool(page, "Echo").getByRole("button", { name: "Show the wire" }).click();
          const printed = await byHand(page);
          const end = over === "TCP" ? "\n" : "";
          assert.equal(await shell(printed.netcat), NASTY + end);
          assert.equal(await python(printed.Python), `${NASTY}${end}\n`);
          assert.equal(JSON.parse(await shell(printed.curl)).answer.text, NASTY);
        },
        CLIPBOARD,
      ));
  }

  test("says any text over HTTP", () =>
    visit(
      "/",
      async (page) => {
        await openTools(page);
        await say(page, NASTY, "HTTP");
        await tool(page, "Echo").getByRole("button", { name: "Show the wire" }).click();
        const printed = await byHand(page);
        assert.equal(await shell(printed.curl), NASTY);
        const answer = await shell(printed.netcat);
        assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
        assert.equal(answer.slice(answer.indexOf("\r\n\r\n") + 4), NASTY);
        const told = await python(printed.Python);
        assert.match(told, /^200 OK\n/);
        assert.ok(told.endsWith(`${NASTY}\n`), told);
        assert.ok(printed.Python.trim().split("\n").length <= 10);
      },
      CLIPBOARD,
    ));

  test("lists a folder", () =>
    visit(
      "/",
      async (page) => {
        await page.getByRole("link", { name: "lectures", exact: true }).click();
        await page.getByRole("link", { name: "week 1", exact: true }).click();
        await page.getByRole("link", { name: "intro.txt", exact: true }).waitFor();
        await page.keyboard.press("w");
        const printed = await byHand(page);
        const listing = await (await fetch(`${hub.address}/-/api/list/lectures/week%201/`)).json();
        assert.deepEqual(JSON.parse(await shell(printed.curl)), listing);
        assert.deepEqual(JSON_IN(await shell(printed.netcat)), listing);
        assert.deepEqual(JSON_IN(await python(printed.Python)), listing);
      },
      CLIPBOARD,
    ));

  test("can be copied on a phone, where the browser calls it an insecure context", async () => {
    const outward = outwardAddress();
    const other = await startHub("serve", "files", folder.root, "--on", `http://${outward.address}:0`);
    try {
      await visitIn(
        browser,
        other.address,
        async (page) => {
          assert.equal(await page.evaluate(() => window.isSecureContext), false);
          await page.getByRole("button", { name: "Wire" }).click();
          await wire(page).getByRole("button", { name: "Copy the curl for this" }).click();
          await eventually(page, () => wire(page).locator(".said").textContent(), "Copied");
          await wire(page).getByRole("button", { name: "Close the wire" }).click();
          await page.getByRole("searchbox").focus();
          await page.keyboard.press("Control+v");
          assert.equal(await page.getByRole("searchbox").inputValue(), `curl -H 'Accept: text/html' ${other.address}/`);
        },
        { viewport: PHONE, hasTouch: true },
      );
    } finally {
      await other.stop();
      outward.release();
    }
  });
});

test("a hub that is gone is said to be gone, in the tools and on the wire", async () => {
  const other = await startHub("up", folder.root, "--port", "0", "--quiet");
  await visitIn(
    browser,
    other.address,
    async (page) => {
      await openMeasured(page);
      await other.stop();
      const echo = tool(page, "Echo");
      for (const over of ["HTTP", "UDP"]) {
        await echo.getByRole("radio", { name: over }).check();
        await echo.getByRole("button", { name: "Say it" }).click();
        await echo.getByText("The hub does not answer.").waitFor();
      }
      await tool(page, "Clock").getByRole("button", { name: "Measure again" }).click();
      await page.locator(".words", { hasText: "The hub does not answer." }).waitFor();
      await echo.getByRole("button", { name: "Show the wire" }).click();
      assert.equal((await messages(page)).length, 1);
      await wire(page).locator(".failure", { hasText: "does not answer" }).waitFor();
    },
    { expected: [/Failed to load resource/] },
  );
});

describe("the sheets themselves", () => {
  for (const theme of ["light", "dark"]) {
    for (const [size, viewport] of [
      ["desk", { width: 1280, height: 800 }],
      ["phone", PHONE],
    ]) {
      test(`on a ${size} in ${theme} have no serious fault that axe can find`, async () => {
        const context = await browser.newContext({ viewport, colorScheme: theme, bypassCSP: true, reducedMotion: "reduce" });
        try {
          const page = await context.newPage();
          await page.goto(hub.address);
          await openMeasured(page);
          await say(page, "ahoy", "TCP");
          await askClock(page, "Time", "UDP");
          await hasNoSeriousFault(page);
          await tool(page, "Echo").getByRole("button", { name: "Show the wire" }).click();
          await hasNoSeriousFault(page);
        } finally {
          await context.close();
        }
      });
    }
  }

  test("fit a phone, whatever is said", () =>
    visit(
      "/",
      async (page) => {
        await openMeasured(page);
        await say(page, "unbroken".repeat(60), "TCP");
        const widths = () =>
          page.evaluate(() => {
            const sheet = [...document.querySelectorAll(".sheet[open]")].at(-1);
            const wide = [...sheet.querySelectorAll("*")].filter((part) => !part.closest("#exchanges, .unseen") && part.getBoundingClientRect().right > innerWidth);
            return [document.documentElement.scrollWidth, sheet.scrollWidth, wide.map((part) => part.outerHTML.slice(0, 80))];
          });
        assert.deepEqual(await widths(), [PHONE.width, PHONE.width, []]);
        await tool(page, "Echo").getByRole("button", { name: "Show the wire" }).click();
        assert.deepEqual(await widths(), [PHONE.width, PHONE.width, []]);
        // In front of everything: nothing behind can be reached by mistake.
        assert.ok(await page.evaluate(() => document.getElementById("wire").matches(":modal")));
        await page.keyboard.press("Escape");
        await wire(page).waitFor({ state: "hidden" });
        await tools(page).waitFor();
        assert.equal(await focused(page), "Show the wire");
      },
      { viewport: PHONE, isMobile: true, hasTouch: true },
    ));

  test("stay still where people want no motion", () =>
    visit(
      "/",
      async (page) => {
        await page.keyboard.press("w");
        assert.equal(await page.evaluate(() => getComputedStyle(document.getElementById("wire")).animationName), "none");
      },
      { reducedMotion: "reduce" },
    ));

  test("leave no row behind them", () =>
    visit("/logs/", async (page) => {
      await page.locator("#table tbody a").first().waitFor();
      await page.keyboard.press("w");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Wire" }).click();
      await page.locator("#table tbody a").first().focus();
      await page.keyboard.press("End");
      const [row, sheet] = await page.evaluate(() => [document.activeElement.getBoundingClientRect().bottom, document.getElementById("wire").getBoundingClientRect().top]);
      assert.ok(row <= sheet, `${row} > ${sheet}`);
      assert.equal(await focused(page), "log-319.txt");
    }));
});
