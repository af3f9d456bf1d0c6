//! kqueue with a Rust value behind every event: owned, thread-safe, and never the wrong one.
//!
//! kqueue(2) hands back a word, *udata*, with every event, and programs put a pointer there. Then an event is received,
//! its handler frees what another event of the same batch points to; or a descriptor is closed, its number is another
//! file's, and the event that was already on its way reaches the new owner. This crate gives the kernel a number instead,
//! of a slot and of its generation, and keeps the values itself. It has no `unsafe` code.
//!
//! It runs wherever [`kq`] does: FreeBSD, NetBSD, OpenBSD, DragonFly, Apple's systems, and Linux.
//!
//! # Two doors
//!
//! | | [`Queue<T>`] | [`Kqueue`] |
//! |---|---|---|
//! | values | all of one type, as `Arc<Mutex<T>>` | each of its own type, by [`Any`](std::any::Any) |
//! | `T` has to be | nothing; `Send`, to cross threads | `Any + Send + Sync` |
//! | who owns a registration | its [`Registration`], or the queue after [`detach`](Registration::detach) | the queue |
//! | the same ident and filter again | refused with EEXIST | replaces the old registration |
//! | what is registered | a [`Change`](kq::Change) | ident, [`EventFilter`], [`EventFlags`] |
//! | events | lent to the loop, one by one ([`Ready`]) | owned ([`Event`], [`Events`]) |
//!
//! Take `Queue<T>` for a server or an event loop: the compiler knows what is behind an event, an owner's `Drop` ends what
//! it has registered, and an event costs next to nothing. Take `Kqueue` for a few different things to wait for, and a
//! value behind each that says which it was.
//!
//! ```
//! use kq_typed::kq::Change;
//! use kq_typed::{Queue, Registration};
//! use std::time::Duration;
//!
//! struct Conn { requests: u32 }
//!
//! # let (socket, mut peer) = std::os::unix::net::UnixStream::pair()?;
//! # std::io::Write::write_all(&mut peer, b"GET /")?;
//! let queue: Queue<Conn> = Queue::new()?;
//! let conn: Registration<Conn> = queue.register(Change::read(&socket).clear(), Conn { requests: 0 })?;
//! // The same value behind a second knote.
//! let idle = Change::timer(1, Duration::from_secs(60));
//! let timer = queue.register(idle, conn.udata().clone())?;
//!
//! let mut ready = queue.events(1024); // allocated once
//! for event in queue.wait(&mut ready, None)? {
//!     event.udata().lock().requests += 1;
//!     timer.modify(idle)?; // starts anew
//! }
//! assert_eq!(conn.udata().lock().requests, 1);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! ```
//! use kq_typed::{EventFilter, EventFlags, Kqueue, Watcher};
//! use std::time::Duration;
//!
//! # let (socket, mut peer) = std::os::unix::net::UnixStream::pair()?;
//! # std::io::Write::write_all(&mut peer, b"hello")?;
//! let kq = Kqueue::new()?;
//! kq.register(&socket, EventFilter::Read, EventFlags::ADD | EventFlags::ENABLE, Some(Watcher::new(123)))?;
//! kq.register_timer(Duration::from_secs(5), EventFlags::ADD | EventFlags::ENABLE, Some(99))?;
//!
//! for event in kq.await_events(Some(Duration::from_secs(1)))? {
//!     if let Some(watcher) = event.udata::<Watcher>() {
//!         println!("{} has {} bytes", watcher.id, event.data());
//!     } else if let Some(number) = event.udata::<i32>() {
//!         println!("{number}");
//!     }
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What holds
//!
//! - **An event comes with the value of its own registration, or not at all.** Generations do not wrap into a living key: a
//!   slot whose generations are used up rests until every wait that is under way has ended. An event whose ident or filter
//!   is not its slot's is dropped.
//! - **After a deregistration no event of it is handed out**, not from a batch that was received before either. An event
//!   that a thread has in hand stays valid.
//! - **One registration for each ident and filter**, as in the kernel. No kernel reports that a descriptor was closed; on a
//!   collision it is asked. If the old knote is gone the newcomer gets the place, and the old registration lives on without
//!   a knote; it never deletes or changes what is another's.
//! - **No cycle through the queue**: a [`Registration`] has a weak link to it. But it holds its value: kept *in* its own
//!   value, both stay until it is taken out, as with any `Arc` (a [`Key`] from [`detach`](Registration::detach) holds
//!   nothing).
//! - **What fails leaves nothing**, neither slot nor knote; what was there before stays.
//! - **In the steady state nothing is allocated**, and a batch of events takes one lock, however many there are
//!   ([`Kqueue::await_events`] takes another to have its memory, and to give it back;
//!   [`await_events_into`](Kqueue::await_events_into) does not).
//!
//! Refused, with EINVAL, is what would take these promises back: a change with NOTE_TRACK (the kernel copies udata to
//! knotes that it makes itself), EV_UDATA_SPECIFIC or EV_KEEPUDATA (which make udata a part of the name, or keep an old
//! one), a udata of the caller's, and a change that is not one that adds.
//!
//! # When a registration ends, and when its value is dropped
//!
//! | what | the registration | its value is dropped |
//! |---|---|---|
//! | `Registration` dropped or deregistered; [`Queue::deregister`], [`Ready::deregister`], [`Kqueue::deregister`] | ends at once, its events with it | when the last `Arc` goes: at once, or when the turn of the event that has it ends |
//! | an event that is the last (one-shot; a process's exit; whatever the kernel marks EV_ONESHOT) | ends when the event is handed out, or its batch dropped; with `for event in &events`, when the collection is dropped | owned by a `Registration`: with that. Detached, or at the dynamic door: when the event's turn ends |
//! | the end of a descriptor's data (EV_EOF) | stays, and reports it: its handler or owner ends it | |
//! | its descriptor closed, by whomever | stays, and reports nothing | |
//! | … and the number registered anew | owned by a `Registration`: stays, without a knote. Detached: ends. At the dynamic door: is replaced, as below | … with it; at once, or if other threads wait at that time, when they have returned |
//! | registered again at the dynamic door | ends at once, its events with it | at once, or when the last event that has it goes |
//! | a registration is refused | was none | before `register` returns |
//! | the queue dropped | ends | owned by a `Registration`: with that. Otherwise at once, after the queue was closed |
//!
//! A batch ([`Batch`], [`Events`]) releases an event's value when the event is dropped, and all that are left when it is
//! dropped itself. What a batch that was forgotten (`mem::forget`) has left in its [`ReadyBuffer`] goes with the next wait
//! that uses the buffer, or with the buffer; a forgotten [`Events`] keeps what it owns, and the registrations whose last
//! event it has, until those are deregistered or the queue is dropped. Values are dropped with none of the queue's locks
//! held: their `Drop` may use the queue.
//!
//! A detached registration whose number is registered anew is the one case of a value that is dropped later, by the
//! thread that returns last from a wait: the kernel does not say whether the knote went with its descriptor or with its
//! last event, and a thread that was waiting may have that in hand. It is handed out then, with its own value. At most 256
//! registrations stay so for the sake of threads that sleep on; beyond that the oldest ends.
//!
//! On Linux a regular file that is closed and opened again under its number cannot be told from the one before: the old
//! registration goes on, and the number is refused to a newcomer with EEXIST until it has ended.
//!
//! # Threads
//!
//! | type | `Send` | `Sync` | |
//! |---|---|---|---|
//! | [`Queue<T>`], [`Registration<T>`], [`Ready<T>`], [`Batch<T>`], [`ReadyBuffer<T>`] | `T: Send` | `T: Send` | the value is behind a [`Mutex`] |
//! | [`Kqueue`], [`Event`], [`Events`], [`EventsIter`], [`EventsIntoIter`] | yes | yes | what is registered has to be both |
//! | [`Key`], [`Target`], [`Waker`], [`Watcher`], [`EventFlags`], [`EventFilter`] | yes | yes | |
//!
//! This is checked whenever the crate is compiled.
//!
//! Any number of threads may wait on a queue while others change it; a change reaches those that wait already. With
//! [`dispatch`](kq::Change::dispatch) or [`oneshot`](kq::Change::oneshot) each event goes to one of them; otherwise several
//! may get the same. [`Waker`] ends one thread's wait. Registering, modifying and deregistering take a lock that is held
//! across the system call: they are for one thread at a time.
//!
//! A queue does not pass to a forked child: there, waits, registrations and changes answer EBADF, look-ups find nothing, and
//! dropping everything touches nothing of the parent's. (A child made by clone(2) past the C library is not known as one.)
//!
//! # Limits
//!
//! A registration that meets a limit fails with the error, and leaves nothing.
//!
//! | limit | FreeBSD | NetBSD | OpenBSD | DragonFly | Apple | Linux |
//! |---|---|---|---|---|---|---|
//! | descriptors of the process (RLIMIT_NOFILE): the queue | EMFILE | EMFILE | EMFILE | EMFILE | EMFILE | EMFILE |
//! | … : a registration | | | | | | EMFILE: `Proc`, and the first of a queue's timers, files, signals, user events |
//! | descriptors of the system: the same | ENFILE | ENFILE | ENFILE | ENFILE | ENFILE | ENFILE |
//! | queues of a user (RLIMIT_KQUEUES) | ENOMEM | | | | | |
//! | timers of the system | ENOMEM (`kern.kq_calloutmax`) | ENOMEM | | ENOMEM (`kern.kq_calloutmax`) | | |
//! | timers and user events of the process, 1,024 together | | | ENOMEM | | | |
//! | descriptors and processes watched by a user (`fs.epoll.max_user_watches`) | | | | | | ENOSPC |
//! | queues of a user with `Vnode` or regular files (`fs.inotify.max_user_instances`) | | | | | | EMFILE |
//! | such files of a user (`fs.inotify.max_user_watches`) | | | | | | ENOSPC |
//! | registrations of a queue, pointers of 64 bits: 2³² | ENOMEM | ENOMEM | ENOMEM | ENOMEM | ENOMEM | ENOMEM at 33,554,432 |
//! | … pointers of 32 bits: 2²⁰ (a key has 20 bits of slot, 12 of generation) | ENOMEM | ENOMEM | ENOMEM | ENOMEM | ENOMEM | ENOMEM |
//! | kernel memory | ENOMEM | ENOMEM | ENOMEM | ENOMEM | ENOMEM | ENOMEM |
//!
//! Run into by tests are EMFILE on Linux and the end of the keys; the rest is from the systems' manual pages and sources.

#![forbid(unsafe_code)]
// What a caller or a kernel hands over neither panics nor is cut off.
#![cfg_attr(
    not(test),
    warn(
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod assertions;
mod check;
mod core;
mod deliver;
mod dynamic;
mod flights;
mod handle;
mod hash;
mod index;
mod into_shared;
mod key;
#[cfg(all(test, loom))]
mod models;
mod orphans;
mod queue;
mod ready;
mod registration;
mod slots;
mod waker;
mod watcher;

pub use dynamic::{Event, EventFilter, EventFlags, Events, EventsIntoIter, EventsIter, Ident, Kqueue, Target};
pub use into_shared::IntoShared;
pub use key::Key;
pub use queue::Queue;
pub use ready::{Batch, Ready, ReadyBuffer};
pub use registration::Registration;
pub use waker::Waker;
pub use watcher::Watcher;

/// The safe, untyped layer: [`Change`](kq::Change), [`EventKind`](kq::EventKind) and the rest.
pub use kq;
/// The lock around the typed door's values.
pub use parking_lot::{Mutex, MutexGuard};
