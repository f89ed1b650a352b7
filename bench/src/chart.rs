//! A chart of a few panels side by side as SVG: what grows with the number of clients.
//!
//! The picture follows the reader's light or dark setting, tells the series apart by colour, by
//! dash and by the shape of their marks, and shows with each median how far the turns lay apart.

use std::fmt::Write as _;

use crate::table::thousands;

/// One figure of all series.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What is shown.
    pub title: &'static str,
    /// In what unit.
    pub unit: &'static str,
    /// Whether equal steps are equal factors; else the axis begins at 0.
    pub is_logarithmic: bool,
    /// The lines.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub name: &'static str,
    /// From left to right.
    pub marks: Vec<Mark>,
}

/// One place on a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// How many clients.
    pub at: f64,
    /// The median of the turns.
    pub median: f64,
    /// The lowest of them.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

const PANEL_WIDTH: f64 = 300.0;
const PLOT_WIDTH: f64 = 220.0;
const PLOT_HEIGHT: f64 = 210.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 108.0;
const HEIGHT: f64 = 412.0;
/// Clients at the left and right end of each panel.
const SPAN: [f64; 2] = [10.0, 10_000.0];

const STYLE: &str = "\
  <style>
    svg { --ink: #1f2328; --faint: #d0d7de; --c0: #0969da; --c1: #bc4c00; --c2: #1a7f37; }
    @media (prefers-color-scheme: dark) {
      svg { --ink: #e6edf3; --faint: #3d444d; --c0: #58a6ff; --c1: #f0883e; --c2: #56d364; }
    }
    text { font: 12px system-ui, sans-serif; fill: var(--ink); }
    .title { font-size: 16px; font-weight: 600; }
    .panel { font-size: 13px; font-weight: 600; }
    .small { font-size: 11px; }
    .grid { stroke: var(--faint); stroke-width: 1; }
    .s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); stroke-dasharray: 6 3; }
    .s2 { stroke: var(--c2); stroke-dasharray: 2 3; }
    .line { fill: none; stroke-width: 2; }
    .range { stroke-width: 1.5; stroke-dasharray: none; }
    .m0 { fill: var(--c0); } .m1 { fill: var(--c1); } .m2 { fill: var(--c2); }
  </style>
";

/// The whole picture.
pub fn draw(title: &str, caption: &str, panels: &[Panel]) -> String {
    let width = PANEL_WIDTH * panels.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"title caption\">\n{STYLE}  <title id=\"title\">{title}</title>\n  \
         <text class=\"title\" x=\"10\" y=\"24\">{title}</text>\n"
    );
    if let Some(panel) = panels.first() {
        svg.push_str(&legend(&panel.series));
    }
    for (i, panel) in panels.iter().enumerate() {
        let left = LEFT + PANEL_WIDTH * i as f64;
        let _ = writeln!(svg, "  <g transform=\"translate({left} {TOP})\">");
        svg.push_str(&draw_panel(panel));
        svg.push_str("  </g>\n");
    }
    // Nothing wraps in SVG: two lines, cut between words.
    let middle = caption.len() / 2;
    let cut = caption.char_indices().find(|(i, c)| *i >= middle && *c == ' ').map_or(0, |(i, _)| i);
    let (first, second) = caption.split_at(cut);
    let _ = writeln!(
        svg,
        "  <g id=\"caption\"><text class=\"small\" x=\"10\" y=\"{}\">{first}</text>\
         <text class=\"small\" x=\"10\" y=\"{}\">{}</text></g>\n</svg>",
        HEIGHT - 24.0,
        HEIGHT - 8.0,
        second.trim()
    );
    svg
}

fn legend(series: &[Series]) -> String {
    let mut svg = String::new();
    for (i, one) in series.iter().enumerate() {
        let x = 10.0 + 110.0 * i as f64;
        let _ = writeln!(
            svg,
            "  <path class=\"line s{i}\" d=\"M{x} 46h34\"/>{}<text x=\"{}\" y=\"50\">{}</text>",
            shape(i, x + 17.0, 46.0),
            x + 42.0,
            one.name
        );
    }
    svg
}

fn draw_panel(panel: &Panel) -> String {
    let axis = Axis::of(panel);
    let mut svg = format!(
        "    <text class=\"panel\" x=\"-50\" y=\"-28\">{}</text>\n    \
         <text class=\"small\" x=\"-50\" y=\"-12\">{}{}</text>\n",
        panel.title,
        panel.unit,
        if panel.is_logarithmic { ", logarithmic" } else { "" }
    );
    for tick in &axis.ticks {
        let y = axis.y(*tick);
        let _ = writeln!(
            svg,
            "    <path class=\"grid\" d=\"M0 {y:.1}h{PLOT_WIDTH}\"/>\
             <text x=\"-6\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            y + 4.0,
            short(*tick)
        );
    }
    for (clients, label) in [(10.0, "10"), (100.0, "100"), (1000.0, "1,000"), (10_000.0, "10,000")]
    {
        let _ = writeln!(
            svg,
            "    <text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            x(clients),
            PLOT_HEIGHT + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "    <text class=\"small\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">clients</text>",
        PLOT_WIDTH / 2.0,
        PLOT_HEIGHT + 36.0
    );
    for (i, series) in panel.series.iter().enumerate() {
        svg.push_str(&draw_series(i, series, &axis));
    }
    svg
}

fn draw_series(i: usize, series: &Series, axis: &Axis) -> String {
    let (mut path, mut marks) = (String::new(), String::new());
    for mark in &series.marks {
        let (x, y) = (x(mark.at), axis.y(mark.median));
        let _ = write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { " L" });
        let (low, high) = (axis.y(mark.low), axis.y(mark.high));
        let _ = writeln!(
            marks,
            "    <path class=\"range s{i}\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>{}",
            shape(i, x, y)
        );
    }
    format!("    <path class=\"line s{i}\" d=\"{path}\"/>\n{marks}")
}

/// A circle, a square, a triangle.
fn shape(series: usize, x: f64, y: f64) -> String {
    match series {
        0 => format!("<circle class=\"m0\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"),
        1 => format!(
            "<rect class=\"m1\" x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"/>",
            x - 4.0,
            y - 4.0
        ),
        _ => format!("<path class=\"m2\" d=\"M{x:.1} {:.1}l5 9h-10z\"/>", y - 5.0),
    }
}

fn x(clients: f64) -> f64 {
    let [first, last] = SPAN.map(f64::log10);
    (clients.log10() - first) / (last - first) * PLOT_WIDTH
}

/// The vertical axis of a panel.
#[derive(Debug)]
struct Axis {
    is_logarithmic: bool,
    ticks: Vec<f64>,
}

impl Axis {
    fn of(panel: &Panel) -> Self {
        let marks = || panel.series.iter().flat_map(|series| &series.marks);
        let high = marks().map(|mark| mark.high).reduce(f64::max).unwrap_or(1.0).max(1e-3);
        let ticks = if panel.is_logarithmic {
            let low = marks().map(|mark| mark.low).reduce(f64::min).unwrap_or(1.0).max(1e-3);
            let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
            (first..=last.max(first + 1)).map(|power| 10_f64.powi(power)).collect()
        } else {
            let step = round_step(high / 4.0);
            (0..=(high / step).ceil() as i32).map(|n| step * f64::from(n)).collect()
        };
        Self { is_logarithmic: panel.is_logarithmic, ticks }
    }

    fn y(&self, value: f64) -> f64 {
        let [first, last] = [self.ticks[0], self.ticks[self.ticks.len() - 1]];
        let share = if self.is_logarithmic {
            (value.max(first).log10() - first.log10()) / (last.log10() - first.log10())
        } else {
            (value - first) / (last - first)
        };
        PLOT_HEIGHT * (1.0 - share)
    }
}

/// The next of 1, 2, 5, 10, 20, 50 and so on.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|step| step * power >= least);
    step.unwrap_or(10.0) * power
}

/// A tick's number, without a tail of noughts.
fn short(value: f64) -> String {
    if value >= 1000.0 {
        return thousands(value);
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(is_logarithmic: bool, values: &[f64]) -> Panel {
        let marks = (1..).zip(values).map(|(power, value)| Mark {
            at: 10_f64.powi(power),
            median: *value,
            low: *value,
            high: *value,
        });
        let series = vec![Series { name: "tasks", marks: marks.collect() }];
        Panel { title: "a", unit: "b", is_logarithmic, series }
    }

    #[test]
    fn a_plain_axis_begins_at_nought_and_ends_above_all() {
        assert_eq!(Axis::of(&panel(false, &[3.0, 37.0])).ticks, [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(Axis::of(&panel(false, &[1.7])).ticks, [0.0, 0.5, 1.0, 1.5, 2.0]);
        assert_eq!(Axis::of(&panel(true, &[0.3, 70.0])).ticks, [0.1, 1.0, 10.0, 100.0]);
    }

    #[test]
    fn the_ends_of_the_axes_are_the_corners() {
        let axis = Axis::of(&panel(true, &[1.0, 100.0]));
        assert!(axis.y(100.0).abs() < 1e-9 && (axis.y(1.0) - PLOT_HEIGHT).abs() < 1e-9);
        assert!(x(10.0).abs() < 1e-9 && (x(10_000.0) - PLOT_WIDTH).abs() < 1e-9);
    }

    #[test]
    fn a_picture_closes_what_it_opens_and_has_a_mark_for_each_figure() {
        let svg = draw("title", "a caption of some words", &[panel(false, &[1.0, 2.0, 3.0])]);
        assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count());
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert_eq!(svg.matches("<circle").count(), 3 + 1, "and one in the legend");
        assert!(svg.contains("prefers-color-scheme: dark") && svg.ends_with("</svg>\n"), "{svg}");
    }

    #[test]
    fn steps_are_round() {
        for (least, step) in [(0.9, 1.0), (1.1, 2.0), (3.0, 5.0), (6.0, 10.0), (0.03, 0.05)] {
            assert!((round_step(least) - step).abs() < 1e-9, "{least}");
        }
    }
}
