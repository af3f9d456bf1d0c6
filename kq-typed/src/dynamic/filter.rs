//! `EventFilter`: the kernel's filters, as an enumeration.

use kq::Filter;

/// Declares the filters with the systems that have them.
macro_rules! filters {
    ( $( $doc:literal $( [$cfg:ident] )? $name:ident = $constant:ident; )* ) => {
        /// What is watched (`EVFILT_*`). A filter is there on the systems that have it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum EventFilter {
            $( #[doc = $doc] $( #[cfg($cfg)] )? $name, )*
            /// A filter of the system's that this version does not know.
            Other(Filter),
        }

        impl EventFilter {
            /// The kernel's filter.
            pub fn kernel(self) -> Filter {
                match self {
                    $( $( #[cfg($cfg)] )? EventFilter::$name => Filter::$constant, )*
                    EventFilter::Other(filter) => filter,
                }
            }
        }

        impl From<Filter> for EventFilter {
            fn from(filter: Filter) -> EventFilter {
                match filter {
                    $( $( #[cfg($cfg)] )? Filter::$constant => EventFilter::$name, )*
                    filter => EventFilter::Other(filter),
                }
            }
        }
    };
}

filters! {
    "Data to read, connections to accept, the end of the file. The ident is a descriptor."
    Read = READ;
    "Room to write. The ident is a descriptor."
    Write = WRITE;
    "A change of a file or directory. The ident is a descriptor."
    Vnode = VNODE;
    "A process's exit, fork, exec. The ident is its pid."
    Proc = PROC;
    "A signal to this process, beside its usual effect. The ident is its number."
    Signal = SIGNAL;
    "Time that passed; from [`register_timer`](crate::Kqueue::register_timer)."
    Timer = TIMER;
    "An event that the program [triggers](crate::Kqueue::trigger). The ident is the program's choice."
    [has_user] User = USER;
    "An empty send buffer. The ident is a descriptor."
    [has_empty] Empty = EMPTY;
    "Exceptional conditions, such as out-of-band data. The ident is a descriptor."
    [has_except] Except = EXCEPT;
    "The exit of a process descriptor's process (pdfork(2)). The ident is the descriptor."
    [has_procdesc] ProcDesc = PROCDESC;
    "Mounts and unmounts of file systems. The ident is 0."
    [has_fs] Fs = FS;
    "Completed asynchronous I/O (aio(4)); not to be registered here, but through its `sigevent`."
    [has_aio] Aio = AIO;
    "Completed lists of asynchronous I/O; not to be registered here, but through lio_listio(2)'s `sigevent`."
    [has_aio] Lio = LIO;
    "Changes of a jail. The ident is its id."
    [has_jail] Jail = JAIL;
    "Changes of a jail descriptor's jail. The ident is the descriptor."
    [has_jail] JailDesc = JAILDESC;
    "Changes of a device. The ident is a descriptor."
    [has_device] Device = DEVICE;
    "Messages on a Mach port or port set. The ident is its name."
    [has_machport] MachPort = MACHPORT;
    "Memory pressure; current kernels refuse it. The ident is 0."
    [has_vm] Vm = VM;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_of_the_system_is_there() {
        for (name, value) in kq_sys::FILTERS {
            let filter = EventFilter::from(Filter::from_raw(*value));
            assert_eq!(filter.kernel().raw(), *value);
            // FreeBSD never finished it.
            let known = *name != "EVFILT_SENDFILE" && (cfg!(not(linux)) || filter.is_on_linux());
            assert_eq!(!matches!(filter, EventFilter::Other(_)), known, "{name}");
        }
    }

    impl EventFilter {
        /// kq-sys has all names of FreeBSD on Linux, but not all filters.
        fn is_on_linux(self) -> bool {
            const NAMES: [&str; 5] = ["AIO", "PROCDESC", "FS", "LIO", "SENDFILE"];
            !self.kernel().name().is_some_and(|name| NAMES.contains(&name))
        }
    }
}
