//! Every system's tables as data, whatever system runs this, and what is known to differ between them and the headers.

#![allow(dead_code, non_camel_case_types, unused_imports)] // who includes this takes a part of it

use std::collections::{BTreeMap, BTreeSet};

// What the files below take from the library around them. A value is a number here, whatever its type.
type filter_t = i128;
type flags_t = i128;
type fflags_t = i128;

#[path = "../../src/apple/constants.rs"]
mod apple;
#[path = "../../src/apple/abi.rs"]
mod apple_abi;
#[path = "../../src/dragonfly/constants.rs"]
mod dragonfly;
#[path = "../../src/dragonfly/abi.rs"]
mod dragonfly_abi;
#[path = "../../src/freebsd/constants.rs"]
mod freebsd;
#[path = "../../src/freebsd/abi.rs"]
mod freebsd_abi;
#[path = "../../src/linux/constants.rs"]
mod linux;
#[path = "../../src/linux/abi.rs"]
mod linux_abi;
#[path = "../../src/netbsd/constants.rs"]
mod netbsd;
#[path = "../../src/netbsd/abi11.rs"]
mod netbsd11_abi;
#[path = "../../src/netbsd/abi.rs"]
mod netbsd_abi;
#[path = "../../src/openbsd/constants.rs"]
mod openbsd;
#[path = "../../src/openbsd/abi.rs"]
mod openbsd_abi;

/// What a system's `constants.rs` declares.
#[derive(Clone, Copy)]
pub struct Table {
    pub filters: &'static [(&'static str, i128)],
    pub flags: &'static [(&'static str, i128)],
    pub notes: &'static [(&'static str, &'static [(&'static str, i128)])],
    pub internal: &'static [(&'static str, i128)],
    pub internal_types: &'static [&'static str],
    pub short_names: &'static [&'static [&'static str]],
}

/// A constant with its name, Rust type and value.
pub type Constant = (&'static str, &'static str, i128);

impl Table {
    /// All constants, as they stand in the table.
    pub fn constants(&self) -> Vec<Constant> {
        let typed = |kind| move |&(name, value): &(&'static str, i128)| (name, kind, value);
        let mut all: Vec<Constant> = self.filters.iter().map(typed("filter_t")).collect();
        all.extend(self.flags.iter().map(typed("flags_t")));
        all.extend(self.notes.iter().flat_map(|(_, notes)| notes.iter()).map(typed("fflags_t")));
        let internal = self.internal.iter().zip(self.internal_types);
        all.extend(internal.map(|(&(name, value), &kind)| (name, kind, value)));
        all
    }

    /// All values, by the name that they have.
    pub fn values(&self) -> BTreeMap<&'static str, i128> {
        self.constants().into_iter().map(|(name, _, value)| (name, value)).collect()
    }
}

/// What a system's `abi.rs` declares.
#[derive(Clone, Copy)]
pub struct Abi {
    /// A name and what it stands for, as Rust spells it.
    pub types: &'static [(&'static str, &'static str)],
    pub structs: &'static [Struct],
    pub calls: &'static [Call],
}

impl Abi {
    /// What a type's name stands for, if it is one of the system's.
    pub fn resolve<'a>(&self, name: &'a str) -> &'a str {
        self.types.iter().find(|(it, _)| *it == name).map_or(name, |(_, definition)| definition)
    }
}

#[derive(Clone, Copy)]
pub struct Struct {
    pub name: &'static str,
    pub fields: &'static [(&'static str, &'static str)],
    pub layouts: &'static [Layout],
}

/// Where a struct's fields lie in one data model.
#[derive(Clone, Copy)]
pub struct Layout {
    pub model: &'static str,
    pub size: usize,
    /// A Rust expression.
    pub align: &'static str,
    pub offsets: &'static [usize],
}

#[derive(Clone, Copy)]
pub struct Call {
    pub name: &'static str,
    /// What the C library calls it.
    pub symbol: &'static str,
    /// Whether a program does not start without it.
    pub linked: bool,
    pub arguments: &'static [&'static str],
    pub result: &'static str,
}

/// A system's tables, its recorded headers, and what is known to differ.
#[derive(Clone, Copy)]
pub struct System {
    pub name: &'static str,
    pub table: Table,
    pub abi: Abi,
    /// The records in `../headers` of what its headers say.
    pub headers: &'static [(&'static str, &'static str)],
    /// What some header gives another value: name, that value, why.
    pub differing: &'static [(&'static str, i128, &'static str)],
    /// What some header has and the table lacks: name, why.
    pub left_out: &'static [(&'static str, &'static str)],
    /// What the table has and no header: name, why.
    pub added: &'static [(&'static str, &'static str)],
}

macro_rules! headers {
    ($($name:literal)*) => { &[ $( ($name, include_str!(concat!("../headers/", $name, ".json"))), )* ] };
}

pub const SYSTEMS: &[System] = &[
    System {
        name: "freebsd",
        table: freebsd::TABLE,
        abi: freebsd_abi::ABI,
        headers: headers!("freebsd-13.2" "freebsd-14.3" "freebsd-15.0" "freebsd-15.0-i386" "freebsd-15.1"),
        differing: &[("EVFILT_SYSCOUNT", 13, "the filters of jails came with 15")],
        left_out: &[],
        added: &[("KQUEUE_CPONFORK", "younger than the newest header here; kqueue(2) of 2026 has it")],
    },
    System {
        name: "netbsd",
        table: netbsd::TABLE,
        abi: netbsd_abi::ABI,
        headers: headers!("netbsd-10.1"),
        differing: &[],
        left_out: &[],
        added: &[],
    },
    System {
        name: "netbsd11",
        table: netbsd::TABLE,
        abi: netbsd11_abi::ABI,
        headers: headers!("netbsd-11.0"),
        differing: &[],
        left_out: &[],
        added: &[],
    },
    System {
        name: "openbsd",
        table: openbsd::TABLE,
        abi: openbsd_abi::ABI,
        headers: headers!("openbsd-7.8" "openbsd-7.9"),
        differing: &[],
        left_out: &[],
        added: &[],
    },
    System {
        name: "dragonfly",
        table: dragonfly::TABLE,
        abi: dragonfly_abi::ABI,
        headers: headers!("dragonfly-6"),
        differing: &[],
        left_out: &[],
        added: &[],
    },
    System {
        name: "apple",
        table: apple::TABLE,
        abi: apple_abi::ABI,
        headers: headers!("ios-arm64" "macos-arm64" "macos-x86_64" "macos-27.0"),
        differing: &[
            ("NOTE_PCTRLMASK", -0x10_0000, "a negative int in C, of the same 32 bits"),
            ("EVFILT_SYSCOUNT", 18, "EVFILT_LIO came with the SDK of macOS 27"),
            ("EVFILT_THREADMARKER", 18, "EVFILT_LIO came with the SDK of macOS 27"),
        ],
        left_out: &[],
        added: &[],
    },
    System {
        name: "linux",
        table: linux::TABLE,
        abi: linux_abi::ABI,
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

/// The system of that name.
pub fn system(name: &str) -> Option<&'static System> {
    SYSTEMS.iter().find(|it| it.name == name)
}

/// A header's name, and its constants with their values where they are known.
pub type Header = (String, BTreeMap<String, Option<i128>>);

/// Everything in which the table and the headers disagree, one line each.
pub fn disagreements(system: &System, headers: &[Header]) -> Vec<String> {
    let mut found = Vec::new();
    let table = system.table.values();
    let mut unused: Vec<&str> = Vec::new();
    let mut in_some_header = BTreeSet::new();
    let values_are_known = headers.iter().flat_map(|(_, header)| header.values()).any(Option::is_some);
    if values_are_known {
        unused.extend(system.differing.iter().map(|(name, ..)| *name));
    }
    unused.extend(system.left_out.iter().chain(system.added).map(|(name, _)| *name));

    for (file, header) in headers {
        if header.len() <= 40 {
            found.push(format!("{file} is cut short: it has {} constants", header.len()));
        }
        for (name, &value) in header {
            let name = name.as_str();
            let excused = system.differing.iter().any(|&(it, other, _)| it == name && Some(other) == value);
            match (table.get(name), value) {
                (Some(_), None) => {}
                (Some(&ours), Some(value)) if ours == value => {}
                (Some(_), Some(_)) if excused => unused.retain(|it| *it != name),
                (Some(ours), Some(value)) => found.push(format!("{file}: {name} is {value}, not {ours}")),
                (None, _) if system.left_out.iter().any(|(it, _)| *it == name) => unused.retain(|it| *it != name),
                (None, Some(value)) => found.push(format!("{file}: {name} = {value} is missing")),
                (None, None) => found.push(format!("{file}: {name} is missing")),
            }
            in_some_header.insert(name);
        }
    }
    for (name, value) in &table {
        if !in_some_header.contains(name) {
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
