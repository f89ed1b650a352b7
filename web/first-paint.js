// Applies the remembered theme and density before anything is painted, so that
// a person who chose one never sees the other flash by. Loaded by index.html and
// error.html as a classic, blocking script; never touches anything else.
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem("sockeye.theme");
    document.documentElement.dataset.density = localStorage.getItem("sockeye.density") ?? "";
  } catch {
    // Storage may be forbidden; the system's preference then stands.
  }
  const media = { light: "not all", dark: "all" }[choice];
  if (media) document.getElementById("dark").media = media;
})();
