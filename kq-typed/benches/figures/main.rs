//! The figures of BENCHMARKS.md: `cargo bench -p kq-typed --bench figures [-- [--write] [FAMILY ...]]`.
//!
//! Asks the questions of kq's `rivals` of everybody in one run, in turns, and prints them;
//! with `--write` it also writes the tables between the markers in BENCHMARKS.md, and the charts. Takes about seven
//! minutes, less with names of families.

mod chart;
mod document;
mod measure;
mod outside;
mod table;
mod targets;

#[path = "../../../kq/benches/shared/mod.rs"]
mod shared;
#[path = "../typed/mod.rs"]
mod typed;

use measure::{Answer, Effort};

fn main() {
    if shared::echo::be_client() {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let write = arguments.iter().any(|argument| argument == "--write");
    // Without `--bench`, from cargo, it is a test that only has to run.
    let effort = if arguments.iter().any(|argument| argument == "--bench") { Effort::Full } else { Effort::Least };
    let chosen: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    if write && !chosen.is_empty() {
        eprintln!("--write is for all families at once: ratios between them have to be of one run");
        std::process::exit(2);
    }

    let mut answers = Vec::new();
    for family in shared::families::<typed::Everyone>() {
        if chosen.is_empty() || chosen.iter().any(|name| *name == family.id) {
            let answer = Answer::of(&family, effort);
            println!("{}", table::plain(&answer));
            answers.push(answer);
        }
    }
    if chosen.is_empty() && effort == Effort::Full {
        let dispatch = outside::dispatch();
        let instructions = outside::instructions();
        let targets = targets::all(&answers, dispatch.as_deref(), instructions.as_deref());
        for target in &targets {
            println!("{target}");
        }
        if write {
            document::write(&answers, &targets);
        }
    }
}
