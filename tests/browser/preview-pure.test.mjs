// What is pure in the previews: text, tables, markdown. Needs no browser and no
// hub.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { importPure } from "./pure.mjs";

const { createDecoding, detect } = await importPure("preview/decode.js");
const { isNumber, numberIn, readRows, sniff } = await importPure("preview/csv.js");
const { indented } = await importPure("preview/indent.js");
const { parseBlocks } = await importPure("preview/markdown-blocks.js");
const { parseInline } = await importPure("preview/markdown-inline.js");
const { resolveLink, resolvePicture } = await importPure("preview/markdown-address.js");
const { piecesOf, turnsRound } = await importPure("preview/unseen.js");

const bytes = (...parts) => Uint8Array.from(Buffer.concat(parts.map((part) => Buffer.from(part))));

describe("how a file is written", () => {
  const cases = [
    ["plain letters are UTF-8", bytes("ahoy"), "utf-8", false],
    ["accents in UTF-8 are UTF-8", bytes("café"), "utf-8", false],
    ["a mark of UTF-8 is known", bytes([0xef, 0xbb, 0xbf], "x"), "utf-8", false],
    ["UTF-16 is known by its mark, either way round", bytes([0xff, 0xfe, 0x41, 0x00]), "utf-16le", false],
    ["the other way round", bytes([0xfe, 0xff, 0x00, 0x41]), "utf-16be", false],
    ["what is not UTF-8 is Windows-1252", bytes("caf", [0xe9, 0x20]), "windows-1252", false],
    ["a NUL is in no text", bytes("ELF", [0, 1]), "utf-8", true],
    ["nothing is UTF-8", bytes(), "utf-8", false],
  ];
  for (const [title, given, encoding, binary] of cases) {
    test(title, () => {
      const found = detect(given, true);
      assert.equal(found.encoding, encoding);
      assert.equal(found.binary, binary);
    });
  }

  test("a character cut in two at a piece's end is no fault, at the file's end it is", () => {
    assert.equal(detect(bytes("caf", [0xc3]), false).encoding, "utf-8");
    assert.equal(detect(bytes("caf", [0xc3]), true).encoding, "windows-1252");
    const decoding = createDecoding("utf-8");
    assert.equal(decoding.decode(bytes("caf", [0xc3]), false) + decoding.decode(bytes([0xa9]), true), "café");
  });
});

describe("comma-separated values", () => {
  const rows = (text, separator = ",") => readRows(text, separator, { last: true }).rows;

  test("quotes hold separators, line ends and quotes", () => {
    assert.deepEqual(rows('a,"b, c","d\ne","f ""g"""\r\n1,2,3,4\r\n'), [
      ["a", "b, c", "d\ne", 'f "g"'],
      ["1", "2", "3", "4"],
    ]);
  });

  test("rows may be ragged, cells empty, and lines end in any way", () => {
    assert.deepEqual(rows("a,b\n1\n,\n\n1,2,3\r4,"), [["a", "b"], ["1"], ["", ""], ["1", "2", "3"], ["4", ""]]);
  });

  test("a quote that never closes takes the rest in", () => {
    assert.deepEqual(rows('a,"b\nc,d\n'), [["a", "b\nc,d\n"]]);
  });

  test("what stands after a closing quote is kept", () => {
    assert.deepEqual(rows('"a"b,c\n'), [["ab", "c"]]);
  });

  test("cut anywhere, the rows are the same", () => {
    const text = 'name,"words, words"\r\n1,"two\nlines"\r\n"x ""y""",\r\nlast,one';
    const whole = rows(text);
    for (let cut = 0; cut <= text.length; cut += 1) {
      const first = readRows(text.slice(0, cut), ",", { last: false });
      const second = readRows(first.rest + text.slice(cut), ",", { last: true });
      assert.deepEqual([...first.rows, ...second.rows], whole, `cut at ${cut}`);
    }
  });

  for (const [separator, text] of [
    [",", "a,b,c\n1,2,3\n"],
    [";", "a;b;c\n1,5;2,5;3,5\n"],
    ["\t", "a\tb, c\n1\t2\n"],
    ["|", "a|b|c\n1|2|3\n"],
    [",", "one\ntwo\n"],
    [";", '"a,b,c";d\n"1,2,3";4\n"1,2";5\n'],
  ]) {
    test(`${JSON.stringify(separator)} is found in ${JSON.stringify(text)}`, () => assert.equal(sniff(text), separator));
  }

  test("numbers are known however they are written", () => {
    for (const cell of ["1", "-2.5", "1,234.5", "1.234,5", "3e8", "12 %", "−4", ".5", "1 000 000"]) assert.ok(isNumber(cell), cell);
    for (const cell of ["", "a", "1a", "2024-01-02", "-", "%", "1.2.3"]) assert.ok(!isNumber(cell), cell);
    assert.deepEqual(["1,234.5", "1.234,5", "1,234", "2,5", "12 %", "−4", "3e8"].map(numberIn), [1234.5, 1234.5, 1234, 2.5, 12, -4, 3e8]);
  });
});

describe("JSON", () => {
  test("is indented without a number or a name changing", () => {
    assert.equal(indented('{"a":[1.0,12345678901234567890,"x\\"{"],"a":{},"b":[ ]}'), '{\n  "a": [\n    1.0,\n    12345678901234567890,\n    "x\\"{"\n  ],\n  "a": {},\n  "b": []\n}');
  });

  test("that is broken, or deeper than anybody reads, is left as it is", () => {
    assert.equal(indented("{"), null);
    assert.equal(indented("[".repeat(500) + "]".repeat(500)), null);
  });
});

describe("unseen characters", () => {
  test("are shown by their number, tabs and joiners left alone", () => {
    assert.deepEqual(piecesOf("a\tb\u202ec\u200d"), [
      { text: "a\tb", symbol: false },
      { text: "⟪U+202E⟫", symbol: true },
      { text: "c\u200d", symbol: false },
    ]);
    assert.ok(turnsRound("\u2066"));
    assert.ok(!turnsRound("\u200b"));
  });

  test("a million of them are told in a few words", () => {
    const pieces = piecesOf("\u200b".repeat(1_000_000));
    assert.equal(pieces.length, 1);
    assert.ok(pieces[0].text.endsWith("×1000000"));
  });
});

/** Inline nodes as markup of our own, to be compared with. */
function told(nodes) {
  return nodes
    .map((node) => {
      switch (node.type) {
        case "text":
          return node.text;
        case "code":
          return `{code ${node.text}}`;
        case "break":
          return "{break}";
        case "image":
          return `{image ${node.to} ${node.text}}`;
        case "link":
          return `{link ${node.to}${node.title ? ` "${node.title}"` : ""} ${told(node.children)}}`;
        default:
          return `{${node.type} ${told(node.children)}}`;
      }
    })
    .join("");
}

describe("markdown within a line", () => {
  const references = new Map([["ref", { to: "/r", title: "" }]]);
  const cases = [
    ["*a* _b_ **c** __d__ ~~e~~", "{emphasis a} {emphasis b} {strong c} {strong d} {strike e}"],
    ["***a***", "{emphasis {strong a}}"],
    ["*a **b** c*", "{emphasis a {strong b} c}"],
    ["a_b_c 2*3*4", "a_b_c 2{emphasis 3}4"],
    ["* a *", "* a *"],
    ["**a*", "*{emphasis a}"],
    ["*a**b*", "{emphasis a**b}"],
    ["`a *b* c` ``d`e``", "{code a *b* c} {code d`e}"],
    ["`a", "`a"],
    ["\\*a\\* \\`b", "*a* `b"],
    ["[a](b) [c](<d e> 'f') [g](h(i)j)", '{link b a} {link d e "f" c} {link h(i)j g}'],
    ["[a *b*](c)", "{link c a {emphasis b}}"],
    ["[a [b](c) d](e)", "[a {link c b} d](e)"],
    ["[ref] [x][REF] [y][] [ref][]", "{link /r ref} {link /r x} [y][] {link /r ref}"],
    ["![a *b*](c.png) [![d](e)](f)", "{image c.png a b} {link f {image e d}}"],
    ["<https://a.b/c> <a@b.cd> https://x.y/z(1), end", "{link https://a.b/c https://a.b/c} {link mailto:a@b.cd a@b.cd} {link https://x.y/z(1) https://x.y/z(1)}, end"],
    ["a  \nb\\\nc\nd", "a{break}b{break}c\nd"],
    ["&amp; &#65; &#x42; &nothing; &#0;", "& A B &nothing; \ufffd"],
    ["<b onclick=x>t</b>", "<b onclick=x>t</b>"],
    ["[]() ![]()", "{link  } {image  }"],
  ];
  for (const [given, wanted] of cases) {
    test(JSON.stringify(given), () => assert.equal(told(parseInline(given, references)), wanted));
  }
});

/** Blocks as lists of our own, to be compared with. */
function outline(blocks) {
  return blocks.map((block) => {
    switch (block.type) {
      case "heading":
        return `h${block.level} ${block.text}`;
      case "paragraph":
        return block.text;
      case "code":
        return { code: block.text, language: block.language };
      case "quote":
        return { quote: outline(block.children) };
      case "list":
        return { [block.start === null ? "points" : `from ${block.start}`]: block.items.map(({ task, children }) => (task === null ? outline(children) : { task, of: outline(children) })), tight: block.tight };
      case "table":
        return { head: block.head, align: block.align, rows: block.rows };
      default:
        return block.type;
    }
  });
}

describe("markdown's blocks", () => {
  const cases = [
    ["headings", "# a\n## b ##\n### c#\n#d\n\ne\n===\nf\n---\n", ["h1 a", "h2 b", "h3 c#", "#d", "h1 e", "h2 f"]],
    ["paragraphs and rules", "a\n b\n\n***\nc", ["a\nb", "rule", "c"]],
    ["code, fenced and indented", "```js x\na\n  b\n```\n\n    c\n\n      d\n\n~~~\ne", [{ code: "a\n  b", language: "js" }, { code: "c\n\n  d", language: "" }, { code: "e", language: "" }]],
    ["lists in lists", "- a\n  - b\n- c\n\n3. d\n4. e", [{ points: [["a", { points: [["b"]], tight: true }], ["c"]], tight: true }, { "from 3": [["d"], ["e"]], tight: true }]],
    ["a loose list", "- a\n\n- b\n\n  c\n", [{ points: [["a"], ["b", "c"]], tight: false }]],
    ["tasks", "- [ ] a\n- [x] b\n- [y] c", [{ points: [{ task: false, of: ["a"] }, { task: true, of: ["b"] }, ["[y] c"]], tight: true }]],
    ["code in a list", "1. a\n\n   ```\n   b\n   ```\n2. c", [{ "from 1": [["a", { code: "b", language: "" }], ["c"]], tight: false }]],
    ["quotes, with a lazy line", "> a\nb\n> > c\n\nd", [{ quote: ["a\nb", { quote: ["c"] }] }, "d"]],
    ["a table", "| a | b\\|c |\n|:-:|--:|\n| 1 |\n| 2 | 3 | 4 |\n\nd", [{ head: ["a", "b|c"], align: ["center", "right"], rows: [["1", ""], ["2", "3"]] }, "d"]],
    ["HTML is text", "<div>\n*a*\n</div>", ["<div>\n*a*\n</div>"]],
    ["a year at a line's start is no list", "in\n1986. it", ["in\n1986. it"]],
    ["definitions leave nothing behind", "[a]: b 'c'\n[d]: <e f>\ng", ["g"]],
  ];
  for (const [title, given, wanted] of cases) {
    test(title, () => assert.deepEqual(outline(parseBlocks(given).children), wanted));
  }

  test("definitions are found", () => {
    assert.deepEqual([...parseBlocks("[A  b]: c 'd'\n").references], [["a b", { to: "c", title: "d" }]]);
  });

  // Hostile texts: what counts is that they end. A reader that looked at each
  // character again for each other one would need hours.
  for (const sign of ["[", "*", "_", ">", "`", "![", "[a](", "[a](<", "<a", "- ", "> ", "*a _b ", "a**b", "`a``b", "[a][", "~~a ", "1. ", "*a **b ", "[x](y)", "\n> ", "\n- ", "#", "http://", "|", "-|-\n", "\t", "```\n", "&"]) {
    test(`a megabyte of ${JSON.stringify(sign)} is read`, () => {
      const { children, references } = parseBlocks(sign.repeat((1 << 20) / sign.length));
      const waiting = [...children];
      while (waiting.length) {
        const block = waiting.pop();
        if (block.text !== undefined && block.type !== "code") parseInline(block.text, references);
        if (block.children) waiting.push(...block.children);
        for (const { children: inner } of block.items ?? []) waiting.push(...inner);
      }
    });
  }
});

describe("where a link in a shared text leads", () => {
  test("within the share, from the folder that the text is in", () => {
    assert.deepEqual(resolveLink("../a b.md#c", "/d/e/"), { kind: "share", path: "/d/a%20b.md", fragment: "c" });
    assert.deepEqual(resolveLink("../../../x/", "/d/"), { kind: "share", path: "/x/", fragment: "" });
    assert.deepEqual(resolveLink("#part", "/"), { kind: "here", fragment: "part" });
    assert.equal(resolvePicture("pictures/a.png", "/d/"), "/d/pictures/a.png");
  });

  test("to the web and to mail, by a full address", () => {
    assert.deepEqual(resolveLink("https://a.b/c", "/"), { kind: "outside", href: "https://a.b/c" });
    assert.deepEqual(resolveLink("mailto:a@b.c", "/"), { kind: "outside", href: "mailto:a@b.c" });
    assert.equal(resolvePicture("https://a.b/c.png", "/"), null);
  });

  for (const address of ["javascript:x", "JAVA\nscript:x", " javascript:x", "\u0001javascript:x", "vbscript:x", "data:text/html,x", "blob:x", "file:///etc/passwd", "http:evil", "//evil.invalid/x", "\\\\evil.invalid", "/\\evil.invalid", "/\t/evil.invalid", "/-/api/hub", "/-", "/x/../-/leave", "https://"]) {
    test(`${JSON.stringify(address)} leads nowhere`, () => {
      assert.equal(resolveLink(address, "/d/"), null);
      assert.equal(resolvePicture(address, "/d/"), null);
    });
  }
});
