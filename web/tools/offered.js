// The services that have a tool on the page. Called by app.js, so that the first
// view needs no tool to know whether there is any; bench.js has the tools.

const OFFERED = ["echo", "clock"];

/** A hub that runs none of the services behind them has no tools. */
export function offersTools(hub) {
  return OFFERED.some((name) => hub.running.includes(name));
}
