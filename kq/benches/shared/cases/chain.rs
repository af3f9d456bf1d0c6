//! libevent's benchmark: N pairs of sockets are watched, and a byte in each of A pairs is passed on from pair to pair
//! until it was written W times in all.

use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::super::poller::{Poller, Wait};
use super::super::sockets::{available, read_bytes, within_reach, write_byte, Sockets};
use super::super::{Case, Family, Field, Run, SHORT};
use super::ROOM;

/// How often bytes are passed on.
const WRITES: usize = 1_000;

pub fn families<F: Field>() -> Vec<Family> {
    vec![
        family::<F, 1>("chain-1", "libevent's chain: N pairs, 1 active, 1,000 writes, per event"),
        family::<F, 100>("chain-100", "libevent's chain: N pairs, 100 active, 1,000 writes, per event"),
    ]
}

fn family<F: Field, const ACTIVE: usize>(id: &'static str, title: &'static str) -> Family {
    let (values, unreached) = within_reach(&[100, 1_000, 10_000], available() / 2);
    Family {
        id,
        title,
        parameter: "pairs",
        values,
        unreached,
        round: SHORT,
        operations: |_| (ACTIVE + WRITES) as u64,
        set_up: Box::new(|pairs| F::pollers(&Chain { sockets: Rc::new(Sockets::pairs(pairs)), active: ACTIVE })),
    }
}

struct Chain {
    sockets: Rc<Sockets>,
    active: usize,
}

impl Case for Chain {
    fn drains(&self) -> bool {
        true
    }

    fn set_up<P: Poller>(&self) -> Run {
        let (sockets, active) = (Rc::clone(&self.sockets), self.active);
        let (readers, writers) = (sockets.readers(), sockets.writers());
        let mut place_of = vec![0; readers.iter().max().map_or(0, |fd| *fd as usize + 1)];
        for (place, fd) in readers.iter().enumerate() {
            place_of[*fd as usize] = place;
        }
        let mut poller = P::new(ROOM);
        Box::new(move |turns| {
            let _open = &sockets;
            // Only while it runs: a write wakes every poller that watches the socket.
            poller.add(&readers);
            let mut sum = Duration::ZERO;
            for _ in 0..turns {
                let start = Instant::now();
                let (mut left, mut taken) = (WRITES, 0);
                for index in 0..active {
                    write_byte(writers[index * writers.len() / active]);
                }
                while taken < active + WRITES {
                    poller.wait(Wait::No, |fd: RawFd| {
                        let place = place_of[fd as usize];
                        // Two bytes may have met in one socket.
                        for _ in 0..read_bytes(fd) {
                            taken += 1;
                            if left > 0 {
                                left -= 1;
                                write_byte(writers[(place + 1) % writers.len()]);
                            }
                        }
                    });
                }
                sum += start.elapsed();
            }
            poller.delete(&readers);
            sum
        })
    }
}
