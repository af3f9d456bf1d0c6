//! What is measured, and beside whom, once for all programs that measure: criterion's in kq and kq-typed, and `figures`
//! in kq-typed, which writes the ratios down.
//!
//! A *family* is one question with a number in it ("one descriptor ready of N"); for a value of the number it gives the
//! *contenders*, set up and ready to run. What they have in common is the trait [`Poller`], and what they do is a
//! [`Case`], written once for all of them.
#![allow(dead_code)] // Each program uses its part.

pub mod cases;
pub mod contenders;
pub mod echo;
pub mod harness;
pub mod pin;
pub mod poller;
pub mod raw_queue;
pub mod sockets;

use std::time::Duration;

pub use poller::{Poller, Timers, Wakes};

/// Does a contender's part of a case so many times and says how long that took, without what is not measured.
pub type Run = Box<dyn FnMut(u64) -> Duration>;

/// Who does the same as others.
pub struct Contender {
    pub name: &'static str,
    pub run: Run,
}

/// What contenders do.
pub trait Case {
    /// Whether there are events, so that it matters what is told with them.
    fn delivers(&self) -> bool {
        true
    }

    /// Whether all that is ready is read, so that it does not matter whether what is left is told again.
    fn drains(&self) -> bool {
        false
    }

    fn set_up<P: Poller>(&self) -> Run;
}

/// What contenders do that have a waker.
pub trait WakeCase {
    fn set_up<P: Wakes>(&self) -> Run;
}

/// What contenders do that have timers.
pub trait TimerCase {
    /// Nothing where there is no room for so many timers.
    fn set_up<T: Timers>(&self) -> Option<Run>;
}

/// Who contends.
pub trait Field {
    fn pollers(case: &impl Case) -> Vec<Contender>;
    fn wakers(case: &impl WakeCase) -> Vec<Contender>;
    fn timers(case: &impl TimerCase) -> Vec<Contender>;
}

/// One question, asked for several values of one number.
pub struct Family {
    /// Its name in criterion's output and on the command line.
    pub id: &'static str,
    pub title: &'static str,
    /// What the number counts.
    pub parameter: &'static str,
    pub values: Vec<usize>,
    /// What was asked for beyond the last value, if there are not so many descriptors.
    pub unreached: Option<usize>,
    /// How long a contender is to run before the next one does, where they take turns.
    pub round: Duration,
    /// What the time is divided by: operations in a run's turn, for a value of the number.
    pub operations: fn(usize) -> u64,
    pub set_up: Box<dyn Fn(usize) -> Vec<Contender>>,
}

/// A round that is shorter than a time slice, so that most are not interrupted.
pub const SHORT: Duration = Duration::from_micros(300);
/// One in which several threads get to do their part.
pub const LONG: Duration = Duration::from_millis(2);
/// One in which processes get to work together.
pub const LONGER: Duration = Duration::from_millis(20);

/// All questions to a field.
pub fn families<F: Field>() -> Vec<Family> {
    let mut families = cases::waits::families::<F>();
    families.extend(cases::changes::families::<F>());
    families.extend(cases::threads::families::<F>());
    families.extend(cases::timers::families::<F>());
    families.extend(cases::chain::families::<F>());
    families.extend(cases::echo::families::<F>());
    families
}
