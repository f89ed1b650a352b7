// How a person does by hand what the page just asked over HTTP: with curl,
// with netcat, with ten lines of Python. Called by wire/http.js. (What goes
// over TCP and UDP, the hub itself writes out.)

import { printfWord, pythonString, shellAddress, shellWord } from "../quoting.js";

/**
 * The same request with other people's tools, {curl, netcat, python}.
 * path: percent-encoded; query: {name: text}; headers: those that the page set.
 */
export function requestByHand({ path, query = {}, headers = {} }, origin = location.origin) {
  return {
    curl: curl(origin, path, query, headers),
    netcat: netcat(origin, path, query, headers),
    python: python(origin, path, query, headers),
  };
}

function curl(origin, path, query, headers) {
  const words = ["curl"];
  const fields = Object.entries(query);
  if (fields.length) words.push("-G");
  for (const [name, value] of Object.entries(headers)) words.push("-H", shellWord(`${name}: ${value}`));
  words.push(shellAddress(origin, path));
  for (const [name, value] of fields) words.push("--data-urlencode", shellWord(`${name}=${value}`));
  return words.join(" ");
}

/** null where netcat alone cannot, because the hub is reached by TLS. */
function netcat(origin, path, query, headers) {
  const { protocol, hostname, host, port } = new URL(origin);
  if (protocol !== "http:") return null;
  const fields = String(new URLSearchParams(query));
  const head = [
    `GET ${path}${fields && "?"}${fields} HTTP/1.1`,
    `Host: ${host}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    // So that the hub ends the connection, and with it netcat.
    "Connection: close",
  ];
  const bare = hostname.replace(/^\[|\]$/g, "");
  return `printf ${printfWord(`${head.join("\r\n")}\r\n\r\n`)} | nc ${bare} ${port || 80}`;
}

function python(origin, path, query, headers) {
  const fields = Object.entries(query);
  const dictionary = (pairs) => `{${pairs.map(([name, value]) => `${pythonString(name)}: ${pythonString(value)}`).join(", ")}}`;
  const lines = ["import urllib.request", ""];
  let address = pythonString(origin + path);
  if (fields.length) {
    lines.splice(0, 1, "import urllib.parse", "import urllib.request");
    lines.push(`query = urllib.parse.urlencode(${dictionary(fields)})`);
    address = `${pythonString(`${origin}${path}?`)} + query`;
  }
  const own = Object.entries(headers);
  lines.push(
    own.length ? `request = urllib.request.Request(${address}, headers=${dictionary(own)})` : `request = ${address}`,
    "with urllib.request.urlopen(request, timeout=5) as answer:",
    "    print(answer.status, answer.reason)",
    "    print(answer.headers)",
    '    print(answer.read().decode(errors="replace"))',
  );
  return `${lines.join("\n")}\n`;
}
