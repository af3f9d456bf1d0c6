//! The one table in which a system's file declares its constants.
//!
//! From it come the `pub const`s under their C names, the name tables for `Debug` output and proofs, and the
//! hidden `with_*!` macros from which `kq` makes its typed flags, so that a constant is written once.

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

/// Asserts at compile time where a struct's fields lie, and of which type each is.
macro_rules! layout {
    (
        $struct:ty: size $size:literal, align $align:literal
        $(, $field:ident: $type:ty, at $offset:literal)* $(,)?
    ) => {
        const _: () = {
            assert!(core::mem::size_of::<$struct>() == $size, "size");
            assert!(core::mem::align_of::<$struct>() == $align, "alignment");
            $(
                assert!(core::mem::offset_of!($struct, $field) == $offset, stringify!($field));
                const _: fn(&$struct) -> $type = |it| it.$field;
            )*
        };
    };
}
pub(crate) use layout;
