//! An answer as a chart: cost against the number, both on logarithmic scales, one curve for each contender.

use std::fmt::Write;

use crate::measure::Answer;
use crate::table::{grouped, yardstick};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 590.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 360.0;
/// Between the names at the ends of the curves.
const LINE: f64 = 17.0;

/// A contender's looks, the same in all charts: a class of the style sheet.
fn class(name: &str) -> &'static str {
    match name {
        "kq" => "kq",
        "kq without data" => "bare",
        "kq edge without data" => "edge",
        "kq-sys" => "raw",
        "kq-typed Queue<T>" => "typed",
        "kq-typed Kqueue" => "dynamic",
        "epoll" | "timerfd each" => "system",
        "epoll + FIONREAD" => "count",
        "mio" => "mio",
        "polling" => "polling",
        "nix" => "nix",
        _ => "rustix",
    }
}

/// Each class's colour on white and on black: ours warm, the system's means grey, other libraries cool.
const COLOURS: [(&str, &str, &str); 12] = [
    ("kq", "#d1242f", "#ff7b72"),
    ("bare", "#bc4c00", "#ffa657"),
    ("edge", "#7d4e00", "#e3b341"),
    ("raw", "#9a6700", "#d29922"),
    ("typed", "#bf3989", "#f778ba"),
    ("dynamic", "#8250df", "#b392f0"),
    ("system", "#3d444d", "#d1d7e0"),
    ("count", "#818b98", "#8b949e"),
    ("mio", "#0969da", "#58a6ff"),
    ("polling", "#1a7f37", "#3fb950"),
    ("nix", "#1b7c83", "#39c5cf"),
    ("rustix", "#6639ba", "#d2a8ff"),
];

const STYLE: &str = "
  .paper { fill: #ffffff } .frame { stroke: #c9ced6; fill: none } .grid { stroke: #e8ebef }
  text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 } .quiet { fill: #59636e; font-size: 12px }
  .curve { fill: none; stroke-width: 2; stroke-linejoin: round } .end { fill: none; opacity: .6 }
  .curve.kq { stroke-width: 3.5 } text.kq { font-weight: 600 }
  .curve.mio, .curve.polling, .curve.nix, .curve.rustix { stroke-dasharray: 7 4 } .curve.count { stroke-dasharray: 2 3 }
";

const STYLE_ON_BLACK: &str = "
  .paper { fill: #0d1117 } .frame { stroke: #3d444d } .grid { stroke: #21262d }
  text { fill: #e6edf3 } .quiet { fill: #9198a1 }
";

/// The style sheet, for both backgrounds.
fn style() -> String {
    let colour = |class: &str, colour: &str| {
        format!(
            "  .curve.{class}, .end.{class} {{ stroke: {colour} }} text.{class}, .dot.{class} {{ fill: {colour} }}\n"
        )
    };
    let on_white: String = COLOURS.iter().map(|(class, white, _)| colour(class, white)).collect();
    let on_black: String = COLOURS.iter().map(|(class, _, black)| colour(class, black)).collect();
    format!("{STYLE}{on_white}  @media (prefers-color-scheme: dark) {{{STYLE_ON_BLACK}{on_black}  }}\n")
}

/// A scale from numbers to places on the paper.
struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    fn place(&self, number: f64) -> f64 {
        let part = (number.ln() - self.from.ln()) / (self.to.ln() - self.from.ln());
        self.start + part * (self.end - self.start)
    }

    /// The numbers to mark: 1, 2 and 5 times powers of ten within the scale.
    fn marks(&self) -> Vec<f64> {
        let decades = self.from.log10().floor() as i32..=self.to.log10().ceil() as i32;
        let marks = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(decade)));
        marks.filter(|mark| (self.from * 0.999..=self.to * 1.001).contains(mark)).collect()
    }
}

/// The chart; 1 is what the first contender needs for the first value.
pub fn svg(answer: &Answer) -> String {
    let unit = answer.rows[0].median(yardstick(answer)).expect("the first contender at the first value");
    let curves: Vec<(&str, Vec<(f64, f64)>)> = answer
        .names()
        .into_iter()
        .map(|name| {
            let points = answer.rows.iter().filter_map(|row| Some((row.value as f64, row.median(name)? / unit)));
            (name, points.collect())
        })
        .collect();

    let costs = || curves.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
    let (least, most) = (costs().fold(f64::INFINITY, f64::min), costs().fold(0.0, f64::max));
    let x = Scale {
        from: answer.rows[0].value as f64,
        to: answer.rows.last().map_or(1, |row| row.value) as f64,
        start: LEFT,
        end: RIGHT,
    };
    let y = Scale { from: (least * 0.85).min(0.8), to: (most * 1.15).max(2.2), start: BOTTOM, end: TOP };

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{style}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"20\" y=\"28\">{title}</text>\n\
         <text class=\"quiet\" x=\"20\" y=\"48\">cost, 1 = {yardstick} with {first}; lower is better, both scales are logarithmic</text>\n",
        title = answer.title,
        style = style(),
        yardstick = yardstick(answer),
        first = grouped(answer.rows[0].value),
    );
    axes(&mut svg, answer, &x, &y);
    for (name, points) in &curves {
        curve(&mut svg, class(name), points, &x, &y);
    }
    names(&mut svg, &curves, &x, &y);
    svg + "</svg>\n"
}

fn axes(svg: &mut String, answer: &Answer, x: &Scale, y: &Scale) {
    for mark in y.marks() {
        let place = y.place(mark);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{place:.1}\" y2=\"{place:.1}\"/>\n\
             <text class=\"quiet\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>\n",
            LEFT - 8.0,
            place + 4.0,
        );
    }
    let mut last = f64::NEG_INFINITY;
    for row in &answer.rows {
        let place = x.place(row.value as f64);
        let _ =
            writeln!(svg, "<line class=\"grid\" x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>");
        // Not one number over the other.
        if place - last > 42.0 {
            last = place;
            let _ = writeln!(
                svg,
                "<text class=\"quiet\" x=\"{place:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                BOTTOM + 18.0,
                grouped(row.value)
            );
        }
    }
    let _ = writeln!(
        svg,
        "<path class=\"frame\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\n\
         <text class=\"quiet\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        (LEFT + RIGHT) / 2.0,
        BOTTOM + 40.0,
        answer.parameter
    );
}

fn curve(svg: &mut String, class: &str, points: &[(f64, f64)], x: &Scale, y: &Scale) {
    let places: Vec<(f64, f64)> = points.iter().map(|(value, cost)| (x.place(*value), y.place(*cost))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    let _ = writeln!(svg, "<path class=\"curve {class}\" d=\"M{}\"/>", path.join("L"));
    for (x, y) in places {
        let _ = writeln!(svg, "<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
    }
}

/// The names at the right, in the order of the curves' ends, with what they end at.
fn names(svg: &mut String, curves: &[(&str, Vec<(f64, f64)>)], x: &Scale, y: &Scale) {
    let mut ends: Vec<(&str, (f64, f64))> =
        curves.iter().filter_map(|(name, points)| Some((*name, *points.last()?))).collect();
    ends.sort_by(|a, b| b.1 .1.total_cmp(&a.1 .1));
    let mut places: Vec<f64> = ends.iter().map(|(_, (_, cost))| y.place(*cost)).collect();
    // From the top down no closer than a line, then back up from the bottom.
    for index in 1..places.len() {
        places[index] = places[index].max(places[index - 1] + LINE);
    }
    if let Some(last) = places.last_mut() {
        *last = last.min(BOTTOM);
    }
    for index in (1..places.len()).rev() {
        places[index - 1] = places[index - 1].min(places[index] - LINE);
    }
    for ((name, (value, cost)), place) in ends.iter().zip(places) {
        let class = class(name);
        let _ = writeln!(
            svg,
            "<path class=\"end {class}\" d=\"M{:.1} {:.1}L{:.1} {place:.1}\"/>\n\
             <text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x.place(*value) + 4.0,
            y.place(*cost),
            RIGHT + 14.0,
            RIGHT + 18.0,
            place + 4.5,
            name.replace('<', "&lt;").replace('>', "&gt;"),
        );
    }
}
