//! What it costs to come from the kernel's event to its registration's value: each door beside plain `kq`, at batches of
//! 64 with 64 knotes active.
//!
//! `cargo bench -p kq-typed --bench dispatch [-- REGISTRATIONS ...]`; without numbers with 64 and with 1,000,000. The
//! three take turns within one run, a few batches each, so that whatever else the machine does meets all of them. What is
//! told is the median of a turn, and of the difference to plain `kq` in the same turn.
//!
//! `dispatch count plain|typed|dynamic REGISTRATIONS BATCHES` receives so many batches and ends: for tools that count
//! instructions. The difference between two numbers of batches is what the batches cost, without the set-up.

#[cfg(has_user)]
fn main() {
    use_it::main();
}

#[cfg(not(has_user))]
fn main() {}

#[cfg(has_user)]
mod use_it {
    use kq_typed::kq::{self, Change, EventBuffer};
    use kq_typed::{EventFilter, EventFlags, Events, Key, Kqueue, Queue, ReadyBuffer, Registration};
    use std::hint::black_box;
    use std::time::Instant;

    const BATCH: usize = 64;
    /// Batches in a turn: longer than the clock is coarse, shorter than a time slice.
    const BATCHES: usize = 50;
    const TURNS: usize = 1_001;

    pub fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if let [first, door, registrations, batches, ..] = arguments.as_slice() {
            if first == "count" {
                return count(door, registrations.parse().unwrap(), batches.parse().unwrap());
            }
        }
        let mut numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
        // As a test it only has to run.
        let is_bench = arguments.iter().any(|argument| argument == "--bench");
        if numbers.is_empty() {
            numbers = if is_bench { vec![BATCH, 1_000_000] } else { vec![BATCH] };
        }
        for number in numbers {
            measure(number.max(BATCH), if is_bench { TURNS } else { 5 });
        }
    }

    /// The idents that are active: spread over all that are registered.
    fn active(number: usize) -> impl Iterator<Item = usize> {
        (0..BATCH).map(move |index| index * (number / BATCH))
    }

    /// One way from the kernel to the value, with all that it needs.
    trait Door {
        fn new(number: usize) -> Self;
        fn batch(&mut self);
    }

    struct Plain(kq::Kqueue, EventBuffer);

    impl Door for Plain {
        fn new(number: usize) -> Plain {
            let queue = kq::Kqueue::new().unwrap();
            for ident in 0..number {
                queue.apply(&[Change::user(ident).udata(ident)]).unwrap();
            }
            for ident in active(number) {
                queue.apply(&[Change::user(ident).udata(ident).trigger()]).unwrap();
            }
            Plain(queue, EventBuffer::with_capacity(BATCH))
        }

        #[inline(never)]
        fn batch(&mut self) {
            for event in self.0.wait(&mut self.1, None).unwrap() {
                black_box(event.udata());
            }
        }
    }

    struct Typed {
        queue: Queue<usize>,
        ready: ReadyBuffer<usize>,
        _registrations: Vec<Registration<usize>>,
    }

    impl Door for Typed {
        fn new(number: usize) -> Typed {
            let queue = Queue::new().unwrap();
            let registrations: Vec<_> =
                (0..number).map(|ident| queue.register(Change::user(ident), ident).unwrap()).collect();
            for ident in active(number) {
                registrations[ident].trigger().unwrap();
            }
            Typed { ready: queue.events(BATCH), queue, _registrations: registrations }
        }

        #[inline(never)]
        fn batch(&mut self) {
            for event in self.queue.wait(&mut self.ready, None).unwrap() {
                black_box(event.udata());
            }
        }
    }

    struct Dynamic(Kqueue, Events);

    impl Door for Dynamic {
        fn new(number: usize) -> Dynamic {
            let queue = Kqueue::new().unwrap();
            let flags = EventFlags::ADD;
            let keys: Vec<Key> =
                (0..number).map(|it| queue.register(it, EventFilter::User, flags, Some(it)).unwrap()).collect();
            for ident in active(number) {
                queue.trigger(keys[ident]).unwrap();
            }
            Dynamic(queue, Events::with_capacity(BATCH))
        }

        #[inline(never)]
        fn batch(&mut self) {
            self.0.await_events_into(&mut self.1, None).unwrap();
            for event in &self.1 {
                black_box(event.udata::<usize>());
            }
        }
    }

    fn count(door: &str, registrations: usize, batches: usize) {
        fn run<D: Door>(registrations: usize, batches: usize) {
            let mut door = D::new(registrations);
            for _ in 0..batches {
                door.batch();
            }
        }
        match door {
            "plain" => run::<Plain>(registrations, batches),
            "typed" => run::<Typed>(registrations, batches),
            "dynamic" => run::<Dynamic>(registrations, batches),
            _ => panic!("plain, typed or dynamic"),
        }
    }

    fn measure(number: usize, turns: usize) {
        let (mut plain, mut typed, mut dynamic) = (Plain::new(number), Typed::new(number), Dynamic::new(number));
        let mut samples: [Vec<f64>; 5] = Default::default();
        for _ in 0..turns {
            let times = [time(|| plain.batch()), time(|| typed.batch()), time(|| dynamic.batch())];
            let more = [times[1] - times[0], times[2] - times[0]];
            for (samples, sample) in samples.iter_mut().zip(times.into_iter().chain(more)) {
                samples.push(sample);
            }
        }
        let [plain, typed, dynamic, typed_more, dynamic_more] = samples.map(median);
        println!(
            "{number:>9} registered: kq {plain:.1} ns an event; Queue<T> {typed:.1} (+{typed_more:.1}); \
             Kqueue {dynamic:.1} (+{dynamic_more:.1})"
        );
    }

    fn median(mut samples: Vec<f64>) -> f64 {
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    }

    /// Nanoseconds for each event of a turn.
    fn time(mut batch: impl FnMut()) -> f64 {
        let start = Instant::now();
        for _ in 0..BATCHES {
            batch();
        }
        start.elapsed().as_nanos() as f64 / (BATCHES * BATCH) as f64
    }
}
