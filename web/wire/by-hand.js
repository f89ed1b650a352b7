// How a person does by hand what the page just asked over HTTP: with curl,
// with netcat, with ten lines of Python. Called by wire/drawer.js. (What goes over TCP and UDP, the hub itself writes out.)
// The key is never in it: where one is wanted, it is $SOCKEYE_KEY.

import { printfWord, pythonString, shellWord } from "../quoting.js";
import { shellAddress } from "../shell-address.js";
import { wantsKey } from "../standing.js";

const BEARER = "Bearer $SOCKEYE_KEY";
// What no path and no field of ours can hold; printfWord() doubles the signs.
const KEY_IN_PRINTF = ["%KEY%", "%%KEY%%"];

/**
 * The same request with other people's tools, {curl, netcat, python}.
 *
 * path: percent-encoded; query: {name: text}; headers: those that the page set.
 * body: null | {text} | {file: its name here, bytes} | {form: {name: text}},
 * where a form's field with the value null is the key.
 */
export function requestByHand({ method = "GET", path, query = {}, headers = {}, body = null }, origin = location.origin) {
  const asked = { origin, method, path, query, headers, body, withKey: !body?.form && wantsKey(method) };
  return { curl: curl(asked), netcat: netcat(asked), python: python(asked) };
}

function curl({ origin, method, path, query, headers, body, withKey }) {
  const words = ["curl"];
  const fields = Object.entries(query);
  if (fields.length) words.push("-G");
  if (body?.file) words.push("-X", method, ...fileWords(body.file));
  else if (!["GET", body ? "POST" : "GET"].includes(method)) words.push("-X", method);
  if (withKey) words.push("-H", `"Authorization: ${BEARER}"`);
  for (const [name, value] of Object.entries(headers)) words.push("-H", shellWord(`${name}: ${value}`));
  if (body?.text) words.push("--data-raw", shellWord(body.text));
  for (const [name, value] of Object.entries(body?.form ?? {})) words.push("--data-urlencode", value === null ? `"${name}=$SOCKEYE_KEY"` : shellWord(`${name}=${value}`));
  words.push(shellAddress(origin, path));
  for (const [name, value] of fields) words.push("--data-urlencode", shellWord(`${name}=${value}`));
  return words.join(" ");
}

/** -T sends a file as it is, and holds none of it in memory. */
function fileWords(file) {
  // It would take brackets for a pattern, and "-" for its own input.
  return [...(/[[\]{}]/.test(file) ? ["-g"] : []), "-T", shellWord(localName(file))];
}

const localName = (file) => (/^[-.]/.test(file) ? `./${file}` : file);

/** null where netcat alone cannot: over TLS, and for forms whose length the key decides. */
function netcat({ origin, method, path, query, headers, body, withKey }) {
  const { protocol, hostname, host, port } = new URL(origin);
  if (protocol !== "http:" || body?.form) return null;
  const fields = String(new URLSearchParams(query));
  const length = body?.file ? body.bytes : new TextEncoder().encode(body?.text ?? "").length;
  const head = [
    `${method} ${path}${fields && "?"}${fields} HTTP/1.1`,
    `Host: ${host}`,
    ...(withKey ? [`Authorization: Bearer ${KEY_IN_PRINTF[0]}`] : []),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body ? [`Content-Length: ${length}`] : []),
    // So that the hub ends the connection, and with it netcat.
    "Connection: close",
  ];
  const bare = hostname.replace(/^\[|\]$/g, "");
  const said = printfWord(`${head.join("\r\n")}\r\n\r\n${body?.text ?? ""}`).replace(KEY_IN_PRINTF[1], "%s");
  const print = `printf ${said}${withKey ? ' "$SOCKEYE_KEY"' : ""}`;
  const all = body?.file ? `{ ${print}; cat ${shellWord(localName(body.file))}; }` : print;
  return `${all} | nc ${bare} ${port || 80}`;
}

function python({ origin, method, path, query, headers, body, withKey }) {
  const fields = Object.entries(query);
  const form = Object.entries(body?.form ?? {});
  const bodied = bodyInPython(body, form);
  const pairs = [...Object.entries(headers), ...bodied.headers].map(([name, value]) => `${pythonString(name)}: ${pythonString(value)}`);
  if (withKey) pairs.unshift(`"Authorization": "Bearer " + os.environ["SOCKEYE_KEY"]`);
  let address = pythonString(origin + path);
  const lines = [];
  if (withKey || form.some(([, value]) => value === null)) lines.push("import os");
  if (fields.length || form.length) lines.push("import urllib.parse");
  lines.push("import urllib.request", "", ...bodied.lines);
  if (fields.length) {
    lines.push(`query = urllib.parse.urlencode(${dictionary(fields)})`);
    address = `${pythonString(`${origin}${path}?`)} + query`;
  }
  const parts = [address, ...bodied.argument, ...(pairs.length ? [`headers={${pairs.join(", ")}}`] : [])];
  if (body || method !== "GET") parts.push(`method=${pythonString(method)}`);
  lines.push(
    parts.length > 1 ? `request = urllib.request.Request(${parts.join(", ")})` : `request = ${address}`,
    `with urllib.request.urlopen(request, timeout=${body?.file ? 60 : 5}) as answer:`,
    "    print(answer.status, answer.reason)",
    "    print(answer.headers)",
    '    print(answer.read().decode(errors="replace"))',
  );
  return `${lines.join("\n")}\n`;
}

/** What stands before a request, and in it, for its body. */
function bodyInPython(body, form) {
  if (body?.file) {
    // A length, for otherwise Python sends chunks of a length each.
    return {
      lines: [`body = open(${pythonString(localName(body.file))}, "rb")`],
      argument: ["data=body"],
      headers: [
        ["Content-Length", String(body.bytes)],
        ["Content-Type", "application/octet-stream"],
      ],
    };
  }
  if (form.length) {
    const values = form.map(([name, value]) => `${pythonString(name)}: ${value === null ? 'os.environ["SOCKEYE_KEY"]' : pythonString(value)}`);
    return { lines: [`body = urllib.parse.urlencode({${values.join(", ")}}).encode()`], argument: ["data=body"], headers: [] };
  }
  return { lines: [], argument: body?.text ? [`data=${pythonString(body.text)}.encode()`] : [], headers: [] };
}

function dictionary(pairs) {
  return `{${pairs.map(([name, value]) => `${pythonString(name)}: ${pythonString(value)}`).join(", ")}}`;
}
