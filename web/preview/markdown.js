// Markdown laid out. Fetched by viewer.js when it is first wanted. Makes elements
// and text of what the parsers found, and never markup: HTML in the text is text.

import { pageOfFolder } from "../addresses.js";
import { element } from "../element.js";
import { visibleName } from "../format.js";
import { kindOf } from "../kinds.js";
import { drawDeadLinks } from "./dead-links.js";
import { drawing } from "./drawings.js";
import { resolveLink, resolvePicture } from "./markdown-address.js";
import { parseBlocks } from "./markdown-blocks.js";
import { parseInline } from "./markdown-inline.js";
import { MARK, hasPreview } from "./offered.js";
import { createSource } from "./source.js";
import { Unshowable } from "./trouble.js";
import { piecesOf } from "./unseen.js";

const PARTS_MAX = 30_000; // elements; what is beyond them is in the source
const PICTURES_MAX = 500;
// Browsers need minutes to lay out one paragraph of tens of thousands of elements.
const PARTS_IN_BLOCK_MAX = 1500;
const SYMBOLS_MAX = 5000;

export async function show(stage) {
  const { body, item } = stage;
  const source = createSource(stage);
  const text = await source.next();
  if (text === null) throw new Unshowable("This is not text", "There are bytes in it that no text has.");
  stage.tool({ draw: drawing("source"), label: "Source", key: "v", run: () => stage.showAs("text") });
  const { children, references } = parseBlocks(text);
  const drawer = createDrawer(stage, references);
  const page = element("article", { class: "prose" });
  drawer.draw(page, children);
  const isWhole = source.ended && !drawer.isFull();
  body.replaceChildren(page);
  if (text.trim() === "") page.append(element("p", { class: "viewer-more" }, "This file is empty."));
  if (!isWhole) {
    const button = element("button", { type: "button", class: "button", click: () => stage.showAs("text") }, "Show the source");
    page.append(element("p", { class: "viewer-more" }, "This is the beginning of a long text. All of it is in the source. ", button));
  }
  page.addEventListener("click", (event) => followWithin(event, page));
  stage.announce(`${item.shown}, laid out${isWhole ? "" : ", its beginning"}.`);
  drawDeadLinks(page, stage);
}

/** A link to a heading of the same text. */
function followWithin(event, page) {
  const fragment = event.target.closest("a[data-fragment]")?.dataset.fragment;
  if (fragment === undefined) return;
  event.preventDefault();
  const target = [...page.querySelectorAll("[data-slug]")].find((heading) => heading.dataset.slug === fragment);
  target?.focus({ preventScroll: true });
  (target ?? page).scrollIntoView({ block: "start" });
}

function createDrawer(stage, references) {
  const slugs = new Map();
  let parts = 0;
  let symbols = 0;
  let pictures = 0;
  let blockEnd = 0; // how many parts there may be at the end of this block
  const isFull = () => parts >= PARTS_MAX;
  const make = (name, attributes, ...children) => {
    parts += 1;
    return element(name, attributes, ...children);
  };

  function draw(parent, blocks, tight = false) {
    for (const block of blocks) {
      if (isFull()) return;
      if (tight && block.type === "paragraph") inline(parent, block.text);
      else parent.append(BLOCKS[block.type](block));
    }
  }

  const BLOCKS = {
    heading({ level, text }) {
      // The file's name is the heading above them.
      const part = make(`h${Math.min(level + 2, 6)}`, { class: `level-${level}`, dir: "auto", tabindex: "-1" });
      inline(part, text);
      part.dataset.slug = slugOf(part.textContent);
      return part;
    },
    paragraph({ text }) {
      const part = make("p", { dir: "auto" });
      inline(part, text);
      return part;
    },
    code({ text, language }) {
      const code = make("code", { dir: "ltr" });
      addText(code, text);
      return make("pre", { tabindex: "0", role: "region", "aria-label": language ? `Code, ${language}` : "Code" }, code);
    },
    quote({ children }) {
      const part = make("blockquote");
      draw(part, children);
      return part;
    },
    list({ start, tight, items }) {
      const list = make(start === null ? "ul" : "ol", { start: start === null || start === 1 ? null : String(start) });
      for (const item of items) {
        if (isFull()) break;
        const part = make("li", { class: item.task === null ? null : "task", dir: "auto" });
        if (item.task !== null) part.append(make("input", { type: "checkbox", disabled: true, checked: item.task, "aria-label": item.task ? "done" : "to do" }));
        draw(part, item.children, tight);
        list.append(part);
      }
      return list;
    },
    table({ align, head, rows }) {
      const cells = (name, row) => row.map((text, column) => {
        const cell = make(name, { class: align[column] ? `to-${align[column]}` : null, scope: name === "th" ? "col" : null, dir: "auto" });
        inline(cell, text);
        return cell;
      });
      const lines = make("tbody");
      for (const row of rows) {
        if (isFull()) break;
        lines.append(make("tr", {}, ...cells("td", row)));
      }
      const table = make("table", {}, make("thead", {}, make("tr", {}, ...cells("th", head))), lines);
      return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Table" }, table);
    },
    rule: () => make("hr"),
  };

  function inline(parent, text) {
    blockEnd = parts + PARTS_IN_BLOCK_MAX;
    drawNodes(parent, parseInline(text, references));
  }

  function drawNodes(parent, nodes) {
    const plain = [];
    for (const node of nodes) {
      if (isFull()) break;
      if (parts >= blockEnd) plain.push(plainText(node));
      else if (node.type === "text") parent.append(node.text);
      else parent.append(INLINE[node.type](node));
    }
    if (plain.length) parent.append(plain.join(""));
  }

  const wrapping = (name) => ({ children }) => {
    const part = make(name);
    drawNodes(part, children);
    return part;
  };

  const INLINE = {
    strong: wrapping("strong"),
    emphasis: wrapping("em"),
    strike: wrapping("s"),
    break: () => make("br"),
    code({ text }) {
      const part = make("code", { dir: "ltr" });
      addText(part, text);
      return part;
    },
    link({ to, title, children }) {
      const part = make(...linkFor(to, title));
      drawNodes(part, children);
      return part;
    },
    image({ to, title, text }) {
      const path = resolvePicture(to, stage.folder);
      pictures += 1;
      if (!path || pictures > PICTURES_MAX) {
        // Elsewhere on the web: it is not fetched, and can be gone to.
        const link = make(...linkFor(to, title));
        link.append(`[picture: ${text || to}]`);
        return link;
      }
      const image = make("img", { alt: text, title: title || null, loading: "lazy", decoding: "async" });
      image.addEventListener("error", () => image.replaceWith(element("span", { class: "missing" }, `[picture: ${text || to}]`)));
      image.src = path;
      return image;
    },
  };

  function linkFor(to, title) {
    const link = resolveLink(to, stage.folder);
    if (!link) return ["span", { class: "no-link", title: `This address is not followed from here: ${visibleName(to)}` }];
    if (link.kind === "outside") return ["a", { href: link.href, title: title || link.href, target: "_blank", rel: "noopener noreferrer" }];
    if (link.kind === "here") return ["a", { href: `#${link.fragment}`, title: title || null, "data-fragment": decodedFragment(link.fragment) }];
    return ["a", { href: addressInShare(link), title: title || null, "data-path": link.path }];
  }

  /** What this page shows by itself opens in it. */
  function addressInShare({ path }) {
    const cut = path.lastIndexOf("/") + 1;
    const href = path.slice(cut);
    const page = (folder) => pageOfFolder(folder, { browse: location.pathname.startsWith("/-/") });
    if (href === "") return page(path);
    const item = { name: decodedFragment(href), type: "", folder: false };
    const isShown = hasPreview(item) || /^(picture|film|sound)$/.test(kindOf(item)) || /\.pdf$/i.test(item.name);
    return isShown && item.name.includes(".") ? page(path.slice(0, cut)) + MARK + href : path;
  }

  /** Invisible characters in code are shown, since they can deceive. */
  function addText(parent, text) {
    for (const piece of piecesOf(text)) {
      symbols += piece.symbol ? 1 : 0;
      if (piece.symbol && symbols < SYMBOLS_MAX) parent.append(element("span", { class: "symbol" }, piece.text));
      else parent.append(piece.text);
    }
  }

  /** As links to headings are commonly written; the second of a name gets a number. */
  function slugOf(words) {
    const slug = words.trim().toLowerCase().replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "").replaceAll(" ", "-");
    const times = slugs.get(slug) ?? 0;
    slugs.set(slug, times + 1);
    return times ? `${slug}-${times}` : slug;
  }

  return { draw, isFull };
}

function plainText({ text, children }) {
  return text ?? children?.map(plainText).join("") ?? " ";
}

function decodedFragment(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
