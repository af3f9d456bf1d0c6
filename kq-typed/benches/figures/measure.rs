//! Rounds in turns, and their medians.

use std::time::{Duration, Instant};

use crate::shared::{Contender, Family};

/// How much time may be spent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A turn each.
    Least,
    /// Enough for figures.
    Full,
}

/// A contender's time in one round.
const ROUND: Duration = Duration::from_millis(1);
/// A round may take so many times that with what is not measured.
const UNMEASURED: u32 = 8;
/// The time for one question with one value of its number.
const BUDGET: Duration = Duration::from_millis(2_500);
const MOST_ROUNDS: usize = 101;
const FEWEST_ROUNDS: usize = 7;

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
            let contenders = (family.set_up)(*value);
            Row { value: *value, times: in_turns(contenders, (family.operations)(*value), effort) }
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
fn in_turns(mut contenders: Vec<Contender>, operations: u64, effort: Effort) -> Vec<Time> {
    let start = Instant::now();
    let turns: Vec<u64> = contenders.iter_mut().map(|contender| turns_of(contender, effort)).collect();
    let mut samples = vec![Vec::new(); contenders.len()];
    for round in 0..MOST_ROUNDS {
        if round >= FEWEST_ROUNDS && start.elapsed() > BUDGET || round > 0 && effort == Effort::Least {
            break;
        }
        for index in 0..contenders.len() {
            // Each is first, and behind each other one, equally often.
            let index = if round % 2 == 0 { index } else { contenders.len() - 1 - index };
            let index = (index + round / 2) % contenders.len();
            let time = (contenders[index].run)(turns[index]);
            samples[index].push(time.as_nanos() as f64 / turns[index] as f64 / operations as f64);
        }
    }
    let time = |(contender, samples): (&Contender, &mut Vec<f64>)| {
        samples.sort_by(f64::total_cmp);
        Time { name: contender.name, median: samples[samples.len() / 2], least: samples[0] }
    };
    contenders.iter().zip(&mut samples).map(time).collect()
}

/// How many turns fill a round.
fn turns_of(contender: &mut Contender, effort: Effort) -> u64 {
    let mut turns = 1;
    if effort == Effort::Least {
        return turns;
    }
    // Once for what is made at the first time.
    let start = Instant::now();
    (contender.run)(turns);
    if start.elapsed() > ROUND * UNMEASURED {
        return turns;
    }
    loop {
        let start = Instant::now();
        let took = (contender.run)(turns);
        // What is not measured takes time, too.
        let took = took.max(start.elapsed() / UNMEASURED);
        if took >= ROUND / 2 || turns >= 1 << 20 {
            let wanted = turns as f64 * ROUND.as_secs_f64() / took.as_secs_f64().max(1e-9);
            return (wanted as u64).clamp(1, 1 << 22);
        }
        turns *= 2;
    }
}
