//! Starts an example as a process of its own, without cargo and without the source tree: the test's program executes
//! itself, and becomes the example that a variable names.
//!
//! libtest would see the example's arguments and write its own lines around the example's output. So a test target that
//! uses this module has `harness = false`, and its `main` is [`run`].

use std::env;
use std::panic;
use std::process::{Command, ExitCode};

/// A name and the function under it.
type Named<F> = (&'static str, F);

/// The variable that names the example to become.
const PROGRAM: &str = "KQ_EXAMPLE";

/// How many seconds an example may take before it is ended by SIGALRM: none leaves a test waiting for good.
const LIMIT: u32 = 120;

/// The example of this name as a command, which takes arguments like the example itself.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a program knows its path"));
    command.env(PROGRAM, name);
    command
}

/// Becomes the example that was asked for, or runs the tests, each in its turn.
///
/// A name or a part of it chooses the tests, and of libtest's options `--list`, `--exact` and `--skip` are there; the
/// others change nothing.
pub fn run(programs: &[Named<fn() -> ExitCode>], tests: &[Named<fn()>]) -> ExitCode {
    if let Some(name) = env::var_os(PROGRAM) {
        let (_, main) = programs.iter().find(|(known, _)| name == *known).expect("an example of this target");
        // SAFETY: takes a number only.
        unsafe { libc::alarm(LIMIT) };
        return main();
    }

    let (mut list, mut exact, mut names, mut skipped) = (false, false, Vec::new(), Vec::new());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--list" => list = true,
            "--exact" => exact = true,
            "--skip" => skipped.extend(arguments.next()),
            // Their value is no name.
            "--test-threads" | "--format" | "--color" | "--logfile" | "--shuffle-seed" | "-Z" => drop(arguments.next()),
            option if option.starts_with('-') => (),
            _ => names.push(argument),
        }
    }
    let chosen = |test: &str| {
        let matches = |name: &String| if exact { test == name } else { test.contains(name.as_str()) };
        (names.is_empty() || names.iter().any(matches)) && !skipped.iter().any(matches)
    };
    let chosen: Vec<_> = tests.iter().filter(|(name, _)| chosen(name)).collect();
    if list {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }

    println!("\nrunning {} tests", chosen.len());
    let mut failed = 0;
    for (name, test) in &chosen {
        // What went wrong is on standard error by then.
        let passed = panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let (passed, filtered) = (chosen.len() - failed, tests.len() - chosen.len());
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out\n"
    );
    ExitCode::from(if failed == 0 { 0 } else { 101 })
}

/// Tests with their names.
macro_rules! tests {
    ($($test:ident),* $(,)?) => { &[$((stringify!($test), $test as fn())),*] };
}
/// Examples, which are modules with a `main`, with their names.
macro_rules! programs {
    ($($program:ident),* $(,)?) => {
        &[$((stringify!($program), (|| std::process::Termination::report($program::main())) as fn() -> ExitCode)),*]
    };
}
pub(crate) use {programs, tests};
