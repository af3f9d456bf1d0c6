//! Two threads that wake each other: by bytes over a socket pair, and by wakers.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::super::pin::{place, placements, unplace};
use super::super::poller::{Poller, Wait, Wakes};
use super::super::sockets::{read_bytes, write_byte, Sockets};
use super::super::{Case, Family, Field, Run, WakeCase, LONG};
use super::ROOM;

pub fn families<F: Field>() -> Vec<Family> {
    vec![
        family("ping-pong", "A byte to and fro between two threads", |processors| F::pollers(&PingPong(processors))),
        family("wake-latency", "Two threads wake each other, there and back", |processors| {
            F::wakers(&WakeLatency(processors))
        }),
        family("wake-throughput", "Waking a thread that waits, again and again", |processors| {
            F::wakers(&WakeThroughput(processors))
        }),
    ]
}

fn family(
    id: &'static str,
    title: &'static str,
    set_up: impl Fn(usize) -> Vec<super::super::Contender> + 'static,
) -> Family {
    Family {
        id,
        title,
        parameter: "processors",
        values: placements(),
        unreached: None,
        round: LONG,
        operations: |_| 1,
        set_up: Box::new(set_up),
    }
}

/// Runs `near` in this thread and `far` in another, both placed, and says how long `near` takes from when both are there.
fn in_two_threads(processors: usize, near: impl FnOnce(), far: impl FnOnce() + Send) -> Duration {
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            place(processors, 1);
            ready.wait();
            far();
        });
        place(processors, 0);
        ready.wait();
        let start = Instant::now();
        near();
        let elapsed = start.elapsed();
        unplace();
        elapsed
    })
}

/// Each thread has a queue of its own and waits for a byte of the other's.
struct PingPong(usize);

impl Case for PingPong {
    fn drains(&self) -> bool {
        true
    }

    fn set_up<P: Poller>(&self) -> Run {
        let processors = self.0;
        let sockets = Sockets::pairs(1);
        let ends = sockets.ends();
        let (near, far) = (ends[0], ends[1]);
        let mut pollers = [P::new(ROOM), P::new(ROOM)];
        pollers[0].add(&[near]);
        pollers[1].add(&[far]);
        Box::new(move |turns| {
            let _open = &sockets;
            let [here, there] = &mut pollers;
            let there = || {
                for _ in 0..turns {
                    await_byte(there, far);
                    write_byte(far);
                }
            };
            let here = || {
                for _ in 0..turns {
                    write_byte(near);
                    await_byte(here, near);
                }
            };
            in_two_threads(processors, here, there)
        })
    }
}

fn await_byte<P: Poller>(poller: &mut P, fd: RawFd) {
    let mut read = 0;
    while read == 0 {
        poller.wait(Wait::Forever, |ready| {
            debug_assert_eq!(ready, fd);
            read += read_bytes(ready);
        });
    }
}

struct WakeLatency(usize);

impl WakeCase for WakeLatency {
    fn set_up<P: Wakes>(&self) -> Run {
        let processors = self.0;
        let mut pollers = [P::new(ROOM), P::new(ROOM)];
        let wakers = [pollers[0].waker(), pollers[1].waker()];
        Box::new(move |turns| {
            let [here, there] = &mut pollers;
            let [wake_here, wake_there] = &wakers;
            let there = || {
                for _ in 0..turns {
                    there.wait_for_wake();
                    P::wake(wake_here);
                }
            };
            let here = || {
                for _ in 0..turns {
                    P::wake(wake_there);
                    here.wait_for_wake();
                }
            };
            in_two_threads(processors, here, there)
        })
    }
}

struct WakeThroughput(usize);

impl WakeCase for WakeThroughput {
    fn set_up<P: Wakes>(&self) -> Run {
        let processors = self.0;
        let mut poller = P::new(ROOM);
        let waker = poller.waker();
        Box::new(move |turns| {
            let over = AtomicBool::new(false);
            let there = || {
                while !over.load(Ordering::Acquire) {
                    poller.wait_for_wake();
                }
            };
            let here = || {
                for _ in 1..turns {
                    P::wake(&waker);
                }
                over.store(true, Ordering::Release);
                P::wake(&waker);
            };
            in_two_threads(processors, here, there)
        })
    }
}
