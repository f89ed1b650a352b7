// Markdown's inline marks, as CommonMark has them, with ~~struck~~ text and bare
// addresses: emphasis, code, links, pictures. Called by markdown.js; pure,
// imports nothing, and never decides whether an address may be followed.
//
// Whoever wrote the text may mean ill: what could be looked for again and again
// (a closing mark that is not there) is looked for within an effort that is
// bounded, and nesting that is too deep becomes plain text.

const DEPTH_MAX = 40;
const ADDRESS_MAX = 2000; // characters
const LABEL_MAX = 200;
const EFFORT_MAX = 4_000_000; // characters looked at in vain, in one text

const ENTITIES = new Map(
  Object.entries({ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", trade: "™", hellip: "…", mdash: "—", ndash: "–", laquo: "«", raquo: "»", ldquo: "“", rdquo: "”", lsquo: "‘", rsquo: "’", times: "×", middot: "·", bull: "•", deg: "°", plusmn: "±", micro: "µ", frac12: "½", larr: "←", rarr: "→", uarr: "↑", darr: "↓", harr: "↔", auml: "ä", ouml: "ö", uuml: "ü", Auml: "Ä", Ouml: "Ö", Uuml: "Ü", szlig: "ß", eacute: "é", egrave: "è", agrave: "à", ccedil: "ç", ntilde: "ñ", euro: "€", pound: "£", sect: "§", para: "¶", check: "✓" }),
);

/**
 * [{type: "text", text} | "code" {text} | "strong" | "emphasis" | "strike"
 * {children} | "link" {to, title, children} | "image" {to, title, text} |
 * "break"]. references: label -> {to, title}, as markdown-blocks.js gives them.
 */
export function parseInline(text, references = new Map()) {
  return new Reader(text, references).read();
}

// Nodes hang in a chain, so that any run of them can be put into another node
// at once.
class Chain {
  first = null;
  last = null;

  append(node) {
    node.before = this.last;
    node.after = null;
    if (this.last) this.last.after = node;
    else this.first = node;
    this.last = node;
    return node;
  }

  remove(node) {
    if (node.before) node.before.after = node.after;
    else this.first = node.after;
    if (node.after) node.after.before = node.before;
    else this.last = node.before;
  }

  /** Puts all between two nodes into `wrapper`, which takes their place. */
  wrap(from, to, wrapper) {
    const inner = new Chain();
    if (from.after !== to) {
      inner.first = from.after;
      inner.last = to ? to.before : this.last;
      inner.first.before = null;
      inner.last.after = null;
    }
    wrapper.inner = inner;
    wrapper.before = from;
    wrapper.after = to;
    from.after = wrapper;
    if (to) to.before = wrapper;
    else this.last = wrapper;
  }
}

class Reader {
  constructor(text, references) {
    this.text = text;
    this.references = references;
    this.at = 0;
    this.chain = new Chain();
    this.plainFrom = 0;
    this.signs = []; // runs of * _ ~ that may begin or end something
    this.brackets = []; // of links and pictures that may end yet
    this.linksFrom = 0; // brackets before this one may not be links any more
    this.effort = 0;
    this.runs = null; // of backticks: length -> where the last such run is
  }

  read() {
    const { text } = this;
    while (this.at < text.length) {
      const before = this.at;
      if (!this.readOne(text[before])) this.at = before + 1;
    }
    this.flushPlain(text.length);
    pairSigns(this.chain, this.signs, 0);
    return finished(this.chain, 0);
  }

  /** Whether something was read that is not plain text. */
  readOne(character) {
    switch (character) {
      case "\\":
        return this.readEscape();
      case "`":
        return this.readCode();
      case "*":
      case "_":
      case "~":
        return this.readSigns(character);
      case "[":
        return this.openBracket(this.at + 1);
      case "!":
        return this.text[this.at + 1] === "[" && this.openBracket(this.at + 2);
      case "]":
        return this.closeBracket();
      case "<":
        return this.readAngle();
      case "&":
        return this.readEntity();
      case "\n":
        return this.readLineEnd();
      case "h":
      case "H":
        return this.readBare();
    }
    return false;
  }

  /** What was plain text up to here goes into the chain. */
  flushPlain(end) {
    if (end > this.plainFrom) this.chain.append({ type: "text", text: this.text.slice(this.plainFrom, end) });
  }

  /** Puts a node in, for the text up to `end`. */
  put(node, end) {
    this.flushPlain(this.at);
    this.chain.append(node);
    this.at = end;
    this.plainFrom = end;
    return true;
  }

  readEscape() {
    const next = this.text[this.at + 1];
    if (next === "\n") return this.put({ type: "break" }, afterSpaces(this.text, this.at + 2));
    if (next === undefined || !/[!-/:-@[-`{-~]/.test(next)) return false;
    return this.put({ type: "text", text: next }, this.at + 2);
  }

  readEntity() {
    const found = /^&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,30}));/.exec(this.text.slice(this.at, this.at + 34));
    if (!found) return false;
    const text = found[3] ? ENTITIES.get(found[3]) : characterOf(found[1] ? Number(found[1]) : parseInt(found[2], 16));
    return text === undefined ? false : this.put({ type: "text", text }, this.at + found[0].length);
  }

  readLineEnd() {
    let end = this.at;
    while (end > this.plainFrom && this.text[end - 1] === " ") end -= 1;
    const hard = this.at - end >= 2;
    this.flushPlain(end);
    this.plainFrom = this.at;
    return this.put(hard ? { type: "break" } : { type: "text", text: "\n" }, afterSpaces(this.text, this.at + 1));
  }

  readCode() {
    const { text } = this;
    const start = this.at;
    const open = runLength(text, start, "`");
    this.runs ??= lastRuns(text);
    let at = start + open;
    while ((this.runs.get(open) ?? -1) >= at) {
      at = text.indexOf("`", at);
      const length = runLength(text, at, "`");
      if (length === open) {
        let inner = text.slice(start + open, at).replaceAll("\n", " ");
        if (inner.startsWith(" ") && inner.endsWith(" ") && inner.trim() !== "") inner = inner.slice(1, -1);
        return this.put({ type: "code", text: inner }, at + length);
      }
      at += length;
    }
    // Nothing closes it: the whole run is text.
    this.at = start + open;
    return true;
  }

  readSigns(sign) {
    const { text } = this;
    const length = runLength(text, this.at, sign);
    if (sign === "~" && length > 2) {
      this.at += length;
      return true;
    }
    const before = kindOf(characterBefore(text, this.at));
    const after = kindOf(characterAfter(text, this.at + length));
    const left = after !== "space" && (after !== "sign" || before !== "word");
    const right = before !== "space" && (before !== "sign" || after !== "word");
    const node = { type: "text", text: text.slice(this.at, this.at + length) };
    const run = {
      node,
      sign,
      length,
      original: length,
      opens: sign === "_" ? left && (!right || before === "sign") : left,
      closes: sign === "_" ? right && (!left || after === "sign") : right,
    };
    this.put(node, this.at + length);
    if (run.opens || run.closes) this.signs.push(run);
    return true;
  }

  openBracket(end) {
    const image = end - this.at === 2;
    const node = { type: "text", text: this.text.slice(this.at, end) };
    this.put(node, end);
    this.brackets.push({ node, image, end, signs: this.signs.length });
    return true;
  }

  closeBracket() {
    const bracket = this.brackets.pop();
    if (!bracket) return false;
    const dead = !bracket.image && this.brackets.length < this.linksFrom;
    this.linksFrom = Math.min(this.linksFrom, this.brackets.length);
    const target = dead ? null : this.targetAfter(bracket);
    if (!target) return false;
    this.flushPlain(this.at);
    const words = this.text.slice(bracket.end, this.at);
    const wrapper = bracket.image ? { type: "image", to: target.to, title: target.title, text: "" } : { type: "link", to: target.to, title: target.title };
    pairSigns(this.chain, this.signs, bracket.signs);
    this.chain.wrap(bracket.node, null, wrapper);
    this.chain.remove(bracket.node);
    if (bracket.image) {
      wrapper.text = words.length > ADDRESS_MAX ? words.slice(0, ADDRESS_MAX) : plainText(finished(wrapper.inner, 0));
      wrapper.inner = null;
    } else {
      // A link holds no link.
      this.linksFrom = this.brackets.length;
    }
    this.at = target.end;
    this.plainFrom = target.end;
    return true;
  }

  /** Where the brackets that close here lead: {to, title, end}, or null. */
  targetAfter(bracket) {
    if (this.effort > EFFORT_MAX) return null;
    const { text } = this;
    const after = this.at + 1;
    if (text[after] === "(") {
      const found = targetInParentheses(text, after + 1);
      this.effort += found.effort;
      if (found.target) return found.target;
    }
    const own = () => (this.at - bracket.end <= LABEL_MAX ? text.slice(bracket.end, this.at) : "");
    let label = "";
    let end = after;
    if (text[after] === "[") {
      const close = text.slice(after, after + LABEL_MAX + 2).indexOf("]");
      this.effort += LABEL_MAX;
      if (close > 0) {
        end = after + close + 1;
        label = text.slice(after + 1, after + close) || own();
      }
    }
    if (!label) {
      if (!this.references.size) return null;
      label = own();
      end = after;
    }
    const found = this.references.get(label.trim().replace(/\s+/g, " ").toLowerCase());
    return found ? { ...found, end } : null;
  }

  readAngle() {
    if (this.effort > EFFORT_MAX) return false;
    const piece = this.text.slice(this.at + 1, this.at + ADDRESS_MAX);
    const found = /^([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*)>/.exec(piece) ?? /^([\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255})>/.exec(piece);
    if (!found) {
      const stop = piece.search(/[\s<>]/);
      this.effort += stop < 0 ? piece.length : stop;
      return false;
    }
    const to = /^[A-Za-z][A-Za-z0-9+.-]+:/.test(found[1]) ? found[1] : `mailto:${found[1]}`;
    return this.put({ type: "link", to, title: "", children: [{ type: "text", text: found[1] }] }, this.at + found[0].length + 1);
  }

  readBare() {
    const { text } = this;
    if (!/^https?:\/\/[^\s<]/i.test(text.slice(this.at, this.at + 9)) || kindOf(characterBefore(text, this.at)) === "word") return false;
    let end = this.at;
    let open = 0;
    let closed = 0;
    while (end < text.length && !/[\s<]/.test(text[end])) {
      if (text[end] === "(") open += 1;
      if (text[end] === ")") closed += 1;
      end += 1;
    }
    // The full stop after an address ends the sentence, not the address.
    for (; end > this.at; end -= 1) {
      const last = text[end - 1];
      if (last === ")" && closed > open) closed -= 1;
      else if (!/[?!.,:;*_~'"\]]/.test(last)) break;
    }
    const to = text.slice(this.at, end);
    return this.put({ type: "link", to, title: "", children: [{ type: "text", text: to }] }, end);
  }
}

// ---- emphasis

/** Pairs the runs of signs from `from` on, and forgets them (CommonMark's "process emphasis"). */
function pairSigns(chain, signs, from) {
  // For each kind of closing run: below this, nothing can open it.
  const bottoms = new Map();
  const waiting = []; // the runs that may open something
  for (const closer of signs.slice(from)) {
    while (closer.closes && closer.length > 0) {
      const kind = `${closer.sign}${closer.opens}${closer.original % 3}${closer.sign === "~" ? closer.length : ""}`;
      const bottom = bottoms.get(kind) ?? 0;
      let index = waiting.length - 1;
      while (index >= bottom && !fits(waiting[index], closer)) index -= 1;
      if (index < bottom) {
        bottoms.set(kind, waiting.length);
        break;
      }
      pair(chain, waiting[index], closer);
      // What stood between them can pair with nothing any more.
      waiting.length = waiting[index].length > 0 ? index + 1 : index;
      for (const [name, value] of bottoms) if (value > waiting.length) bottoms.set(name, waiting.length);
    }
    if (closer.opens && closer.length > 0) waiting.push(closer);
  }
  signs.length = from;
}

function fits(opener, closer) {
  if (opener.sign !== closer.sign) return false;
  if (closer.sign === "~") return opener.length === closer.length;
  // The rule of three: *a**b* is one emphasis with two stars in it.
  const either = opener.closes || closer.opens;
  return !(either && (opener.original + closer.original) % 3 === 0 && (opener.original % 3 !== 0 || closer.original % 3 !== 0));
}

function pair(chain, opener, closer) {
  const used = closer.sign === "~" ? closer.length : Math.min(opener.length, closer.length, 2);
  const type = closer.sign === "~" ? "strike" : used === 2 ? "strong" : "emphasis";
  chain.wrap(opener.node, closer.node, { type });
  for (const run of [opener, closer]) {
    run.length -= used;
    run.node.text = run.sign.repeat(run.length);
    if (run.length === 0) chain.remove(run.node);
  }
}

// ---- the end

/** The chain as a list, with neighbouring texts in one. */
function finished(chain, depth) {
  const list = [];
  for (let node = chain?.first; node; node = node.after) {
    const last = list.at(-1);
    if (node.type === "text") {
      if (!node.text) continue;
      if (last?.type === "text") last.parts.push(node.text);
      else list.push({ type: "text", parts: [node.text] });
    } else if (node.inner) {
      const children = depth < DEPTH_MAX ? finished(node.inner, depth + 1) : [{ type: "text", text: textOf(node.inner) }];
      const { type, to, title } = node;
      list.push(type === "link" ? { type, to, title, children } : { type, children });
    } else {
      const { before, after, inner, ...own } = node;
      list.push(own);
    }
  }
  return list.map((node) => (node.parts ? { type: "text", text: node.parts.join("") } : node));
}

/** All text in a chain, however deep. */
function textOf(chain) {
  const parts = [];
  const waiting = [chain.first];
  while (waiting.length) {
    const node = waiting.pop();
    if (!node) continue;
    waiting.push(node.after);
    if (node.inner) waiting.push(node.inner.first);
    else parts.push(node.text ?? (node.children ? plainText(node.children) : " "));
  }
  return parts.join("");
}

function plainText(nodes) {
  return nodes.map((node) => node.text ?? (node.children ? plainText(node.children) : " ")).join("");
}

// ---- characters

function runLength(text, start, sign) {
  let end = start;
  while (text[end] === sign) end += 1;
  return end - start;
}

function lastRuns(text) {
  const last = new Map();
  for (let at = text.indexOf("`"); at >= 0; ) {
    const length = runLength(text, at, "`");
    last.set(length, at);
    at = text.indexOf("`", at + length);
  }
  return last;
}

function afterSpaces(text, start) {
  let at = start;
  while (text[at] === " " || text[at] === "\t") at += 1;
  return at;
}

function characterOf(code) {
  // No NUL, no half of a pair, nothing beyond the last character.
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  return String.fromCodePoint(code);
}

function characterBefore(text, at) {
  if (at === 0) return " ";
  const isPair = /[\udc00-\udfff]/.test(text[at - 1]) && at > 1;
  return text.slice(isPair ? at - 2 : at - 1, at);
}

function characterAfter(text, at) {
  return at < text.length ? String.fromCodePoint(text.codePointAt(at)) : " ";
}

function kindOf(character) {
  if (/\s/.test(character)) return "space";
  return /^[\p{P}\p{S}]/u.test(character) ? "sign" : "word";
}

/**
 * The address and title behind "[words](": {target: {to, title, end} | null,
 * effort}, `effort` being how many characters were looked at.
 */
function targetInParentheses(text, start) {
  const none = (end) => ({ target: null, effort: end - start });
  let at = afterWhite(text, start);
  let to = "";
  if (text[at] === "<") {
    const end = text.slice(at + 1, at + ADDRESS_MAX).search(/[<>\n]/);
    if (end < 0) return none(at + ADDRESS_MAX);
    if (text[at + 1 + end] !== ">") return none(at + 1 + end);
    to = text.slice(at + 1, at + 1 + end);
    at += end + 2;
  } else {
    const from = at;
    let open = 0;
    while (at < text.length && at - from < ADDRESS_MAX) {
      const character = text[at];
      if (character === "\\" && at + 1 < text.length) at += 1;
      else if (character <= " ") break;
      else if (character === "(") open += 1;
      else if (character === ")" && --open < 0) break;
      at += 1;
    }
    if (open > 0) return none(at);
    to = text.slice(from, at);
  }
  let title = "";
  const spaced = afterWhite(text, at);
  const closing = { '"': '"', "'": "'", "(": ")" }[text[spaced]];
  if (spaced > at && closing) {
    const end = text.slice(spaced + 1, spaced + ADDRESS_MAX).indexOf(closing);
    if (end < 0) return none(spaced + ADDRESS_MAX);
    title = unescaped(text.slice(spaced + 1, spaced + 1 + end));
    at = spaced + end + 2;
  }
  at = afterWhite(text, at);
  if (text[at] !== ")") return none(at);
  return { target: { to: unescaped(to), title, end: at + 1 }, effort: 0 };
}

function afterWhite(text, start) {
  let at = start;
  while (text[at] === " " || text[at] === "\t" || text[at] === "\n") at += 1;
  return at;
}

const unescaped = (text) => text.replace(/\\([!-/:-@[-`{-~])/g, "$1").replace(/&amp;/g, "&");
