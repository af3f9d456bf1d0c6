//! Writes BENCHMARKS.md's figures and the charts.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use crate::chart;
use crate::measure::Answer;
use crate::outside::root;
use crate::table;
use crate::targets::Target;

const DOCUMENT: &str = "BENCHMARKS.md";
const CHARTS: &str = "docs/benchmarks";
const BEGIN: &str = "<!-- figures: begin; written by `cargo bench -p kq-typed --bench figures -- --write` -->";
const END: &str = "<!-- figures: end -->";

/// Writes everything, or nothing if the document has no place for it.
pub fn write(answers: &[Answer], targets: &[Target]) {
    let path = root().join(DOCUMENT);
    let text = fs::read_to_string(&path).expect(DOCUMENT);
    let before = text.split(BEGIN).next().expect("a beginning");
    let after = text.split(END).nth(1).expect("the document says where the figures end");
    assert!(before.len() < text.len(), "the document says where the figures begin");

    fs::create_dir_all(root().join(CHARTS)).expect(CHARTS);
    let mut figures = format!("{}\n\n## What is to hold\n\n", machine());
    figures += "| promise | measured | met |\n|---|---|---|\n";
    for target in targets {
        let _ = writeln!(figures, "| {} | {} | {} |", target.promise, target.measured, target.verdict());
    }
    for answer in answers {
        let _ = write!(figures, "\n## {}\n\n", answer.title);
        // Two points make no curve.
        if answer.rows.len() > 2 {
            let name = format!("{CHARTS}/{}.svg", answer.id);
            fs::write(root().join(&name), chart::svg(answer)).expect("a chart");
            let _ = write!(figures, "![{}]({name})\n\n", answer.title);
        }
        figures += &table::markdown(answer);
    }
    fs::write(&path, format!("{before}{BEGIN}\n\n{figures}\n{END}{after}")).expect(DOCUMENT);
    println!("wrote {DOCUMENT} and {CHARTS}");
}

/// What the figures were made on.
fn machine() -> String {
    let system =
        Command::new("uname").arg("-sr").output().ok().and_then(|output| String::from_utf8(output.stdout).ok());
    // `Linux 6.18.4-something` is `Linux 6.18`.
    let system = system.unwrap_or_default();
    let (name, release) = system.trim().split_once(' ').unwrap_or((std::env::consts::OS, ""));
    let release = release.split(['.', '-']).take(2).collect::<Vec<_>>().join(".");
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "The figures below are of one run on {name} {release} ({}), with {processors} processors.",
        std::env::consts::ARCH
    )
}
