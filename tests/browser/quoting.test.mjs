// Whether what web/quoting.js and web/wire/by-hand.js print means the same to
// the programs that read it. Runs them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { importPure } from "./pure.mjs";

const { shellWord, printfWord, pythonString } = await importPure("quoting.js");
const { shellAddress } = await importPure("shell-address.js");

const TEXTS = [
  "plain",
  "it's 100% \\n \"x\" \\101 \\\\",
  "-n",
  "--",
  "$(id)`id`!! ; rm -rf ~ # &",
  "~root",
  "日本 é 😀",
  "\u202e\u0085\u200b\u2028\ufeff\u00ad",
  "two\r\nlines\tand a tab",
  "\u0001\u001b[31m\u007f",
  "%s%d%%",
];

for (const text of TEXTS) {
  const shown = JSON.stringify(text);
  for (const shell of ["sh", "bash"]) {
    test(`${shell} takes ${shown} back as one word`, () => {
      assert.equal(execFileSync(shell, ["-c", `/usr/bin/printf %s ${shellWord(`x${text}`)}`], { encoding: "utf8" }), `x${text}`);
    });

    test(`the printf of ${shell} prints ${shown}`, () => {
      assert.equal(execFileSync(shell, ["-c", `printf ${printfWord(text)}`], { encoding: "utf8" }), text);
    });
  }

  test(`Python reads ${shown}`, () => {
    const program = `import sys; sys.stdout.buffer.write(${pythonString(text)}.encode())`;
    assert.equal(execFileSync("python3", ["-c", program], { encoding: "utf8" }), text);
  });

  test(`what is printed for ${shown} hides nothing`, () => {
    for (const printed of [printfWord(text), pythonString(text)]) assert.doesNotMatch(printed, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });
}

test("an address holds nothing that a shell or curl takes for its own", () => {
  assert.equal(shellAddress("http://127.0.0.1:80", "/a%20b/{x}[1]'$;/"), "http://127.0.0.1:80/a%20b/%7Bx%7D%5B1%5D%27%24%3B/");
  assert.equal(shellAddress("http://[::1]:80", "/a"), '"http://[::1]:80/a"');
  assert.equal(shellAddress("http://127.0.0.1:80", "/a%3F/?all"), '"http://127.0.0.1:80/a%3F/?all"');
});
