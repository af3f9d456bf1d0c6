//! Timers: adding, cancelling and taking N of them. One descriptor for all, and one for each.

use std::thread;
use std::time::{Duration, Instant};

use super::super::poller::Timers;
use super::super::sockets::{available, within_reach};
use super::super::{Family, Field, Run, TimerCase, SHORT};

pub fn families<F: Field>() -> Vec<Family> {
    vec![
        family::<F>("timer-add", "Adding a timer to N, due in an hour", What::Add),
        family::<F>("timer-cancel", "Cancelling a timer of N", What::Cancel),
        family::<F>("timer-fire", "Adding a timer and taking its event, N due at one time", What::Fire),
    ]
}

fn family<F: Field>(id: &'static str, title: &'static str, what: What) -> Family {
    let mut values = vec![10, 100, 1_000, 10_000, 100_000];
    // The most for which there can be a descriptor each, if that is in between.
    let reach = within_reach(&values, available()).0.last().copied().unwrap_or(0);
    if !values.contains(&reach) {
        values.push(reach);
        values.sort_unstable();
    }
    Family {
        id,
        title,
        parameter: "timers",
        values,
        unreached: None,
        round: SHORT,
        operations: |number| number as u64,
        set_up: Box::new(move |number| F::timers(&Many { number, what })),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Add,
    Cancel,
    Fire,
}

struct Many {
    number: usize,
    what: What,
}

const HOUR: u64 = 3_600_000_000_000;

impl TimerCase for Many {
    fn set_up<T: Timers>(&self) -> Option<Run> {
        let (number, what) = (self.number, self.what);
        let mut timers = T::new(number)?;
        Some(Box::new(move |turns| {
            let mut sum = Duration::ZERO;
            for _ in 0..turns {
                let start = Instant::now();
                if what == What::Fire {
                    sum += fire(&mut timers, number);
                    continue;
                }
                // Neither in the order of their times nor all at one time.
                (0..number).for_each(|id| timers.add(id, HOUR + (id as u64 * 7_919) % 10_007 * 1_000_000));
                let added = Instant::now();
                (0..number).for_each(|id| timers.cancel(id));
                sum += if what == What::Add { added - start } else { added.elapsed() };
            }
            sum
        }))
    }
}

/// Adds timers that are due at one time and takes their events, without the time in between. (Due at once, each timerfd
/// would take an interrupt of its own, which is far more than a timer costs that shares one.)
fn fire(timers: &mut impl Timers, number: usize) -> Duration {
    let start = Instant::now();
    // Time enough to add them all.
    let due = start + Duration::from_micros(100 + 5 * number.min(20_000) as u64 + 2 * number as u64);
    for id in 0..number {
        let left = due.saturating_duration_since(Instant::now());
        timers.add(id, left.as_nanos() as u64);
    }
    let added = start.elapsed();
    thread::sleep(due.saturating_duration_since(Instant::now()));
    let start = Instant::now();
    let mut fired = 0;
    while fired < number {
        fired += timers.fired();
    }
    added + start.elapsed()
}
