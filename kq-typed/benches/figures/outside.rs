//! Figures that other programs make: the benchmark `dispatch`, and the counts of `.ci/instructions`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the doors cost over kq, in one line of `dispatch`.
pub struct Dispatch {
    pub registered: usize,
    /// Nanoseconds an event, of `Queue<T>` and of `Kqueue`.
    pub over_kq: [f64; 2],
}

/// A line of the kept counts.
pub struct Count {
    pub call: String,
    pub entries: usize,
    pub layer: String,
    pub instructions: u64,
}

/// The root of the source tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs `dispatch`; `None` if it cannot be run or says something else than it used to.
pub fn dispatch() -> Option<Vec<Dispatch>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["bench", "-q", "-p", "kq-typed", "--bench", "dispatch"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    print!("{text}");
    let line = |line: &str| {
        let over: Vec<f64> = line.split("(+").skip(1).filter_map(|rest| rest.split(')').next()?.parse().ok()).collect();
        let registered = line.split_whitespace().next()?.parse().ok()?;
        Some(Dispatch { registered, over_kq: over.try_into().ok()? })
    };
    let lines: Vec<Dispatch> = text.lines().filter_map(line).collect();
    (!lines.is_empty()).then_some(lines)
}

/// The counts that are kept for this architecture.
pub fn instructions() -> Option<Vec<Count>> {
    let path = format!("kq-typed/benches/instructions-{}.txt", std::env::consts::ARCH);
    let text = std::fs::read_to_string(root().join(path)).ok()?;
    let count = |line: &str| {
        let mut words = line.split_whitespace();
        Some(Count {
            call: words.next()?.to_owned(),
            entries: words.next()?.parse().ok()?,
            layer: words.next()?.to_owned(),
            instructions: words.next()?.parse().ok()?,
        })
    };
    Some(text.lines().filter(|line| !line.starts_with('#')).filter_map(count).collect())
}
