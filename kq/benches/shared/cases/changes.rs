//! Adding, modifying and deleting descriptors, alone and in lists, and adding with a wait in the same call.

use std::hint::black_box;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::super::poller::Poller;
use super::super::sockets::{write_byte, Sockets};
use super::super::{Case, Family, Field, Run, SHORT};
use super::{time, ROOM};

/// The lengths of the lists.
const LENGTHS: [usize; 3] = [1, 64, 1_000];

pub fn families<F: Field>() -> Vec<Family> {
    vec![
        Family {
            id: "add-delete",
            title: "Adding and deleting N descriptors, in one list each, per descriptor",
            parameter: "in a list",
            values: LENGTHS.to_vec(),
            unreached: None,
            round: SHORT,
            operations: |length| length as u64,
            set_up: Box::new(|length| F::pollers(&AddDelete(Rc::new(Sockets::pairs(length.div_ceil(2))), length))),
        },
        lists::<F>("add", "Adding descriptors, N in a list, per descriptor", Step::Add),
        lists::<F>("modify", "Modifying descriptors, N in a list, per descriptor", Step::Modify),
        lists::<F>("delete", "Deleting descriptors, N in a list, per descriptor", Step::Delete),
        with_wait::<F>(
            "add-and-wait",
            "Adding N ready descriptors with a wait, then deleting them, per descriptor",
            false,
        ),
        with_wait::<F>(
            "arm-and-wait",
            "Arming N ready descriptors for one event each, with a wait, per descriptor",
            true,
        ),
    ]
}

fn lists<F: Field>(id: &'static str, title: &'static str, measured: Step) -> Family {
    Family {
        id,
        title,
        parameter: "in a list",
        values: LENGTHS.to_vec(),
        unreached: None,
        round: SHORT,
        operations: |_| Lists::ALL as u64,
        set_up: Box::new(move |length| {
            let sockets = Rc::new(Sockets::pairs(Lists::ALL / 2));
            F::pollers(&Lists { sockets, length, measured })
        }),
    }
}

fn with_wait<F: Field>(id: &'static str, title: &'static str, once: bool) -> Family {
    Family {
        id,
        title,
        parameter: "in a list",
        values: LENGTHS.to_vec(),
        unreached: None,
        round: SHORT,
        operations: |length| length as u64,
        set_up: Box::new(move |length| {
            let sockets = Sockets::pairs(length);
            sockets.writers().into_iter().for_each(write_byte);
            F::pollers(&WithWait { sockets: Rc::new(sockets), once })
        }),
    }
}

struct AddDelete(Rc<Sockets>, usize);

impl Case for AddDelete {
    fn delivers(&self) -> bool {
        false
    }

    fn set_up<P: Poller>(&self) -> Run {
        let sockets = Rc::clone(&self.0);
        let fds: Vec<RawFd> = sockets.ends().into_iter().take(self.1).collect();
        let mut poller = P::new(ROOM);
        Box::new(move |turns| {
            let _open = &sockets;
            time(turns, || {
                poller.add(&fds);
                poller.delete(&fds);
            })
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Add,
    Modify,
    Delete,
}

/// A thousand descriptors are added, modified and deleted, in lists of a length; one of the steps is measured.
struct Lists {
    sockets: Rc<Sockets>,
    length: usize,
    measured: Step,
}

impl Lists {
    const ALL: usize = 1_000;
}

impl Case for Lists {
    fn delivers(&self) -> bool {
        false
    }

    fn set_up<P: Poller>(&self) -> Run {
        let (sockets, length, measured) = (Rc::clone(&self.sockets), self.length, self.measured);
        let fds = sockets.ends();
        let mut poller = P::new(ROOM);
        let mut step = move |step: Step| {
            if step == Step::Modify && measured != Step::Modify {
                return Duration::ZERO;
            }
            let start = Instant::now();
            for list in fds.chunks(length) {
                match step {
                    Step::Add => poller.add(list),
                    Step::Modify => poller.modify(list),
                    Step::Delete => poller.delete(list),
                }
            }
            start.elapsed()
        };
        Box::new(move |turns| {
            let _open = &sockets;
            let mut sum = Duration::ZERO;
            for _ in 0..turns {
                for at in [Step::Add, Step::Modify, Step::Delete] {
                    let took = step(at);
                    if at == measured {
                        sum += took;
                    }
                }
            }
            sum
        })
    }
}

/// Ready descriptors are added or armed, and waited for, at once where a contender can.
struct WithWait {
    sockets: Rc<Sockets>,
    /// Armed for one event each, instead of added and deleted.
    once: bool,
}

impl Case for WithWait {
    fn set_up<P: Poller>(&self) -> Run {
        let (sockets, once) = (Rc::clone(&self.sockets), self.once);
        let fds = sockets.readers();
        let mut poller = P::new(ROOM);
        if once {
            poller.add_unarmed(&fds);
        }
        let handle = |fd: RawFd| {
            black_box(fd);
        };
        Box::new(move |turns| {
            let _open = &sockets;
            time(turns, || {
                if once {
                    assert!(poller.arm_and_wait(&fds, handle) == fds.len());
                } else {
                    assert!(poller.add_and_wait(&fds, handle) == fds.len());
                    poller.delete(&fds);
                }
            })
        })
    }
}
