//! An answer as a table: each contender's cost as a multiple of the first one's.

use std::fmt::Write;

use crate::measure::{Answer, Row};

/// The contender that the others are compared with: the system's own means, which comes first.
pub fn yardstick(answer: &Answer) -> &'static str {
    answer.names()[0]
}

/// What is 1 in a row; and the value whose time that is, if it is another one's.
pub fn unit(answer: &Answer, row: &Row) -> Option<(f64, Option<usize>)> {
    let name = yardstick(answer);
    if let Some(median) = row.median(name) {
        return Some((median, None));
    }
    // Out of reach for it: its last one.
    let last = answer.rows.iter().rfind(|other| other.value < row.value && other.median(name).is_some())?;
    last.median(name).map(|median| (median, Some(last.value)))
}

/// For the terminal, with nanoseconds.
pub fn plain(answer: &Answer) -> String {
    let mut text = format!("{}: {}\n", answer.id, answer.title);
    for row in &answer.rows {
        let unit = unit(answer, row).map_or(1.0, |(unit, _)| unit);
        for time in &row.times {
            let (ratio, spread) = (time.median / unit, time.median / time.least);
            let _ = writeln!(
                text,
                "  {:>8} {:<20} {:>12.1} ns  x {ratio:<6.3} (median / least {spread:.2})",
                row.value, time.name, time.median
            );
        }
    }
    text
}

/// For BENCHMARKS.md.
pub fn markdown(answer: &Answer) -> String {
    let names = answer.names();
    let mut text = format!("| {} | {} |\n|{}\n", answer.parameter, names.join(" | "), "---:|".repeat(names.len() + 1));
    let mut notes = String::new();
    for row in &answer.rows {
        let Some((unit, from)) = unit(answer, row) else { continue };
        let _ = write!(text, "| {} |", grouped(row.value));
        for name in &names {
            let cell = row.median(name).map_or("–".to_owned(), |median| multiple(median / unit));
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
        if let Some(from) = from {
            let _ = write!(
                notes,
                "\nWith {} there is no {}, since descriptors run out: that line is in multiples of its cost with {}.\n",
                grouped(row.value),
                yardstick(answer),
                grouped(from)
            );
        }
    }
    if let Some(unreached) = answer.unreached {
        let _ = write!(notes, "\n{} was not reached: the limit of descriptors is lower.\n", grouped(unreached));
    }
    text + &notes
}

/// A ratio with the digits that say something.
fn multiple(ratio: f64) -> String {
    if ratio < 0.1 {
        format!("{ratio:.3}")
    } else {
        format!("{ratio:.2}")
    }
}

/// A number with commas between its thousands.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
