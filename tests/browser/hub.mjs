// Starts the hub's real binary and a browser for the tests and for
// screenshots.mjs, and makes the folder that they share. Never finds a binary
// by itself: SOCKEYE must say which one is meant.

import { execFileSync, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import path from "node:path";
import readline from "node:readline";
import { chromium } from "playwright-core";

const BINARY = process.env.SOCKEYE;
if (!BINARY) {
  throw new Error("SOCKEYE is not set: give the path of the sockeye binary, e.g. SOCKEYE=target/release/sockeye");
}

/** Runs the binary until it says where it listens: {address, stop()}. */
export function startHub(...parameters) {
  const hub = spawn(BINARY, parameters, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => {
    hub.once("exit", resolve);
  });
  return new Promise((resolve, reject) => {
    hub.once("error", reject);
    hub.once("exit", (code, signal) => reject(new Error(`sockeye ${parameters.join(" ")} ended (${signal ?? code}) before it listened`)));
    readline.createInterface({ input: hub.stdout }).on("line", (line) => {
      const found = line.match(/^listening on (http:\/\/\S+?)\/?$/);
      if (!found) return;
      resolve({
        address: found[1],
        stop() {
          hub.kill("SIGINT");
          return ended;
        },
      });
    });
  });
}

/** Without a window of its own, which would cost as much as the page; it shows no PDF. */
export function startBrowser(program = process.env.CHROMIUM ?? "/usr/bin/chromium-headless-shell") {
  return chromium.launch({
    executablePath: program,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** As people have it, with its viewer of PDF. */
export const startWholeBrowser = () => startBrowser("/usr/bin/chromium");

/** An IPv4 address of this machine other than loopback: {address, release()}. */
export function outwardAddress() {
  const found = Object.values(networkInterfaces())
    .flat()
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
  if (found) return { address: found, release() {} };
  // Test files run side by side, each with its own.
  const temporary = `10.77.0.${1 + (process.pid % 250)}`;
  execFileSync("ip", ["addr", "add", `${temporary}/32`, "dev", "lo"]);
  return { address: temporary, release: () => execFileSync("ip", ["addr", "del", `${temporary}/32`, "dev", "lo"]) };
}

/** A 3 by 2 picture. */
export const PICTURE = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEUlEQVR4nGP4EmIBQQxwFgA3mgaB34C+GQAAAABJRU5ErkJggg==", "base64");

export const ODD_NAMES = [
  "two  spaces and 100% #1? 'q\" & more.txt",
  "<img src=x onerror=window.hurt=1>.txt",
  "\u202egpj.exe",
  "javascript:window.hurt=1",
  "bell\u0007 and\nnewline.txt",
  "עברית 12.txt",
  "写真.txt",
  "-starts with a dash.txt",
];

/** Writes the folder that the tests share; returns its path and a remover. */
export async function makeFolder() {
  const parent = await mkdtemp(path.join(tmpdir(), "sockeye-browser-"));
  const root = path.join(parent, "Shared photos");
  const write = async (name, content, minutesAgo) => {
    const file = path.join(root, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
    const time = Date.now() / 1000 - minutesAgo * 60;
    await utimes(file, time, time);
  };

  await write("IMG_2.jpg", Buffer.alloc(3_210_332, 1), 3);
  await write("IMG_10.jpg", Buffer.alloc(910_332, 2), 60 * 30);
  await write("img_1.jpg", Buffer.alloc(1_210_332, 3), 60 * 24 * 9);
  await write("harbour.png", PICTURE, 60 * 24 * 40);
  await write("crossing.mp4", Buffer.alloc(12_000_000), 60 * 5);
  await write("Crew list.pdf", Buffer.alloc(182_000), 60 * 24 * 200);
  await write("charts.zip", Buffer.alloc(640_000), 60 * 24 * 700);
  await write("fog horn.flac", Buffer.alloc(420_000), 60 * 24 * 3);
  await write("Ångström notes.txt", "one angstrom is 0.1 nm\n", 60 * 26);
  await write("track.py", "print('nine knots')\n", 60 * 24 * 2);
  await write("a name that has to say everything about the voyage, its weather and its crew, as names of spreadsheets do (final, really final).xlsx", "x", 60 * 24 * 12);
  for (const name of ODD_NAMES) await write(name, name, 60 * 24 * 5);
  await write("lectures/week 1/intro.txt", "Welcome aboard.\n", 60 * 24 * 4);
  await write("lectures/outline.md", "# Outline\n", 60 * 24 * 4);
  await write("site/index.html", "<!doctype html><title>A site of its own</title><h1>A site of its own</h1>\n", 60 * 24);
  await write("site/deeper/page.txt", "deeper\n", 60 * 24);
  await mkdir(path.join(root, "empty"));
  for (let index = 0; index < 320; index += 1) await write(`logs/log-${index}.txt`, "1,2\n".repeat(index), 60 * index + 90);
  return { root, write, remove: () => rm(parent, { recursive: true, force: true }) };
}
