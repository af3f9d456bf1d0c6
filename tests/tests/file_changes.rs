//! Files that grow, are replaced, and go, as seen by READ, WRITE and VNODE knotes of their descriptors. One at a time: a
//! child has a copy of every descriptor, and a file is closed when the last copy is.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;

use kq::{Change, Filter, Flags, VnodeEvents};
use kq_tests::queue::want_read;
use kq_tests::{get, serial, want, Child, TempDir, TestQueue, Want, LIMIT};

/// Opened for writing at its end.
fn appender(dir: &TempDir, name: &str) -> File {
    OpenOptions::new().append(true).open(dir.join(name)).unwrap()
}

fn want_vnode(file: &File, events: VnodeEvents) -> Want {
    want(Filter::VNODE, file.as_raw_fd() as usize).flags(Flags::CLEAR).fflags(events.bits())
}

/// A queue with an edge-triggered knote for these events of a file.
fn watching(file: &File, events: VnodeEvents) -> TestQueue {
    let queue = TestQueue::new();
    queue.set(Change::vnode(file, events).clear());
    queue
}

#[test]
fn a_file_that_grows_twice_is_ready_twice() {
    let _serial = serial();
    let dir = TempDir::new();
    let mut reader = dir.file("f", 10);
    reader.seek(SeekFrom::End(0)).unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader));
    queue.nothing();
    let mut writer = appender(&dir, "f");
    for count in [7, 3] {
        writer.write_all(&vec![0; count]).unwrap();
        queue.sees(&[want_read(&reader).data(count as i64)]);
        get(&reader, count);
        queue.nothing();
    }
}

#[test]
fn a_disabled_file_is_ready_when_it_is_enabled() {
    let _serial = serial();
    let dir = TempDir::new();
    let reader = dir.file("f", 10);
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).dispatch());
    queue.sees(&[want_read(&reader).flags(Flags::DISPATCH).data(10)]);
    queue.nothing();
    get(&reader, 4);
    queue.set(Change::read(&reader).enable());
    queue.sees(&[want_read(&reader).flags(Flags::DISPATCH).data(6)]);
}

#[cfg(has_file_poll)]
#[test]
fn a_file_that_is_polled_is_always_ready() {
    let _serial = serial();
    let dir = TempDir::new();
    let mut reader = dir.file("f", 10);
    reader.seek(SeekFrom::End(0)).unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader).file_poll());
    queue.sees(&[want_read(&reader)]);
    queue.sees(&[want_read(&reader)]);
}

// Other kernels have no WRITE for files.
#[cfg(freebsd_abi)]
#[test]
fn a_file_can_always_be_written_to() {
    let _serial = serial();
    let dir = TempDir::new();
    let file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    queue.set(Change::write(&file).udata(1));
    let wanted = want(Filter::WRITE, file.as_raw_fd() as usize).udata(1);
    queue.sees(&[wanted]);
    queue.sees(&[wanted]);
    queue.set(Change::write(&file).delete());
    queue.nothing();
}

#[test]
fn what_is_renamed_over_is_deleted() {
    let _serial = serial();
    let dir = TempDir::new();
    let old = dir.file("f", 1);
    let new = dir.file("g", 1);
    let all = VnodeEvents::DELETE | VnodeEvents::RENAME | VnodeEvents::WRITE | VnodeEvents::ATTRIB | VnodeEvents::LINK;
    let mut queue = watching(&old, all);
    queue.set(Change::vnode(&new, VnodeEvents::RENAME | VnodeEvents::DELETE).clear());
    fs::rename(dir.join("g"), dir.join("f")).unwrap();
    if cfg!(freebsd_abi) {
        queue.sees(&[want_vnode(&old, VnodeEvents::DELETE), want_vnode(&new, VnodeEvents::RENAME)]);
    } else {
        // Some tell of the old file's names or attributes, too.
        let events = queue.wait(LIMIT);
        let told = |file: &File, note: VnodeEvents| {
            let is_told = |event: &kq::Event| VnodeEvents::from_bits_retain(event.fflags()).contains(note);
            events.iter().any(|event| event.ident() == file.as_raw_fd() as usize && is_told(event))
        };
        assert!(told(&old, VnodeEvents::DELETE) && told(&new, VnodeEvents::RENAME), "{events:?}");
    }
    queue.nothing();
}

#[test]
fn a_directory_that_is_removed() {
    let _serial = serial();
    let dir = TempDir::new();
    fs::create_dir(dir.join("sub")).unwrap();
    let sub = File::open(dir.join("sub")).unwrap();
    let mut queue = watching(&sub, VnodeEvents::DELETE);
    fs::create_dir(dir.join("other")).unwrap();
    fs::remove_dir(dir.join("other")).unwrap();
    queue.nothing();
    fs::remove_dir(dir.join("sub")).unwrap();
    queue.sees(&[want_vnode(&sub, VnodeEvents::DELETE)]);
    queue.nothing();
}

#[test]
fn a_directory_that_is_moved_and_removed() {
    let _serial = serial();
    let dir = TempDir::new();
    fs::create_dir(dir.join("sub")).unwrap();
    fs::create_dir(dir.join("there")).unwrap();
    let sub = File::open(dir.join("sub")).unwrap();
    let mut queue = watching(&sub, VnodeEvents::DELETE | VnodeEvents::RENAME);
    fs::rename(dir.join("sub"), dir.join("there").join("sub")).unwrap();
    queue.sees(&[want_vnode(&sub, VnodeEvents::RENAME)]);
    fs::remove_dir(dir.join("there").join("sub")).unwrap();
    queue.sees(&[want_vnode(&sub, VnodeEvents::DELETE)]);
}

#[test]
fn another_process_writes() {
    let _serial = serial();
    let dir = TempDir::new();
    let file = dir.file("f", 1);
    let mut queue = watching(&file, VnodeEvents::WRITE | VnodeEvents::EXTEND);
    let writer = appender(&dir, "f");
    let number = writer.as_raw_fd();
    // SAFETY: write is async-signal-safe, and the text is valid for its length.
    let mut child = unsafe { Child::forked(|| i32::from(libc::write(number, b"more".as_ptr().cast(), 4) != 4)) };
    queue.nothing();
    assert_eq!(child.reap().code(), Some(0));
    queue.sees(&[want_vnode(&file, VnodeEvents::WRITE | VnodeEvents::EXTEND)]);
}

#[test]
fn the_knotes_own_doings_are_no_events() {
    let _serial = serial();
    let dir = TempDir::new();
    let file = dir.file("f", 1);
    #[cfg(has_open_close)]
    let all = VnodeEvents::all();
    #[cfg(not(has_open_close))]
    let all = VnodeEvents::WRITE | VnodeEvents::ATTRIB | VnodeEvents::LINK;
    let mut queue = watching(&file, all);
    queue.set(Change::vnode(&file, VnodeEvents::WRITE).clear());
    queue.set(Change::vnode(&file, all).clear());
    let other = watching(&file, all);
    other.set(Change::vnode(&file, all).delete());
    drop(other);
    queue.nothing();
}
