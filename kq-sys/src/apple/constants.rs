//! The constants of macOS, iOS, tvOS, watchOS and visionOS, as of the public `<sys/event.h>` of macOS 27's
//! SDK.

use super::{fflags_t, filter_t, flags_t};
use crate::table::constants;

constants! { ($)
    filters {
        /// Data to read, a connection to accept, or the end of the file. `ident` is a descriptor.
        EVFILT_READ = -1;
        /// Room to write. `ident` is a descriptor.
        EVFILT_WRITE = -2;
        /// Asynchronous I/O completed; named by the header, but not supported.
        EVFILT_AIO = -3;
        /// A file or directory changed. `ident` is a descriptor of it.
        EVFILT_VNODE = -4;
        /// A process exited, forked, or executed a program. `ident` is its pid.
        EVFILT_PROC = -5;
        /// A signal was sent to the process. `ident` is its number.
        EVFILT_SIGNAL = -6;
        /// Time passed. `ident` is the caller's choice.
        EVFILT_TIMER = -7;
        /// A message arrived at a Mach port. `ident` is the port's or the port set's name.
        EVFILT_MACHPORT = -8;
        /// A file system was mounted, unmounted, or changed state. `ident` is 0.
        EVFILT_FS = -9;
        /// An event that the program triggers. `ident` is the caller's choice.
        EVFILT_USER = -10;
        /// Memory runs short; no longer supported by current systems.
        EVFILT_VM = -12;
        /// An exceptional condition, such as out-of-band data. `ident` is a descriptor.
        EVFILT_EXCEPT = -15;
        /// A list of asynchronous I/O completed; named by the header of macOS 27's SDK.
        EVFILT_LIO = -19;
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
        /// `EV_DISPATCH` with `EV_UDATA_SPECIFIC`: a delete of a delivered knote waits until it is enabled again.
        DISPATCH2 EV_DISPATCH2 = 0x0180;
        /// Disable the knote when its event is delivered.
        DISPATCH EV_DISPATCH = 0x0080;
        /// udata is a part of what names the knote.
        UDATA_SPECIFIC EV_UDATA_SPECIFIC = 0x0100;
        /// With `EV_DISPATCH2`: report that the descriptor was closed. In an event: it was.
        VANISHED EV_VANISHED = 0x0200;
        /// READ and WRITE: behave as poll(2) does.
        POLL EV_POLL = 0x1000;
        /// READ: report out-of-band data. In an event: there is some.
        OOBAND EV_OOBAND = 0x2000;
        /// In an event: a change failed, or was receipted; `data` is the errno or 0.
        ERROR EV_ERROR = 0x4000;
        /// In an event: the other side is gone, or the process exited.
        EOF EV_EOF = 0x8000;
    }
    notes {
        /// READ, WRITE and EXCEPT.
        read_write with_read_write_notes {
            /// `data` is a low-water mark in bytes.
            LOWAT NOTE_LOWAT = 0x0001;
            /// EXCEPT: out-of-band data arrived.
            OOB NOTE_OOB = 0x0002;
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
            /// No particular change: is the file readable?
            NONE NOTE_NONE = 0x0080;
            /// The file was unlocked with flock(2).
            FUNLOCK NOTE_FUNLOCK = 0x0100;
            /// A lease on the file is asked to become a shared one.
            LEASE_DOWNGRADE NOTE_LEASE_DOWNGRADE = 0x0200;
            /// A lease on the file is asked to end.
            LEASE_RELEASE NOTE_LEASE_RELEASE = 0x0400;
        }
        /// PROC.
        proc with_proc_notes {
            /// The process exited.
            EXIT NOTE_EXIT = 0x8000_0000;
            /// The process forked.
            FORK NOTE_FORK = 0x4000_0000;
            /// The process executed a program.
            EXEC NOTE_EXEC = 0x2000_0000;
            /// The process was reaped; deprecated by the header.
            REAP NOTE_REAP = 0x1000_0000;
            /// A signal was delivered to the process.
            SIGNAL NOTE_SIGNAL = 0x0800_0000;
            /// With `NOTE_EXIT`: `data` is the wait status. EACCES for a process that is not the caller's to watch.
            EXITSTATUS NOTE_EXITSTATUS = 0x0400_0000;
            /// With `NOTE_EXIT`: `data` has bits on why the process was ended (`NOTE_EXIT_DETAIL_MASK`).
            EXIT_DETAIL NOTE_EXIT_DETAIL = 0x0200_0000;
            /// Follow the process's children; refused with ENOTSUP since macOS 10.5.
            TRACK NOTE_TRACK = 0x0000_0001;
            /// A child could not be followed; not sent since macOS 10.5.
            TRACKERR NOTE_TRACKERR = 0x0000_0002;
            /// A child that is followed; not sent since macOS 10.5.
            CHILD NOTE_CHILD = 0x0000_0004;
        }
        /// TIMER. Without a unit `data` is in milliseconds.
        timer with_timer_notes {
            /// `data` is in seconds.
            SECONDS NOTE_SECONDS = 0x0001;
            /// `data` is in microseconds.
            USECONDS NOTE_USECONDS = 0x0002;
            /// `data` is in nanoseconds.
            NSECONDS NOTE_NSECONDS = 0x0004;
            /// `data` is a time since the epoch (or of the clock that is asked for), not from now.
            ABSOLUTE NOTE_ABSOLUTE = 0x0008;
            /// `ext[1]` of a `kevent64_s` says how late the timer may be.
            LEEWAY NOTE_LEEWAY = 0x0010;
            /// Fire as punctually as the system can.
            CRITICAL NOTE_CRITICAL = 0x0020;
            /// The timer may be joined with others to save power.
            BACKGROUND NOTE_BACKGROUND = 0x0040;
            /// By the clock that goes on while the system sleeps (mach_continuous_time(3)).
            MACH_CONTINUOUS_TIME NOTE_MACH_CONTINUOUS_TIME = 0x0080;
            /// `data` is in units of mach_absolute_time(3).
            MACHTIME NOTE_MACHTIME = 0x0100;
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
        /// VM.
        vm with_vm_notes {
            /// The program reacts when memory runs short.
            PRESSURE NOTE_VM_PRESSURE = 0x8000_0000;
            /// The program ends when memory runs short, once it has tidied up.
            PRESSURE_TERMINATE NOTE_VM_PRESSURE_TERMINATE = 0x4000_0000;
            /// The program ends at once when memory runs short.
            PRESSURE_SUDDEN_TERMINATE NOTE_VM_PRESSURE_SUDDEN_TERMINATE = 0x2000_0000;
            /// There was an error.
            ERROR NOTE_VM_ERROR = 0x1000_0000;
        }
    }
    internal {
        /// How many filters there are, the private ones too; 18 up to macOS 26.
        EVFILT_SYSCOUNT: i32 = 19;
        /// The kernel's own filter, a mark in its list of events; 18 up to macOS 26.
        EVFILT_THREADMARKER: i32 = 19;
        /// The flags that only the kernel sets.
        EV_SYSFLAGS: u16 = 0xf000;
        /// The bit of `EV_POLL`, by its general name.
        EV_FLAG0: u16 = 0x1000;
        /// The bit of `EV_OOBAND`, by its general name.
        EV_FLAG1: u16 = 0x2000;
        /// Leave the stored flags of a USER knote.
        NOTE_FFNOP: u32 = 0x0000_0000;
        /// The mask of the operation on the stored flags of a USER knote.
        NOTE_FFCTRLMASK: u32 = 0xc000_0000;
        /// The mask of the flags of a USER knote that are the caller's.
        NOTE_FFLAGSMASK: u32 = 0x00ff_ffff;
        /// The mask of the PROC events; an int with a sign in C.
        NOTE_PCTRLMASK: u32 = 0xfff0_0000;
        /// The mask of the status and details in PROC events.
        NOTE_PDATAMASK: u32 = 0x000f_ffff;
        /// The mask of the bits of `data` that `NOTE_EXIT_DETAIL` asks for.
        NOTE_EXIT_DETAIL_MASK: u32 = 0x0007_0000;
        /// In `data`: ended because its text could not be decrypted.
        NOTE_EXIT_DECRYPTFAIL: u32 = 0x0001_0000;
        /// In `data`: ended because memory ran short.
        NOTE_EXIT_MEMORY: u32 = 0x0002_0000;
        /// In `data`: ended because of its code signature.
        NOTE_EXIT_CSERROR: u32 = 0x0004_0000;
        /// The process exited under another parent; no longer sent.
        NOTE_EXIT_REPARENTED: u32 = 0x0008_0000;
        /// `kevent64`: nothing in particular.
        KEVENT_FLAG_NONE: u32 = 0x0000_0000;
        /// `kevent64`: do not wait, whatever the timeout.
        KEVENT_FLAG_IMMEDIATE: u32 = 0x0000_0001;
        /// `kevent64`: report failed changes and receipts only, no events.
        KEVENT_FLAG_ERROR_EVENTS: u32 = 0x0000_0002;
    }
    libc {
        EVFILT_READ EVFILT_WRITE EVFILT_AIO EVFILT_VNODE EVFILT_PROC EVFILT_SIGNAL EVFILT_TIMER EVFILT_MACHPORT EVFILT_FS
        EVFILT_USER EVFILT_VM EVFILT_EXCEPT
        EV_ADD EV_DELETE EV_ENABLE EV_DISABLE EV_ONESHOT EV_CLEAR EV_RECEIPT EV_DISPATCH EV_UDATA_SPECIFIC EV_DISPATCH2
        EV_VANISHED EV_POLL EV_OOBAND EV_ERROR EV_EOF EV_SYSFLAGS EV_FLAG0 EV_FLAG1
        NOTE_LOWAT NOTE_OOB
        NOTE_DELETE NOTE_WRITE NOTE_EXTEND NOTE_ATTRIB NOTE_LINK NOTE_RENAME NOTE_REVOKE NOTE_NONE NOTE_FUNLOCK
        NOTE_LEASE_DOWNGRADE NOTE_LEASE_RELEASE
        NOTE_EXIT NOTE_FORK NOTE_EXEC NOTE_SIGNAL NOTE_EXITSTATUS NOTE_EXIT_DETAIL NOTE_TRACK NOTE_TRACKERR NOTE_CHILD
        NOTE_PCTRLMASK NOTE_PDATAMASK NOTE_EXIT_DETAIL_MASK NOTE_EXIT_DECRYPTFAIL NOTE_EXIT_MEMORY NOTE_EXIT_CSERROR
        NOTE_SECONDS NOTE_USECONDS NOTE_NSECONDS NOTE_ABSOLUTE NOTE_LEEWAY NOTE_CRITICAL NOTE_BACKGROUND
        NOTE_MACH_CONTINUOUS_TIME NOTE_MACHTIME
        NOTE_TRIGGER NOTE_FFNOP NOTE_FFAND NOTE_FFOR NOTE_FFCOPY NOTE_FFCTRLMASK NOTE_FFLAGSMASK
        NOTE_VM_PRESSURE NOTE_VM_PRESSURE_TERMINATE NOTE_VM_PRESSURE_SUDDEN_TERMINATE NOTE_VM_ERROR
        KEVENT_FLAG_NONE KEVENT_FLAG_IMMEDIATE KEVENT_FLAG_ERROR_EVENTS
    }
}
