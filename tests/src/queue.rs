//! A queue that is asked for exact events, with what systems do differently in one place.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use kq::{Change, Event, EventBuffer, Filter, Flags, Kqueue};

use crate::descriptor::ident;
use crate::patience::{LIMIT, QUIET};

/// A queue and a buffer, which fail the test when they see anything but what it wants.
#[derive(Debug)]
pub struct TestQueue {
    /// The queue itself.
    pub kq: Kqueue,
    events: EventBuffer,
}

impl TestQueue {
    /// A queue with room for 64 events.
    #[allow(clippy::new_without_default)] // it makes a descriptor
    pub fn new() -> TestQueue {
        TestQueue::with_room_for(64)
    }

    /// A queue whose waits return `room` events at most.
    pub fn with_room_for(room: usize) -> TestQueue {
        TestQueue { kq: Kqueue::new().unwrap(), events: EventBuffer::with_capacity(room) }
    }

    /// Applies one change; the error is its number.
    pub fn apply(&self, change: Change) -> Result<(), i32> {
        self.kq.apply(&[change]).map_err(|error| error.errno().raw())
    }

    /// Applies one change that must not fail.
    #[track_caller]
    pub fn set(&self, change: Change) {
        if let Err(error) = self.kq.apply(&[change]) {
            panic!("{change:?}: {error}");
        }
    }

    /// What one wait of this time returns.
    ///
    /// It goes on when it is interrupted: Linux does that to a thread while another one starts a child, without any
    /// handler.
    #[track_caller]
    pub fn wait(&mut self, time: Duration) -> Vec<Event> {
        let start = Instant::now();
        loop {
            match self.kq.wait(&mut self.events, Some(time.saturating_sub(start.elapsed()))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                events => return events.unwrap().to_vec(),
            }
        }
    }

    /// The next wait returns just these events, in whatever order.
    #[track_caller]
    pub fn sees(&mut self, wanted: &[Want]) {
        let events = self.wait(LIMIT);
        assert!(matches(&events, wanted), "wanted {wanted:#?}, saw {events:#?}");
    }

    /// A wait returns just these events, perhaps after others: for what arrives through the network stack, in parts and
    /// late. The knotes have to be such that what was seen too early is seen again.
    #[track_caller]
    pub fn comes_to_see(&mut self, wanted: &[Want]) {
        let start = Instant::now();
        loop {
            let events = self.wait(LIMIT);
            if matches(&events, wanted) {
                return;
            }
            assert!(start.elapsed() < LIMIT, "wanted {wanted:#?}, saw {events:#?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// No event comes, for as long as a test can wait to see that.
    #[track_caller]
    pub fn nothing(&mut self) {
        let events = self.wait(QUIET);
        assert!(events.is_empty(), "wanted nothing, saw {events:#?}");
    }
}

/// An event that a test wants to see.
#[derive(Clone, Copy)]
pub struct Want {
    filter: Filter,
    ident: usize,
    flags: Flags,
    fflags: u32,
    data: Data,
    udata: usize,
}

/// What an event's data has to be.
#[derive(Clone, Copy, Debug)]
enum Data {
    Exactly(i64),
    AtLeast(i64),
}

/// Wants an event without flags, of data 0 and udata 0.
pub fn want(filter: Filter, ident: usize) -> Want {
    Want { filter, ident, flags: Flags::empty(), fflags: 0, data: Data::Exactly(0), udata: 0 }
}

/// Wants a READ event.
pub fn want_read(fd: &impl AsRawFd) -> Want {
    want(Filter::READ, ident(fd))
}

/// Wants a WRITE event with room for something.
pub fn want_write(fd: &impl AsRawFd) -> Want {
    want(Filter::WRITE, ident(fd)).at_least(1)
}

/// Wants the event of a periodic timer that fired once.
pub fn want_timer(id: usize) -> Want {
    want(Filter::TIMER, id).flags(Flags::CLEAR).data(1)
}

impl Want {
    /// The flags that FreeBSD's kernel returns, less those of the change.
    pub fn flags(self, flags: Flags) -> Want {
        Want { flags, ..self }
    }

    /// The fflags.
    pub fn fflags(self, fflags: u32) -> Want {
        Want { fflags, ..self }
    }

    /// The data.
    pub fn data(self, data: i64) -> Want {
        Want { data: Data::Exactly(data), ..self }
    }

    /// Data that depends on buffers or on time.
    pub fn at_least(self, least: i64) -> Want {
        Want { data: Data::AtLeast(least), ..self }
    }

    /// The udata.
    pub fn udata(self, udata: usize) -> Want {
        Want { udata, ..self }
    }

    /// Whether the event is this one.
    pub fn is(&self, event: &Event) -> bool {
        let data = match self.data {
            Data::Exactly(data) => event.data() == data,
            Data::AtLeast(least) => event.data() >= least,
        };
        let place = (self.filter, self.ident) == (event.filter(), event.ident());
        let flags = self.flags.intersection(telling()) == event.flags().intersection(telling());
        place && flags && self.fflags == event.fflags() && data && self.udata == event.udata()
    }
}

/// The flags of an event that tell something: FreeBSD takes the actions out, the others return the change's flags as
/// they were, so that only two of them are news. A receipt that kq asked for is none to the caller.
fn telling() -> Flags {
    if cfg!(freebsd_abi) {
        !Flags::RECEIPT
    } else {
        Flags::EOF | Flags::ERROR
    }
}

fn matches(events: &[Event], wanted: &[Want]) -> bool {
    let all_wanted = events.iter().all(|event| wanted.iter().any(|want| want.is(event)));
    let all_there = wanted.iter().all(|want| events.iter().any(|event| want.is(event)));
    events.len() == wanted.len() && all_wanted && all_there
}

impl fmt::Debug for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Want")
            .field("ident", &self.ident)
            .field("filter", &self.filter)
            .field("flags", &self.flags)
            .field("fflags", &format_args!("{:#x}", self.fflags))
            .field("data", &self.data)
            .field("udata", &self.udata)
            .finish()
    }
}

/// The udata of a knote that was added with `added` and then enabled or disabled with `sent`: OpenBSD alone does not store
/// it again.
pub fn udata_after_action(added: usize, sent: usize) -> usize {
    if cfg!(openbsd) {
        added
    } else {
        sent
    }
}

/// The udata of a user event that was added with `added` and then triggered with `sent`: OpenBSD and DragonFly do not
/// store it again.
pub fn udata_after_trigger(added: usize, sent: usize) -> usize {
    if cfg!(any(openbsd, dragonfly)) {
        added
    } else {
        sent
    }
}
