//! Linux has no kqueue of its own: the constants are FreeBSD's, so that one program reads the same on both,
//! and one of its own.

use super::{fflags_t, filter_t, flags_t};
use crate::table::constants;

constants! { ($)
    filters {
        /// Data to read, a connection to accept, or the end of the file. `ident` is a descriptor.
        EVFILT_READ = -1;
        /// Room to write. `ident` is a descriptor.
        EVFILT_WRITE = -2;
        /// Asynchronous I/O completed; refused with ENOTSUP on Linux.
        EVFILT_AIO = -3;
        /// A file or directory changed. `ident` is a descriptor of it.
        EVFILT_VNODE = -4;
        /// A process exited (or forked, or executed a program). `ident` is its pid.
        EVFILT_PROC = -5;
        /// A signal was sent to the process. `ident` is its number.
        EVFILT_SIGNAL = -6;
        /// Time passed. `ident` is the caller's choice.
        EVFILT_TIMER = -7;
        /// A process descriptor's process exited; refused with ENOTSUP on Linux.
        EVFILT_PROCDESC = -8;
        /// A file system was mounted or unmounted; refused with ENOTSUP on Linux.
        EVFILT_FS = -9;
        /// A list of asynchronous I/O completed; refused with ENOTSUP on Linux.
        EVFILT_LIO = -10;
        /// An event that the program triggers. `ident` is the caller's choice.
        EVFILT_USER = -11;
        /// Never finished on FreeBSD; refused with ENOTSUP on Linux.
        EVFILT_SENDFILE = -12;
        /// The send buffer drained. `ident` is a descriptor.
        EVFILT_EMPTY = -13;
    }
    flags {
        /// Add the knote, or modify it where it exists.
        ADD EV_ADD = 0x0001;
        /// Remove the knote.
        DELETE EV_DELETE = 0x0002;
        /// Let the knote report events again.
        ENABLE EV_ENABLE = 0x0004;
        /// Keep the knote, but do not report its events.
        DISABLE EV_DISABLE = 0x0008;
        /// Delete the knote when its first event is delivered.
        ONESHOT EV_ONESHOT = 0x0010;
        /// Reset the state when the event is delivered: edge-triggered.
        CLEAR EV_CLEAR = 0x0020;
        /// Report the outcome of this change, also when it succeeds.
        RECEIPT EV_RECEIPT = 0x0040;
        /// Disable the knote when its event is delivered.
        DISPATCH EV_DISPATCH = 0x0080;
        /// Report the knote once now, whatever its state, and delete it.
        FORCEONESHOT EV_FORCEONESHOT = 0x0100;
        /// Keep the udata that is stored when modifying.
        KEEPUDATA EV_KEEPUDATA = 0x0200;
        /// In an event: a change failed, or was receipted; `data` is the errno or 0.
        ERROR EV_ERROR = 0x4000;
        /// In an event: the other side is gone, or the process exited.
        EOF EV_EOF = 0x8000;
    }
    notes {
        /// READ and WRITE.
        read_write with_read_write_notes {
            /// `data` is a low-water mark in bytes.
            LOWAT NOTE_LOWAT = 0x0001;
            /// Report a regular file as poll(2) does: always ready.
            FILE_POLL NOTE_FILE_POLL = 0x0002;
            /// Leave `data` out of the events, which spares a system call each: kq-sys's own, on Linux only.
            NODATA NOTE_NODATA = 0x8000_0000;
        }
        /// VNODE.
        vnode with_vnode_notes {
            /// The file was removed.
            DELETE NOTE_DELETE = 0x0001;
            /// The file was written to.
            WRITE NOTE_WRITE = 0x0002;
            /// The file grew.
            EXTEND NOTE_EXTEND = 0x0004;
            /// The file's attributes changed.
            ATTRIB NOTE_ATTRIB = 0x0008;
            /// The file's link count changed.
            LINK NOTE_LINK = 0x0010;
            /// The file was renamed.
            RENAME NOTE_RENAME = 0x0020;
            /// Access to the file was revoked.
            REVOKE NOTE_REVOKE = 0x0040;
            /// The file was opened.
            OPEN NOTE_OPEN = 0x0080;
            /// A descriptor of the file that could not write was closed.
            CLOSE NOTE_CLOSE = 0x0100;
            /// A descriptor of the file that could write was closed.
            CLOSE_WRITE NOTE_CLOSE_WRITE = 0x0200;
            /// The file was read.
            READ NOTE_READ = 0x0400;
        }
        /// PROC.
        proc with_proc_notes {
            /// The process exited; `data` is its wait status.
            EXIT NOTE_EXIT = 0x8000_0000;
            /// The process forked.
            FORK NOTE_FORK = 0x4000_0000;
            /// The process executed a program.
            EXEC NOTE_EXEC = 0x2000_0000;
            /// Follow the process's children; refused with ENOTSUP on Linux.
            TRACK NOTE_TRACK = 0x0000_0001;
            /// A child could not be followed.
            TRACKERR NOTE_TRACKERR = 0x0000_0002;
            /// A child that is followed; `data` is its parent's pid.
            CHILD NOTE_CHILD = 0x0000_0004;
        }
        /// TIMER.
        timer with_timer_notes {
            /// `data` is in seconds.
            SECONDS NOTE_SECONDS = 0x0001;
            /// `data` is in milliseconds, as without a unit.
            MSECONDS NOTE_MSECONDS = 0x0002;
            /// `data` is in microseconds.
            USECONDS NOTE_USECONDS = 0x0004;
            /// `data` is in nanoseconds.
            NSECONDS NOTE_NSECONDS = 0x0008;
            /// `data` is a time since the epoch, not from now.
            ABSTIME NOTE_ABSTIME = 0x0010;
        }
        /// USER.
        user with_user_notes {
            /// Trigger the event.
            TRIGGER NOTE_TRIGGER = 0x0100_0000;
            /// Replace the stored flags by these.
            FFCOPY NOTE_FFCOPY = 0xc000_0000;
            /// AND the stored flags with these.
            FFAND NOTE_FFAND = 0x4000_0000;
            /// OR the stored flags with these.
            FFOR NOTE_FFOR = 0x8000_0000;
        }
    }
    internal {
        /// How many filters there are (FreeBSD 12 to 14).
        EVFILT_SYSCOUNT: i32 = 13;
        /// The flags that only the kernel sets.
        EV_SYSFLAGS: u16 = 0xf000;
        /// Leave the stored flags of a USER knote.
        NOTE_FFNOP: u32 = 0x0000_0000;
        /// The mask of the operation on the stored flags of a USER knote.
        NOTE_FFCTRLMASK: u32 = 0xc000_0000;
        /// The mask of the flags of a USER knote that are the caller's.
        NOTE_FFLAGSMASK: u32 = 0x00ff_ffff;
        /// The mask of the PROC events.
        NOTE_PCTRLMASK: u32 = 0xf000_0000;
        /// The mask of the pid in PROC events.
        NOTE_PDATAMASK: u32 = 0x000f_ffff;
        /// `kqueuex`: close the queue on exec.
        KQUEUE_CLOEXEC: u32 = 0x0000_0001;
    }
    libc { }
}
