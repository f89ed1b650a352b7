// The viewer's own drawings, in the manner of those in index.html: a 24-unit
// grid, round strokes. Called by frame.js and the views.

const NAMESPACE = "http://www.w3.org/2000/svg";

const PATHS = {
  previous: "M14.600 5.600 8.200 12l6.400 6.400",
  next: "M9.400 5.600 15.800 12l-6.400 6.400",
  grid: "M4.500 4.500h6v6h-6ZM13.500 4.500h6v6h-6ZM4.500 13.500h6v6h-6ZM13.500 13.500h6v6h-6Z",
  outside: "M13.600 4.500h5.900v5.900M19.200 4.800l-8.400 8.400M17 13.800v3.900a1.800 1.800 0 0 1-1.800 1.800H6.300a1.800 1.800 0 0 1-1.800-1.800V8.800A1.800 1.800 0 0 1 6.300 7h3.900",
  wrap: "M4.500 6h15M4.500 12h12.300a2.900 2.900 0 0 1 0 5.800h-4.600M14.200 15.400l-2.400 2.400 2.400 2.400M4.500 18h3.600",
  source: "M8.600 7 3.800 12l4.800 5M15.400 7l4.800 5-4.800 5M13.400 5.200l-2.800 13.600",
  indent: "M4.500 6h15M10.500 12h9M10.500 18h9M4.500 10.200 7 12l-2.500 1.800",
  page: "M5 4.500h14v15H5ZM8.200 8.600h7.600M8.200 12h7.600M8.200 15.400h4.600",
  larger: "M12 6v12M6 12h12",
  smaller: "M6 12h12",
  fit: "M4.500 9V4.500H9M15 4.500h4.500V9M19.500 15v4.500H15M9 19.500H4.500V15",
};

export function drawing(name) {
  const drawn = document.createElementNS(NAMESPACE, "svg");
  drawn.setAttribute("class", "icon");
  drawn.setAttribute("aria-hidden", "true");
  drawn.setAttribute("viewBox", "0 0 24 24");
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", PATHS[name]);
  drawn.append(path);
  return drawn;
}
