//! Epoll entries of descriptors that were closed while a duplicate keeps the file open.
//!
//! kqueue forgets a knote when its descriptor is closed; epoll keeps the entry as long as the file is open anywhere,
//! reports it, and lets nobody remove it who does not have the number for the file. Such an entry is noticed when it
//! comes up, and removed then.

use std::os::fd::RawFd;

use super::knote::{Index, Key, Source};
use super::queue::{State, TOKEN};
use super::sets::Set;
use super::sys::{self, Result};

/// Entries that came up and belong to no knote. Which of them come up again and again is found as Brent finds a cycle:
/// by keeping one of them in mind, and after twice as many as the last time another one.
pub(super) struct Strangers {
    kept: Key,
    /// How many others came since.
    others: u32,
    /// After how many of them the next one is kept.
    patience: u32,
}

impl Strangers {
    /// The token is nobody's knote, and no stranger.
    pub(super) const NONE: Strangers = Strangers { kept: TOKEN, others: 0, patience: 1 };

    /// Whether an entry comes again; the next ones are looked at as if none had come before.
    fn comes_again(&mut self, key: Key) -> bool {
        if key == self.kept {
            *self = Strangers::NONE;
            return true;
        }
        self.others += 1;
        if self.others == self.patience {
            *self = Strangers { kept: key, others: 0, patience: self.patience.saturating_mul(2) };
        }
        false
    }
}

impl State {
    /// The knote's number is no longer the file that its entry stands for.
    pub(super) fn drop_stale(&mut self, index: Index) {
        let key = self.knotes.key(index);
        let set = self.set_of(index);
        self.forget(index);
        if let Some(set) = set {
            self.purge(set, key);
        }
    }

    /// An entry came up that belongs to no knote. Removed when it comes again, or the set is a new one then.
    #[cold]
    pub(super) fn meet_stranger(&mut self, set: Set, key: Key) {
        // Mostly of a knote that was deleted since epoll gave the entry. What is still there comes again.
        if self.strangers.comes_again(key) {
            self.purge(set, key);
        }
    }

    /// Removes the entry with the key.
    fn purge(&mut self, set: Set, key: Key) {
        let Some(epoll) = self.set(set) else { return };
        let removed = match find_entry(epoll, key) {
            Ok(None) => return,
            Ok(Some((number, nth))) => match descriptors().find(|fd| sys::is_entry(*fd, epoll, number, nth)) {
                // It is the file's own number again.
                Some(fd) if fd == number => sys::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, number, 0, 0),
                Some(fd) => sys::remove_by_other_name(epoll, number, fd),
                None => Err(libc::ENOENT),
            },
            Err(errno) => Err(errno),
        };
        if removed.is_err() && find_entry(epoll, key) != Ok(None) {
            // Only another process has the file, or the kernel does not help: nothing can remove the entry.
            self.is_stale_entry_left = self.rebuild(set).is_err();
        }
    }

    /// Moves the entries of all knotes to a new set.
    fn rebuild(&mut self, set: Set) -> Result<()> {
        let here: Vec<Index> = self.knotes.indexes().filter(|index| self.set_of(*index) == Some(set)).collect();
        // A number that is another file's by now must not be taken for the old one.
        let (ours, gone): (Vec<Index>, Vec<Index>) =
            here.into_iter().partition(|index| self.entry_of(Some(*index)).is_none() || self.ask_for_its_file(*index));
        for index in gone {
            self.forget(index);
        }
        self.replace_set(set)?;
        for index in ours {
            if self.add_again(index, set).is_err() {
                // Closed at this moment.
                self.forget(index);
            }
        }
        Ok(())
    }

    /// The set that a knote's entry is in.
    fn set_of(&self, index: Index) -> Option<Set> {
        match &self.knotes[index].source {
            Source::Descriptor(_) => self.entry_of(Some(index)),
            Source::Process(_) => Some(Set::Outer),
            _ => None,
        }
    }
}

/// The number of the entry with the key, and how many entries with that number come before it; `None` if there is no
/// such entry, an error if nobody can tell.
fn find_entry(epoll: RawFd, key: Key) -> Result<Option<(RawFd, u32)>> {
    let list = std::fs::read_to_string(format!("/proc/thread-self/fdinfo/{epoll}"))
        .map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))?;
    let mut seen: Vec<RawFd> = Vec::new();
    for line in list.lines() {
        // tfd:        5 events:       19 data: ffffffffffffffff  pos:0 ino:1 sdev:2
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("tfd:") {
            continue;
        }
        let number = words.next().and_then(|word| word.parse().ok()).ok_or(libc::EIO)?;
        let data = words.skip_while(|word| *word != "data:").nth(1).ok_or(libc::EIO)?;
        if Key::from_str_radix(data, 16) == Ok(key) {
            let nth = seen.iter().filter(|other| **other == number).count();
            return Ok(Some((number, nth as u32)));
        }
        seen.push(number);
    }
    Ok(None)
}

/// The descriptors of this process.
fn descriptors() -> impl Iterator<Item = RawFd> {
    let entries = std::fs::read_dir("/proc/thread-self/fd").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}
