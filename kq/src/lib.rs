//! kqueue(2) for Rust: safe, without allocation after set-up, with every filter of every system; on FreeBSD, macOS and
//! Apple's other systems, NetBSD, OpenBSD and DragonFly, and on Linux, where [`kq_sys`] answers the calls itself.
//!
//! A program gives a [`Kqueue`] a list of [`Change`]s (watch this socket, that process, a timer) and waits for
//! [`Event`]s, which come into an [`EventBuffer`] that is allocated once. Both are the kernel's own struct: a slice of
//! changes goes to the kernel as it is, and one system call applies them and waits.
//!
//! ```
//! use kq::{Change, EventBuffer, EventKind, Kqueue, ProcEvents};
//! use std::io::Write;
//! use std::net::{TcpListener, TcpStream};
//! use std::process::Command;
//! use std::time::Duration;
//!
//! const LISTENER: usize = 1;
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let mut client = TcpStream::connect(listener.local_addr()?)?;
//! let mut child = Command::new("sleep").arg("0.01").spawn()?;
//!
//! let kq = Kqueue::new()?;
//! let mut events = EventBuffer::with_capacity(256);
//! kq.apply(&[
//!     Change::read(&listener).udata(LISTENER),
//!     Change::timer(7, Duration::from_millis(2)).oneshot(),
//!     Change::process(child.id(), ProcEvents::EXIT),
//! ])?;
//!
//! let (mut connections, mut fired, mut exited) = (0, false, false);
//! while connections == 0 || !fired || !exited {
//!     for event in kq.wait(&mut events, Some(Duration::from_secs(10)))? {
//!         match event.kind() {
//!             EventKind::Read { available, .. } if event.udata() == LISTENER => {
//!                 println!("{available:?} connections wait");
//!                 listener.accept()?;
//!                 connections += 1;
//!             }
//!             EventKind::Timer { id, expirations } => {
//!                 println!("timer {id} fired {expirations} times");
//!                 fired = true;
//!             }
//!             EventKind::Process { pid, status, .. } => {
//!                 println!("process {pid} ended: {status:?}");
//!                 exited = true;
//!             }
//!             other => println!("{other:?}"),
//!         }
//!     }
//! }
//! child.wait()?;
//! # client.write_all(b"bye")?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Which crate
//!
//! | crate | for whom | udata |
//! |---|---|---|
//! | `kq-sys` | whoever needs the raw calls and constants | a pointer |
//! | `kq` | runtimes and event loops that keep their own tables | a `usize` |
//! | `kq-typed` | applications | a value of any type, owned by the registration |
//!
//! # The calls
//!
//! | | changes | events | a change that fails |
//! |---|---|---|---|
//! | [`apply`](Kqueue::apply) | until one fails | none | is the error |
//! | [`apply_each`](Kqueue::apply_each) | all | none | is told by its index |
//! | [`wait`](Kqueue::wait) | none | waited for | |
//! | [`apply_and_wait`](Kqueue::apply_and_wait) | all | waited for | is an [`EventKind::ChangeFailed`] |
//! | [`replace`](Kqueue::replace) | one, deleted and added | none | is the error |
//!
//! All take `&self`. A loop over the events of a wait can apply changes, or collect them for the next call:
//!
//! ```
//! use kq::{Change, EventBuffer, EventKind, Kqueue};
//! use std::time::Duration;
//!
//! let kq = Kqueue::new()?;
//! let mut events = EventBuffer::with_capacity(64);
//! let mut changes = vec![Change::timer(1, Duration::from_millis(1)).oneshot()];
//! while !changes.is_empty() {
//!     let ready = kq.apply_and_wait(&changes, &mut events, None)?;
//!     changes.clear();
//!     for event in ready {
//!         match event.kind() {
//!             EventKind::ChangeFailed { error, .. } => return Err(error.into()),
//!             EventKind::Timer { id, .. } if id < 5 => {
//!                 changes.push(Change::timer(id + 1, Duration::from_millis(1)).oneshot());
//!             }
//!             kind => println!("{kind:?}"),
//!         }
//!     }
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Coming from another library
//!
//! | `mio`, `polling` | kq |
//! |---|---|
//! | `Poll`, `Registry`, `Poller` | [`Kqueue`], shared by reference or in an `Arc`; `Change` and `wait` need no `&mut` |
//! | `Token`, key | [`udata`](Change::udata), [`Event::udata`] |
//! | `Events` | [`EventBuffer`] |
//! | `register` with `READABLE` and `WRITABLE` | [`Change::read`] and [`Change::write`]: two knotes, each with its own mode, each added and deleted by itself |
//! | an edge (`mio`'s way) | [`clear`](Change::clear) |
//! | once, until it is armed again (`polling`'s way) | [`dispatch`](Change::dispatch), then [`enable`](Change::enable); or [`oneshot`](Change::oneshot), then the same change again |
//! | `reregister`, `modify` | the change again; for another mode [`Kqueue::replace`] |
//! | `deregister`, `delete` | [`delete`](Change::delete), whose [`Errno::is_gone`] is no failure; a descriptor that is closed takes its knotes along |
//! | `is_readable`, `is_writable` | [`Event::filter`], or the variants of [`EventKind`] |
//! | `is_read_closed`, `is_error` | `eof` and `error` of [`EventKind::Read`] |
//! | `Waker`, `notify` | [`Waker`], to be kept until its wakes were taken, as with `mio` |
//!
//! The events for reading and for writing come one by one, also in one batch: what the handler of the first has closed,
//! the second still names. (`kq-typed` leaves it out.)
//!
//! | `nix::sys::event`, `rustix::event::kqueue`, `kqueue`, `libc` | kq |
//! |---|---|
//! | `KEvent::new(fd as usize, filter, flags, fflags, data, udata)` | [`Change::new`]`(fd as usize, filter, flags)`, then [`fflags`](Change::fflags), [`data`](Change::data), [`udata`](Change::udata) |
//! | a raw descriptor where none can be borrowed | [`Change::new`]: a number that is not open is EBADF |
//! | `kevent` with both lists | [`Kqueue::apply_and_wait`]; EV_RECEIPT is [`Kqueue::apply_each`] |
//! | EV_ERROR in an event | [`EventKind::ChangeFailed`], [`Event::change_error`] |
//! | a new `Vec` for each wait | [`EventBuffer`] |
//!
//! # Filters by system
//!
//! | filter | constructor | FreeBSD | NetBSD | OpenBSD | DragonFly | Apple | Linux |
//! |---|---|---|---|---|---|---|---|
//! | READ | [`Change::read`] | x | x | x | x | x | x |
//! | WRITE | [`Change::write`] | x | x | x | x | x | x |
//! | TIMER | [`Change::timer`], [`Change::timer_at`] | x | x | x | x | x | x |
//! | PROC | [`Change::process`] | x | x | x | x | x | x |
//! | SIGNAL | [`Change::signal`] | x | x | x | x | x | x |
//! | VNODE | [`Change::vnode`] | x | x | x | x | x | x |
//! | USER | `Change::user` | x | 10 | 7.8 | x | x | x |
//! | EMPTY | `Change::empty` | x | 10 | | | | x |
//! | EXCEPT | `Change::except` | | | x | x | x | |
//! | FS | `Change::fs` | x | x | | x | x | |
//! | PROCDESC | `Change::procdesc` | x | | | | | |
//! | JAIL, JAILDESC | `Change::jail`, `Change::jaildesc` | 15 | | | | | |
//! | AIO, LIO | `Kqueue::sigevent`, with aio_read(2) and its like | x | | | | | |
//! | DEVICE | `Change::device` | | | x | | | |
//! | MACHPORT | `Change::machport` | | | | | x | |
//! | VM | `Change::vm` | | | | | x | |
//!
//! A number is the first release that has it; older ones answer EINVAL. What a system does not have is not compiled
//! there. What Linux cannot give is refused with an error (ENOTSUP), which [`kq_sys`] explains. Anything else goes
//! through [`Change::new`]. The manual page of all of it is the system's kqueue(2); where another one has more to say,
//! it is named.
//!
//! # Flags and notes by system
//!
//! Every `EV_*` that the system's header has is a constant of [`Flags`], without the prefix; the `NOTE_*` of files are
//! [`VnodeEvents`], those of processes [`ProcEvents`], and so on. These are the same everywhere: ADD, DELETE, ENABLE,
//! DISABLE, ONESHOT, CLEAR, DISPATCH, RECEIPT, EOF, ERROR; of files DELETE, WRITE, EXTEND, ATTRIB, LINK, RENAME, REVOKE;
//! of processes EXIT, FORK, EXEC. Beyond them there are:
//!
//! | | by | FreeBSD | NetBSD | OpenBSD | DragonFly | Apple | Linux |
//! |---|---|---|---|---|---|---|---|
//! | EV_FORCEONESHOT | `Change::force_oneshot` | x | | | | | x |
//! | EV_KEEPUDATA | `Flags::KEEPUDATA` | 14 | | | | | x |
//! | EV_UDATA_SPECIFIC, EV_DISPATCH2 | `Flags::UDATA_SPECIFIC`, `Flags::DISPATCH2` | | | | | x | |
//! | EV_VANISHED | `Flags::VANISHED`, `Event::is_vanished` | | | | | x | |
//! | EV_POLL | `Flags::POLL` | | | | | x | |
//! | EV_OOBAND | `Flags::OOBAND`, `Event::is_oob` | | | | | x | |
//! | EV_HUP, EV_NODATA | `Event::is_hup`, `Event::is_drained` | | | | x | | |
//! | NOTE_LOWAT | [`Change::low_water`] | x | x | x | x | x | x |
//! | NOTE_FILE_POLL | `Change::file_poll` | x | | | | | x |
//! | NOTE_EOF | `Change::end_of_file` | | | x | | | |
//! | NOTE_OOB | `Change::except` | | | x | x | x | |
//! | of files: OPEN, CLOSE, CLOSE_WRITE, READ | [`VnodeEvents`] | x | 10 | | | | x |
//! | of files: TRUNCATE | [`VnodeEvents`] | | | x | | | |
//! | of files: FUNLOCK, LEASE_DOWNGRADE, LEASE_RELEASE, NONE | [`VnodeEvents`] | | | | | x | |
//! | of processes: TRACK, TRACKERR, CHILD | [`ProcEvents`] | x | x | x | x | ENOTSUP | ENOTSUP |
//! | of processes: SIGNAL, REAP, EXITSTATUS, EXIT_DETAIL | [`ProcEvents`] | | | | | x | |
//! | of user events: FFCOPY, FFOR, FFAND | `Change::set_user_flags` and its like | x | 10 | 7.8 | x | x | x |
//! | of timers: units | [`Change::timer`] chooses | x | 10 | x | | x | x |
//! | of timers: wall clock | [`Change::timer_at`] | x | 10 | x | | x | x |
//! | of timers: LEEWAY, CRITICAL, BACKGROUND | `Change::leeway`, `Change::critical`, `Change::background` | | | | | x | |
//! | of timers: MACH_CONTINUOUS_TIME | `Change::across_sleep` | | | | | x | |
//! | of jails | `JailEvents` | 15 | | | | | |
//! | `ext` | `Change::ext`, `Event::ext` | x | feature `netbsd11` | | | x | |
//!
//! # What the kernels do, and kq sees to
//!
//! | a kernel | so kq |
//! |---|---|
//! | stops a batch silently at a receipt for which the event list has no room, or writes past its end (DragonFly) | never gives a list shorter than what can be reported; EV_RECEIPT is its own |
//! | reports failed changes with EV_ERROR alone, or among the change's flags (Apple) | tests the bit: [`EventKind::ChangeFailed`] |
//! | takes at most a C int of changes | splits longer lists |
//! | cuts what a timer counts off to 32 bits on machines of so many (FreeBSD 12) | takes a coarser unit there: [`Change::timer`] |
//! | applied the changes when it answers EINTR | returns no events then, so that nobody sends them twice |
//! | keeps the old mode, and what is disabled, when a knote is added again | has [`Kqueue::replace`] |
//! | stores udata, fflags and data again with an enable, disable or trigger | keeps them all in the change: [`Change::enable`] |
//! | ignores a trigger in the change that creates a user event (FreeBSD, NetBSD) | adds first and triggers second: [`Waker`]; [`Change::trigger`] is never an EV_ADD |
//! | resets a trigger that carries EV_CLEAR (FreeBSD) | drops the mode with every action |
//! | deletes knotes of a closed descriptor without a word, and then answers ENOENT or EBADF | says so: [`Errno::is_gone`] |
//! | counts time in units that differ in value and in nature, refuses 0 (NetBSD), overflows (FreeBSD), miscounts nanoseconds (FreeBSD 12) | chooses and clamps: [`Change::timer`] |
//! | fires an absolute timer at every wait, refuses times before its start (FreeBSD 12) | makes it one-shot, and due at once: [`Change::timer_at`] |
//! | takes 100 times as long for a wait with a zero timeout as for one that is told not to wait (Apple) | tells it |
//! | refuses to tell an exit status to some, and then to watch at all (Apple) | asks again without |
//! | spins on an empty event list | makes room for one event at least |
//! | forgets the queue in a forked child, whose descriptor numbers are given out again | leaves them alone when it is dropped there |

// What a caller or a kernel hands over neither panics nor is cut off.
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

#[cfg(has_aio)]
mod aio;
mod apply;
mod buffer;
mod change;
mod construct;
mod create;
mod errno;
mod event;
mod filter;
mod flags;
mod kind;
mod kqueue;
mod notes;
#[cfg(apple)]
mod precision;
mod process;
mod receipts;
mod status;
mod sys;
mod timeout;
mod timer;
#[cfg(has_user)]
mod user;
mod wait;
mod waker;

pub use apply::ApplyError;
pub use buffer::EventBuffer;
pub use change::Change;
pub use create::Builder;
pub use errno::Errno;
pub use event::Event;
pub use filter::Filter;
#[cfg(has_jail)]
pub use flags::JailEvents;
#[cfg(has_vm)]
pub use flags::VmEvents;
pub use flags::{Flags, ProcEvents, VnodeEvents};
pub use kind::EventKind;
pub use kqueue::Kqueue;
#[doc(hidden)]
pub use process::process_id;
pub use receipts::{Receipt, Receipts};
pub use waker::Waker;

/// The raw calls, structs and constants that kq stands on.
pub use kq_sys;

/// The program in the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
