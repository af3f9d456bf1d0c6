//! `EventKind`: an event decoded by its filter.

use std::os::fd::RawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::errno::Errno;
use crate::{Event, Filter, ProcEvents, VnodeEvents};

/// What happened, from [`Event::kind`].
///
/// The fields hold what the kernel told; [`Event`] has the raw ones beside them. Variants are there on the systems that
/// have their filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// Data can be read, or a connection accepted, or the end of the file was reached.
    #[non_exhaustive]
    Read {
        /// The descriptor's number.
        fd: RawFd,
        /// Bytes to read; for a listening socket the connections that wait; for a file the bytes from its offset to
        /// its end, negative beyond it. `None` if the queue did not ask.
        available: Option<i64>,
        /// Nobody writes any more, and what is `available` is the rest: read it first.
        eof: bool,
        /// With `eof`: the socket's error, if one ended it.
        error: Option<Errno>,
    },
    /// There is room to write, or nobody reads any more.
    #[non_exhaustive]
    Write {
        /// The descriptor's number.
        fd: RawFd,
        /// Bytes that can be written. `None` if the queue did not ask.
        space: Option<i64>,
        /// Nobody reads any more (or this side was shut down for writing).
        eof: bool,
        /// With `eof`: the socket's error, if one ended it.
        error: Option<Errno>,
    },
    /// The send buffer is empty.
    #[cfg(has_empty)]
    #[non_exhaustive]
    Empty {
        /// The descriptor's number.
        fd: RawFd,
        /// The other side is gone.
        eof: bool,
        /// With `eof`: the socket's error, if one ended it.
        error: Option<Errno>,
    },
    /// An exceptional condition.
    #[cfg(has_except)]
    #[non_exhaustive]
    Except {
        /// The descriptor's number.
        fd: RawFd,
        /// Out-of-band data has come.
        oob: bool,
        /// The event's data, whose meaning depends on the system.
        data: i64,
        /// The other side is gone.
        eof: bool,
    },
    /// A timer fired.
    Timer {
        /// The timer's id.
        id: usize,
        /// How often since its last event; at least once.
        expirations: u64,
    },
    /// Something happened to a process.
    #[non_exhaustive]
    Process {
        /// The process's id.
        pid: u32,
        /// What happened; several things may have.
        events: ProcEvents,
        /// How the process ended, if it exited and the kernel tells.
        status: Option<ExitStatus>,
        /// The parent's id, if this tells of a child that is followed (NOTE_CHILD) and has not exited yet.
        parent: Option<u32>,
        /// Why the system ended it, if NOTE_EXIT_DETAIL asked: `NOTE_EXIT_DECRYPTFAIL`, `NOTE_EXIT_MEMORY`,
        /// `NOTE_EXIT_CSERROR`.
        #[cfg(apple)]
        detail: u32,
    },
    /// The process of a process descriptor exited.
    #[cfg(has_procdesc)]
    #[non_exhaustive]
    ProcessDescriptor {
        /// The descriptor's number.
        fd: RawFd,
        /// What happened.
        events: ProcEvents,
        /// How the process ended, if it exited.
        status: Option<ExitStatus>,
    },
    /// A signal was sent to this process.
    Signal {
        /// The signal's number.
        signal: i32,
        /// How often since the last event.
        count: u64,
    },
    /// A file or directory changed.
    #[non_exhaustive]
    Vnode {
        /// The descriptor's number.
        fd: RawFd,
        /// What happened since the last event.
        events: VnodeEvents,
    },
    /// A user event was triggered.
    #[cfg(has_user)]
    #[non_exhaustive]
    User {
        /// The event's id.
        id: usize,
        /// The 24 flags that are the program's own.
        flags: u32,
        /// The data that the trigger gave, where the system keeps it.
        data: i64,
    },
    /// File systems were mounted or unmounted.
    #[cfg(has_fs)]
    #[non_exhaustive]
    Fs {
        /// What happened: `VQ_*` of `<sys/mount.h>`.
        events: u32,
    },
    /// Asynchronous I/O completed.
    #[cfg(has_aio)]
    #[non_exhaustive]
    Aio {
        /// The address of the control block.
        aiocb: usize,
        /// Why the operation failed, if it did.
        error: Option<Errno>,
    },
    /// A list of asynchronous I/O completed.
    #[cfg(has_aio)]
    #[non_exhaustive]
    Lio {
        /// The address of the list of control blocks that lio_listio(2) got.
        list: usize,
    },
    /// Something happened to a jail.
    #[cfg(has_jail)]
    #[non_exhaustive]
    Jail {
        /// The jail's id, or the descriptor's number for a jail descriptor.
        ident: usize,
        /// What happened.
        events: crate::JailEvents,
        /// The id of the process that was attached, or of the child jail that was made.
        id: i64,
    },
    /// A device changed its state.
    #[cfg(has_device)]
    #[non_exhaustive]
    Device {
        /// The descriptor's number.
        fd: RawFd,
        /// What changed.
        events: u32,
    },
    /// A message arrived at a Mach port.
    #[cfg(has_machport)]
    #[non_exhaustive]
    MachPort {
        /// The name of the port or port set that was watched.
        name: u32,
        /// The name of the port that has the message.
        port: i64,
        /// What mach_msg returned, if the change asked the kernel to receive (MACH_RCV_MSG).
        result: u32,
    },
    /// Memory is scarce.
    #[cfg(has_vm)]
    #[non_exhaustive]
    Vm {
        /// How scarce.
        events: crate::VmEvents,
    },
    /// A change was not made; the event's ident, filter and udata are the change's.
    #[non_exhaustive]
    ChangeFailed {
        /// Why.
        error: Errno,
    },
    /// An event of a filter that kq does not know; every field is in the [`Event`].
    #[non_exhaustive]
    Other {
        /// The filter.
        filter: Filter,
    },
}

impl EventKind {
    #[inline]
    pub(crate) fn decode(event: &Event) -> EventKind {
        if let Some(error) = event.change_error() {
            return EventKind::ChangeFailed { error };
        }
        let (fd, eof) = (number(event).unwrap_or(-1), event.is_eof());
        match event.filter() {
            Filter::READ => EventKind::Read {
                fd,
                available: data(event),
                eof: eof || at_end_of_file(event),
                error: end_error(event),
            },
            Filter::WRITE => EventKind::Write { fd, space: data(event), eof, error: end_error(event) },
            #[cfg(has_empty)]
            Filter::EMPTY => EventKind::Empty { fd, eof, error: end_error(event) },
            #[cfg(has_except)]
            Filter::EXCEPT => {
                EventKind::Except { fd, oob: event.fflags() & kq_sys::NOTE_OOB != 0, data: event.data(), eof }
            }
            Filter::TIMER => {
                EventKind::Timer { id: event.ident(), expirations: u64::try_from(event.data()).unwrap_or(0) }
            }
            Filter::PROC => process(event),
            #[cfg(has_procdesc)]
            Filter::PROCDESC => {
                let events = ProcEvents::from_bits_retain(event.fflags());
                EventKind::ProcessDescriptor { fd, events, status: exit_status(event, events) }
            }
            Filter::SIGNAL => EventKind::Signal {
                signal: number(event).unwrap_or(-1),
                count: u64::try_from(event.data()).unwrap_or(0),
            },
            Filter::VNODE => EventKind::Vnode { fd, events: VnodeEvents::from_bits_retain(event.fflags()) },
            #[cfg(has_user)]
            Filter::USER => EventKind::User {
                id: event.ident(),
                flags: event.fflags() & kq_sys::NOTE_FFLAGSMASK,
                data: event.data(),
            },
            #[cfg(has_fs)]
            Filter::FS => EventKind::Fs { events: event.fflags() },
            #[cfg(has_aio)]
            Filter::AIO => {
                let error = i32::try_from(event.data()).ok().filter(|errno| *errno != 0).map(Errno::from_raw);
                EventKind::Aio { aiocb: event.ident(), error }
            }
            #[cfg(has_aio)]
            Filter::LIO => EventKind::Lio { list: event.ident() },
            #[cfg(has_jail)]
            Filter::JAIL | Filter::JAILDESC => EventKind::Jail {
                ident: event.ident(),
                events: crate::JailEvents::from_bits_retain(event.fflags()),
                id: event.data(),
            },
            #[cfg(has_device)]
            Filter::DEVICE => EventKind::Device { fd, events: event.fflags() },
            #[cfg(has_machport)]
            Filter::MACHPORT => {
                let name = number(event).unwrap_or(u32::MAX);
                EventKind::MachPort { name, port: event.data(), result: event.fflags() }
            }
            #[cfg(has_vm)]
            Filter::VM => EventKind::Vm { events: crate::VmEvents::from_bits_retain(event.fflags()) },
            filter => EventKind::Other { filter },
        }
    }
}

/// The ident as the number that the filter gives events for; a kernel gives no other.
fn number<T: TryFrom<usize>>(event: &Event) -> Option<T> {
    T::try_from(event.ident()).ok()
}

/// The error that ended a socket: the kernels put it into fflags together with EV_EOF.
fn end_error(event: &Event) -> Option<Errno> {
    let fflags = event.fflags();
    #[cfg(has_nodata)]
    let fflags = fflags & !kq_sys::NOTE_NODATA;
    let errno = i32::try_from(fflags).ok().filter(|errno| *errno != 0)?;
    event.is_eof().then(|| Errno::from_raw(errno))
}

/// The data of a READ or WRITE event, unless the change asked to leave it out.
fn data(event: &Event) -> Option<i64> {
    #[cfg(has_nodata)]
    if event.fflags() & kq_sys::NOTE_NODATA != 0 {
        return None;
    }
    Some(event.data())
}

/// Whether a file that was asked for it (NOTE_EOF, OpenBSD) is at its end, which raises no EV_EOF.
fn at_end_of_file(event: &Event) -> bool {
    #[cfg(has_note_eof)]
    return event.fflags() & kq_sys::NOTE_EOF != 0;
    #[cfg(not(has_note_eof))]
    {
        let _ = event;
        false
    }
}

fn process(event: &Event) -> EventKind {
    let events = ProcEvents::from_bits_retain(event.fflags());
    // A child that has exited by then has its status in the place of its parent.
    let is_child = events.contains(ProcEvents::CHILD) && !events.contains(ProcEvents::EXIT);
    let parent = is_child.then(|| u32::try_from(event.data()).unwrap_or(u32::MAX));
    EventKind::Process {
        pid: number(event).unwrap_or(u32::MAX),
        events,
        status: if parent.is_some() { None } else { exit_status(event, events) },
        parent,
        #[cfg(apple)]
        detail: match events.contains(ProcEvents::EXIT_DETAIL) {
            true => u32::try_from(event.data() & i64::from(kq_sys::NOTE_EXIT_DETAIL_MASK)).unwrap_or(0),
            false => 0,
        },
    }
}

/// How the process ended: a wait status in `data`, on Apple only if it was asked for.
fn exit_status(event: &Event, events: ProcEvents) -> Option<ExitStatus> {
    let told = events.contains(ProcEvents::EXIT);
    let status = event.data();
    #[cfg(apple)]
    let told = told && events.contains(ProcEvents::EXITSTATUS);
    // Above the status there are the reasons that NOTE_EXIT_DETAIL asks for.
    #[cfg(apple)]
    let status = status & 0xffff;
    let status = i32::try_from(status).ok().filter(|_| told)?;
    Some(ExitStatus::from_raw(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Flags};

    fn event(ident: usize, filter: Filter, flags: Flags, fflags: u32, data: i64) -> Event {
        Event(Change::new(ident, filter, flags).fflags(fflags).data(data).0)
    }

    #[test]
    fn data_and_the_end_can_come_together() {
        let end = event(4, Filter::READ, Flags::CLEAR | Flags::EOF, libc::ECONNRESET as u32, 12);
        let error = Some(Errno::from_raw(libc::ECONNRESET));
        assert_eq!(end.kind(), EventKind::Read { fd: 4, available: Some(12), eof: true, error });
        let open = event(4, Filter::READ, Flags::empty(), 0, -7);
        assert_eq!(open.kind(), EventKind::Read { fd: 4, available: Some(-7), eof: false, error: None });
    }

    #[test]
    fn notes_of_an_open_socket_are_no_error() {
        let open = event(4, Filter::WRITE, Flags::ADD, kq_sys::NOTE_LOWAT, 100);
        assert_eq!(open.kind(), EventKind::Write { fd: 4, space: Some(100), eof: false, error: None });
    }

    #[test]
    #[cfg(has_nodata)]
    fn an_error_can_come_without_data() {
        let fflags = kq_sys::NOTE_NODATA | libc::ECONNRESET as u32;
        let end = event(4, Filter::READ, Flags::EOF, fflags, 0);
        let error = Some(Errno::from_raw(libc::ECONNRESET));
        assert_eq!(end.kind(), EventKind::Read { fd: 4, available: None, eof: true, error });
        let open = event(4, Filter::WRITE, Flags::empty(), kq_sys::NOTE_NODATA, 0);
        assert_eq!(open.kind(), EventKind::Write { fd: 4, space: None, eof: false, error: None });
    }

    #[test]
    fn an_exit_has_its_status() {
        #[cfg(apple)]
        let fflags = ProcEvents::EXIT | ProcEvents::EXITSTATUS;
        #[cfg(not(apple))]
        let fflags = ProcEvents::EXIT | ProcEvents::FORK;
        let exit = event(77, Filter::PROC, Flags::EOF | Flags::ONESHOT, fflags.bits(), 0x700);
        let EventKind::Process { pid: 77, status: Some(status), events, parent: None, .. } = exit.kind() else {
            panic!("{:?}", exit.kind());
        };
        assert_eq!(status.code(), Some(7));
        assert!(events.contains(ProcEvents::EXIT));
        let fork = event(77, Filter::PROC, Flags::CLEAR, ProcEvents::FORK.bits(), 0);
        assert!(matches!(fork.kind(), EventKind::Process { status: None, .. }));
    }

    #[test]
    #[cfg(apple)]
    fn an_exit_has_its_status_beside_the_reason() {
        let fflags = (ProcEvents::EXIT | ProcEvents::EXITSTATUS | ProcEvents::EXIT_DETAIL).bits();
        let data = i64::from(kq_sys::NOTE_EXIT_MEMORY) | 9;
        let exit = event(77, Filter::PROC, Flags::EOF | Flags::ONESHOT, fflags, data);
        let EventKind::Process { status: Some(status), detail: kq_sys::NOTE_EXIT_MEMORY, .. } = exit.kind() else {
            panic!("{:?}", exit.kind());
        };
        assert_eq!(status.signal(), Some(9));
    }

    #[test]
    #[cfg(apple)]
    fn a_message_comes_with_its_port_and_its_result() {
        let message = event(0x103, Filter::MACHPORT, Flags::empty(), 0x1000_4004, 0x203);
        assert_eq!(message.kind(), EventKind::MachPort { name: 0x103, port: 0x203, result: 0x1000_4004 });
    }

    #[test]
    #[cfg(has_except)]
    fn out_of_band_data_is_told_with_its_place() {
        let urgent = event(4, Filter::EXCEPT, Flags::EOF, kq_sys::NOTE_OOB, 6);
        assert_eq!(urgent.kind(), EventKind::Except { fd: 4, oob: true, data: 6, eof: true });
    }

    #[test]
    #[cfg(has_aio)]
    fn an_operation_that_failed_has_its_error() {
        let failed = event(0x1000, Filter::AIO, Flags::EOF, 0, i64::from(libc::ECANCELED));
        let error = Some(Errno::from_raw(libc::ECANCELED));
        assert_eq!(failed.kind(), EventKind::Aio { aiocb: 0x1000, error });
        let done = event(0x1000, Filter::AIO, Flags::EOF, 0, 0);
        assert_eq!(done.kind(), EventKind::Aio { aiocb: 0x1000, error: None });
    }

    #[test]
    #[cfg(has_jail)]
    fn a_jail_tells_what_and_who() {
        let attached = event(3, Filter::JAIL, Flags::CLEAR, kq_sys::NOTE_JAIL_ATTACH, 812);
        assert_eq!(attached.kind(), EventKind::Jail { ident: 3, events: crate::JailEvents::ATTACH, id: 812 });
    }

    #[test]
    fn notes_without_a_name_are_kept() {
        let odd = 1 << 30 | kq_sys::NOTE_WRITE;
        let EventKind::Vnode { events, .. } = event(4, Filter::VNODE, Flags::CLEAR, odd, 0).kind() else {
            panic!("a vnode's event");
        };
        assert_eq!(events.bits(), odd);
        assert!(events.contains(VnodeEvents::WRITE));
    }

    #[test]
    fn a_number_that_no_kernel_gives_is_no_panic() {
        for data in [i64::MIN, -1, i64::MAX] {
            for filter in (-20..20).filter_map(|number| kq_sys::filter_t::try_from(number).ok()).map(Filter::from_raw) {
                let _ = event(usize::MAX, filter, Flags::from_bits_retain(!0), u32::MAX, data).kind();
                let _ = event(usize::MAX, filter, Flags::EOF, u32::MAX, data).kind();
            }
        }
    }

    #[test]
    fn a_followed_child_has_its_parent() {
        let child = event(78, Filter::PROC, Flags::ONESHOT, ProcEvents::CHILD.bits(), 77);
        assert!(matches!(child.kind(), EventKind::Process { pid: 78, parent: Some(77), status: None, .. }));

        let both = ProcEvents::CHILD | ProcEvents::EXIT;
        #[cfg(apple)]
        let both = both | ProcEvents::EXITSTATUS;
        let both = both.bits();
        let exited = event(78, Filter::PROC, Flags::EOF | Flags::ONESHOT, both, 0x300);
        let EventKind::Process { pid: 78, parent: None, status: Some(status), .. } = exited.kind() else {
            panic!("{:?}", exited.kind());
        };
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_failed_change_is_told_whatever_flags_come_with_it() {
        let failed = event(9, Filter::TIMER, Flags::ADD | Flags::ONESHOT | Flags::ERROR, 0, i64::from(libc::EINVAL));
        assert_eq!(failed.kind(), EventKind::ChangeFailed { error: Errno::from_raw(libc::EINVAL) });
    }

    #[test]
    fn counts_and_unknown_filters() {
        let timer = event(3, Filter::TIMER, Flags::CLEAR, 0, 4);
        assert_eq!(timer.kind(), EventKind::Timer { id: 3, expirations: 4 });
        let signal = event(30, Filter::SIGNAL, Flags::CLEAR, 0, 2);
        assert_eq!(signal.kind(), EventKind::Signal { signal: 30, count: 2 });
        let filter = Filter::from_raw(99);
        assert_eq!(event(1, filter, Flags::empty(), 5, 6).kind(), EventKind::Other { filter });
    }

    #[test]
    #[cfg(has_user)]
    fn a_user_event_shows_the_flags_that_are_the_programs() {
        let user = event(5, Filter::USER, Flags::empty(), kq_sys::NOTE_FFCOPY | 0xff, 42);
        assert_eq!(user.kind(), EventKind::User { id: 5, flags: 0xff, data: 42 });
    }
}
