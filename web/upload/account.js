// What passed while one file was sent, for the wire's log. Called by sender.js;
// of a file in many pieces it keeps the first and the last few.

import { visibleName } from "../format.js";
import { httpEntry } from "../wire/http.js";
import { record } from "../wire/log.js";

const FIRST = 3;
const LAST = 3;

/** byItself: one of many, which takes nobody away from what they look at. */
export function createAccount({ title, path, file, bytes, byItself }) {
  const first = [];
  let last = [];
  let count = 0;

  return {
    add(seen, asks, tells) {
      count += 1;
      const passed = { seen, asks, tells };
      if (first.length < FIRST) first.push(passed);
      else last = [...last, passed].slice(-LAST);
    },
    /** Puts it into the log, and begins anew. */
    close() {
      if (!count) return;
      const left = count - first.length - last.length;
      const account = left
        ? `This page sent it to the hub over HTTP in ${count} requests. The first ${first.length} and the last ${last.length} are shown.`
        : "This page sent it to the hub over HTTP.";
      const requests = [...first, ...last];
      // By hand, one request does it all.
      const asked = file === null ? undefined : { method: "POST", path, body: { file, bytes } };
      record(httpEntry({ title: visibleName(title), byItself, account, requests, asked }));
      first.length = 0;
      last = [];
      count = 0;
    },
  };
}
