// Makes a folder with a file of each kind that the page shows by itself.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { makePdf, makePictures, makeSound, readFilm } from "./samples.mjs";

export const PROSE = `# Passage notes

A short **passage** along the coast, with _light_ winds and ~~no~~ \`fog\`. See the [log](track.csv),
the [chart](charts/), the [weather](https://example.org/forecast "outside") and [the list](#what-to-bring).

![The harbour](harbour.png)

## What to bring

- [x] oilskins
- [ ] charts
  1. the bay
  2. the sound
- a lamp

> Red sky at night.
> > Nested, as one does.

| port  | miles | tide |
|:------|------:|:----:|
| Skagen | 12.5 | high |
| Frederikshavn | 23 | low |

\`\`\`python
def knots(miles, hours):
    return miles / hours
\`\`\`

---

1986\\. was a *good* year; <b>this stays text</b>.
`;

export const CODE = `#!/usr/bin/env python3
"""Knots made good over a passage."""

import csv
import sys


def knots(miles: float, hours: float) -> float:
    # The log is in nautical miles.
    return miles / hours if hours else 0.0


for row in csv.DictReader(sys.stdin):
    print(row["port"], f"{knots(float(row['miles']), float(row['hours'])):.1f}")
`;

export const TABLE = `port,miles,hours,remark
Skagen,12.5,2.25,"fair, then fog"
Frederikshavn,23,4,
Læsø,7.75,1.5,"a ""short"" hop"
Anholt,31,5.75
Grenaa,104,18,night
`;

export const HOSTILE = `# Hostile

<script>window.hurt = 1</script>
<img src=x onerror="window.hurt=2">
[one](javascript:window.hurt=3) [two](JaVaScRiPt:window.hurt=4) [three](java&#115;cript:window.hurt=5)
[four](data:text/html,<script>window.hurt=6</script>) [five](//evil.invalid/x) [six](\\\\evil.invalid\\x)
[seven](vbscript:x) <javascript:window.hurt=7> [eight]( javascript:window.hurt=8) [nine][bad]
![ten](https://evil.invalid/pixel.png) ![eleven](//evil.invalid/pixel.png) ![twelve](/-/api/hub)
![thirteen](x.png" onerror="window.hurt=9) [fourteen](<javascript:window.hurt=10>)
<a href="javascript:window.hurt=11">fifteen</a> <iframe src="//evil.invalid"></iframe> <svg onload="window.hurt=12">
<style>body { background: url(//evil.invalid/y) }</style>

[bad]: javascript:window.hurt=13
`;

/** Returns {root, write, remove}. */
export async function makePreviewFolder(browser) {
  const parent = await mkdtemp(path.join(tmpdir(), "sockeye-preview-"));
  const root = path.join(parent, "Passage");
  const write = async (name, content) => {
    const file = path.join(root, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  };
  const small = await makePictures(browser, { words: "Harbour" });
  const tall = await makePictures(browser, { width: 500, height: 900, hue: 20, words: "Mast" });
  const large = await makePictures(browser, { width: 3000, height: 1800, hue: 120, words: "Bay" });
  await write("harbour.png", small.png);
  await write("mast.jpg", tall.jpeg);
  await write("the bay.webp", large.webp);
  await write("drawing.svg", '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 60"><script>parent.hurt=1</script><path d="M5 50 50 8l45 42Z" fill="#17646f"/></svg>');
  await write("broken.png", "this is no picture");
  await write("fog horn.wav", makeSound(0.4));
  await write("whistle.wav", makeSound(30, 880));
  await write("waves.webm", await readFilm());
  await write("waves.en.vtt", "WEBVTT\n\n00:00.000 --> 00:02.000\nWaves\n");
  await write("unknown.mkv", Buffer.alloc(4000, 7));
  await write("manual.pdf", makePdf("Under way"));
  await write("notes.md", PROSE);
  await write("hostile.md", HOSTILE);
  await write("knots.py", CODE);
  await write("track.csv", TABLE);
  await write("settings.json", '{"name":"Sockeye","depth":12345678901234567890,"list":[1,2.0,{"a":null}],"empty":{}}');
  await write("page.html", "<!doctype html><title>x</title><script>parent.hurt=1;alert(1)</script><p>shared</p>\n");
  await write("old.txt", Buffer.from("caf\xe9 cr\xe8me\n", "latin1"));
  await write("wide.txt", Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from("sixteen bits: å\n", "utf16le")]));
  await write("trojan.c", "int admin = 0; /* \u202e } \u2066if (admin)\u2069 \u2066 begin */\nint x\u200b;\n");
  await write("binary.log", Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3]));
  await write("empty.txt", "");
  await write("long.log", Array.from({ length: 60_000 }, (_, index) => `line ${index + 1} of the log of a long passage\n`).join(""));
  await write("charts.zip", Buffer.alloc(2000, 1));
  for (const one of ["a", "b", "c"]) await write(`album/${one}.png`, small.png);
  await write("charts/bay.txt", "soundings\n");
  return { root, write, remove: () => rm(parent, { recursive: true, force: true }) };
}

/** A folder of pictures to look at, for the screenshots. */
export async function makeAlbum(browser, { write }) {
  const names = ["dawn", "morning", "noon", "shoals", "the sound", "under way", "squall", "lee shore", "anchorage", "dusk", "lights", "night"];
  for (const [index, name] of names.entries()) {
    const tall = index % 5 === 3;
    const { jpeg } = await makePictures(browser, { width: tall ? 480 : 800, height: tall ? 720 : 520, hue: (index * 31 + 165) % 360 });
    await write(`harbour/${name}.jpg`, jpeg);
  }
}
