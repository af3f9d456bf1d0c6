//! NetBSD's constants, as of `<sys/event.h>` of 11.0. Filters count up from 0 and are unsigned.

use super::{fflags_t, filter_t, flags_t};
use crate::table::constants;

constants! { ($)
    filters {
        /// Data to read, a connection to accept, or the end of the file. `ident` is a descriptor.
        EVFILT_READ = 0;
        /// Room to write. `ident` is a descriptor.
        EVFILT_WRITE = 1;
        /// Asynchronous I/O completed; named by the header, but not implemented.
        EVFILT_AIO = 2;
        /// A file or directory changed. `ident` is a descriptor of it.
        EVFILT_VNODE = 3;
        /// A process exited, forked, or executed a program. `ident` is its pid.
        EVFILT_PROC = 4;
        /// A signal was sent to the process. `ident` is its number.
        EVFILT_SIGNAL = 5;
        /// Time passed. `ident` is the caller's choice.
        EVFILT_TIMER = 6;
        /// A file system was mounted, unmounted, or changed state. `ident` is 0.
        EVFILT_FS = 7;
        /// An event that the program triggers (NetBSD 10). `ident` is the caller's choice.
        EVFILT_USER = 8;
        /// The send buffer drained (NetBSD 10). `ident` is a descriptor.
        EVFILT_EMPTY = 9;
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
        /// Reset the state when the event is delivered: edge-triggered. Beats `EV_DISPATCH`.
        CLEAR EV_CLEAR = 0x0020;
        /// Report the outcome of this change, also when it succeeds.
        RECEIPT EV_RECEIPT = 0x0040;
        /// Disable the knote when its event is delivered.
        DISPATCH EV_DISPATCH = 0x0080;
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
            /// Access to the file was revoked, or its file system was unmounted.
            REVOKE NOTE_REVOKE = 0x0040;
            /// The file was opened (NetBSD 10).
            OPEN NOTE_OPEN = 0x0080;
            /// A descriptor of the file that could not write was closed (NetBSD 10).
            CLOSE NOTE_CLOSE = 0x0100;
            /// A descriptor of the file that could write was closed (NetBSD 10).
            CLOSE_WRITE NOTE_CLOSE_WRITE = 0x0200;
            /// The file was read (NetBSD 10).
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
            /// Follow the process's children: each gets a knote with the parent's udata.
            TRACK NOTE_TRACK = 0x0000_0001;
            /// In an event: a child could not be followed.
            TRACKERR NOTE_TRACKERR = 0x0000_0002;
            /// In an event: a child that is followed from now on; `data` is its parent's pid.
            CHILD NOTE_CHILD = 0x0000_0004;
        }
        /// TIMER. The units are an enumeration, not bits.
        timer with_timer_notes {
            /// `data` is in nanoseconds (NetBSD 10).
            NSECONDS NOTE_NSECONDS = 0x0003;
            /// `data` is in microseconds (NetBSD 10).
            USECONDS NOTE_USECONDS = 0x0002;
            /// `data` is in seconds (NetBSD 10).
            SECONDS NOTE_SECONDS = 0x0001;
            /// `data` is a time since the epoch, not from now (NetBSD 10).
            ABSTIME NOTE_ABSTIME = 0x0010;
        }
        /// USER (NetBSD 10).
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
        /// How many filters the header has.
        EVFILT_SYSCOUNT: u32 = 10;
        /// The flags that only the kernel sets.
        EV_SYSFLAGS: u32 = 0xf000;
        /// The kernel's own, by filter.
        EV_FLAG1: u32 = 0x2000;
        /// A timer's `data` is in milliseconds (NetBSD 10), as without a unit.
        NOTE_MSECONDS: u32 = 0x0000;
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
    }
    libc {
        EVFILT_READ EVFILT_WRITE EVFILT_AIO EVFILT_VNODE EVFILT_PROC EVFILT_SIGNAL EVFILT_TIMER EVFILT_FS EVFILT_USER
        EVFILT_EMPTY
        EV_ADD EV_DELETE EV_ENABLE EV_DISABLE EV_ONESHOT EV_CLEAR EV_RECEIPT EV_DISPATCH EV_ERROR EV_EOF EV_SYSFLAGS
        EV_FLAG1
        NOTE_LOWAT
        NOTE_DELETE NOTE_WRITE NOTE_EXTEND NOTE_ATTRIB NOTE_LINK NOTE_RENAME NOTE_REVOKE
        NOTE_EXIT NOTE_FORK NOTE_EXEC NOTE_TRACK NOTE_TRACKERR NOTE_CHILD NOTE_PCTRLMASK NOTE_PDATAMASK
        NOTE_MSECONDS NOTE_SECONDS NOTE_USECONDS NOTE_NSECONDS NOTE_ABSTIME
        NOTE_TRIGGER NOTE_FFNOP NOTE_FFAND NOTE_FFOR NOTE_FFCOPY NOTE_FFCTRLMASK NOTE_FFLAGSMASK
    }
}
