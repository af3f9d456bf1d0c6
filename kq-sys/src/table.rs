//! The tables in which a system's files declare its constants, its types and its calls.
//!
//! From the constants come the `pub const`s under their C names, the name tables for `Debug` output and proofs, and the
//! hidden `with_*!` macros from which `kq` makes its typed flags, so that a constant is written once. The proof against the
//! systems' headers reads the same tables.

/// A constant's name and value.
pub type Named<T> = (&'static str, T);

/// Declares a system's constants.
///
/// `flags` and the groups of `notes` carry the short name under which `kq` offers them; `internal` ones (masks,
/// counts, kernel-private bits, second names of a bit, values of 0, values of `data`) get none and are no part of the
/// name tables that `Debug` uses. Who reads a word takes the first name that fits, so a value of several bits stands
/// before its parts.
///
/// Attributes pass as plain tokens where another macro (`bitflags`) has to read them again.
///
/// The types are those that the calling module has as `filter_t`, `flags_t` and `fflags_t`. The leading `($)` hands the
/// macro a dollar sign for the macros that it makes.
macro_rules! constants {
    (
        ($d:tt)
        filters { $( $(#[$filter_doc:meta])* $filter:ident = $filter_value:expr; )* }
        flags { $( $(#[$($flag_doc:tt)*])* $flag_short:ident $flag:ident = $flag_value:expr; )* }
        notes { $( $(#[$group_doc:meta])* $group:ident $with_group:ident {
            $( $(#[$($note_doc:tt)*])* $note_short:ident $note:ident = $note_value:expr; )*
        } )* }
        internal { $( $(#[$internal_doc:meta])* $internal:ident: $internal_type:ty = $internal_value:expr; )* }
        libc { $( $same:ident )* }
    ) => {
        $( $(#[$filter_doc])* pub const $filter: filter_t = $filter_value; )*
        $( $(#[$($flag_doc)*])* pub const $flag: flags_t = $flag_value; )*
        $( $( $(#[$($note_doc)*])* pub const $note: fflags_t = $note_value; )* )*
        $( $(#[$internal_doc])* pub const $internal: $internal_type = $internal_value; )*

        /// Every `EVFILT_*` of the system, with its value.
        pub const FILTERS: &[$crate::Named<filter_t>] = &[ $( (stringify!($filter), $filter), )* ];
        /// Every `EV_*` that a change or an event can carry, with its value.
        pub const FLAGS: &[$crate::Named<flags_t>] = &[ $( (stringify!($flag), $flag), )* ];
        /// Every `NOTE_*` of the system by the filter that it belongs to.
        pub const NOTES: &[(&str, &[$crate::Named<fflags_t>])] = &[
            $( (stringify!($group), &[ $( (stringify!($note), $note), )* ]), )*
        ];
        /// What else the header has: masks, counts, kernel-private bits, second names, values of 0 and of `data`.
        pub const INTERNAL: &[$crate::Named<i128>] = &[ $( (stringify!($internal), $internal as i128), )* ];

        // What libc has of them agrees, in type and in value: a mistake on either side stops the build.
        $(
            #[allow(deprecated)] // libc marks a few; they are still the header's
            const _: () = {
                const fn same_type<T: Copy>(_: T, _: T) {}
                same_type($same, libc::$same);
                assert!($same == libc::$same, stringify!($same));
            };
        )*

        /// Calls a macro with every flag of the system: `{ doc SHORT = value; … }`.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! with_flags {
            ($d callback:ident $d ($d arguments:tt)*) => {
                $d callback! { $d ($d arguments)* $( $(#[$($flag_doc)*])* $flag_short = $flag; )* }
            };
        }
        $(
            /// Calls a macro with every note of the group: `{ doc SHORT = value; … }`.
            #[doc(hidden)]
            #[macro_export]
            macro_rules! $with_group {
                ($d callback:ident $d ($d arguments:tt)*) => {
                    $d callback! { $d ($d arguments)* $( $(#[$($note_doc)*])* $note_short = $note; )* }
                };
            }
        )*
    };
}
pub(crate) use constants;

/// Declares what a system's `<sys/event.h>` has beside its constants: the types of a kevent's fields, where they lie,
/// and the calls.
///
/// The types, and the types of calls that are `looked_up` by dlsym(3), become `pub type`s. The rest is asserted at
/// compile time: of the structs each field's type and place by the target's data model, of the `linked` calls the
/// prototype. The string beside a call is the symbol that the C library has for it.
///
/// The data models: `lp64` has pointers of 64 bits; those with pointers of 32 bits align 64-bit integers to 4 bytes
/// (`i386`) or to 8 (`ilp32`).
macro_rules! abi {
    (
        types { $( $(#[$type_doc:meta])* $type:ident = $definition:ty; )* }
        $( struct $struct:ident {
            fields { $( $field:ident: $field_type:ty; )* }
            $( $model:ident: size $size:literal, align $align:expr, at $( $offset:literal )*; )*
        } )*
        linked { $( $call:ident $symbol:literal: fn($( $argument:ty ),*) -> $result:ty; )* }
        looked_up { $(
            $(#[$call_doc:meta])*
            $call_type:ident $call_name:literal: fn($( $its_argument:ty ),*) -> $its_result:ty;
        )* }
    ) => {
        $( $(#[$type_doc])* pub type $type = $definition; )*
        $(
            const _: () = {
                $( const _: fn(&$struct) -> $field_type = |it| it.$field; )*
                $( $crate::table::in_model! { $model const EXPECTED: &[usize] = &[$size, $align, $( $offset ),*]; } )*
                let actual = [
                    core::mem::size_of::<$struct>(),
                    core::mem::align_of::<$struct>(),
                    $( core::mem::offset_of!($struct, $field), )*
                ];
                let mut at = 0;
                assert!(actual.len() == EXPECTED.len(), "as many offsets as fields");
                while at < actual.len() {
                    assert!(actual[at] == EXPECTED[at], concat!("size, alignment or an offset of ", stringify!($struct)));
                    at += 1;
                }
            };
        )*
        $( const _: unsafe extern "C" fn($( $argument ),*) -> $result = $call; )*
        $( $(#[$call_doc])* pub type $call_type = unsafe extern "C" fn($( $its_argument ),*) -> $its_result; )*
    };
}
pub(crate) use abi;

/// An item that is there in one data model only; see [`abi`].
macro_rules! in_model {
    (lp64 $item:item) => {
        #[cfg(target_pointer_width = "64")]
        $item
    };
    (i386 $item:item) => {
        #[cfg(all(target_pointer_width = "32", target_arch = "x86"))]
        $item
    };
    (ilp32 $item:item) => {
        #[cfg(all(target_pointer_width = "32", not(target_arch = "x86")))]
        $item
    };
}
pub(crate) use in_model;
