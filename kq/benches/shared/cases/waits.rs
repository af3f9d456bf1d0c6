//! Waits that find nothing, one or many of the descriptors that are watched. Nothing is read, so that the same are ready
//! at the next wait.

use std::hint::black_box;
use std::rc::Rc;

use super::super::poller::{Poller, Wait};
use super::super::sockets::{available, within_reach, write_byte, Sockets};
use super::super::{Case, Family, Field, Run, SHORT};
use super::{time, ROOM};

pub fn families<F: Field>() -> Vec<Family> {
    let idle = within_reach(&[10, 100, 1_000, 10_000, 100_000], available());
    let watched = within_reach(&[64, 100, 1_000, 10_000, 100_000], available());
    vec![
        Family {
            id: "empty-wait",
            title: "A wait that finds nothing, with N descriptors watched",
            parameter: "watched",
            values: vec![10, 1_000],
            unreached: None,
            round: SHORT,
            operations: |_| 1,
            set_up: Box::new(|watched| F::pollers(&Ready::new(watched, 0))),
        },
        Family {
            id: "one-ready",
            title: "A wait that finds one descriptor ready beside N idle ones",
            parameter: "idle",
            values: idle.0,
            unreached: idle.1,
            round: SHORT,
            operations: |_| 1,
            set_up: Box::new(|idle| F::pollers(&Ready::new(idle + 1, 1))),
        },
        Family {
            id: "ready-64",
            title: "64 descriptors ready of N, per event",
            parameter: "watched",
            values: watched.0,
            unreached: watched.1,
            round: SHORT,
            operations: |_| 64,
            set_up: Box::new(|watched| F::pollers(&Ready::new(watched, 64))),
        },
        Family {
            id: "ready-of-1000",
            title: "K descriptors ready of 1,000, per event",
            parameter: "ready",
            values: vec![1, 10, 100, 1_000],
            unreached: None,
            round: SHORT,
            operations: |ready| ready as u64,
            set_up: Box::new(|ready| F::pollers(&Ready::new(1_000, ready))),
        },
    ]
}

/// Descriptors of which some are ready.
struct Ready {
    sockets: Rc<Sockets>,
    watched: usize,
    ready: usize,
}

impl Ready {
    fn new(watched: usize, ready: usize) -> Ready {
        let sockets = Sockets::pairs(watched.div_ceil(2));
        let fds = sockets.ends();
        // Spread over all that are watched. What is written to an end is read at the other one of its pair.
        for index in 0..ready {
            write_byte(fds[(index * watched / ready) ^ 1]);
        }
        Ready { sockets: Rc::new(sockets), watched, ready }
    }
}

impl Case for Ready {
    fn delivers(&self) -> bool {
        self.ready > 0
    }

    fn set_up<P: Poller>(&self) -> Run {
        let (sockets, ready) = (Rc::clone(&self.sockets), self.ready);
        let mut poller = P::new(ROOM);
        poller.add(&sockets.ends()[..self.watched]);
        Box::new(move |turns| {
            let _open = &sockets;
            time(turns, || {
                let count = poller.wait(Wait::No, |fd| {
                    black_box(fd);
                });
                assert!(count == ready);
                poller.report_again();
            })
        })
    }
}
