//! VNODE: what happens to files and directories, accumulated until it is reported.

use std::fs::{self, File, FileTimes, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use kq::{Change, Event, EventKind, Filter, Flags, VnodeEvents};
use kq_tests::descriptor::ident;
use kq_tests::{want, TempDir, TestQueue, Want, LIMIT};

const ALL: VnodeEvents = VnodeEvents::DELETE
    .union(VnodeEvents::WRITE)
    .union(VnodeEvents::EXTEND)
    .union(VnodeEvents::ATTRIB)
    .union(VnodeEvents::LINK)
    .union(VnodeEvents::RENAME);

fn want_vnode(fd: &impl AsRawFd, events: VnodeEvents) -> Want {
    want(Filter::VNODE, ident(fd)).flags(Flags::CLEAR).fflags(events.bits())
}

/// A file of ten bytes that is watched for everything.
struct Watched {
    dir: TempDir,
    file: File,
    queue: TestQueue,
}

impl Watched {
    fn new() -> Watched {
        let dir = TempDir::new();
        let file = dir.file("f", 10);
        let queue = TestQueue::new();
        queue.set(Change::vnode(&file, ALL).clear().udata(1));
        Watched { dir, file, queue }
    }

    /// The next event tells of `events`: on FreeBSD, which was observed, of nothing else, and elsewhere at least of
    /// them.
    #[track_caller]
    fn sees(&mut self, events: VnodeEvents) {
        sees(&mut self.queue, &self.file, events);
    }
}

#[track_caller]
fn sees(queue: &mut TestQueue, fd: &impl AsRawFd, events: VnodeEvents) {
    if cfg!(freebsd_abi) {
        queue.sees(&[want_vnode(fd, events).udata(1)]);
    } else {
        let seen = queue.wait(LIMIT);
        let [event] = seen[..] else { panic!("{seen:?}") };
        let place = (Filter::VNODE, ident(fd), 1);
        assert_eq!((event.filter(), event.ident(), event.udata()), place);
        assert!(told(&event).contains(events), "{event:?}");
    }
}

fn told(event: &Event) -> VnodeEvents {
    match event.kind() {
        EventKind::Vnode { events, .. } => events,
        kind => panic!("{kind:?}"),
    }
}

/// Writes into the file, not beyond its end.
fn write(file: &File) {
    assert_eq!(file.write_at(b"zz", 0).unwrap(), 2);
}

fn change_mode(file: &File) {
    file.set_permissions(Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_write_is_reported_once() {
    let mut watched = Watched::new();
    watched.queue.nothing();
    write(&watched.file);
    watched.sees(VnodeEvents::WRITE);
    watched.queue.nothing();
}

#[test]
fn a_write_beyond_the_end_extends() {
    let mut watched = Watched::new();
    assert_eq!(watched.file.write_at(b"zz", 10).unwrap(), 2);
    watched.sees(VnodeEvents::WRITE | VnodeEvents::EXTEND);
}

#[test]
#[cfg(freebsd_abi)] // observed there; others have WRITE or a note of their own for it
fn cutting_a_file_short_changes_its_attributes() {
    let mut watched = Watched::new();
    watched.file.set_len(3).unwrap();
    watched.sees(VnodeEvents::ATTRIB);
}

#[test]
#[cfg(freebsd)] // inotify does not tell it from a write beyond the end
fn making_a_file_longer_changes_its_attributes() {
    let mut watched = Watched::new();
    watched.file.set_len(300).unwrap();
    watched.sees(VnodeEvents::ATTRIB);
}

#[test]
fn setting_times_changes_attributes() {
    let mut watched = Watched::new();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let times = FileTimes::new().set_accessed(time).set_modified(time);
    watched.file.set_times(times).unwrap();
    watched.sees(VnodeEvents::ATTRIB);
}

#[test]
fn a_second_name_and_its_end() {
    let mut watched = Watched::new();
    let (name, second) = (watched.dir.join("f"), watched.dir.join("g"));
    fs::hard_link(name, &second).unwrap();
    watched.sees(VnodeEvents::LINK);
    fs::remove_file(second).unwrap();
    if cfg!(freebsd_abi) {
        watched.sees(VnodeEvents::DELETE);
    } else {
        // Some say that a name went, some that the count of names changed.
        let events = watched.queue.wait(LIMIT);
        let either = VnodeEvents::DELETE | VnodeEvents::LINK;
        assert!(events.len() == 1 && told(&events[0]).intersects(either), "{events:?}");
    }
}

#[test]
fn a_removal() {
    let mut watched = Watched::new();
    fs::remove_file(watched.dir.join("f")).unwrap();
    watched.sees(VnodeEvents::DELETE);
}

#[test]
fn a_renaming() {
    let mut watched = Watched::new();
    fs::rename(watched.dir.join("f"), watched.dir.join("g")).unwrap();
    watched.sees(VnodeEvents::RENAME);
}

#[test]
fn a_removal_of_what_is_closed_then() {
    let mut watched = Watched::new();
    fs::remove_file(watched.dir.join("f")).unwrap();
    drop(watched.file);
    watched.queue.nothing();
}

#[test]
fn what_happens_adds_up() {
    let mut watched = Watched::new();
    change_mode(&watched.file);
    write(&watched.file);
    watched.sees(VnodeEvents::WRITE | VnodeEvents::ATTRIB);
    watched.queue.nothing();
}

#[test]
fn without_clear_it_stays_reported() {
    let dir = TempDir::new();
    let file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    queue.set(Change::vnode(&file, ALL).udata(1));
    write(&file);
    for _ in 0..2 {
        let events = queue.wait(LIMIT);
        assert!(events.len() == 1 && told(&events[0]).contains(VnodeEvents::WRITE), "{events:?}");
    }
    change_mode(&file);
    let both = VnodeEvents::WRITE | VnodeEvents::ATTRIB;
    if cfg!(freebsd_abi) {
        queue.sees(&[want_vnode(&file, both).flags(Flags::empty()).udata(1)]);
    } else {
        let events = queue.wait(LIMIT);
        assert!(events.len() == 1 && told(&events[0]).contains(both), "{events:?}");
    }
}

#[test]
fn what_was_not_asked_for_is_not_told() {
    let dir = TempDir::new();
    let file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    queue.set(Change::vnode(&file, VnodeEvents::DELETE).clear().udata(1));
    write(&file);
    change_mode(&file);
    queue.nothing();
}

#[test]
fn adding_again_asks_for_something_else() {
    let dir = TempDir::new();
    let file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    queue.set(Change::vnode(&file, VnodeEvents::DELETE).clear().udata(1));
    queue.set(Change::vnode(&file, VnodeEvents::WRITE).clear().udata(2));
    write(&file);
    queue.sees(&[want_vnode(&file, VnodeEvents::WRITE).udata(2)]);
}

#[test]
fn entries_of_a_directory_come_and_go() {
    let dir = TempDir::new();
    let directory = File::open(dir.path()).unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::vnode(&directory, ALL).clear().udata(1));
    drop(File::create(dir.join("new")).unwrap());
    sees(&mut queue, &directory, VnodeEvents::WRITE);
    fs::remove_file(dir.join("new")).unwrap();
    sees(&mut queue, &directory, VnodeEvents::WRITE);
}

#[test]
fn directories_in_a_directory_come_and_go() {
    let dir = TempDir::new();
    let directory = File::open(dir.path()).unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::vnode(&directory, ALL).clear().udata(1));
    // Where the file system counts the names of directories, LINK comes too.
    let notes = if cfg!(freebsd_abi) { VnodeEvents::WRITE | VnodeEvents::LINK } else { VnodeEvents::WRITE };
    fs::create_dir(dir.join("sub")).unwrap();
    sees(&mut queue, &directory, notes);
    fs::remove_dir(dir.join("sub")).unwrap();
    sees(&mut queue, &directory, notes);
}

#[test]
#[cfg(freebsd_abi)] // observed there; the others have vnodes behind more descriptors
fn pipes_and_sockets_are_no_vnodes() {
    let queue = TestQueue::new();
    let (reader, _writer) = kq_tests::pipe();
    let (socket, _other) = kq_tests::pair();
    assert_eq!(queue.apply(Change::vnode(&reader, VnodeEvents::WRITE)), Err(libc::EINVAL));
    assert_eq!(queue.apply(Change::vnode(&socket, VnodeEvents::WRITE)), Err(libc::EINVAL));
}

#[test]
fn two_descriptors_of_one_file_are_two_knotes() {
    let dir = TempDir::new();
    let file = dir.file("f", 10);
    let again = dir.open("f");
    let mut queue = TestQueue::new();
    queue.set(Change::vnode(&file, VnodeEvents::WRITE).clear().udata(1));
    queue.set(Change::vnode(&again, VnodeEvents::ATTRIB).clear().udata(2));
    write(&file);
    change_mode(&file);
    queue.sees(&[want_vnode(&file, VnodeEvents::WRITE).udata(1), want_vnode(&again, VnodeEvents::ATTRIB).udata(2)]);
    queue.nothing();
}

#[test]
#[cfg(all(has_open_close, freebsd_abi))] // observed there
fn opening_reading_and_closing() {
    let dir = TempDir::new();
    let file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    let events = VnodeEvents::OPEN | VnodeEvents::CLOSE | VnodeEvents::CLOSE_WRITE | VnodeEvents::READ;
    queue.set(Change::vnode(&file, events).clear().udata(1));
    let other = dir.open("f");
    sees(&mut queue, &file, VnodeEvents::OPEN);
    kq_tests::get(&other, 1);
    sees(&mut queue, &file, VnodeEvents::READ);
    drop(other);
    sees(&mut queue, &file, VnodeEvents::CLOSE_WRITE);
    let other = File::open(dir.join("f")).unwrap();
    sees(&mut queue, &file, VnodeEvents::OPEN);
    drop(other);
    sees(&mut queue, &file, VnodeEvents::CLOSE);
}

#[test]
#[cfg(freebsd_abi)] // in FreeBSD's kernel a knote takes a note when it happens, whatever is asked for later
fn a_note_before_a_change_was_lost_with_what_was_asked_then() {
    let dir = TempDir::new();
    let file = dir.file("f", 10);
    let mut queue = TestQueue::new();
    queue.set(Change::vnode(&file, VnodeEvents::WRITE).clear());
    write(&file);
    queue.set(Change::vnode(&file, VnodeEvents::DELETE).udata(1));
    queue.sees(&[want_vnode(&file, VnodeEvents::WRITE).udata(1)]);
    queue.nothing();
    // Also where it was disabled, and what enables it asks for nothing.
    queue.set(Change::vnode(&file, VnodeEvents::WRITE).disable());
    write(&file);
    queue.set(Change::vnode(&file, VnodeEvents::empty()).enable().udata(2));
    queue.sees(&[want_vnode(&file, VnodeEvents::WRITE).udata(2)]);
    queue.nothing();
}

#[test]
fn a_note_before_a_knote_was_the_knotes() {
    let dir = TempDir::new();
    let file = dir.file("f", 10);
    let again = dir.open("f");
    let mut queue = TestQueue::new();
    queue.set(Change::vnode(&file, VnodeEvents::WRITE).clear().udata(1));
    write(&file);
    queue.set(Change::vnode(&again, VnodeEvents::WRITE).clear().udata(2));
    queue.sees(&[want_vnode(&file, VnodeEvents::WRITE).udata(1)]);
    write(&file);
    queue.sees(&[want_vnode(&file, VnodeEvents::WRITE).udata(1), want_vnode(&again, VnodeEvents::WRITE).udata(2)]);
}

#[test]
fn the_mode_of_a_directory_was_a_link_after_a_directory_in_it() {
    let dir = TempDir::new();
    let directory = File::open(dir.path()).unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::vnode(&directory, VnodeEvents::ATTRIB).clear().udata(1));
    for (mode, make) in [(0o700, true), (0o750, false)] {
        let sub = dir.join("sub");
        if make { fs::create_dir(sub) } else { fs::remove_dir(sub) }.unwrap();
        directory.set_permissions(Permissions::from_mode(mode)).unwrap();
        let events = queue.wait(LIMIT);
        assert!(events.len() == 1 && told(&events[0]).contains(VnodeEvents::ATTRIB), "{events:?}");
    }
}

#[test]
#[cfg(freebsd_abi)] // as FreeBSD's kernel hints at a rename, on every file system
fn directories_that_replace_directories() {
    let dir = TempDir::new();
    let directory = File::open(dir.path()).unwrap();
    let make = |names: &[&str]| names.iter().for_each(|name| fs::create_dir(dir.join(name)).unwrap());
    let mut queue = TestQueue::new();
    make(&["a", "b", "c", "c/b"]);
    queue.set(Change::vnode(&directory, ALL).clear().udata(1));
    let (write, extend, link) = (VnodeEvents::WRITE, VnodeEvents::EXTEND, VnodeEvents::LINK);
    // One less is in the directory, none less, and one more; nothing but a name has changed last.
    fs::rename(dir.join("a"), dir.join("b")).unwrap();
    sees(&mut queue, &directory, write | link);
    fs::rename(dir.join("c/b"), dir.join("b")).unwrap();
    sees(&mut queue, &directory, write | extend);
    fs::rename(dir.join("b"), dir.join("c/b")).unwrap();
    sees(&mut queue, &directory, write | extend | link);
    fs::rename(dir.join("c"), dir.join("d")).unwrap();
    sees(&mut queue, &directory, write);
}
