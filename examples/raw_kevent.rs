//! All that a thin wrapper of kevent(2) offers, with `Change::new` and `Event`: every field of the struct, a change list
//! and an event list in one call, and any filter and flag by its number. For whoever comes from `nix::sys::event` (0.30):
//!
//! | `nix::sys::event` | here |
//! |---|---|
//! | `Kqueue::new()` | [`Kqueue::new`], closed on exec; [`Kqueue::builder`] for others |
//! | `Kqueue: AsFd`, `OwnedFd: From<Kqueue>` | the same, also `AsRawFd` and back: `Kqueue: From<OwnedFd>` |
//! | `KEvent::new(ident, filter, flags, fflags, data, udata)` | [`Change::new`]`(ident, filter, flags).fflags(..).data(..).udata(..)` |
//! | `KEvent`'s `ident`, `filter`, `flags`, `fflags`, `data`, `udata` of an event | the same of [`Event`] |
//! | … of a change | `ident`, `filter`, `flags`, `get_fflags`, `get_data`, `get_udata` of [`Change`] |
//! | `filter()` fails, `flags()` and `fflags()` panic on what nix does not know | never: unknown numbers and bits are kept and shown |
//! | `data`, `udata`: `isize` | `i64`, `usize` |
//! | FreeBSD's `ext` is zero | `ext`, `get_ext` where the struct has it |
//! | `EventFilter::EVFILT_READ` | [`Filter::READ`], or [`Filter::from_raw`]`(kq_sys::EVFILT_READ)` |
//! | `EvFlags::EV_ADD` | [`Flags::ADD`], or [`Flags::from_bits_retain`]`(kq_sys::EV_ADD)` |
//! | `FilterFlag::NOTE_TRIGGER` | `kq_sys::NOTE_TRIGGER`, a `u32`; typed in `VnodeEvents`, `ProcEvents` |
//! | `kevent(&changes, &mut events, Some(timespec))` | [`Kqueue::apply_and_wait`]`(&changes, &mut buffer, Some(duration))` |
//! | `kevent(&[], &mut events, ..)` | [`Kqueue::wait`] |
//! | `kevent(&changes, &mut [], ..)` | [`Kqueue::apply`] |
//! | `timespec`, `None` for no end | [`Duration`], the same `None`; [`timeout`] below turns one into the other |
//! | the number of events, the caller's array | the slice of them, from an [`EventBuffer`] that is allocated once |
//! | `EV_ERROR` in `flags`, errno in `data` | the same, or [`Event::change_error`] |
//! | `EV_RECEIPT` | [`Kqueue::apply_each`]: the outcome of every change by its index |
//! | EINTR, and whether the changes were applied is for the caller to know | they were, and no event came: an empty slice |
//! | `kqueue()`, `kevent()`, `kevent_ts()`, `ev_set()`, deprecated | as above |

use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use kq::{kq_sys, Change, Event, EventBuffer, Filter, Flags, Kqueue};

/// Shows each of them.
pub fn main() -> io::Result<()> {
    let queue = Kqueue::new()?;
    let mut events = EventBuffer::with_capacity(8);

    // All six fields: at least five bytes to read, edge-triggered.
    let (receiver, mut sender) = UnixStream::pair()?;
    let ident = usize::try_from(receiver.as_raw_fd()).expect("a descriptor is not negative");
    let read = Change::new(ident, Filter::READ, Flags::ADD | Flags::ENABLE | Flags::CLEAR)
        .fflags(kq_sys::NOTE_LOWAT)
        .data(5)
        .udata(0x1234);
    // Without a note a timer counts milliseconds, on every system.
    let timer = Change::new(7, Filter::TIMER, Flags::ADD | Flags::ONESHOT).data(20);

    // The change list and the event list in one call. Three bytes are too few: the timer comes alone.
    sender.write_all(b"abc")?;
    let ten_seconds = timeout(Some(kq_sys::timespec { tv_sec: 10, tv_nsec: 0 }))?;
    show("both lists", queue.apply_and_wait(&[read, timer], &mut events, ten_seconds)?);

    // The event list alone.
    sender.write_all(b"de")?;
    show("event list", queue.wait(&mut events, ten_seconds)?);
    let no_time = timeout(Some(kq_sys::timespec { tv_sec: 0, tv_nsec: 0 }))?;
    show("event list again", queue.wait(&mut events, no_time)?);

    // The change list alone. A trigger has no action: the bare NOTE is what the filter looks at. (NetBSD 9 and OpenBSD
    // before 7.8 lack the filter, and answer EINVAL.)
    #[cfg(has_user)]
    {
        let user = Change::new(3, Filter::USER, Flags::ADD | Flags::CLEAR);
        let trigger = Change::new(3, Filter::USER, Flags::empty()).fflags(kq_sys::NOTE_TRIGGER);
        queue.apply(&[user, trigger])?;
        show("change list", queue.wait(&mut events, ten_seconds)?);
    }

    // A change that fails is an event with EV_ERROR, and its errno is the data.
    let delete = Change::new(99, Filter::TIMER, Flags::DELETE).udata(0x99);
    for event in queue.apply_and_wait(&[delete], &mut events, ten_seconds)? {
        let error = event.flags().contains(Flags::ERROR).then(|| io::Error::from_raw_os_error(event.data() as i32));
        println!("failed change: {:?} {} of udata {:#x}: {:?}", event.filter(), event.ident(), event.udata(), error);
    }

    // Receipts: every change, applied or not. A filter that nobody knows is the kernel's to refuse.
    let unknown = Change::new(1, Filter::from_raw(77), Flags::ADD);
    let changes = [Change::new(ident, Filter::READ, Flags::DISABLE), unknown, delete];
    for receipt in queue.apply_each(&changes, &mut events)? {
        println!("receipt {}: {:?}", receipt.index(), receipt.error().map(io::Error::from));
    }

    // The descriptor goes out and comes back.
    let descriptor = OwnedFd::from(queue);
    let queue = Kqueue::from(descriptor);
    show("the same queue", queue.apply_and_wait(&[timer], &mut events, ten_seconds)?);
    Ok(())
}

/// A kevent(2) timeout as a [`Duration`].
///
/// # Errors
/// EINVAL, as the kernels answer to a negative time and to 10⁹ nanoseconds or more.
pub fn timeout(time: Option<kq_sys::timespec>) -> io::Result<Option<Duration>> {
    let Some(time) = time else { return Ok(None) };
    let parts = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    match parts {
        (Ok(seconds), Ok(nanoseconds)) if nanoseconds < 1_000_000_000 => Ok(Some(Duration::new(seconds, nanoseconds))),
        _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}

/// The fields as the kernel left them, but for a descriptor's number, which is another one each time. `flags` would
/// differ too: several kernels hand those of the change back.
fn show(what: &str, events: &[Event]) {
    println!("{what}: {} event(s)", events.len());
    for event in events {
        let ident = if event.filter() == Filter::READ { "fd".to_owned() } else { event.ident().to_string() };
        let (end, fflags, data, udata) = (event.is_eof(), event.fflags(), event.data(), event.udata());
        println!("  {:?} {ident}: end {end}, fflags {fflags:#x}, data {data}, udata {udata:#x}", event.filter());
    }
}
