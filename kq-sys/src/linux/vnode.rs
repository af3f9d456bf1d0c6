//! EVFILT_VNODE, and the inotify descriptor behind it: one for each queue, one watch for each file.
//!
//! inotify has one watch a file, whatever number of knotes there is for it: the watch asks for what any of them wants,
//! and stands in the table as a knote of its own, with the knotes of the file in a list. What happened is told by
//! inotify where it can tell, and by what fstat says of the file before and after where it cannot.

use core::mem;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::inotify::{self, Notification, NotificationBuffer};
use super::knote::{Index, Key, Source, INODE, NONE, PARENT};
use super::queue::{State, INOTIFY};
use super::sys::{self, Errno, Result};
use super::{constants::*, kevent};

/// Which file a knote is for, and how it was when last looked at.
pub(super) struct Watched {
    /// The knote of the inotify watch that it is subscribed to, and the next one subscribed there.
    inode: Index,
    next: Index,
    device: libc::dev_t,
    number: libc::ino_t,
    size: libc::off_t,
    links: u32,
    pub(super) is_directory: bool,
    /// Of an EMPTY knote: the send buffer was empty at the last look.
    pub(super) was_empty: bool,
}

impl Watched {
    pub(super) fn new(status: &libc::stat) -> Watched {
        Watched {
            inode: NONE,
            next: NONE,
            device: status.st_dev,
            number: status.st_ino,
            size: status.st_size,
            links: status.st_nlink as _,
            is_directory: status.st_mode & libc::S_IFMT == libc::S_IFDIR,
            was_empty: false,
        }
    }

    fn is(&self, status: &libc::stat) -> bool {
        self.device == status.st_dev && self.number == status.st_ino
    }
}

/// What the inotify watch of a file asks for, and who wants it.
pub(super) struct Inode {
    watch: i32,
    first: Index,
    mask: u32,
}

/// How a directory's entry was moved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Move {
    Within,
    Across,
}

impl State {
    #[inline(never)]
    pub(super) fn attach_vnode(&mut self, change: &kevent) -> Result<()> {
        let status = sys::status_of(change.ident as RawFd)?;
        if !matches!(status.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR) {
            return Err(refusal(change.ident as RawFd, &status));
        }
        self.need_token()?;
        let index = self.insert(change, Source::Vnode(Watched::new(&status)))?;
        let subscribed = self.subscribe(index).and_then(|()| self.watch_parent(index));
        if subscribed.is_err() {
            self.forget(index);
        }
        subscribed
    }

    #[inline(never)]
    pub(super) fn modify_vnode(&mut self, index: Index, change: &kevent) -> Result<()> {
        if let Err(errno) = self.same_file(index) {
            self.forget(index);
            return Err(errno);
        }
        if self.knotes[index].asked_fflags != change.fflags {
            // What has happened until now is told as was asked for until now.
            let key = self.knotes.key(index);
            self.harvest_inotify();
            self.knotes.by_key(key).ok_or(libc::ENOENT)?;
        }
        let knote = &mut self.knotes[index];
        knote.asked_fflags = change.fflags;
        knote.asked_data = change.data;
        if knote.fflags != 0 && !knote.disabled {
            self.ready.push(&mut self.knotes, index);
        }
        self.subscribe(index)?;
        self.watch_parent(index)
    }

    #[inline(never)]
    pub(super) fn deliver_vnode(&mut self, index: Index) -> Option<kevent> {
        if self.same_file(index).is_err() {
            self.forget(index);
            return None;
        }
        let event = self.knotes[index].event();
        let knote = &mut self.knotes[index];
        if knote.has(EV_ONESHOT) {
            self.forget(index);
            return Some(event);
        }
        if knote.has(EV_CLEAR) {
            knote.fflags = 0;
        }
        knote.disabled |= knote.has(EV_DISPATCH);
        if !knote.has(EV_CLEAR | EV_DISPATCH) {
            self.ready.push(&mut self.knotes, index);
        }
        Some(event)
    }

    /// What fstat says of a knote's file: EBADF where the descriptor is closed, ENOENT where it is another file's.
    pub(super) fn same_file(&self, index: Index) -> Result<libc::stat> {
        let knote = &self.knotes[index];
        let status = sys::status_of(knote.ident as RawFd)?;
        match &knote.source {
            Source::Vnode(watched) | Source::File(watched) | Source::Parent(watched) if !watched.is(&status) => {
                Err(libc::ENOENT)
            }
            _ => Ok(status),
        }
    }

    fn watched(&mut self, index: Index) -> Option<&mut Watched> {
        match &mut self.knotes[index].source {
            Source::Vnode(watched) | Source::File(watched) | Source::Parent(watched) => Some(watched),
            _ => None,
        }
    }

    fn is_subscribed(&self, index: Index) -> bool {
        match &self.knotes[index].source {
            Source::Vnode(watched) | Source::File(watched) | Source::Parent(watched) => watched.inode != NONE,
            _ => false,
        }
    }

    fn inode(&mut self, index: Index) -> Option<&mut Inode> {
        match &mut self.knotes[index].source {
            Source::Inode(inode) => Some(inode),
            _ => None,
        }
    }

    /// What a knote wants to hear of its file.
    fn wanted(&self, index: Index) -> u32 {
        let knote = &self.knotes[index];
        let asked = |note: u32, mask: u32| if knote.asked_fflags & note != 0 { mask } else { 0 };
        match &knote.source {
            // Entries that come and go; what happens to the files behind them is no business of the directory's.
            Source::Vnode(Watched { is_directory: true, .. }) => {
                asked(NOTE_WRITE | NOTE_EXTEND | NOTE_LINK, libc::IN_CREATE | libc::IN_DELETE | libc::IN_MOVE)
                    | asked(NOTE_DELETE, libc::IN_MOVE_SELF)
                    | common(asked)
            }
            Source::Vnode(_) => asked(NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB, libc::IN_MODIFY) | common(asked),
            // By a removal, or by being moved over.
            Source::Parent(_) => libc::IN_DELETE | libc::IN_MOVED_TO,
            Source::File(_) if knote.filter == EVFILT_EMPTY => 0,
            // Any operation on the file has FreeBSD look whether it is readable; an edge-triggered knote shows it.
            Source::File(_) if knote.has(EV_CLEAR) => {
                libc::IN_MODIFY | libc::IN_ATTRIB | libc::IN_ACCESS | libc::IN_OPEN | libc::IN_CLOSE
            }
            Source::File(_) if knote.filter == EVFILT_READ => libc::IN_MODIFY,
            _ => 0,
        }
    }

    /// Has inotify tell what the knote wants to hear, beside what others of the same file do.
    pub(super) fn subscribe(&mut self, index: Index) -> Result<()> {
        let wanted = self.wanted(index);
        if let Some(&mut Watched { inode, .. }) = self.watched(index) {
            if inode != NONE {
                return self.watch_anew(inode, index);
            }
        }
        if wanted == 0 {
            return Ok(());
        }
        let inotify = self.need_inotify()?;
        let mut watch = self.inotify_add(inotify, index, wanted | libc::IN_MASK_ADD)?;
        // A watch of a directory's own directory is not one of these: it says only that something was removed there, which
        // a look at the directory confirms; and it is added in the middle of a harvest, where a directory was moved.
        if self.knotes[index].filter != PARENT && self.knotes.find(INODE, watch as usize).is_some() {
            // What happened before is not for this one; those that hear of it may go, and take the watch along.
            self.harvest_inotify();
            watch = self.inotify_add(inotify, index, wanted | libc::IN_MASK_ADD)?;
        }
        let inode = match self.knotes.find(INODE, watch as usize) {
            Some(inode) => inode,
            None => {
                let named = kevent { ident: watch as usize, filter: INODE, ..NO_CHANGE };
                self.insert(&named, Source::Inode(Inode { watch, first: NONE, mask: 0 }))?
            }
        };
        let first = match self.inode(inode) {
            Some(inode) => {
                inode.mask |= wanted;
                mem::replace(&mut inode.first, index)
            }
            None => NONE,
        };
        if let Some(watched) = self.watched(index) {
            watched.inode = inode;
            watched.next = first;
        }
        Ok(())
    }

    /// Ends a knote's subscription, and the watch where it was the last.
    pub(super) fn unsubscribe(&mut self, index: Index) {
        if matches!(&self.knotes[index].source, Source::Vnode(Watched { is_directory: true, .. })) {
            if let Some(parent) = self.knotes.find(PARENT, self.knotes[index].ident) {
                self.forget(parent);
            }
        }
        let Some(watched) = self.watched(index) else { return };
        let (inode, next) = (mem::replace(&mut watched.inode, NONE), mem::replace(&mut watched.next, NONE));
        if inode == NONE {
            return;
        }
        let Some(&mut Inode { first, watch, .. }) = self.inode(inode) else { return };
        if first == index {
            if let Some(inode) = self.inode(inode) {
                inode.first = next;
            }
            if next == NONE {
                if let Some(inotify) = &self.inotify {
                    inotify::remove(inotify.as_raw_fd(), watch);
                }
                self.knotes.remove(inode);
                return;
            }
        } else {
            let mut before = first;
            while let Some(watched) = self.watched(before) {
                if watched.next == index {
                    watched.next = next;
                    break;
                }
                before = watched.next;
            }
        }
        // Less may be wanted now; where that cannot be said, more is told than is wanted, and dropped.
        let Some(&mut Inode { first: mut by, .. }) = self.inode(inode) else { return };
        while self.knotes[by].filter == PARENT {
            match self.watched(by) {
                Some(Watched { next, .. }) if *next != NONE => by = *next,
                _ => return,
            }
        }
        let _ = self.watch_anew(inode, by);
    }

    /// Asks for what all knotes of a file want, by the descriptor of one of them.
    fn watch_anew(&mut self, inode: Index, by: Index) -> Result<()> {
        // A directory within may be in another one by now.
        if self.knotes[by].filter == PARENT {
            return Ok(());
        }
        let mut wanted = 0;
        let Some(&mut Inode { mut first, mask, .. }) = self.inode(inode) else { return Ok(()) };
        while first != NONE {
            wanted |= self.wanted(first);
            first = self.watched(first).map_or(NONE, |watched| watched.next);
        }
        if wanted == mask {
            return Ok(());
        }
        self.same_file(by)?;
        let inotify = self.need_inotify()?;
        // inotify has no empty mask; IN_DELETE_SELF comes when no descriptor is left to hear of it.
        self.inotify_add(inotify, by, if wanted == 0 { libc::IN_DELETE_SELF } else { wanted })?;
        if let Some(inode) = self.inode(inode) {
            inode.mask = wanted;
        }
        Ok(())
    }

    /// Watches a knote's file, or the directory that it is in.
    fn inotify_add(&self, inotify: RawFd, index: Index, mask: u32) -> Result<i32> {
        let knote = &self.knotes[index];
        inotify::add(inotify, knote.ident as RawFd, knote.filter == PARENT, mask)
    }

    /// Nothing tells that a directory was removed while it is open, but the directory that it was in.
    fn watch_parent(&mut self, index: Index) -> Result<()> {
        let knote = &self.knotes[index];
        let ident = knote.ident;
        let is_directory = matches!(&knote.source, Source::Vnode(Watched { is_directory: true, .. }));
        let wanted = is_directory && knote.asked_fflags & NOTE_DELETE != 0;
        match self.knotes.find(PARENT, ident) {
            Some(parent) if !wanted => self.forget(parent),
            None if wanted => {
                let status = self.same_file(index)?;
                let parent = kevent { ident, filter: PARENT, ..NO_CHANGE };
                let parent = self.insert(&parent, Source::Parent(Watched::new(&status)))?;
                if let Err(errno) = self.subscribe(parent) {
                    self.forget(parent);
                    return Err(errno);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A directory was moved: another one has it now.
    fn watch_new_parent(&mut self, index: Index) {
        if let Some(parent) = self.knotes.find(PARENT, self.knotes[index].ident) {
            self.forget(parent);
        }
        // Without it a removal is not told; there is nobody to tell that to.
        let _ = self.watch_parent(index);
    }

    /// Something left a directory, perhaps a watched one.
    fn tell_of_removal(&mut self, parent: Index, links: u32) {
        let Some(index) = self.knotes.find(EVFILT_VNODE, self.knotes[parent].ident) else { return };
        let knote = &mut self.knotes[index];
        if links == 0 {
            knote.fflags |= NOTE_DELETE & knote.asked_fflags;
        }
        if knote.fflags != 0 && !knote.disabled {
            self.ready.push(&mut self.knotes, index);
        }
    }

    fn need_inotify(&mut self) -> Result<RawFd> {
        if self.inotify.is_none() {
            let inotify = inotify::init()?;
            self.ctl(libc::EPOLL_CTL_ADD, inotify.as_raw_fd(), INTEREST, INOTIFY)?;
            self.own_number(inotify.as_raw_fd());
            self.inotify = Some(inotify);
        }
        Ok(self.inotify.as_ref().map_or(-1, |inotify: &OwnedFd| inotify.as_raw_fd()))
    }

    /// The inotify descriptor's entry, as it should be in a set.
    pub(super) fn inotify_entry(&self) -> Option<(RawFd, u32, Key)> {
        self.inotify.as_ref().map(|inotify| (inotify.as_raw_fd(), INTEREST, INOTIFY))
    }

    /// Reads what inotify has by now, and tells it to the knotes. What comes meanwhile is left to the next harvest, for
    /// which its entry comes up again: where there is always more, this would never end.
    #[inline(never)] // it has a large buffer
    pub(super) fn harvest_inotify(&mut self) {
        let Some(inotify) = self.inotify.as_ref().map(AsRawFd::as_raw_fd) else { return };
        // The first half of a rename, until it is known whether the second is of the same directory.
        let mut moved: Option<Notification> = None;
        let mut buffer = NotificationBuffer::new();
        let mut left = sys::bytes_to_read(inotify).map_or(0, |bytes| bytes as usize);
        while let Some(notifications) = buffer.read(inotify, &mut left) {
            for notification in notifications {
                let mut how = Move::Across;
                if let Some(from) = moved.take() {
                    if notification.mask & libc::IN_MOVED_TO != 0
                        && (from.watch, from.cookie) == (notification.watch, notification.cookie)
                    {
                        how = Move::Within;
                    } else {
                        self.notify(&from, Move::Across);
                    }
                }
                if notification.mask & libc::IN_MOVED_FROM != 0 {
                    moved = Some(notification);
                } else {
                    self.notify(&notification, how);
                }
            }
        }
        if let Some(from) = moved {
            self.notify(&from, Move::Across);
        }
    }

    fn notify(&mut self, notification: &Notification, how: Move) {
        if notification.mask & libc::IN_Q_OVERFLOW != 0 {
            return self.notify_all();
        }
        let Some(inode) = self.knotes.find(INODE, notification.watch as usize) else { return };
        // Telling one may end others.
        let mut told = mem::take(&mut self.told);
        let Some(&mut Inode { mut first, .. }) = self.inode(inode) else { return };
        while first != NONE {
            told.push(self.knotes.key(first));
            first = self.watched(first).map_or(NONE, |watched| watched.next);
        }
        if notification.mask & libc::IN_IGNORED != 0 {
            self.end_watch(inode, &told);
        }
        for key in told.drain(..) {
            if let Some(index) = self.knotes.by_key(key) {
                self.tell(index, notification, how);
            }
        }
        self.told = told;
    }

    /// The kernel has ended a watch: its file is gone.
    fn end_watch(&mut self, inode: Index, subscribed: &[Key]) {
        for key in subscribed {
            if let Some(watched) = self.knotes.by_key(*key).and_then(|index| self.watched(index)) {
                (watched.inode, watched.next) = (NONE, NONE);
            }
        }
        self.knotes.remove(inode);
    }

    /// inotify lost notifications: all that may have happened has.
    fn notify_all(&mut self) {
        let mask = libc::IN_MODIFY | libc::IN_ATTRIB | libc::IN_CREATE;
        let everything = Notification { watch: 0, mask, cookie: 0, is_named: false };
        let subscribed = self.knotes.indexes().filter(|index| self.is_subscribed(*index));
        let keys: Vec<Key> = subscribed.map(|index| self.knotes.key(index)).collect();
        for key in keys {
            if let Some(index) = self.knotes.by_key(key) {
                self.tell(index, &everything, Move::Within);
            }
        }
    }

    /// Tells one knote what happened to its file.
    fn tell(&mut self, index: Index, notification: &Notification, how: Move) {
        if self.watched(index).is_none() {
            return;
        }
        let Ok(status) = self.same_file(index) else {
            return self.forget(index);
        };
        let Some(watched) = self.watched(index) else { return };
        let is_directory = watched.is_directory;
        let before = mem::replace(&mut watched.size, status.st_size);
        let links: u32 = status.st_nlink as _;
        let links_before = mem::replace(&mut watched.links, links);
        if matches!(self.knotes[index].source, Source::Parent(_)) {
            return self.tell_of_removal(index, links);
        }
        let mut notes = 0;
        let happened = |mask: u32| notification.mask & mask != 0;
        if happened(libc::IN_CREATE | libc::IN_DELETE | libc::IN_MOVE) && is_directory {
            notes = notes_of_entry(notification.mask, how, links, links_before);
        }
        // Of an entry nothing else is the directory's own.
        if !notification.is_named {
            if happened(libc::IN_ATTRIB) {
                notes |= match links {
                    // A directory's links are those in it, until it has gone itself.
                    1.. if is_directory => NOTE_ATTRIB,
                    links if links < links_before => NOTE_DELETE,
                    links if links > links_before => NOTE_LINK,
                    _ => NOTE_ATTRIB,
                };
            }
            if happened(libc::IN_MODIFY) {
                notes |= match status.st_size {
                    size if size > before => NOTE_WRITE | NOTE_EXTEND,
                    size if size < before => NOTE_ATTRIB,
                    _ => NOTE_WRITE,
                };
            }
            for (mask, note) in [
                (libc::IN_MOVE_SELF, NOTE_RENAME),
                (libc::IN_OPEN, NOTE_OPEN),
                (libc::IN_CLOSE_NOWRITE, NOTE_CLOSE),
                (libc::IN_CLOSE_WRITE, NOTE_CLOSE_WRITE),
                (libc::IN_ACCESS, NOTE_READ),
                (libc::IN_UNMOUNT, NOTE_REVOKE),
            ] {
                notes |= if happened(mask) { note } else { 0 };
            }
        }
        if happened(libc::IN_MOVE_SELF) && !notification.is_named {
            self.watch_new_parent(index);
        }
        let knote = &mut self.knotes[index];
        let ready = match knote.source {
            Source::Vnode(_) => {
                knote.fflags |= notes & knote.asked_fflags;
                knote.fflags != 0
            }
            // Whether it is readable is seen when it is delivered. What happens to a directory's files is nothing to it.
            _ => !notification.is_named,
        };
        if ready && !knote.disabled {
            self.ready.push(&mut self.knotes, index);
        }
    }
}

/// Every notification in turn, one waiter at a time: whoever comes for them reads them all.
const INTEREST: u32 = (libc::EPOLLIN | libc::EPOLLET) as u32;

const NO_CHANGE: kevent = kevent { ident: 0, filter: 0, flags: 0, fflags: 0, data: 0, udata: core::ptr::null_mut() };

/// The errno for a filter that a file does not have: FreeBSD's devices have none at all, but its terminals some.
pub(super) fn refusal(fd: RawFd, status: &libc::stat) -> Errno {
    match status.st_mode & libc::S_IFMT {
        libc::S_IFCHR | libc::S_IFBLK if !sys::is_terminal(fd) => libc::ENODEV,
        _ => libc::EINVAL,
    }
}

/// What is asked of files and of directories alike.
fn common(asked: impl Fn(u32, u32) -> u32) -> u32 {
    asked(NOTE_ATTRIB | NOTE_LINK | NOTE_DELETE, libc::IN_ATTRIB)
        | asked(NOTE_RENAME, libc::IN_MOVE_SELF)
        | asked(NOTE_OPEN, libc::IN_OPEN)
        | asked(NOTE_CLOSE, libc::IN_CLOSE_NOWRITE)
        | asked(NOTE_CLOSE_WRITE, libc::IN_CLOSE_WRITE)
        | asked(NOTE_READ, libc::IN_ACCESS)
        | asked(NOTE_REVOKE, libc::IN_DELETE_SELF)
}

/// What a directory's entry that came, went or moved means for the directory, whose links are so many, and were.
fn notes_of_entry(mask: u32, how: Move, links: u32, links_before: u32) -> u32 {
    // A directory within counts as a link to this one.
    let mut link = if mask & libc::IN_ISDIR != 0 { NOTE_LINK } else { 0 };
    if mask & (libc::IN_CREATE | libc::IN_DELETE) != 0 {
        NOTE_WRITE | link
    } else if mask & libc::IN_MOVE == 0 {
        0
    } else if how == Move::Within {
        // One that replaced another leaves a link less.
        NOTE_WRITE | if links < links_before { link } else { 0 }
    } else {
        // And one that came from outside then leaves as many, where the file system counts them: the directory has two
        // links without any.
        if mask & libc::IN_MOVED_TO != 0 && links > 2 && links == links_before {
            link = 0;
        }
        NOTE_WRITE | NOTE_EXTEND | link
    }
}
