//! Every system's table of constants against what its headers say, whatever system the test runs on.

#![allow(non_camel_case_types)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

// The tables are taken from the source, over a `constants!` that keeps names and values only. The types are the
// library's business; here a value is a number.
type filter_t = i128;
type flags_t = i128;
type fflags_t = i128;

mod table {
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
            const SHORT_NAMES: &[&[&str]] = &[
                &[ $( stringify!($flag_short), )* ], $( &[ $( stringify!($note_short), )* ], )*
            ];
            pub const TABLE: super::Table = super::Table {
                filters: FILTERS, flags: FLAGS, notes: NOTES, internal: INTERNAL, short_names: SHORT_NAMES,
            };
        };
    }
    pub(crate) use constants;
}

#[path = "../src/apple/constants.rs"]
mod apple;
#[path = "../src/dragonfly/constants.rs"]
mod dragonfly;
#[path = "../src/freebsd/constants.rs"]
mod freebsd;
#[path = "../src/linux/constants.rs"]
mod linux;
#[path = "../src/netbsd/constants.rs"]
mod netbsd;
#[path = "../src/openbsd/constants.rs"]
mod openbsd;

/// What a system's `constants.rs` declares.
#[derive(Clone, Copy)]
pub struct Table {
    filters: &'static [(&'static str, i128)],
    flags: &'static [(&'static str, i128)],
    notes: &'static [(&'static str, &'static [(&'static str, i128)])],
    internal: &'static [(&'static str, i128)],
    short_names: &'static [&'static [&'static str]],
}

impl Table {
    /// All constants, with whatever name they have.
    fn all(&self) -> BTreeMap<&'static str, i128> {
        let notes = self.notes.iter().flat_map(|(_, notes)| notes.iter());
        let all = self.filters.iter().chain(self.flags).chain(notes).chain(self.internal);
        all.copied().collect()
    }
}

/// A table, the headers that it is held against, and what is known to differ.
struct System {
    name: &'static str,
    table: Table,
    headers: &'static [(&'static str, &'static str)],
    /// What some header gives another value: name, that value, why.
    differing: &'static [(&'static str, i128, &'static str)],
    /// What some header has and the table lacks: name, why.
    left_out: &'static [(&'static str, &'static str)],
    /// What the table has and no header: name, why.
    added: &'static [(&'static str, &'static str)],
}

macro_rules! headers {
    ($($name:literal)*) => { &[ $( ($name, include_str!(concat!("headers/", $name, ".json"))), )* ] };
}

const SYSTEMS: &[System] = &[
    System {
        name: "freebsd",
        table: freebsd::TABLE,
        headers: headers!("freebsd-13.2" "freebsd-14.3" "freebsd-15.0" "freebsd-15.0-i386" "freebsd-15.1"),
        differing: &[("EVFILT_SYSCOUNT", 13, "the filters of jails came with 15")],
        left_out: &[],
        added: &[("KQUEUE_CPONFORK", "younger than the newest header here; kqueue(2) of 2026 has it")],
    },
    System {
        name: "netbsd",
        table: netbsd::TABLE,
        headers: headers!("netbsd-10.1" "netbsd-11.0"),
        differing: &[],
        left_out: &[],
        added: &[],
    },
    System {
        name: "openbsd",
        table: openbsd::TABLE,
        headers: headers!("openbsd-7.8" "openbsd-7.9"),
        differing: &[],
        left_out: &[],
        added: &[],
    },
    System {
        name: "dragonfly",
        table: dragonfly::TABLE,
        headers: headers!("dragonfly-6"),
        differing: &[],
        left_out: &[],
        added: &[],
    },
    System {
        name: "apple",
        table: apple::TABLE,
        headers: headers!("ios-arm64" "macos-arm64" "macos-x86_64"),
        differing: &[("NOTE_PCTRLMASK", -0x10_0000, "a negative int in C, of the same 32 bits")],
        left_out: &[],
        added: &[],
    },
    System {
        name: "linux",
        table: linux::TABLE,
        headers: headers!("freebsd-13.2" "freebsd-14.3"),
        differing: &[],
        left_out: &[
            ("EV_DROP", "private to FreeBSD's kernel"),
            ("EV_FLAG1", "private to FreeBSD's kernel"),
            ("EV_FLAG2", "private to FreeBSD's kernel"),
        ],
        added: &[("NOTE_NODATA", "kq-sys's own: the kernel that answers here is not FreeBSD's")],
    },
];

fn constants_of(header: &str) -> BTreeMap<String, i128> {
    let header: Value = serde_json::from_str(header).unwrap();
    let constants = header["const"].as_object().unwrap();
    let constants = constants.iter().map(|(name, value)| (name.clone(), i128::from(value.as_i64().unwrap())));
    constants.collect()
}

/// Everything in which the table and the headers disagree, one line each.
fn disagreements(system: &System) -> Vec<String> {
    let mut found = Vec::new();
    let table = system.table.all();
    let mut unused: Vec<&str> = Vec::new();
    unused.extend(system.differing.iter().map(|(name, ..)| *name));
    unused.extend(system.left_out.iter().chain(system.added).map(|(name, _)| *name));
    let mut in_some_header = BTreeSet::new();

    for (file, text) in system.headers {
        let header = constants_of(text);
        assert!(header.len() > 40, "{file} is cut short");
        for (name, value) in header {
            match table.get(name.as_str()) {
                Some(ours) if *ours == value => {}
                Some(_) if system.differing.iter().any(|(it, other, _)| *it == name && *other == value) => {
                    unused.retain(|it| *it != name)
                }
                Some(ours) => found.push(format!("{file}: {name} is {value}, not {ours}")),
                None if system.left_out.iter().any(|(it, _)| *it == name) => unused.retain(|it| *it != name),
                None => found.push(format!("{file}: {name} = {value} is missing")),
            }
            in_some_header.insert(name);
        }
    }
    for (name, value) in &table {
        if !in_some_header.contains(*name) {
            if system.added.iter().any(|(it, _)| it == name) {
                unused.retain(|it| it != name);
            } else {
                found.push(format!("no header has {name} = {value}"));
            }
        }
    }
    found.extend(unused.iter().map(|name| format!("{name} is excused, but needs no excuse")));
    found
}

/// The value that a header has, and no other, stands behind every name; nothing is missing and nothing is invented.
#[test]
fn tables_are_the_headers() {
    let mut found = Vec::new();
    for system in SYSTEMS {
        found.extend(disagreements(system).into_iter().map(|line| format!("{}: {line}", system.name)));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The comparison itself notices a wrong value, a missing constant, an invented one, and an excuse without need.
#[test]
fn a_wrong_table_is_noticed() {
    let netbsd_as_freebsd = System {
        name: "wrong",
        table: netbsd::TABLE,
        headers: headers!("freebsd-15.1"),
        differing: &[],
        left_out: &[("EV_ADD", "none")],
        added: &[],
    };
    let found = disagreements(&netbsd_as_freebsd);
    for line in [
        "freebsd-15.1: EVFILT_READ is -1, not 0",
        "freebsd-15.1: EVFILT_JAIL = -14 is missing",
        "EV_ADD is excused, but needs no excuse",
    ] {
        assert!(found.iter().any(|it| it == line), "{line} is not among\n{}", found.join("\n"));
    }

    let freebsd_as_old =
        System { table: freebsd::TABLE, headers: headers!("freebsd-13.2"), left_out: &[], ..netbsd_as_freebsd };
    let found = disagreements(&freebsd_as_old);
    assert!(found.iter().any(|it| it == "no header has EV_KEEPUDATA = 512"), "\n{}", found.join("\n"));
}

/// Who takes the names of a word one after the other, first fit first, never takes a part for the whole.
#[test]
fn names_can_be_read_back() {
    for system in SYSTEMS {
        let Table { filters, flags, notes, short_names, .. } = system.table;
        for (at, (name, value)) in filters.iter().enumerate() {
            assert!(filters[..at].iter().all(|(_, it)| it != value), "{}: {name} has another's value", system.name);
        }
        let groups = notes.iter().map(|(_, group)| *group).chain([flags]);
        for group in groups {
            for (at, (name, value)) in group.iter().enumerate() {
                assert_ne!(*value, 0, "{}: {name} cannot be seen in a word", system.name);
                for (before, part) in &group[..at] {
                    assert_ne!(part & value, *part, "{}: {before} hides {name}", system.name);
                }
            }
        }
        for names in short_names {
            for (at, name) in names.iter().enumerate() {
                assert!(!names[..at].contains(name), "{}: {name} is there twice", system.name);
            }
        }
    }
}

fn this_system() -> &'static System {
    let name = if cfg!(apple) { "apple" } else { std::env::consts::OS };
    SYSTEMS.iter().find(|it| it.name == name).unwrap()
}

/// The library offers the running system's table, whole and under the same names.
#[test]
fn the_library_offers_this_systems_table() {
    let system = this_system();
    let Table { filters, flags, notes, internal, .. } = system.table;

    fn numbers<T: Copy + Into<i128>>(named: &[kq_sys::Named<T>]) -> Vec<(&str, i128)> {
        named.iter().map(|(name, value)| (*name, (*value).into())).collect()
    }
    assert_eq!(numbers(kq_sys::FILTERS), filters);
    assert_eq!(numbers(kq_sys::FLAGS), flags);
    assert_eq!(numbers(kq_sys::INTERNAL), internal);
    let offered: Vec<_> = kq_sys::NOTES.iter().map(|(group, notes)| (*group, numbers(notes))).collect();
    let declared: Vec<_> = notes.iter().map(|(group, notes)| (*group, notes.to_vec())).collect();
    assert_eq!(offered, declared);
}

/// `struct kevent` lies in memory as the header has it. (Linux has no header of its own to be held against.)
#[cfg(all(not(linux), target_pointer_width = "64"))]
#[test]
fn the_struct_is_the_headers() {
    // NetBSD's header of 11 is about the struct of the feature `netbsd11`.
    let headers = this_system().headers;
    let (file, header) =
        if cfg!(all(netbsd, not(feature = "netbsd11"))) { headers[0] } else { *headers.last().unwrap() };
    let header: Value = serde_json::from_str(header).unwrap();
    let declared = &header["kevent"];

    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    assert_eq!(std::mem::size_of::<kq_sys::kevent>(), number(&declared["size"]), "size of {file}");
    assert_eq!(std::mem::align_of::<kq_sys::kevent>(), number(&declared["align"]), "alignment of {file}");
    let mut fields = 0;
    macro_rules! field {
        ($($field:ident: $type:ty),*) => { $(
            let field = &declared["fields"][stringify!($field)];
            let name = concat!(stringify!($field), " of");
            assert_eq!(std::mem::offset_of!(kq_sys::kevent, $field), number(&field["offset"]), "offset of {name} {file}");
            assert_eq!(std::mem::size_of::<$type>(), number(&field["size"]), "size of {name} {file}");
            fields += 1;
        )* };
    }
    field!(
        ident: kq_sys::ident_t, filter: kq_sys::filter_t, flags: kq_sys::flags_t, fflags: kq_sys::fflags_t,
        data: kq_sys::data_t, udata: kq_sys::udata_t
    );
    #[cfg(all(has_ext, not(apple)))]
    field!(ext: kq_sys::ext_t);
    assert_eq!(fields, declared["fields"].as_object().unwrap().len(), "fields of {file}");
    assert_eq!(kq_sys::filter_t::MIN != 0, declared["fields"]["filter"]["signed"].as_bool().unwrap());
}
