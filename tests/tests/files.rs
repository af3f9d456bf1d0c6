//! READ on regular files, and descriptors that have nothing to watch.

use std::io::{Seek, SeekFrom, Write};

use kq::{Change, Flags};
use kq_tests::queue::want_read;
use kq_tests::{get, TempDir, TestQueue};
#[cfg(freebsd_abi)]
use {
    kq::{Filter, VnodeEvents},
    kq_tests::descriptor::{checked, ident},
    kq_tests::want,
    std::os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

#[test]
fn a_file_is_ready_up_to_its_end() {
    let dir = TempDir::new();
    let file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&file).udata(1));
    queue.sees(&[want_read(&file).data(10).udata(1)]);
    get(&file, 4);
    queue.sees(&[want_read(&file).data(6).udata(1)]);
    get(&file, 6);
    queue.nothing();
}

#[test]
fn a_file_that_grows_is_ready_again() {
    let dir = TempDir::new();
    let mut file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    file.seek(SeekFrom::End(0)).unwrap();
    queue.set(Change::read(&file).udata(1));
    queue.nothing();
    let mut writer = std::fs::OpenOptions::new().append(true).open(dir.join("f")).unwrap();
    writer.write_all(&[b'y'; 7]).unwrap();
    queue.sees(&[want_read(&file).data(7).udata(1)]);
}

#[test]
fn a_file_that_grows_wakes_a_waiter() {
    let dir = TempDir::new();
    let mut file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    file.seek(SeekFrom::End(0)).unwrap();
    queue.set(Change::read(&file).udata(1));
    let path = dir.join("f");
    let writer = std::thread::spawn(move || {
        std::thread::sleep(kq_tests::QUIET);
        let mut writer = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        writer.write_all(&[b'y'; 7]).unwrap();
    });
    queue.sees(&[want_read(&file).data(7).udata(1)]);
    writer.join().unwrap();
}

#[test]
fn beyond_the_end_of_a_file_there_is_less_than_nothing() {
    let dir = TempDir::new();
    let mut file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    file.seek(SeekFrom::Start(20)).unwrap();
    queue.set(Change::read(&file).udata(1));
    queue.sees(&[want_read(&file).data(-10).udata(1)]);
}

#[test]
fn a_oneshot_file_is_reported_once() {
    let dir = TempDir::new();
    let file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&file).oneshot().udata(1));
    queue.sees(&[want_read(&file).flags(Flags::ONESHOT).data(10).udata(1)]);
    queue.nothing();
}

#[test]
#[cfg(freebsd_abi)] // observed there; the others' devices differ
fn a_device_without_readiness_is_refused() {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
    let mut queue = TestQueue::new();
    let outcomes = [Change::read(&null), Change::write(&null)].map(|change| queue.apply(change));
    // A younger FreeBSD may have learned to watch it.
    if cfg!(freebsd) && outcomes.contains(&Ok(())) {
        return;
    }
    assert_eq!(outcomes, [Err(libc::ENODEV); 2]);
    queue.nothing();
}

#[test]
#[cfg(freebsd_abi)] // observed there
fn a_directory_is_taken() {
    let dir = TempDir::new();
    let directory = std::fs::File::open(dir.path()).unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&directory).udata(1));
    // An empty one has no bytes, or, on some of FreeBSD's file systems, those of its entries for itself and its parent.
    let events = queue.wait(kq_tests::QUIET);
    let size = std::fs::metadata(dir.path()).unwrap().len();
    let of_its_size = |event| want_read(&directory).data(size as i64).udata(1).is(event);
    assert!(events.is_empty() || !cfg!(linux) && events.len() == 1 && of_its_size(&events[0]), "{events:?}");
}

#[test]
#[cfg(freebsd_abi)] // EV_FORCEONESHOT is FreeBSD's
fn a_forced_file_told_of_an_older_offset() {
    let dir = TempDir::new();
    let mut file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&file).clear().udata(1));
    queue.sees(&[want_read(&file).flags(Flags::CLEAR).data(10).udata(1)]);
    file.seek(SeekFrom::End(0)).unwrap();
    queue.set(Change::read(&file).udata(1).force_oneshot());
    queue.sees(&[want_read(&file).flags(Flags::CLEAR | Flags::ONESHOT).udata(1)]);
}

#[test]
#[cfg(freebsd_abi)] // to FreeBSD's kernel it is a file like any other
fn writing_to_a_directory_was_refused() {
    let dir = TempDir::new();
    let directory = std::fs::File::open(dir.path()).unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::write(&directory).udata(1));
    let wanted = want(Filter::WRITE, ident(&directory)).udata(1);
    queue.sees(&[wanted]);
    queue.sees(&[wanted]);
    queue.set(Change::write(&directory).delete());
    queue.nothing();
}

#[test]
#[cfg(freebsd_abi)] // in its kernel a terminal refuses a filter that it does not know, another device any
fn devices_refused_with_the_wrong_errno() {
    let queue = TestQueue::new();
    let null = std::fs::File::open("/dev/zero").unwrap();
    // SAFETY: takes numbers only, and makes a descriptor that nobody else has.
    let terminal = unsafe { OwnedFd::from_raw_fd(checked(libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY))) };
    let empty = |fd: &dyn AsRawFd| Change::new(ident(&fd.as_raw_fd()), Filter::EMPTY, Flags::ADD);
    assert_eq!(queue.apply(Change::vnode(&terminal, VnodeEvents::WRITE)), Err(libc::EINVAL));
    assert_eq!(queue.apply(empty(&terminal)), Err(libc::EINVAL));
    // Younger FreeBSDs know filters for such devices, too.
    if cfg!(linux) {
        assert_eq!(queue.apply(Change::vnode(&null, VnodeEvents::WRITE)), Err(libc::ENODEV));
        assert_eq!(queue.apply(empty(&null)), Err(libc::ENODEV));
    }
}
