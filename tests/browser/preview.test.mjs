// Drives the viewer in a real browser: what each kind of file looks like to a
// visitor, how one goes from file to file, and that nothing in a shared file
// runs or reaches another host. Needs SOCKEYE; see hub.mjs.

import assert from "node:assert/strict";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { startBrowser, startHub, startWholeBrowser } from "./hub.mjs";
import { makePreviewFolder } from "./preview-folder.mjs";
import { eventually, hasNoSeriousFault, visitIn } from "./visit.mjs";

const SMALL_PHONE = { width: 390, height: 780 };

let folder;
let hub;
let browser;
let wholeBrowser;

before(async () => {
  browser = await startBrowser();
  wholeBrowser = await startWholeBrowser();
  folder = await makePreviewFolder(browser);
  hub = await startHub("up", folder.root, "--port", "0", "--quiet", "--ephemeral");
});

after(async () => {
  await browser?.close();
  await wholeBrowser?.close();
  await hub?.stop();
  await folder?.remove();
});

const at = (place) => hub.address + place;
const viewing = (name) => at(`/#view=${encodeURIComponent(name)}`);
const visit = (address, run, options) => visitIn(browser, address, run, options);
const visitWhole = (address, run, options) => visitIn(wholeBrowser, address, run, options);
const viewer = (page) => page.getByRole("dialog").first();
const name = (page) => page.locator("#viewer-name");
const shows = (page, wanted) => eventually(page, () => name(page).textContent(), wanted);
const place = (page) => page.locator(".viewer-place").textContent();
const facts = (page) => page.locator(".viewer-facts").textContent();
const isOpen = (page) => page.evaluate(() => Boolean(document.querySelector(".viewer[open]")));
const focusedRow = (page) => page.evaluate(() => document.activeElement.closest("tbody tr")?.querySelector(".name a").textContent);
const fragment = (page) => page.evaluate(() => decodeURIComponent(location.hash));
const settled = (page) => page.locator(".viewer-body:not([aria-busy])").waitFor();
const lines = (page) => page.locator(".line");
// A file that is refused or broken makes the browser itself complain.
const failing = [/Failed to load resource/];

describe("the viewer", () => {
  test("opens by a click, closes by Escape, and gives the focus back to the row", () =>
    visit(at("/"), async (page) => {
      await page.getByRole("link", { name: "knots.py", exact: true }).click();
      await shows(page, "knots.py");
      assert.equal(await fragment(page), "#view=knots.py");
      assert.match(await page.title(), /^knots\.py/);
      assert.match(await place(page), /^\d+ of \d+$/);
      await page.keyboard.press("Escape");
      await eventually(page, () => isOpen(page), false);
      await eventually(page, () => fragment(page), "");
      assert.equal(await focusedRow(page), "knots.py");
      assert.equal(await page.title(), "Passage – Sockeye");
    }));

  test("opens by Enter, and going back closes it", () =>
    visit(at("/"), async (page) => {
      await page.getByRole("link", { name: "notes.md", exact: true }).focus();
      await page.keyboard.press("Enter");
      await shows(page, "notes.md");
      await page.goBack();
      await eventually(page, () => isOpen(page), false);
      assert.equal(await focusedRow(page), "notes.md");
      await page.goForward();
      await shows(page, "notes.md");
      await eventually(page, () => isOpen(page), true);
    }));

  test("stays through a reload, and then Back closes it", () =>
    visit(at("/"), async (page) => {
      await page.getByRole("link", { name: "track.csv", exact: true }).click();
      await shows(page, "track.csv");
      await page.reload();
      await shows(page, "track.csv");
      await eventually(page, () => isOpen(page), true);
      await page.goBack();
      await eventually(page, () => isOpen(page), false);
      assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Passage");
    }));

  test("a link to a preview opens it, and closing it leaves the folder", () =>
    visit(viewing("the bay.webp"), async (page) => {
      await shows(page, "the bay.webp");
      await page.getByRole("button", { name: "Close", exact: true }).click();
      await eventually(page, () => isOpen(page), false);
      assert.equal(await fragment(page), "");
      assert.equal(await focusedRow(page), "the bay.webp");
    }));

  test("walks the files in the order of the list, without folders and what it cannot show", () =>
    visit(at("/"), async (page) => {
      const files = await page.locator("#table tbody:not(.spacer) .name a:not([data-folder])").allTextContents();
      const expected = files.filter((file) => file !== "charts.zip");
      await page.getByRole("link", { name: expected[0], exact: true }).click();
      const seen = [];
      for (const [index, file] of expected.entries()) {
        await shows(page, file);
        assert.equal(await place(page), `${index + 1} of ${expected.length}`);
        seen.push(await name(page).textContent());
        await page.getByRole("button", { name: "Next" }).isEnabled() && (await page.getByRole("button", { name: "Next" }).click());
      }
      assert.deepEqual(seen, expected);
      // Walking leaves one entry in the history, not one for each file.
      await page.goBack();
      await eventually(page, () => isOpen(page), false);
      assert.equal(await focusedRow(page), expected.at(-1));
    }, { expected: failing }));

  test("walks what the filter leaves, in the order chosen", () =>
    visit(at("/"), async (page) => {
      await page.getByRole("searchbox").fill("wav");
      await page.getByRole("button", { name: "Name" }).click();
      await page.getByRole("link", { name: "whistle.wav", exact: true }).click();
      await shows(page, "whistle.wav");
      assert.equal(await place(page), "1 of 4");
      await page.keyboard.press("ArrowRight");
      await shows(page, "waves.webm");
      assert.equal(await place(page), "2 of 4");
    }));

  test("leaves a modified click, and what it cannot show, to the browser", () =>
    visit(at("/"), async (page, context) => {
      const opened = context.waitForEvent("page");
      await page.getByRole("link", { name: "old.txt", exact: true }).click({ modifiers: ["Control"] });
      await (await opened).waitForURL("**/old.txt");
      assert.equal(await isOpen(page), false);
      const download = page.waitForEvent("download");
      await page.getByRole("link", { name: "charts.zip", exact: true }).click();
      assert.equal((await download).suggestedFilename(), "charts.zip");
      assert.equal(await isOpen(page), false);
    }, { expected: [/favicon/] }));

  test("downloads by d, opens the file itself by o, and lists its keys by ?", () =>
    visit(viewing("knots.py"), async (page, context) => {
      await lines(page).first().waitFor();
      const download = page.waitForEvent("download");
      await page.keyboard.press("d");
      assert.equal((await download).suggestedFilename(), "knots.py");
      const opened = context.waitForEvent("page");
      await page.keyboard.press("o");
      await (await opened).waitForURL("**/knots.py");
      await page.keyboard.press("?");
      const keys = page.getByRole("dialog", { name: "Keys" });
      await keys.waitFor();
      assert.match(await keys.textContent(), /wrap long lines/);
      await page.keyboard.press("Escape");
      await keys.waitFor({ state: "hidden" });
      assert.equal(await isOpen(page), true);
    }, { expected: [/favicon/] }));

  test("shares what is shown by s, and Escape leads back to it", () =>
    visit(viewing("knots.py"), async (page) => {
      await lines(page).first().waitFor();
      await page.keyboard.press("s");
      const share = page.getByRole("dialog", { name: "Share “knots.py”" });
      await share.waitFor();
      await eventually(page, () => share.textContent().then((words) => words.includes(`${hub.address}/knots.py`)), true);
      await page.keyboard.press("Escape");
      await share.waitFor({ state: "hidden" });
      assert.equal(await isOpen(page), true);
      await page.keyboard.press("ArrowLeft");
      await shows(page, "hostile.md");
    }));

  test("lists the keys that do something to what is shown, and no others", () =>
    visit(viewing("harbour.png"), async (page) => {
      const keys = page.getByRole("dialog", { name: "Keys" });
      const list = async (file) => {
        if (file) await page.goto(viewing(file));
        await settled(page);
        await page.keyboard.press("?");
        await keys.waitFor();
        const words = await keys.locator("dd").allTextContents();
        await page.keyboard.press("Escape");
        await keys.waitFor({ state: "hidden" });
        return words.join("; ");
      };
      await page.locator(".viewed").waitFor();
      const picture = await list();
      assert.match(picture, /pixel for pixel/);
      assert.match(picture, /first, last picture/);
      assert.doesNotMatch(picture, /wider than the window|wrap|source/);
      await page.keyboard.press("1");
      const text = await list("knots.py");
      assert.match(text, /wrap long lines/);
      assert.match(text, /share/);
      assert.doesNotMatch(text, /first, last picture|pixel|source|play/);
      assert.match(await list("notes.md"), /source/);
      assert.match(await list("settings.json"), /indent the JSON/);
      assert.doesNotMatch(await list("binary.log"), /wrap/);
    }));

  test("says how much there is, and not how much is drawn", async () => {
    await folder.write("counted.txt", "x\n".repeat(30_000));
    try {
      await visit(viewing("counted.txt"), async (page) => {
        await eventually(page, () => facts(page).then((words) => / · 30,000 lines · /.test(words)), true);
        assert.equal(await lines(page).count(), 20_000);
        // Nobody has read to the end of this one.
        await page.goto(viewing("long.log"));
        await eventually(page, () => facts(page).then((words) => / · more than [\d,]+ lines · /.test(words)), true);
      });
    } finally {
      await rm(path.join(folder.root, "counted.txt"));
    }
  });

  test("shows no place for a file that has none", () =>
    visit(viewing("charts.zip"), async (page) => {
      await shows(page, "charts.zip");
      assert.equal(await page.locator(".viewer-place").isVisible(), false);
    }));

  test("says what is shown to who listens", () =>
    visit(viewing("knots.py"), async (page) => {
      await eventually(page, () => page.locator(".viewer > [aria-live]").textContent(), "knots.py, 14 lines. ");
      await page.keyboard.press("ArrowLeft");
      await eventually(page, () => page.locator(".viewer > [aria-live]").textContent(), "hostile.md, laid out.");
    }, { expected: failing }));

  test("goes from folder to folder with the browser's history", () =>
    visit(at("/"), async (page) => {
      await page.getByRole("link", { name: "knots.py", exact: true }).click();
      await shows(page, "knots.py");
      await page.goto(at("/charts/#view=bay.txt"));
      await shows(page, "bay.txt");
      await page.keyboard.press("Escape");
      await eventually(page, () => isOpen(page), false);
      await page.goBack();
      await shows(page, "knots.py");
      await eventually(page, () => isOpen(page), true);
      await page.keyboard.press("Escape");
      await eventually(page, () => isOpen(page), false);
      assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Passage");
    }));
});

describe("pictures", () => {
  for (const [file, size] of [["harbour.png", "640 × 400"], ["mast.jpg", "500 × 900"], ["the bay.webp", "3,000 × 1,800"]]) {
    test(`${file} is shown, fitted to the window`, () =>
      visit(viewing(file), async (page) => {
        await page.locator(".viewed").waitFor();
        assert.ok((await facts(page)).endsWith(size), await facts(page));
        const body = await page.locator(".viewer-body").boundingBox();
        const box = await page.locator(".viewed").boundingBox();
        assert.ok(box.width <= body.width && box.height <= body.height, JSON.stringify([box, body]));
      }));
  }

  test("a drawing in SVG is a picture, in which nothing runs", () =>
    visit(viewing("drawing.svg"), async (page) => {
      await page.locator(".viewed").waitFor();
      assert.equal(await page.locator(".viewed").evaluate((image) => image.tagName), "IMG");
      assert.equal(await page.evaluate(() => window.hurt), undefined);
    }));

  test("get larger and smaller by keys and a double click", () =>
    visit(viewing("harbour.png"), async (page) => {
      const level = () => page.locator(".zoom-level").textContent();
      await page.locator(".viewed").waitFor();
      assert.equal(await level(), "100 %");
      await page.keyboard.press("+");
      assert.equal(await level(), "125 %");
      assert.equal(Math.round((await page.locator(".viewed").boundingBox()).width), 800);
      await page.keyboard.press("-");
      await page.keyboard.press("-");
      assert.equal(await level(), "80 %");
      await page.keyboard.press("0");
      assert.equal(await level(), "100 %");
      await page.locator(".viewed").dblclick();
      assert.equal(await level(), "200 %");
      await page.locator(".viewed").dblclick();
      assert.equal(await level(), "100 %");
    }));

  test("are walked by keys alone, to the ends too", () =>
    visit(at("/"), async (page) => {
      await page.getByRole("searchbox").fill("a");
      await page.getByRole("link", { name: "harbour.png", exact: true }).focus();
      await page.keyboard.press("Enter");
      await shows(page, "harbour.png");
      await page.locator(".viewed").waitFor();
      await page.keyboard.press("End");
      await shows(page, "the bay.webp");
      await page.locator(".viewed").waitFor();
      await page.keyboard.press("Home");
      await shows(page, "drawing.svg");
      await page.locator(".viewed").waitFor();
      await page.keyboard.press("Home");
      await page.keyboard.press("Escape");
      await eventually(page, () => focusedRow(page), "drawing.svg");
    }));

  test("the next picture is fetched before its turn", () =>
    visit(at("/album/"), async (page) => {
      await page.getByRole("link", { name: "a.png", exact: true }).waitFor();
      const ahead = page.waitForRequest("**/album/b.png");
      await page.getByRole("link", { name: "a.png", exact: true }).click();
      await ahead;
      await shows(page, "a.png");
    }));

  test("a broken one says so", () =>
    visit(viewing("broken.png"), async (page) => {
      await page.getByRole("heading", { name: "This picture cannot be shown" }).waitFor();
      await page.locator(".viewer-trouble").getByRole("link", { name: "Download" }).waitFor();
    }, { expected: failing }));

  test("all of them are shown small by g, and chosen by keys", () =>
    visit(viewing("harbour.png"), async (page) => {
      await page.locator(".viewed").waitFor();
      await page.keyboard.press("g");
      await page.locator(".tiles").waitFor();
      assert.deepEqual(await page.locator(".tile-name").allTextContents(), ["broken.png", "drawing.svg", "harbour.png", "mast.jpg", "the bay.webp"]);
      await eventually(page, () => page.locator(".tile-picture canvas").count(), 4);
      await eventually(page, () => page.locator(".tile-picture.broken").count(), 1);
      const focused = () => page.evaluate(() => document.activeElement.textContent);
      assert.equal(await focused(), "harbour.png");
      await page.keyboard.press("ArrowRight");
      assert.equal(await focused(), "mast.jpg");
      await page.keyboard.press("End");
      assert.equal(await focused(), "the bay.webp");
      await page.keyboard.press("ArrowLeft");
      await page.keyboard.press("Enter");
      await shows(page, "mast.jpg");
      await page.locator(".viewed").waitFor();
      await page.keyboard.press("g");
      await page.locator(".tiles").waitFor();
      await page.keyboard.press("Escape");
      await page.locator(".viewed").waitFor();
      await page.keyboard.press("Escape");
      await eventually(page, () => isOpen(page), false);
      assert.equal(await focusedRow(page), "mast.jpg");
    }, { expected: failing }));

  test("a swipe goes on", () =>
    visit(viewing("harbour.png"), async (page) => {
      await page.locator(".viewed").waitFor();
      await swipe(page, 300, 80);
      await shows(page, "hostile.md");
      await page.locator(".prose").waitFor();
      await swipe(page, 80, 300);
      await shows(page, "harbour.png");
    }, { viewport: SMALL_PHONE, hasTouch: true, expected: failing }));

  async function swipe(page, from, to) {
    const session = await page.context().newCDPSession(page);
    const send = (type, x) => session.send("Input.dispatchTouchEvent", { type, touchPoints: x === null ? [] : [{ x, y: 400 }] });
    await send("touchStart", from);
    for (let step = 1; step <= 5; step += 1) await send("touchMove", from + ((to - from) * step) / 5);
    await send("touchEnd", null);
  }
});

describe("sound and films", () => {
  const player = (page) => page.locator(".viewer-body audio, .viewer-body video");

  test("a film plays, is paused by the space bar, and can be sought in", () =>
    visit(viewing("waves.webm"), async (page) => {
      await eventually(page, () => player(page).evaluate((film) => film.videoWidth), 160);
      await player(page).evaluate((film) => film.pause());
      await page.locator(".viewer-body").focus();
      await page.keyboard.press("Space");
      await eventually(page, () => player(page).evaluate((film) => film.paused), false);
      await page.keyboard.press("Space");
      await eventually(page, () => player(page).evaluate((film) => film.paused), true);
      assert.ok(await player(page).evaluate((film) => film.controls));
    }));

  test("a film has the subtitles that lie beside it", () =>
    visit(viewing("waves.webm"), async (page) => {
      const track = page.locator(".viewer-body track");
      assert.equal(await track.getAttribute("srclang"), "en");
      const words = await track.evaluate(
        (element) =>
          new Promise((resolve) => {
            element.addEventListener("load", () => resolve(element.track.cues[0].text));
            element.track.mode = "hidden";
          }),
      );
      assert.equal(words, "Waves");
    }));

  test("a long sound can be sought in, by ranges", () =>
    visit(viewing("whistle.wav"), async (page) => {
      await eventually(page, () => player(page).evaluate((sound) => Math.round(sound.duration)), 30);
      await player(page).evaluate((sound) => new Promise((resolve) => {
        sound.addEventListener("seeked", resolve, { once: true });
        sound.currentTime = 20;
      }));
      assert.ok((await player(page).evaluate((sound) => sound.currentTime)) >= 20);
    }));

  test("how loud it was is remembered", () =>
    visit(viewing("whistle.wav"), async (page) => {
      await player(page).evaluate((sound) => new Promise((resolve) => {
        sound.addEventListener("volumechange", () => setTimeout(resolve), { once: true });
        sound.volume = 0.25;
      }));
      await page.reload();
      await eventually(page, () => player(page).evaluate((sound) => sound.volume), 0.25);
    }));

  test("when a sound ends, the next one plays", () =>
    visit(viewing("fog horn.wav"), async (page) => {
      await player(page).waitFor();
      await page.locator(".viewer-body").click();
      await player(page).evaluate((sound) => sound.play());
      await shows(page, "whistle.wav");
      await eventually(page, () => player(page).evaluate((sound) => sound.paused), false);
    }));

  test("what the browser has no decoder for says so", () =>
    visit(viewing("unknown.mkv"), async (page) => {
      await page.getByRole("heading", { name: "This browser cannot play this film" }).waitFor();
      await page.locator(".viewer-trouble").getByRole("link", { name: "Download" }).waitFor();
    }));
});

describe("PDF", () => {
  test("is shown by the browser's own viewer, which the page's policy lets in", async () => {
    const page = await wholeBrowser.newPage();
    const complaints = [];
    page.on("console", (message) => complaints.push(message.text()));
    await page.goto(viewing("manual.pdf"));
    assert.equal(await page.evaluate(() => navigator.pdfViewerEnabled), true);
    await page.locator("iframe.pdf").waitFor();
    await eventually(page, async () => page.frames().some((frame) => frame.url().startsWith("chrome-extension://")), true);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test("is offered for download where the browser has no viewer", async () => {
    const page = await browser.newPage();
    await page.addInitScript(() => Object.defineProperty(navigator, "pdfViewerEnabled", { value: false }));
    await page.goto(viewing("manual.pdf"));
    await page.getByRole("heading", { name: "This browser shows no PDF in a page" }).waitFor();
    assert.equal(await page.locator("iframe").count(), 0);
    const opened = page.waitForEvent("download");
    await page.locator(".viewer-trouble").getByRole("link", { name: "Download" }).click();
    assert.equal((await opened).suggestedFilename(), "manual.pdf");
    await page.close();
  });
});

describe("text and code", () => {
  test("has line numbers that are not copied", () =>
    visit(viewing("knots.py"), async (page) => {
      await lines(page).first().waitFor();
      assert.equal(await lines(page).count(), 14);
      const source = await readFile(path.join(folder.root, "knots.py"), "utf8");
      const copied = await page.evaluate(() => {
        getSelection().selectAllChildren(document.querySelector(".lines"));
        return getSelection().toString();
      });
      assert.equal(copied.trimEnd(), source.trimEnd());
      assert.equal(await facts(page), "334 B · 14 lines · UTF-8");
    }));

  test("wraps long lines by z, and remembers it", () =>
    visit(viewing("knots.py"), async (page) => {
      const wrap = page.getByRole("button", { name: "Wrap long lines" });
      assert.equal(await wrap.getAttribute("aria-pressed"), "false");
      await lines(page).first().waitFor();
      await page.keyboard.press("z");
      assert.equal(await wrap.getAttribute("aria-pressed"), "true");
      await page.reload();
      await eventually(page, () => wrap.getAttribute("aria-pressed"), "true");
    }));

  test("of a page from the folder is text, and none of it runs", () =>
    visit(viewing("page.html"), async (page) => {
      await lines(page).first().waitFor();
      assert.match(await lines(page).first().textContent(), /<script>parent\.hurt=1/);
      assert.equal(await page.evaluate(() => window.hurt), undefined);
      assert.equal(await page.locator(".viewer iframe").count(), 0);
    }));

  test("that is not UTF-8 is read as Windows-1252, and says so", () =>
    visit(viewing("old.txt"), async (page) => {
      await lines(page).first().waitFor();
      assert.equal(await lines(page).first().textContent(), "café crème");
      assert.match(await page.locator(".viewer-note").textContent(), /Windows-1252/);
      await eventually(page, async () => /Windows-1252/.test(await page.locator(".viewer > [aria-live]").textContent()), true);
    }));

  test("in UTF-16 is known by its mark", () =>
    visit(viewing("wide.txt"), async (page) => {
      await lines(page).first().waitFor();
      assert.equal(await lines(page).first().textContent(), "sixteen bits: å");
    }));

  test("shows what would turn it round or be invisible", () =>
    visit(viewing("trojan.c"), async (page) => {
      await lines(page).first().waitFor();
      const text = await page.locator(".lines").textContent();
      assert.doesNotMatch(text, /[\u200b\u202a-\u202e\u2066-\u2069]/);
      assert.match(text, /⟪U\+202E⟫.*⟪U\+2066⟫/);
      assert.match(await page.locator(".viewer-note").textContent(), /turn the text around them round/);
    }));

  test("that is none says so, and can be looked at all the same", () =>
    visit(viewing("binary.log"), async (page) => {
      await page.getByRole("heading", { name: "This is not text" }).waitFor();
      await page.getByRole("button", { name: "Show it as text anyway" }).click();
      await lines(page).first().waitFor();
      assert.match(await page.locator(".lines").textContent(), /^␡ELF␀/);
    }));

  test("that is empty says so", () =>
    visit(viewing("empty.txt"), async (page) => {
      await page.getByText("This file is empty.").waitFor();
    }, { expected: failing }));

  test("comes in pieces where it is long, until all of it is there", () =>
    visit(viewing("long.log"), async (page) => {
      const ranges = [];
      page.on("request", (request) => request.url().endsWith("/long.log") && ranges.push(request.headers().range));
      await lines(page).first().waitFor();
      await eventually(page, () => lines(page).count(), 20_000);
      let before = 20_000;
      const more = page.getByRole("button", { name: "Show more" });
      while (await more.isVisible()) {
        await more.click();
        await page.waitForFunction((count) => document.querySelectorAll(".line").length > count, before);
        before = await lines(page).count();
      }
      assert.equal(before, 60_000);
      assert.equal(await lines(page).nth(59_999).textContent(), "line 60000 of the log of a long passage");
      assert.equal(await lines(page).nth(59_999).getAttribute("data-number"), "60000");
      const seen = await page.evaluate(() => [...document.querySelectorAll(".line")].every((line, index) => line.textContent === `line ${index + 1} of the log of a long passage`));
      assert.ok(seen, "no line was cut where the pieces meet");
      assert.deepEqual(ranges.slice(-2), ["bytes=1048576-2097151", "bytes=2097152-3145727"]);
      assert.ok(await page.evaluate(() => window.find("line 59999 of", false, false, true)), "the browser finds what is loaded");
    }));

  test("in one line of a million characters leaves the page alive", async () => {
    await folder.write("one line.js", `${"const a=1;".repeat(104_000)}\n`);
    try {
      await visit(viewing("one line.js"), async (page) => {
        await lines(page).first().waitFor();
        assert.equal((await lines(page).first().textContent()).length, 1_040_000);
        await page.keyboard.press("z");
        await page.keyboard.press("PageDown");
        await page.keyboard.press("ArrowRight");
        await shows(page, "page.html");
      });
    } finally {
      await rm(path.join(folder.root, "one line.js"));
    }
  });

  test("in JSON can be indented, and its numbers stay as they are", () =>
    visit(viewing("settings.json"), async (page) => {
      await lines(page).first().waitFor();
      assert.equal(await lines(page).count(), 1);
      await page.keyboard.press("i");
      assert.ok((await lines(page).count()) > 8);
      assert.match(await page.locator(".lines").textContent(), /"depth": 12345678901234567890,/);
      assert.match(await page.locator(".lines").textContent(), /2\.0/);
    }));
});

describe("markdown", () => {
  test("is laid out, with what people write in it", () =>
    visit(viewing("notes.md"), async (page) => {
      const prose = page.locator(".prose");
      await prose.waitFor();
      assert.equal(await prose.getByRole("heading", { name: "Passage notes" }).evaluate((part) => part.tagName), "H3");
      assert.equal(await prose.locator("strong").textContent(), "passage");
      assert.equal(await prose.locator("li input:checked").count(), 1);
      assert.equal(await prose.locator("blockquote blockquote").count(), 1);
      assert.deepEqual(await prose.locator("tbody tr").first().locator("td").allTextContents(), ["Skagen", "12.5", "high"]);
      assert.match(await prose.locator("pre code").textContent(), /return miles \/ hours\n$|return miles \/ hours$/);
      assert.match(await prose.textContent(), /<b>this stays text<\/b>/);
      assert.equal(await prose.locator("b").count(), 0);
      await eventually(page, () => prose.locator("img").evaluate((image) => image.naturalWidth), 640);
    }));

  test("its links stay in the share, and those that leave are told from them", () =>
    visit(viewing("notes.md"), async (page) => {
      const link = (words) => page.locator(".prose").getByRole("link", { name: words, exact: true });
      assert.equal(await link("log").getAttribute("href"), "/#view=track.csv");
      assert.equal(await link("chart").getAttribute("href"), "/charts/");
      assert.equal(await link("weather").getAttribute("rel"), "noopener noreferrer");
      assert.equal(await link("weather").getAttribute("target"), "_blank");
      await link("the list").click();
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "What to bring");
      await link("log").click();
      await shows(page, "track.csv");
      await page.goBack();
      await shows(page, "notes.md");
      await link("chart").click();
      await page.waitForURL("**/charts/");
    }));

  test("shows links to what is not there as text that says so", async () => {
    await folder.write("dead.md", "[a](gone.txt) [b](charts/gone.txt) [c](ftp://h/x) [d](knots.py) [e](charts/bay.txt) [f](charts/) [g](charts) [h](gone/)\n");
    try {
      await visit(viewing("dead.md"), async (page) => {
        const dead = page.locator(".prose .no-link");
        await eventually(page, () => dead.allTextContents().then((words) => words.join(" ")), "a b c h");
        assert.match(await dead.nth(0).getAttribute("title"), /not there: \/gone\.txt/);
        assert.match(await dead.nth(2).getAttribute("title"), /not followed from here: ftp:/);
        assert.equal((await page.locator(".prose a").allTextContents()).join(" "), "d e f g");
      }, { expected: failing });
    } finally {
      await rm(path.join(folder.root, "dead.md"));
    }
  });

  test("has light ground under its pictures in the dark, and none in the light", async () => {
    await folder.write("drawn.md", "![a](drawing.svg) ![b](harbour.png)\n");
    try {
      for (const [colorScheme, wanted] of [["dark", "rgb(255, 255, 255) 8px, rgb(255, 255, 255) 0px"], ["light", "rgba(0, 0, 0, 0) 0px, rgba(0, 0, 0, 0) 0px"]]) {
        await visit(viewing("drawn.md"), async (page) => {
          await page.locator(".prose img").nth(1).waitFor();
          const grounds = await page.locator(".prose img").evaluateAll((images) => images.map((image) => `${getComputedStyle(image).backgroundColor} ${getComputedStyle(image).paddingTop}`));
          assert.equal(grounds.join(", "), wanted);
        }, { colorScheme });
      }
    } finally {
      await rm(path.join(folder.root, "drawn.md"));
    }
  });

  test("shows its source by v, and itself again", () =>
    visit(viewing("notes.md"), async (page) => {
      await page.locator(".prose").waitFor();
      await page.keyboard.press("v");
      await eventually(page, () => lines(page).first().textContent(), "# Passage notes");
      await page.keyboard.press("v");
      await page.locator(".prose").waitFor();
    }));

  test("that means ill runs nothing and asks no other host", () =>
    visit(viewing("hostile.md"), async (page) => {
      const prose = page.locator(".prose");
      await prose.waitFor();
      assert.equal(await prose.locator("script, iframe, style, svg, [onerror], [onload]").count(), 0);
      const addresses = await prose.locator("a").evaluateAll((links) => links.map((link) => link.href));
      for (const address of addresses) assert.match(address, /^https?:/);
      for (const words of await prose.locator(".no-link").all()) await words.click();
      assert.equal(await fragment(page), "#view=hostile.md");
      assert.equal(await page.evaluate(() => window.hurt), undefined);
      assert.match(await prose.textContent(), /<script>window\.hurt = 1<\/script>/);
      assert.match(await prose.textContent(), /<img src=x onerror="window\.hurt=2">/);
    }, { expected: failing }));

  for (const [sort, text] of [["brackets", "["], ["stars", "*a "], ["quotes", "> "], ["backticks", "`a``"], ["lists", "- "], ["links", "[a](b) "], ["pictures", "![](/x.png)"]]) {
    test(`a megabyte of ${sort} leaves the page alive`, async () => {
      await folder.write("mega.md", text.repeat((1 << 20) / text.length));
      try {
        await visit(viewing("mega.md"), async (page) => {
          await page.locator(".prose").waitFor();
          assert.ok((await page.locator(".prose *").count()) <= 31_000);
          await page.keyboard.press("Escape");
          await eventually(page, () => isOpen(page), false);
        }, { expected: failing });
      } finally {
        await rm(path.join(folder.root, "mega.md"));
      }
    });
  }
});

describe("tables", () => {
  const column = (page, index) => page.locator(`.cells tbody tr td:nth-child(${index + 1})`).allTextContents();

  test("of comma-separated values have a head, and numbers at the right", () =>
    visit(viewing("track.csv"), async (page) => {
      await page.locator(".cells").waitFor();
      assert.deepEqual(await page.locator(".cells thead button").allTextContents(), ["port", "miles", "hours", "remark"]);
      assert.deepEqual(await column(page, 4), ["fair, then fog", "", 'a "short" hop', "", "night"]);
      assert.equal(await page.locator(".cells tbody td").nth(1).evaluate((cell) => getComputedStyle(cell).textAlign), "end");
      assert.match(await facts(page), /5 rows · 4 columns · by commas$/);
    }));

  test("are sorted by a column, both ways and back", () =>
    visit(viewing("track.csv"), async (page) => {
      const miles = page.locator(".cells").getByRole("button", { name: "miles" });
      const file = ["Skagen", "Frederikshavn", "Læsø", "Anholt", "Grenaa"];
      await miles.click();
      assert.deepEqual(await column(page, 2), ["7.75", "12.5", "23", "31", "104"]);
      assert.equal(await page.locator(".cells th[aria-sort]").getAttribute("aria-sort"), "ascending");
      await miles.click();
      assert.deepEqual(await column(page, 2), ["104", "31", "23", "12.5", "7.75"]);
      await miles.click();
      assert.deepEqual(await column(page, 1), file);
    }));

  test("come in steps where they are long", async () => {
    const rows = Array.from({ length: 2500 }, (_, index) => `${index + 1};row ${index + 1};${(index * 7) % 100},5`);
    await folder.write("long.csv", `number;name;value\n${rows.join("\n")}\n`);
    try {
      await visit(viewing("long.csv"), async (page) => {
        const drawn = page.locator(".cells tbody tr");
        await eventually(page, () => drawn.count(), 1000);
        await page.getByRole("button", { name: "Show more" }).click();
        await eventually(page, () => drawn.count(), 2000);
        await page.getByRole("button", { name: "Show more" }).click();
        await eventually(page, () => drawn.count(), 2500);
        assert.equal(await page.getByRole("button", { name: "Show more" }).count(), 0);
        assert.match(await facts(page), /2,500 rows · 3 columns · by semicolons$/);
      });
    } finally {
      await rm(path.join(folder.root, "long.csv"));
    }
  });

  test("show their source by v", () =>
    visit(viewing("track.csv"), async (page) => {
      await page.locator(".cells").waitFor();
      await page.keyboard.press("v");
      await eventually(page, () => lines(page).first().textContent(), "port,miles,hours,remark");
    }));
});

describe("trouble", () => {
  for (const file of ["knots.py", "harbour.png", "whistle.wav", "manual.pdf"]) {
    test(`${file}, gone meanwhile, says so and can be tried again`, () =>
      (file.endsWith(".pdf") ? visitWhole : visit)(at("/"), async (page) => {
        await page.getByRole("link", { name: file, exact: true }).waitFor();
        await rename(path.join(folder.root, file), path.join(folder.root, "charts", file));
        try {
          await page.getByRole("link", { name: file, exact: true }).click();
          await page.getByRole("heading", { name: "This file is not there any more" }).waitFor();
          assert.equal(await isOpen(page), true);
        } finally {
          await rename(path.join(folder.root, "charts", file), path.join(folder.root, file));
        }
        await page.getByRole("button", { name: "Try again" }).click();
        await page.locator(".viewer-trouble").waitFor({ state: "detached" });
        await settled(page);
        assert.equal(await page.locator(".viewer-trouble").count(), 0);
      }, { expected: failing }));
  }

  test("a hub that is silent says so, and the viewer stays", () =>
    visit(viewing("harbour.png"), async (page) => {
      await page.locator(".viewed").waitFor();
      await page.route("**/hostile.md", (route) => route.abort());
      await page.keyboard.press("ArrowRight");
      await page.getByRole("heading", { name: "The hub does not answer" }).waitFor();
      await page.unroute("**/hostile.md");
      await page.getByRole("button", { name: "Try again" }).click();
      await page.locator(".prose").waitFor();
    }, { expected: failing }));

  test("who is not in any more is told so, and can join", () =>
    visit(viewing("harbour.png"), async (page) => {
      await page.locator(".viewed").waitFor();
      await page.route("**/hostile.md", (route) => route.fulfill({ status: 401, body: "" }));
      await page.keyboard.press("ArrowRight");
      await page.getByRole("heading", { name: "You are not in this hub any more" }).waitFor();
      await page.getByRole("button", { name: "Join" }).waitFor();
    }, { expected: failing }));

  test("a file that changes while it is read is not shown as a mixture", async () => {
    const text = (word) => Array.from({ length: 60_000 }, () => `${word} and a few words that make it long\n`).join("");
    await folder.write("changing.log", text("before"));
    try {
      await visit(viewing("changing.log"), async (page) => {
        const more = page.getByRole("button", { name: "Show more" });
        await more.click();
        await eventually(page, async () => (await lines(page).count()) > 20_000, true);
        await writeFile(path.join(folder.root, "changing.log"), text("after!"));
        while (await more.isVisible()) {
          const count = await lines(page).count();
          await more.click();
          await page.waitForFunction((known) => document.querySelectorAll(".line").length !== known, count);
        }
        await page.getByRole("heading", { name: "The file has changed" }).waitFor();
        await page.getByRole("button", { name: "Show it anew" }).click();
        await eventually(page, () => lines(page).first().textContent(), "after! and a few words that make it long");
      });
    } finally {
      await rm(path.join(folder.root, "changing.log"));
    }
  });

  test("a link to what is not there says so", () =>
    visit(viewing("nothing.txt"), async (page) => {
      await page.getByRole("heading", { name: "This file is not there any more" }).waitFor();
      await page.keyboard.press("Escape");
      await eventually(page, () => isOpen(page), false);
    }, { expected: failing }));
});

describe("for everybody", () => {
  const kinds = ["harbour.png", "whistle.wav", "waves.webm", "knots.py", "trojan.c", "notes.md", "track.csv", "broken.png"];
  for (const colorScheme of ["light", "dark"]) {
    for (const [words, viewport] of [["a desk", undefined], ["a phone", SMALL_PHONE]]) {
      test(`no serious fault in ${colorScheme} on ${words}`, () =>
        visit(viewing(kinds[0]), async (page) => {
          for (const file of kinds) {
            await page.goto("about:blank");
            await page.goto(viewing(file));
            await settled(page);
            await page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations === 1).map((one) => one.finished)));
            const wider = await page.evaluate(() => document.querySelector(".viewer").scrollWidth > window.innerWidth);
            assert.equal(wider, false, file);
            await hasNoSeriousFault(page);
          }
          await page.keyboard.press("g");
          await page.locator(".tiles").waitFor();
          await hasNoSeriousFault(page);
        }, { colorScheme, bypassCSP: true, expected: failing, ...(viewport ? { viewport, hasTouch: true } : {}) }));
    }
  }

  test("nothing moves for who wants nothing to move", () =>
    visit(viewing("knots.py"), async (page) => {
      await lines(page).first().waitFor();
      assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    }, { reducedMotion: "reduce" }));
});
