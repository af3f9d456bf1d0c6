//! What is to hold, and whether it does.

use std::fmt;

use crate::measure::{Answer, Row};
use crate::outside::{Count, Dispatch};
use crate::table::grouped;

const RAW: &str = "kq-sys";
const KQ: &str = "kq";
const WITHOUT_DATA: &str = "kq without data";
/// What is told when: as mio does it.
const LIKE_MIO: &str = "kq edge without data";
const LAYERS: [&str; 4] = [RAW, KQ, "kq-typed Queue<T>", "kq-typed Kqueue"];
const EPOLL: &str = "epoll";
const COUNT: &str = "epoll + FIONREAD";
const TIMERFD: &str = "timerfd each";
const MIO: &str = "mio";

/// A promise with what was measured of it.
pub struct Target {
    pub promise: &'static str,
    pub measured: String,
    /// `None` if it was not measured.
    pub met: Option<bool>,
}

impl Target {
    pub fn verdict(&self) -> &'static str {
        match self.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    {} -> {}", self.promise, self.measured, self.verdict())
    }
}

/// All promises. Those that need what this system does not have are left out.
pub fn all(answers: &[Answer], dispatch: Option<&[Dispatch]>, instructions: Option<&[Count]>) -> Vec<Target> {
    let mut targets = vec![wrapper(answers)];
    if cfg!(target_os = "linux") {
        targets.push(wrapper_instructions(instructions));
        targets.extend(beside_epoll(answers));
    }
    targets.extend(beside_mio(answers));
    if cfg!(target_os = "linux") {
        targets.push(timers(answers));
    }
    targets.push(doors(dispatch));
    targets.push(flat(answers));
    targets
}

fn of<'a>(answers: &'a [Answer], id: &str) -> Option<&'a Answer> {
    answers.iter().find(|answer| answer.id == id)
}

/// A ratio, and for which value of the number it is.
type At = (f64, usize);

/// The ratios of two contenders for the values in a range.
fn ratios(answers: &[Answer], id: &str, name: &str, other: &str, from: usize, to: usize) -> Vec<At> {
    let rows = of(answers, id).into_iter().flat_map(|answer| answer.rows.iter().map(move |row| (answer, row.value)));
    rows.filter(|(_, value)| (from..=to).contains(value))
        .filter_map(|(answer, value)| Some((answer.ratio(name, other, value)?, value)))
        .collect()
}

fn worst(ratios: &[At]) -> Option<At> {
    ratios.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0))
}

/// A promise that no ratio is above a limit.
fn at_most(promise: &'static str, limit: f64, ratios: Vec<At>, parameter: &str) -> Target {
    let Some((ratio, value)) = worst(&ratios) else {
        return Target { promise, measured: "–".to_owned(), met: None };
    };
    let measured = match ratios.len() {
        1 => format!("{ratio:.2} ×"),
        _ => format!("at most {ratio:.2} × ({parameter}: {})", grouped(value)),
    };
    Target { promise, measured, met: Some(ratio <= limit) }
}

fn wrapper(answers: &[Answer]) -> Target {
    let mut all = ratios(answers, "ready-64", KQ, RAW, 64, 64);
    all.extend(ratios(answers, "ready-of-1000", KQ, RAW, 1_000, 1_000));
    all.extend(ratios(answers, "add-delete", KQ, RAW, 64, 1_000));
    at_most("`kq` beside `kq-sys`, 64 entries and more: at most 1.02 ×", 1.02, all, "entries")
}

fn wrapper_instructions(counts: Option<&[Count]>) -> Target {
    let promise = "`kq` over `kq-sys` at one entry: at most 30 instructions";
    let counts = counts.unwrap_or_default();
    let raw = |count: &Count| {
        let same = |other: &&Count| other.call == count.call && other.entries == count.entries && other.layer == "raw";
        counts.iter().find(same).map(|raw| raw.instructions as i64)
    };
    let over = counts.iter().filter(|count| count.layer == "kq" && count.entries <= 1);
    let most =
        over.filter_map(|count| Some((count.instructions as i64 - raw(count)?, count))).max_by_key(|(over, _)| *over);
    match most {
        Some((over, count)) => {
            Target { promise, measured: format!("at most {over} ({})", count.call), met: Some(over <= 30) }
        }
        None => Target { promise, measured: "–".to_owned(), met: None },
    }
}

fn beside_epoll(answers: &[Answer]) -> Vec<Target> {
    let mut bare = ratios(answers, "one-ready", WITHOUT_DATA, EPOLL, 10, 10_000);
    bare.extend(ratios(answers, "ready-64", WITHOUT_DATA, EPOLL, 64, 64));
    vec![
        at_most(
            "One ready of 10 to 10,000: at most 1.10 × `epoll_wait` + FIONREAD",
            1.10,
            ratios(answers, "one-ready", KQ, COUNT, 10, 10_000),
            "idle",
        ),
        at_most(
            "64 ready of 64: at most 1.10 × `epoll_wait` + FIONREAD",
            1.10,
            ratios(answers, "ready-64", KQ, COUNT, 64, 64),
            "watched",
        ),
        at_most("Both without `data`: at most 1.2 × `epoll_wait`", 1.2, bare, "watched"),
        at_most(
            "Empty wait: at most 1.25 × `epoll_wait`",
            1.25,
            ratios(answers, "empty-wait", KQ, EPOLL, 10, 1_000),
            "watched",
        ),
        at_most(
            "Add and delete one: at most 1.15 × `epoll_ctl`",
            1.15,
            ratios(answers, "add-delete", KQ, EPOLL, 1, 1),
            "in a list",
        ),
        at_most(
            "Add and delete 1,000 in one call each: at most 1.05 × `epoll_ctl`",
            1.05,
            ratios(answers, "add-delete", KQ, EPOLL, 1_000, 1_000),
            "in a list",
        ),
    ]
}

fn beside_mio(answers: &[Answer]) -> Vec<Target> {
    let all = |id: &str, name: &str| ratios(answers, id, name, MIO, 0, usize::MAX);
    let mut ping_pong = at_most(
        "Ping-pong between threads: at most 1.05 × mio, told of the same as mio (edge-triggered, without `data`)",
        1.05,
        all("ping-pong", LIKE_MIO),
        "processors",
    );
    for (what, name) in [("level-triggered", WITHOUT_DATA), ("with `data`", KQ)] {
        if let Some((ratio, _)) = worst(&all("ping-pong", name)) {
            ping_pong.measured += &format!("; {what} {ratio:.2} ×");
        }
    }
    let mut wake_latency =
        at_most("Wake-up there and back: not slower than `mio::Waker`", 1.0, all("wake-latency", KQ), "processors");
    // What mio is made of: more than 1 here is the measure's own error.
    if let Some((ratio, _)) = worst(&all("wake-latency", EPOLL)) {
        wake_latency.measured += &format!("; bare epoll {ratio:.2} ×");
    }
    let throughput = |name: &str| of(answers, "echo").and_then(|echo| echo.ratio(MIO, name, 1_000));
    let told = |what: &str, name: &str| throughput(name).map_or(String::new(), |ratio| format!("{what}{ratio:.2}"));
    let echo = Target {
        promise: "Echo server with 1,000 connections: at least 0.97 of mio's throughput, told of the same",
        measured: told("", LIKE_MIO) + &told("; level-triggered ", WITHOUT_DATA) + &told("; with `data` ", KQ),
        met: throughput(LIKE_MIO).map(|ratio| ratio >= 0.97),
    };
    vec![
        ping_pong,
        wake_latency,
        at_most("Waking again and again: not slower than `mio::Waker`", 1.0, all("wake-throughput", KQ), "processors"),
        echo,
    ]
}

fn timers(answers: &[Answer]) -> Target {
    let promise = "Add and fire 100,000 timers: at least 3 × faster than a timerfd each";
    let measured = of(answers, "timer-fire").and_then(|answer| {
        let (own, many) = answer.rows.iter().rev().find_map(|row| Some((row.median(KQ)?, row.value)))?;
        let (each, most) = answer.rows.iter().rev().find_map(|row| Some((row.median(TIMERFD)?, row.value)))?;
        Some((each / own, many, most))
    });
    match measured {
        Some((ratio, many, most)) => {
            let measured = format!("{ratio:.1} × ({} timers; a timerfd each with {})", grouped(many), grouped(most));
            Target { promise, measured, met: (many == 100_000).then_some(ratio >= 3.0) }
        }
        None => Target { promise, measured: "–".to_owned(), met: None },
    }
}

fn doors(dispatch: Option<&[Dispatch]>) -> Target {
    let promise =
        "`kq-typed` over `kq`: at most 20 ns an event at 64 active, the same at 64 and 1,000,000 registrations";
    let lines = dispatch.unwrap_or_default();
    let text = lines.iter().map(|line| {
        let [queue, kqueue] = line.over_kq;
        format!("`Queue<T>` {queue:+.1} ns, `Kqueue` {kqueue:+.1} ns ({})", grouped(line.registered))
    });
    let measured = text.collect::<Vec<_>>().join("; ");
    let all = lines.iter().flat_map(|line| line.over_kq).all(|nanos| nanos <= 20.0);
    let met = (!lines.is_empty()).then_some(all);
    Target { promise, measured: if measured.is_empty() { "–".to_owned() } else { measured }, met }
}

fn flat(answers: &[Answer]) -> Target {
    let promise = "Cost per event flat, within a fifth, from 100 registrations to the most, in all layers";
    // Lines are measured one after another, and the processor's clock is another one by then: epoll tells which, and
    // what the kernel's own part grows by.
    let beside_epoll = |row: &Row, name: &str| Some(row.median(name)? / row.median("epoll").unwrap_or(1.0));
    let growth = |answer: &Answer, cost: &dyn Fn(&Row) -> Option<f64>| {
        let first = answer.rows.iter().find(|row| row.value == 100).and_then(cost)?;
        let most = answer.rows.iter().filter(|row| row.value > 100).filter_map(cost);
        most.max_by(f64::total_cmp).map(|most| most / first)
    };
    let answer = of(answers, "ready-64");
    let grown: Vec<(f64, &str)> = answer
        .iter()
        .flat_map(|answer| {
            LAYERS.iter().filter_map(|name| Some((growth(answer, &|row| beside_epoll(row, name))?, *name)))
        })
        .collect();
    let text = grown.iter().map(|(ratio, name)| format!("{name} {ratio:.2} ×"));
    let measured = text.collect::<Vec<_>>().join(", ");
    let epoll = answer.and_then(|answer| growth(answer, &|row| row.median("epoll")));
    let beside = epoll.map_or(String::new(), |grown| format!(", beside epoll, whose own grew {grown:.2} ×"));
    let last = answer.and_then(|answer| answer.rows.last()).map_or(0, |row| row.value);
    Target {
        promise,
        measured: format!("{measured} (up to {}{beside})", grouped(last)),
        met: (!grown.is_empty()).then_some(grown.iter().all(|(ratio, _)| *ratio <= 1.2)),
    }
}
