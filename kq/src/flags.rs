//! The bit sets of changes and events: `Flags` for `EV_*`, and one set of `NOTE_*` for each filter that has any.
//!
//! They are made from kq-sys's tables, so each has exactly the system's bits; bits without a name are kept.

/// Makes a bit set of the constants that kq-sys hands over.
macro_rules! bit_set {
    (
        $(#[$($outer:tt)*])* $name:ident: $repr:ty;
        $( $(#[$($doc:tt)*])* $short:ident = $constant:ident; )*
    ) => {
        bitflags::bitflags! {
            $(#[$($outer)*])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name: $repr {
                $( $(#[$($doc)*])* const $short = kq_sys::$constant; )*
                // What the kernel says in bits without a name is kept.
                const _ = !0;
            }
        }
    };
}

kq_sys::with_flags! { bit_set
    /// What a change does and how its knote behaves; what an event says besides its data (`EV_*`).
    ///
    /// In an event only `EOF` and `ERROR` (and what the system adds of that kind) are news: several kernels hand the
    /// flags of the change back with every event.
    Flags: kq_sys::flags_t;
}

kq_sys::with_vnode_notes! { bit_set
    /// What happens to a file or directory: asked for in [`Change::vnode`](crate::Change::vnode), told in
    /// [`EventKind::Vnode`](crate::EventKind::Vnode).
    VnodeEvents: u32;
}

kq_sys::with_proc_notes! { bit_set
    /// What happens to a process: asked for in [`Change::process`](crate::Change::process), told in
    /// [`EventKind::Process`](crate::EventKind::Process).
    ProcEvents: u32;
}

#[cfg(has_jail)]
kq_sys::with_jail_notes! { bit_set
    /// What happens to a jail: asked for in [`Change::jail`](crate::Change::jail).
    JailEvents: u32;
}

#[cfg(has_vm)]
kq_sys::with_vm_notes! { bit_set
    /// How scarce memory is.
    VmEvents: u32;
}
