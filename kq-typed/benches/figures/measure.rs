//! Rounds in turns, and their medians.

use std::time::{Duration, Instant};

use crate::shared::{Contender, Family, LONG, LONGER};

/// How much time may be spent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A turn each.
    Least,
    /// Enough for figures.
    Full,
}

/// A round may take so many times that with what is not measured.
const UNMEASURED: u32 = 8;
/// The time for one question with one value of its number, and one set-up.
const BUDGET: Duration = Duration::from_millis(2_500);
/// How often threads are set up that work together: where their sockets and stacks come to lie makes a difference that
/// lasts, and is nobody's merit.
const SET_UPS: usize = 8;
const MOST_ROUNDS: usize = 301;
const FEWEST_ROUNDS: usize = 7;
/// The same where processes work together, whose rounds differ most.
const FEWEST_LONGER_ROUNDS: usize = 25;

/// What a family's question was answered with.
pub struct Answer {
    pub id: &'static str,
    pub title: &'static str,
    pub parameter: &'static str,
    pub unreached: Option<usize>,
    pub rows: Vec<Row>,
}

/// The answer for one value of the number.
pub struct Row {
    pub value: usize,
    pub times: Vec<Time>,
}

/// What one contender needs for an operation, in nanoseconds.
#[derive(Clone, Copy)]
pub struct Time {
    pub name: &'static str,
    pub median: f64,
    pub least: f64,
}

impl Answer {
    pub fn of(family: &Family, effort: Effort) -> Answer {
        let rows = family.values.iter().map(|value| {
            let set_ups = if family.round >= LONG && effort == Effort::Full { SET_UPS } else { 1 };
            let mut samples: Vec<Samples> = Vec::new();
            for _ in 0..set_ups {
                let contenders = (family.set_up)(*value);
                let more = in_turns(contenders, family.round, (family.operations)(*value), effort);
                if samples.is_empty() {
                    samples = more;
                } else {
                    samples.iter_mut().zip(more).for_each(|(all, more)| all.times.extend(more.times));
                }
            }
            Row { value: *value, times: samples.into_iter().map(Time::of).collect() }
        });
        Answer {
            id: family.id,
            title: family.title,
            parameter: family.parameter,
            unreached: family.unreached,
            rows: rows.collect(),
        }
    }

    /// The names of all contenders, in their order.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        // Where somebody is missing in one row, another one has everybody in order.
        let fullest = self.rows.iter().max_by_key(|row| row.times.len());
        for time in fullest.into_iter().chain(&self.rows).flat_map(|row| &row.times) {
            if !names.contains(&time.name) {
                names.push(time.name);
            }
        }
        names
    }

    /// The median for a contender and a value.
    pub fn median(&self, name: &str, value: usize) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.value == value)?;
        row.median(name)
    }

    /// How many times what the other one needs the first one needs.
    pub fn ratio(&self, name: &str, other: &str, value: usize) -> Option<f64> {
        Some(self.median(name, value)? / self.median(other, value)?)
    }
}

impl Row {
    pub fn median(&self, name: &str) -> Option<f64> {
        self.times.iter().find(|time| time.name == name).map(|time| time.median)
    }
}

/// Measures contenders in rounds, each in every round.
fn in_turns(mut contenders: Vec<Contender>, round: Duration, operations: u64, effort: Effort) -> Vec<Samples> {
    let start = Instant::now();
    let turns: Vec<u64> = contenders.iter_mut().map(|contender| turns_of(contender, round, effort)).collect();
    let mut samples = vec![Vec::new(); contenders.len()];
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let fewest = if round >= LONGER { FEWEST_LONGER_ROUNDS } else { FEWEST_ROUNDS };
    for number in 0..MOST_ROUNDS {
        if number >= fewest && start.elapsed() > BUDGET || number > 0 && effort == Effort::Least {
            break;
        }
        chance.shuffle(&mut order);
        for index in &order {
            let time = (contenders[*index].run)(turns[*index]);
            samples[*index].push(time.as_nanos() as f64 / turns[*index] as f64 / operations as f64);
        }
    }
    contenders.iter().zip(samples).map(|(contender, times)| Samples { name: contender.name, times }).collect()
}

/// What one contender's rounds took for an operation, in nanoseconds.
struct Samples {
    name: &'static str,
    times: Vec<f64>,
}

impl Time {
    fn of(mut samples: Samples) -> Time {
        samples.times.sort_by(f64::total_cmp);
        Time { name: samples.name, median: samples.times[samples.times.len() / 2], least: samples.times[0] }
    }
}

/// How many turns fill a round.
fn turns_of(contender: &mut Contender, round: Duration, effort: Effort) -> u64 {
    let mut turns = 1;
    if effort == Effort::Least {
        return turns;
    }
    // Once for what is made at the first time.
    let start = Instant::now();
    (contender.run)(turns);
    if start.elapsed() > round * UNMEASURED {
        return turns;
    }
    loop {
        // The least of some: an interruption in it would make all rounds short, and a short round is mostly its cold start.
        let took = (0..3).map(|_| {
            let start = Instant::now();
            let took = (contender.run)(turns);
            // What is not measured takes time, too.
            took.max(start.elapsed() / UNMEASURED)
        });
        let took = took.min().unwrap_or(round);
        if took >= round / 2 || turns >= 1 << 20 {
            let wanted = turns as f64 * round.as_secs_f64() / took.as_secs_f64().max(1e-9);
            return (wanted as u64).clamp(1, 1 << 22);
        }
        turns *= 2;
    }
}

/// Numbers without a pattern, the same in every run (Marsaglia's xorshift): an order that repeats could fall in with
/// what else the machine does at regular times, and one contender would be the one that is always interrupted.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            order.swap(last, self.below(last + 1));
        }
    }
}
