//! What it costs to come from the kernel's event to its registration's value: each door beside plain `kq`, in turns within
//! one run, at batches of 64 with 64 knotes active.
//!
//! `cargo bench -p kq-typed --bench dispatch [-- REGISTRATIONS ...]`; without numbers with 64 and with 1,000,000.

#[cfg(has_user)]
fn main() {
    use_it::main();
}

#[cfg(not(has_user))]
fn main() {}

#[cfg(has_user)]
mod use_it {
    use kq_typed::kq::{self, Change, EventBuffer};
    use kq_typed::{EventFilter, EventFlags, Events, Kqueue, Queue};
    use std::hint::black_box;
    use std::time::{Duration, Instant};

    const BATCH: usize = 64;
    const ROUNDS: usize = 2_000;
    const TURNS: usize = 15;

    pub fn main() {
        let arguments: Vec<String> = std::env::args().collect();
        let mut numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
        if numbers.is_empty() {
            // As a test it only has to run.
            let is_bench = arguments.iter().any(|argument| argument == "--bench");
            numbers = if is_bench { vec![BATCH, 1_000_000] } else { vec![BATCH] };
        }
        for number in numbers {
            measure(number.max(BATCH));
        }
    }

    /// The idents that are active: spread over all that are registered.
    fn active(number: usize) -> impl Iterator<Item = usize> {
        (0..BATCH).map(move |index| index * (number / BATCH))
    }

    fn measure(number: usize) {
        let plain = kq::Kqueue::new().unwrap();
        let typed: Queue<usize> = Queue::new().unwrap();
        let dynamic = Kqueue::new().unwrap();
        let mut keys = Vec::new();
        let mut registrations = Vec::new();
        for ident in 0..number {
            plain.apply(&[Change::user(ident).udata(ident)]).unwrap();
            registrations.push(typed.register(Change::user(ident), ident).unwrap());
            keys.push(dynamic.register(ident, EventFilter::User, EventFlags::ADD, Some(ident)).unwrap());
        }
        for ident in active(number) {
            plain.apply(&[Change::user(ident).udata(ident).trigger()]).unwrap();
            registrations[ident].trigger().unwrap();
            dynamic.trigger(keys[ident]).unwrap();
        }

        let mut buffer = EventBuffer::with_capacity(BATCH);
        let mut ready = typed.events(BATCH);
        let mut events = Events::with_capacity(BATCH);
        let mut best = [f64::INFINITY; 3];
        for _ in 0..TURNS {
            let times = [
                time(|| {
                    for event in plain.wait(&mut buffer, None).unwrap() {
                        black_box(event.udata());
                    }
                }),
                time(|| {
                    for event in typed.wait(&mut ready, None).unwrap() {
                        black_box(event.udata());
                    }
                }),
                time(|| {
                    dynamic.await_events_into(&mut events, None).unwrap();
                    for event in &events {
                        black_box(event.udata::<usize>());
                    }
                }),
            ];
            for (best, time) in best.iter_mut().zip(times) {
                *best = best.min(time);
            }
        }
        let [plain, typed, dynamic] = best;
        println!(
            "{number:>9} registered: kq {plain:.1} ns an event; Queue<T> {typed:.1} (+{:.1}); Kqueue {dynamic:.1} (+{:.1})",
            typed - plain,
            dynamic - plain
        );
    }

    /// Nanoseconds for each event.
    fn time(mut round: impl FnMut()) -> f64 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            round();
        }
        let time: Duration = start.elapsed();
        time.as_nanos() as f64 / (ROUNDS * BATCH) as f64
    }
}
