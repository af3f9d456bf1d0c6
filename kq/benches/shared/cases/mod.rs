//! What is measured, by subject.

pub mod chain;
pub mod changes;
pub mod echo;
pub mod threads;
pub mod timers;
pub mod waits;

use std::time::{Duration, Instant};

/// Events that one wait can return, for all.
const ROOM: usize = 1_024;

/// How long so many turns take.
#[inline(always)]
fn time(turns: u64, mut turn: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..turns {
        turn();
    }
    start.elapsed()
}
