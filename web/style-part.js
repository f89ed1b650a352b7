// Fetches a style sheet that the first view does without. Called by the parts
// of the page that are fetched when they are first wanted, before they draw.

/** Resolves when it applies. address: a URL of this page's own. */
export function withStyle(address) {
  return new Promise((resolve, reject) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = address;
    link.addEventListener("load", resolve);
    link.addEventListener("error", () => reject(new Error("a style sheet did not come")));
    document.head.append(link);
  });
}
