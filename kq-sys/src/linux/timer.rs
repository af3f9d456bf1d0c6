//! EVFILT_TIMER: deadlines in one heap for each clock, and one timerfd for the earliest of them.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::knote::{Index, Key, Knotes, Source, NONE};
use super::queue::{State, CLOCKS};
use super::sys::{self, Errno, Result};
use super::{constants::*, kevent};

/// The clocks by their place in `Clocks`.
pub(super) const MONOTONIC: usize = 0;
pub(super) const REALTIME: usize = 1;
const CLOCK_IDS: [libc::clockid_t; 2] = [libc::CLOCK_MONOTONIC, libc::CLOCK_REALTIME];

/// Setting a timerfd fires its edge-triggered entry anew, so that it is never read.
const INTEREST: u32 = (libc::EPOLLIN | libc::EPOLLET) as u32;

/// Later than any clock gets: three centuries of nanoseconds, and no sum of two of them overflows.
const NEVER: u64 = i64::MAX as u64;

/// What a timer knote knows of time.
///
/// An enabled timer is in the heap until it is due, then among the ready knotes until it is delivered. How often a
/// periodic timer came due is computed at delivery, so that nothing happens in between.
pub(super) struct Timer {
    clock: usize,
    /// When it is due, in nanoseconds of its clock.
    next: u64,
    /// Zero for what comes once: a one-shot, an absolute time.
    period: u64,
    /// The time was refused when the timer was added again: this errno is what is due, once.
    refused: Errno,
}

/// How long to wait before a knote is looked at again: from a millisecond, doubled each time up to 64.
#[derive(Clone, Copy)]
pub(super) struct Patience(u8);

impl Patience {
    pub(super) const NEW: Patience = Patience(0);

    fn next(&mut self) -> u64 {
        const MILLISECOND: u64 = 1_000_000;
        const MOST_DOUBLINGS: u8 = 6;
        let nanos = MILLISECOND << self.0;
        self.0 = (self.0 + 1).min(MOST_DOUBLINGS);
        nanos
    }
}

/// The place of the earliest deadline in a heap.
const EARLIEST: u32 = 0;

struct Clock {
    timerfd: Option<OwnedFd>,
    /// A binary heap of deadlines, the earliest first.
    heap: Vec<(u64, Index)>,
    /// What the timerfd is set to.
    armed: Option<u64>,
}

pub(super) struct Clocks {
    both: [Clock; 2],
    /// An earliest deadline may be another than its timerfd is set to.
    pub(super) changed: bool,
}

impl Clocks {
    pub(super) const fn new() -> Clocks {
        const CLOCK: Clock = Clock { timerfd: None, heap: Vec::new(), armed: None };
        Clocks { both: [CLOCK; 2], changed: false }
    }

    /// Puts a knote into a clock's heap, if it is in none.
    fn insert(&mut self, knotes: &mut Knotes, index: Index, clock: usize, deadline: u64) {
        if knotes[index].place != NONE || deadline >= NEVER {
            return;
        }
        let heap = &mut self.both[clock].heap;
        heap.push((deadline, index));
        let last = heap.len() - 1;
        sift_up(heap, knotes, last);
        self.changed |= knotes[index].place == EARLIEST;
    }

    /// Takes a knote out of its clock's heap, if it is in one.
    #[inline]
    pub(super) fn remove(&mut self, knotes: &mut Knotes, index: Index) {
        if knotes[index].place != NONE {
            self.take_out(knotes, index);
        }
    }

    fn take_out(&mut self, knotes: &mut Knotes, index: Index) {
        let knote = &mut knotes[index];
        let place = core::mem::replace(&mut knote.place, NONE) as usize;
        let clock = match &knote.source {
            Source::Timer(timer) => timer.clock,
            _ => MONOTONIC,
        };
        self.changed |= place == EARLIEST as usize;
        let heap = &mut self.both[clock].heap;
        heap.swap_remove(place);
        if place < heap.len() {
            sift_down(heap, knotes, place);
            sift_up(heap, knotes, place);
        }
    }

    #[inline(never)]
    fn arm(&mut self) -> Result<()> {
        for clock in &mut self.both {
            let earliest = clock.heap.first().map(|(deadline, _)| *deadline);
            if let Some(timerfd) = clock.timerfd.as_ref().filter(|_| clock.armed != earliest) {
                sys::timerfd_set(timerfd, earliest)?;
                clock.armed = earliest;
            }
        }
        self.changed = false;
        Ok(())
    }

    fn due(&self, clock: usize, now: u64) -> Option<Index> {
        self.both[clock].heap.first().filter(|(deadline, _)| *deadline <= now).map(|(_, index)| *index)
    }
}

fn sift_up(heap: &mut [(u64, Index)], knotes: &mut Knotes, mut place: usize) {
    while place > 0 {
        let parent = (place - 1) / 2;
        if heap[parent].0 <= heap[place].0 {
            break;
        }
        heap.swap(parent, place);
        knotes[heap[place].1].place = place as u32;
        place = parent;
    }
    knotes[heap[place].1].place = place as u32;
}

fn sift_down(heap: &mut [(u64, Index)], knotes: &mut Knotes, mut place: usize) {
    loop {
        let mut least = place;
        for child in [2 * place + 1, 2 * place + 2] {
            if child < heap.len() && heap[child].0 < heap[least].0 {
                least = child;
            }
        }
        if least == place {
            break;
        }
        heap.swap(least, place);
        knotes[heap[place].1].place = place as u32;
        place = least;
    }
    knotes[heap[place].1].place = place as u32;
}

/// When a timer is due, from a change's fflags and data; EINVAL where they make no sense.
fn schedule(fflags: u32, data: i64, one_shot: bool) -> Result<Timer> {
    const UNITS: u32 = NOTE_SECONDS | NOTE_MSECONDS | NOTE_USECONDS | NOTE_NSECONDS;
    if data < 0 || fflags & !(UNITS | NOTE_ABSTIME) != 0 {
        return Err(libc::EINVAL);
    }
    let nanos_per_unit: u64 = match fflags & UNITS {
        NOTE_SECONDS => sys::NANOS_PER_SEC,
        0 | NOTE_MSECONDS => 1_000_000,
        NOTE_USECONDS => 1_000,
        NOTE_NSECONDS => 1,
        _ => return Err(libc::EINVAL),
    };
    // A period of nothing would never let anything else happen.
    let units = if one_shot { data as u64 } else { data.max(1) as u64 };
    let nanos = units.saturating_mul(nanos_per_unit).min(NEVER);
    if fflags & NOTE_ABSTIME == 0 {
        let next = (sys::now(libc::CLOCK_MONOTONIC) + nanos).min(NEVER);
        let period = if one_shot { 0 } else { nanos };
        return Ok(Timer { clock: MONOTONIC, next, period, refused: 0 });
    }
    let booted = sys::now(libc::CLOCK_REALTIME).saturating_sub(sys::now(libc::CLOCK_BOOTTIME));
    // FreeBSD counts an absolute time from the boot, and refuses what comes out negative.
    if nanos < booted {
        return Err(libc::EINVAL);
    }
    Ok(Timer { clock: REALTIME, next: nanos, period: 0, refused: 0 })
}

impl State {
    #[inline(never)]
    pub(super) fn attach_timer(&mut self, change: &kevent) -> Result<()> {
        let timer = schedule(change.fflags, change.data, change.flags & EV_ONESHOT != 0)?;
        self.need_token()?;
        self.need_clock(timer.clock)?;
        let relative = timer.clock == MONOTONIC;
        let index = self.insert(change, Source::Timer(timer))?;
        if relative {
            self.knotes[index].flags |= EV_CLEAR;
        }
        self.run_timer(index);
        Ok(())
    }

    fn need_clock(&mut self, clock: usize) -> Result<()> {
        if self.clocks.both[clock].timerfd.is_none() {
            let timerfd = sys::timerfd_create(CLOCK_IDS[clock])?;
            self.ctl(libc::EPOLL_CTL_ADD, timerfd.as_raw_fd(), INTEREST, CLOCKS[clock])?;
            self.own_number(timerfd.as_raw_fd());
            self.clocks.both[clock].timerfd = Some(timerfd);
        }
        Ok(())
    }

    /// The entries of the timerfds, as they should be in a set.
    pub(super) fn clock_entries(&self) -> [Option<(RawFd, u32, Key)>; 2] {
        [MONOTONIC, REALTIME].map(|clock| {
            let timerfd = self.clocks.both[clock].timerfd.as_ref()?;
            Some((timerfd.as_raw_fd(), INTEREST, CLOCKS[clock]))
        })
    }

    /// An EV_ADD starts the timer anew; what it had counted is gone. Other changes leave its time alone.
    ///
    /// A time that makes no sense is no error here on FreeBSD: it arrives as an event with EV_ERROR.
    #[inline(never)]
    pub(super) fn modify_timer(&mut self, index: Index, change: &kevent) -> Result<()> {
        if change.flags & EV_ADD != 0 {
            let timer = schedule(change.fflags, change.data, self.knotes[index].has(EV_ONESHOT));
            if let Ok(timer) = &timer {
                self.need_clock(timer.clock)?;
            }
            self.ready.remove(&mut self.knotes, index);
            self.clocks.remove(&mut self.knotes, index);
            let knote = &mut self.knotes[index];
            // What was to come at once was of the time before.
            knote.forced = false;
            knote.data = 0;
            knote.asked_fflags = change.fflags;
            knote.asked_data = change.data;
            self.knotes[index].source =
                Source::Timer(timer.unwrap_or_else(|refused| Timer { clock: MONOTONIC, next: 0, period: 0, refused }));
        }
        self.run_timer(index);
        Ok(())
    }

    /// Puts an enabled timer where it belongs, and takes a disabled one out of the clock.
    fn run_timer(&mut self, index: Index) {
        if self.knotes[index].disabled {
            self.clocks.remove(&mut self.knotes, index);
            return;
        }
        let Source::Timer(Timer { clock, next, .. }) = self.knotes[index].source else { return };
        if next < NEVER && next <= sys::now(CLOCK_IDS[clock]) {
            self.clocks.remove(&mut self.knotes, index);
            self.ready.push(&mut self.knotes, index);
        } else {
            self.clocks.insert(&mut self.knotes, index, clock, next);
        }
    }

    /// Makes what it takes to look at a knote again, without being told to.
    pub(super) fn need_looks(&mut self) -> Result<()> {
        self.need_token()?;
        self.need_clock(MONOTONIC)
    }

    /// Looks at a knote again after a while, where nothing tells when it becomes ready.
    pub(super) fn look_later(&mut self, index: Index) -> Result<()> {
        self.need_looks()?;
        let nanos = self.knotes[index].patience.next();
        let deadline = sys::now(libc::CLOCK_MONOTONIC).saturating_add(nanos);
        self.clocks.insert(&mut self.knotes, index, MONOTONIC, deadline);
        Ok(())
    }

    /// The timerfd of a clock fired: what is due becomes ready.
    #[inline(never)]
    pub(super) fn expire(&mut self, clock: usize) {
        self.clocks.both[clock].armed = None;
        self.clocks.changed = true;
        let now = sys::now(CLOCK_IDS[clock]);
        while let Some(index) = self.clocks.due(clock, now) {
            self.clocks.remove(&mut self.knotes, index);
            if !self.knotes[index].disabled {
                self.ready.push(&mut self.knotes, index);
            }
        }
    }

    /// Sets the timerfds to the earliest deadlines, where they are not so already.
    #[inline]
    pub(super) fn arm_clocks(&mut self) -> Result<()> {
        if self.clocks.changed {
            self.clocks.arm()?;
        }
        Ok(())
    }

    /// Brings a knote's data up to how often its timer has come due.
    pub(super) fn count_expirations(&mut self, index: Index) {
        let knote = &mut self.knotes[index];
        let Source::Timer(timer) = &mut knote.source else { return };
        let Some(late) = sys::now(CLOCK_IDS[timer.clock]).checked_sub(timer.next) else { return };
        if timer.period == 0 {
            knote.data = 1;
            return;
        }
        let expirations = late / timer.period + 1;
        timer.next = timer.next.saturating_add(expirations.saturating_mul(timer.period)).min(NEVER);
        knote.data += expirations as i64;
    }

    #[inline(never)]
    pub(super) fn deliver_timer(&mut self, index: Index) -> Option<kevent> {
        self.count_expirations(index);
        let knote = &mut self.knotes[index];
        let Source::Timer(timer) = &mut knote.source else { return None };
        let mut refusal = 0;
        if timer.refused != 0 {
            refusal = EV_ERROR;
            knote.data = i64::from(timer.refused);
        } else if timer.period == 0 {
            // Also where its clock was set back since.
            knote.data = 1;
        }
        // An absolute time, and a refusal, come once; without EV_CLEAR they stay.
        if timer.period == 0 && knote.flags & EV_CLEAR != 0 {
            timer.next = NEVER;
        }
        let (clock, next) = (timer.clock, timer.next);
        let mut event = knote.event();
        event.flags |= refusal;
        if knote.flags & EV_ONESHOT != 0 {
            self.finish(index);
            return Some(event);
        }
        knote.disabled |= knote.flags & EV_DISPATCH != 0;
        if knote.flags & EV_CLEAR == 0 {
            // An absolute time stays reached: the event comes at every wait.
            if !knote.disabled {
                self.ready.push(&mut self.knotes, index);
            }
            return Some(event);
        }
        knote.data = 0;
        if !knote.disabled {
            self.clocks.insert(&mut self.knotes, index, clock, next);
        }
        Some(event)
    }
}
