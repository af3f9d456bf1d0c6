//! `constants!` and `abi!` once more, over which the systems' files give data instead of items.
//!
//! It stands at the root of a crate as `mod table`, where those files look for the macros.

macro_rules! constants {
    (
        ($d:tt)
        filters { $( $(#[$filter_doc:meta])* $filter:ident = $filter_value:expr; )* }
        flags { $( $(#[$flag_doc:meta])* $flag_short:ident $flag:ident = $flag_value:expr; )* }
        notes { $( $(#[$group_doc:meta])* $group:ident $with_group:ident {
            $( $(#[$note_doc:meta])* $note_short:ident $note:ident = $note_value:expr; )*
        } )* }
        internal { $( $(#[$internal_doc:meta])* $internal:ident: $internal_type:ty = $internal_value:expr; )* }
        libc { $( $same:ident )* }
    ) => {
        const FILTERS: &[(&str, filter_t)] = &[ $( (stringify!($filter), $filter_value), )* ];
        const FLAGS: &[(&str, flags_t)] = &[ $( (stringify!($flag), $flag_value), )* ];
        const NOTES: &[(&str, &[(&str, fflags_t)])] = &[
            $( (stringify!($group), &[ $( (stringify!($note), $note_value), )* ]), )*
        ];
        const INTERNAL: &[(&str, i128)] = &[
            $( (stringify!($internal), { let value: $internal_type = $internal_value; value as i128 }), )*
        ];
        const INTERNAL_TYPES: &[&str] = &[ $( stringify!($internal_type), )* ];
        const SHORT_NAMES: &[&[&str]] = &[
            &[ $( stringify!($flag_short), )* ], $( &[ $( stringify!($note_short), )* ], )*
        ];
        pub const TABLE: super::Table = super::Table {
            filters: FILTERS, flags: FLAGS, notes: NOTES, internal: INTERNAL, internal_types: INTERNAL_TYPES,
            short_names: SHORT_NAMES,
        };
    };
}
pub(crate) use constants;

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
        pub const ABI: super::Abi = super::Abi {
            types: &[ $( (stringify!($type), stringify!($definition)), )* ],
            structs: &[ $( super::Struct {
                name: stringify!($struct),
                fields: &[ $( (stringify!($field), stringify!($field_type)), )* ],
                layouts: &[ $( super::Layout {
                    model: stringify!($model), size: $size, align: stringify!($align), offsets: &[ $( $offset ),* ],
                }, )* ],
            }, )* ],
            calls: &[
                $( super::Call {
                    name: stringify!($call), symbol: $symbol, linked: true,
                    arguments: &[ $( stringify!($argument) ),* ], result: stringify!($result),
                }, )*
                $( super::Call {
                    name: $call_name, symbol: $call_name, linked: false,
                    arguments: &[ $( stringify!($its_argument) ),* ], result: stringify!($its_result),
                }, )*
            ],
        };
    };
}
pub(crate) use abi;
