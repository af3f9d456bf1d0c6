//! `EventFlags`: the kernel's flags and the filters' notes in one word.

use kq::{Filter, Flags};

/// Declares the flags, each with its kernel constant and the systems that have it, and the notes by group.
///
/// The kernel's notes of different filters share values, and its flags differ in value from system to system: here each
/// has a bit of its own, everywhere the same.
macro_rules! event_flags {
    (
        flags { $( $flag_doc:literal $( [$flag_cfg:ident] )? $flag:ident = $flag_bit:literal; )* }
        $( $group:ident { $( $doc:literal $( [$cfg:ident] )? $name:ident = $bit:literal, $note:ident; )* } )*
    ) => {
        bitflags::bitflags! {
            /// What a registration is to do, and what an event says, in one word.
            ///
            /// The first are the queue's own flags (`EV_*`), the others the filters' (`NOTE_*`), whose names begin with
            /// their filter's. A flag is there on the systems that have it, and has the same value on all.
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct EventFlags: u64 {
                $( #[doc = $flag_doc] $( #[cfg($flag_cfg)] )? const $flag = 1 << $flag_bit; )*
                $( $( #[doc = $doc] $( #[cfg($cfg)] )? const $name = 1 << $bit; )* )*
            }
        }

        const FLAGS: &[(EventFlags, Flags)] = &[
            $( $( #[cfg($flag_cfg)] )? (EventFlags::$flag, Flags::$flag), )*
        ];
        $(
            // Empty where the system does not have the filter.
            #[allow(dead_code)]
            const $group: &[(EventFlags, u32)] = &[
                $( $( #[cfg($cfg)] )? (EventFlags::$name, kq_sys::$note), )*
            ];
        )*
    };
}

event_flags! {
    flags {
        "Register. Every registration says so."
        ADD = 0;
        "Deregister; [`Kqueue::deregister`](crate::Kqueue::deregister) does."
        DELETE = 1;
        "Report events, as a registration does from its start."
        ENABLE = 2;
        "Report no events until it is enabled; for [`Kqueue::modify`](crate::Kqueue::modify)."
        DISABLE = 3;
        "The registration ends with its first event."
        ONESHOT = 4;
        "Report what is new since the last event: edge-triggered."
        CLEAR = 5;
        "Disable the registration with each event, until it is enabled again."
        DISPATCH = 6;
        "Report once, now, whatever the state, and end."
        [freebsd_abi] FORCEONESHOT = 7;
        "As poll(2) does."
        [apple] POLL = 8;
        "Report out-of-band data; in an event: there is some."
        [apple] OOBAND = 9;
        "In an event: the other side is gone, or the process has exited."
        EOF = 14;
        "In an event: there was an error; [`Event::data`](crate::Event::data) is its number."
        ERROR = 15;
    }
    READ_WRITE {
        "A regular file is always ready, as for poll(2)."
        [has_file_poll] READ_FILE_POLL = 16, NOTE_FILE_POLL;
        "Report the end of a regular file too; in an event: it is reached."
        [has_note_eof] READ_EOF = 17, NOTE_EOF;
    }
    EXCEPT {
        "Out-of-band data has come."
        [has_except] EXCEPT_OOB = 18, NOTE_OOB;
    }
    VNODE {
        "The file was removed."
        VNODE_DELETE = 20, NOTE_DELETE;
        "The file was written to."
        VNODE_WRITE = 21, NOTE_WRITE;
        "The file grew."
        VNODE_EXTEND = 22, NOTE_EXTEND;
        "The file's attributes changed."
        VNODE_ATTRIB = 23, NOTE_ATTRIB;
        "The file's link count changed."
        VNODE_LINK = 24, NOTE_LINK;
        "The file was renamed."
        VNODE_RENAME = 25, NOTE_RENAME;
        "Access to the file was revoked."
        VNODE_REVOKE = 26, NOTE_REVOKE;
        "The file was opened."
        [has_open_close] VNODE_OPEN = 27, NOTE_OPEN;
        "A descriptor of the file that could not write was closed."
        [has_open_close] VNODE_CLOSE = 28, NOTE_CLOSE;
        "A descriptor of the file that could write was closed."
        [has_open_close] VNODE_CLOSE_WRITE = 29, NOTE_CLOSE_WRITE;
        "The file was read."
        [has_open_close] VNODE_READ = 30, NOTE_READ;
        "The file was truncated."
        [openbsd] VNODE_TRUNCATE = 31, NOTE_TRUNCATE;
        "The file was unlocked with flock(2)."
        [apple] VNODE_FUNLOCK = 32, NOTE_FUNLOCK;
        "A lease on the file is asked to become a shared one."
        [apple] VNODE_LEASE_DOWNGRADE = 33, NOTE_LEASE_DOWNGRADE;
        "A lease on the file is asked to end."
        [apple] VNODE_LEASE_RELEASE = 34, NOTE_LEASE_RELEASE;
        "No particular change: is the file readable?"
        [apple] VNODE_NONE = 35, NOTE_NONE;
    }
    PROC {
        "The process has exited."
        PROC_EXIT = 40, NOTE_EXIT;
        "The process forked."
        PROC_FORK = 41, NOTE_FORK;
        "The process executed a program."
        PROC_EXEC = 42, NOTE_EXEC;
        "The process was reaped; deprecated by the system."
        [apple] PROC_REAP = 43, NOTE_REAP;
        "A signal was delivered to the process."
        [apple] PROC_SIGNAL = 44, NOTE_SIGNAL;
        "The event's data is the wait status; asked for with every exit."
        [apple] PROC_EXITSTATUS = 45, NOTE_EXITSTATUS;
        "The event's data has bits on why the process was ended."
        [apple] PROC_EXIT_DETAIL = 46, NOTE_EXIT_DETAIL;
    }
    TIMER {
        "The timer is to fire as punctually as the system can."
        [apple] TIMER_CRITICAL = 48, NOTE_CRITICAL;
        "The timer may be joined with others to save power."
        [apple] TIMER_BACKGROUND = 49, NOTE_BACKGROUND;
    }
    JAIL {
        "A child jail was made."
        [has_jail] JAIL_CHILD = 50, NOTE_JAIL_CHILD;
        "The jail was changed."
        [has_jail] JAIL_SET = 51, NOTE_JAIL_SET;
        "A process was attached to the jail."
        [has_jail] JAIL_ATTACH = 52, NOTE_JAIL_ATTACH;
        "The jail was removed."
        [has_jail] JAIL_REMOVE = 53, NOTE_JAIL_REMOVE;
        "Several attachments or children were joined in one event."
        [has_jail] JAIL_MULTI = 54, NOTE_JAIL_MULTI;
    }
    DEVICE {
        "The device has changed."
        [has_device] DEVICE_CHANGE = 56, NOTE_CHANGE;
    }
    VM {
        "The program reacts when memory runs short."
        [has_vm] VM_PRESSURE = 58, NOTE_VM_PRESSURE;
        "The program ends when memory runs short, once it has tidied up."
        [has_vm] VM_PRESSURE_TERMINATE = 59, NOTE_VM_PRESSURE_TERMINATE;
        "The program ends at once when memory runs short."
        [has_vm] VM_PRESSURE_SUDDEN_TERMINATE = 60, NOTE_VM_PRESSURE_SUDDEN_TERMINATE;
        "There was an error."
        [has_vm] VM_ERROR = 61, NOTE_VM_ERROR;
    }
}

/// What a change says to do, which an event does not tell: some kernels hand it back, some do not.
const ACTIONS: EventFlags =
    EventFlags::ADD.union(EventFlags::DELETE).union(EventFlags::ENABLE).union(EventFlags::DISABLE);

/// What only an event says.
const NEWS: EventFlags = EventFlags::EOF.union(EventFlags::ERROR);

/// The notes that a filter has.
fn notes_of(filter: Filter) -> &'static [(EventFlags, u32)] {
    match filter {
        Filter::READ | Filter::WRITE => READ_WRITE,
        Filter::VNODE => VNODE,
        Filter::PROC => PROC,
        Filter::TIMER => TIMER,
        #[cfg(has_except)]
        Filter::EXCEPT => EXCEPT,
        #[cfg(has_procdesc)]
        Filter::PROCDESC => PROC,
        #[cfg(has_jail)]
        Filter::JAIL | Filter::JAILDESC => JAIL,
        #[cfg(has_device)]
        Filter::DEVICE => DEVICE,
        #[cfg(has_vm)]
        Filter::VM => VM,
        _ => &[],
    }
}

impl EventFlags {
    /// Mode and notes for the kernel, the actions left out but for DISABLE; `None` if there is a bit that the filter
    /// does not have, or DELETE.
    pub(crate) fn split(self, filter: Filter) -> Option<(Flags, u32)> {
        let mut rest = self.difference(EventFlags::ADD | EventFlags::ENABLE);
        if rest.intersects(NEWS | EventFlags::DELETE) {
            return None;
        }
        let (mut flags, mut notes) = (Flags::empty(), 0);
        for (own, kernel) in FLAGS {
            if rest.contains(*own) {
                rest.remove(*own);
                flags |= *kernel;
            }
        }
        for (own, kernel) in notes_of(filter) {
            if rest.contains(*own) {
                rest.remove(*own);
                notes |= kernel;
            }
        }
        rest.is_empty().then_some((flags, notes))
    }

    /// What an event says.
    pub(crate) fn of_event(event: &kq::Event) -> EventFlags {
        let mut all = EventFlags::empty();
        for (own, kernel) in FLAGS {
            if event.flags().contains(*kernel) {
                all |= *own;
            }
        }
        all.remove(ACTIONS);
        // At the end of a descriptor's data the word is the error that ended it.
        let is_errno = event.is_eof() && is_descriptors(event.filter());
        for (own, kernel) in notes_of(event.filter()) {
            if !is_errno && event.fflags() & kernel == *kernel {
                all |= *own;
            }
        }
        all
    }
}

/// Whether the filter reports a descriptor's data.
fn is_descriptors(filter: Filter) -> bool {
    match filter {
        Filter::READ | Filter::WRITE => true,
        #[cfg(has_except)]
        Filter::EXCEPT => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_is_one_flag() {
        let mut seen = 0_u64;
        for (name, flag) in EventFlags::all().iter_names() {
            assert_eq!(flag.bits().count_ones(), 1, "{name}");
            assert_eq!(seen & flag.bits(), 0, "{name}");
            seen |= flag.bits();
        }
    }

    #[test]
    fn every_note_of_the_system_is_there() {
        // With data or numbers of their own (through `register_change` and `Event::raw`), the queue's business, or
        // refused.
        const OTHERS: [&str; 8] = ["LOWAT", "TRACK", "TRACKERR", "CHILD", "FFCOPY", "FFAND", "FFOR", "TRIGGER"];
        for (group, notes) in kq_sys::NOTES {
            let table: Vec<u32> =
                [READ_WRITE, EXCEPT, VNODE, PROC, JAIL, DEVICE, VM].concat().iter().map(|(_, note)| *note).collect();
            for (name, value) in *notes {
                let short = name.trim_start_matches("NOTE_");
                if *group != "timer" && !OTHERS.contains(&short) {
                    assert!(table.contains(value), "{group}: {name}");
                }
            }
        }
    }

    #[test]
    fn flags_go_to_the_kernel_and_come_back() {
        let asked = EventFlags::ADD | EventFlags::ENABLE | EventFlags::CLEAR | EventFlags::VNODE_WRITE;
        let split = asked.split(Filter::VNODE);
        assert_eq!(split, Some((Flags::CLEAR, kq_sys::NOTE_WRITE)));
        // Another filter's note has the same value to the kernel, but not here.
        assert_eq!(asked.split(Filter::READ), None);
        assert_eq!((EventFlags::ADD | EventFlags::DELETE).split(Filter::READ), None);
        assert_eq!((EventFlags::ADD | EventFlags::EOF).split(Filter::READ), None);
        assert_eq!(EventFlags::from_bits_retain(1 << 63).split(Filter::READ), None);
        assert_eq!(EventFlags::DISABLE.split(Filter::READ), Some((Flags::DISABLE, 0)));
    }
}
