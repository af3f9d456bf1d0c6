//! A registration that meets a limit of the system leaves neither slot nor knote.
//!
//! A program of its own, since the limit on descriptors is the whole program's.

mod common;

use common::*;
use kq_typed::kq::Change;
use kq_typed::{Mutex, Queue};
use std::fs::File;
use std::time::Duration;

/// Sets how many descriptors there may be and gives the number before.
fn limit_descriptors(most: libc::rlim_t) -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for the call's write.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
    let before = limit.rlim_cur;
    limit.rlim_cur = most;
    // SAFETY: `limit` is valid for the call's read.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    before
}

/// The limits are the whole program's: one test at a time.
static SERIAL: Mutex<()> = Mutex::new(());

#[test]
fn a_registration_that_fails_for_want_of_descriptors() {
    child();
    let _serial = SERIAL.lock();
    let mut process = spawn("a_registration_that_fails_for_want_of_descriptors", 0);
    let (a, b) = pair();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();

    let before = limit_descriptors(64);
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    // Without a descriptor left there is no queue.
    let error = Queue::<()>::new().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    // Some systems need descriptors for these, some do not: each is there whole, or not at all.
    let hour = Duration::from_secs(3600);
    let changes = [
        Change::process(process.id(), kq_typed::kq::ProcEvents::EXIT),
        Change::timer(1, hour),
        Change::write(&b).clear(),
        Change::write(&a).clear(),
        Change::read(&a).clear(),
    ];
    let registered: Vec<_> = changes.iter().map(|change| queue.register(*change, drops.value())).collect();
    let failed = registered.iter().filter(|result| result.is_err()).count();
    assert_eq!(drops.count(), failed);
    for error in registered.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    }

    drop(files);
    limit_descriptors(before);
    for (change, result) in changes.iter().zip(&registered) {
        // What failed can be registered now, what did not is there.
        let again = queue.register(*change, drops.value());
        match result {
            Ok(registration) => {
                assert_eq!(again.unwrap_err().raw_os_error(), Some(libc::EEXIST));
                registration.enable().unwrap();
            }
            Err(_) => drop(again.unwrap()),
        }
    }
    drop(registered);
    assert_eq!(drops.count(), 2 * changes.len());
    release(&mut process);
    process.wait().unwrap();
    assert_eq!(queue.wait(&mut queue.events(8), NOW).unwrap().count(), 0);
}

/// OpenBSD has 1,024 of them and of timers for a process; elsewhere memory is the limit.
#[cfg(has_user)]
#[test]
fn a_registration_that_fails_for_want_of_user_events() {
    let _serial = SERIAL.lock();
    let drops = Drops::default();
    let queue = Queue::new().unwrap();
    let mut registered = Vec::new();
    let mut refused = None;
    for ident in 0..3_000 {
        match queue.register(Change::user(ident).clear(), drops.value()) {
            Ok(registration) => registered.push(registration),
            Err(error) => {
                refused = Some((ident, error));
                break;
            }
        }
    }
    if let Some((ident, error)) = refused {
        assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
        assert_eq!(drops.count(), 1);
        // With one fewer there is room for it: nothing of it was left.
        registered.pop();
        registered.push(queue.register(Change::user(ident).clear(), drops.value()).unwrap());
    }
    for registration in [registered.first(), registered.last()].into_iter().flatten() {
        registration.trigger().unwrap();
        let mut ready = queue.events(8);
        let ids: Vec<_> = queue.wait(&mut ready, PATIENCE).unwrap().map(|event| event.id()).collect();
        assert_eq!(ids, [registration.id()]);
    }
    let before = drops.count();
    let count = registered.len();
    drop(registered);
    assert_eq!(drops.count(), before + count);
}

/// FreeBSD counts a user's queues, and takes a limit of 0 for none.
#[cfg(target_os = "freebsd")]
#[test]
fn a_queue_beyond_the_users_limit() {
    let _serial = SERIAL.lock();
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for the call's write.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_KQUEUES, &mut limit) }, 0);
    let before = limit.rlim_cur;
    limit.rlim_cur = 1;
    // SAFETY: `limit` is valid for the call's read.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_KQUEUES, &limit) }, 0);
    let queues = [Queue::<()>::new(), Queue::new()];
    limit.rlim_cur = before;
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_KQUEUES, &limit) }, 0);
    let [_, second] = queues;
    assert_eq!(second.unwrap_err().raw_os_error(), Some(libc::ENOMEM));
    assert!(Queue::<()>::new().is_ok());
}
