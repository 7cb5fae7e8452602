//! Curves as an SVG: panels side by side, each with axes, a grid, labels and a legend.
//!
//! In: series of points. Out: a whole document, valid XML whatever the names in it hold. Nothing in it depends on fonts
//! or on another file.

use std::fmt::Write;

/// A curve: points from left to right, and for each of them how far it was spread, if that is known.
pub(super) struct Curve {
    /// What the legend says.
    pub(super) name: &'static str,
    pub(super) points: Vec<Point>,
    /// It is what one could hope for, and nothing that was measured.
    pub(super) is_ideal: bool,
}

/// A point of a curve.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// The lowest and the highest that was measured.
    pub(super) spread: (f64, f64),
}

/// Curves over the same axes.
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// What is drawn upwards, with its unit.
    pub(super) label: &'static str,
    pub(super) curves: Vec<Curve>,
}

/// The size of a panel, and where its axes are in it, in pixels.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;
/// Above the panels.
const HEAD: f64 = 34.0;
/// Lines and markers; told apart without colours by their dashes.
const STROKES: [(&str, &str); 3] = [("#0b62a4", ""), ("#b3541e", "7 3"), ("#4a7729", "2 3")];
const IDEAL: (&str, &str) = ("#999999", "4 4");

/// Draws panels in rows of two. `across` is the label of what goes to the right, the same for all.
pub(super) fn svg(title: &str, across: &str, panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(2) as f64;
    let (width, height) = (2.0 * WIDTH, HEAD + rows * HEIGHT);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>{title}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"{}\" y=\"22\" text-anchor=\"middle\" font-size=\"14\">{title}</text>\n",
        width / 2.0,
        title = escape(title),
    );
    for (i, panel) in panels.iter().enumerate() {
        let (x, y) = ((i % 2) as f64 * WIDTH, HEAD + (i / 2) as f64 * HEIGHT);
        let _ = writeln!(out, "<g transform=\"translate({x} {y})\">");
        draw(panel, across, &mut out);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn draw(panel: &Panel, across: &str, out: &mut String) {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let last = points().map(|point| point.x).fold(1.0, f64::max);
    let steps_up = ticks(points().map(|point| point.y.max(point.spread.1)).fold(0.0, f64::max));
    let top = steps_up.last().copied().unwrap_or(1.0);
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    // One job is half a step away from the axis.
    let x = |value: f64| LEFT + (value - 0.5) / last * (right - LEFT);
    let y = |value: f64| bottom - value / top * (bottom - TOP);
    // Writing to a string does not fail.
    let mut line = |text: String| out.push_str(&(text + "\n"));
    line(format!(
        "<text x=\"{LEFT}\" y=\"18\" font-size=\"13\" font-weight=\"bold\">{}</text>",
        escape(panel.title)
    ));
    for &step in &steps_up {
        let y = y(step);
        line(format!(
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            number(step)
        ));
    }
    // So many labels fit.
    let every = (last / 16.0).ceil().max(1.0) as usize;
    for job in (1..=last as usize).step_by(every) {
        let x = x(job as f64);
        line(format!(
            "<line x1=\"{x:.1}\" y1=\"{bottom}\" x2=\"{x:.1}\" y2=\"{}\" stroke=\"#333333\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{job}</text>",
            bottom + 4.0,
            bottom + 16.0
        ));
    }
    line(format!(
        "<path d=\"M {LEFT} {TOP} V {bottom} H {right}\" fill=\"none\" stroke=\"#333333\"/>\
         <text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
         <text transform=\"translate(16 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        (LEFT + right) / 2.0,
        HEIGHT - 10.0,
        escape(across),
        (TOP + bottom) / 2.0,
        escape(panel.label)
    ));
    let mut legend = right;
    for (i, curve) in panel.curves.iter().enumerate().rev() {
        let measured = STROKES.get(i % STROKES.len()).copied().unwrap_or(IDEAL);
        let (colour, dashes) = if curve.is_ideal { IDEAL } else { measured };
        let stroke = format!("stroke=\"{colour}\" stroke-width=\"1.6\" stroke-dasharray=\"{dashes}\"");
        let stroke = stroke.replace(" stroke-dasharray=\"\"", "");
        let places: Vec<String> =
            curve.points.iter().map(|point| format!("{:.1},{:.1}", x(point.x), y(point.y))).collect();
        line(format!("<polyline points=\"{}\" fill=\"none\" {stroke}/>", places.join(" ")));
        for point in curve.points.iter().filter(|_| !curve.is_ideal) {
            let ((low, high), x) = (point.spread, x(point.x));
            line(format!(
                "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>\
                 <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"2.6\" fill=\"{colour}\"/>",
                y(low),
                y(high),
                y(point.y)
            ));
        }
        // No font is known: about six pixels for a letter.
        legend -= 38.0 + 6.2 * curve.name.len() as f64;
        line(format!(
            "<line x1=\"{legend:.1}\" y1=\"14\" x2=\"{:.1}\" y2=\"14\" {stroke}/>\
             <text x=\"{:.1}\" y=\"18\">{}</text>",
            legend + 24.0,
            legend + 28.0,
            escape(curve.name)
        ));
    }
}

/// Round numbers from zero to not less than `most`, about five of them.
fn ticks(most: f64) -> Vec<f64> {
    let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
    let magnitude = 10_f64.powf((most / 5.0).log10().floor());
    let fits = |step: &f64| step * magnitude * 5.0 >= most * 0.999;
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(fits).unwrap_or(10.0) * magnitude;
    let count = (most / step * 0.999).ceil() as usize;
    (0..=count.max(1)).map(|i| i as f64 * step).collect()
}

/// With as many digits as a step needs.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "0" && value != 0.0 { format!("{value:.1e}") } else { text.to_owned() }
}

/// Text as XML has it. What no document may hold becomes a question mark.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_reach_the_top() {
        assert_eq!(ticks(10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(0.93), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        for most in [0.0, f64::NAN, f64::INFINITY, 1e-9, 0.3, 7.7, 123_456.0, 1e18] {
            let steps = ticks(most);
            assert!((2..8).contains(&steps.len()), "{most}: {steps:?}");
            assert!(!most.is_finite() || steps.last().is_some_and(|&last| last >= most * 0.99), "{most}");
        }
        assert_eq!(
            [number(0.6000000000000001), number(20.0), number(0.0), number(1e-7)],
            ["0.6", "20", "0", "1.0e-7"]
        );
    }

    #[test]
    fn names_cannot_break_out() {
        let panel = Panel { title: "a < b & c", label: "\"s\"", curves: Vec::new() };
        let svg = svg("sh -c 'x > \"y\" && \u{1}'", "jobs", &[panel]);
        assert!(svg.contains("sh -c 'x &gt; &quot;y&quot; &amp;&amp; ?'"), "{svg}");
        assert!(svg.contains(">a &lt; b &amp; c<"), "{svg}");
        assert!(svg.contains(">&quot;s&quot;<"), "{svg}");
    }
}
