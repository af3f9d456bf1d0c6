//! Every system's tables against what its headers say, whatever system the test runs on.

#[path = "systems/mod.rs"]
mod systems;
#[path = "systems/table.rs"]
mod table;

use serde_json::Value;
use std::collections::BTreeMap;
use systems::{disagreements, Abi, Call, Header, Layout, System, Table, SYSTEMS};

fn parsed(header: &str) -> Value {
    serde_json::from_str(header).unwrap()
}

/// The constants of a system's records.
fn recorded(system: &System) -> Vec<Header> {
    let mut recorded = Vec::new();
    for (file, text) in system.headers {
        let header = parsed(text);
        let constants = header["const"].as_object().unwrap();
        let constants = constants.iter().map(|(name, value)| (name.clone(), value.as_i64().map(i128::from)));
        recorded.push(((*file).to_owned(), constants.collect()));
    }
    recorded
}

/// One record, whatever system's it is.
fn record(name: &str) -> &'static [(&'static str, &'static str)] {
    let mut records = SYSTEMS.iter().flat_map(|system| system.headers);
    std::slice::from_ref(records.find(|(file, _)| *file == name).unwrap())
}

/// The value that a header has, and no other, stands behind every name; nothing is missing and nothing is invented.
#[test]
fn tables_are_the_headers() {
    let mut found = Vec::new();
    for system in SYSTEMS {
        let lines = disagreements(system, &recorded(system));
        found.extend(lines.into_iter().map(|line| format!("{}: {line}", system.name)));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The comparison itself notices a wrong value, a missing constant, an invented one, and an excuse without need.
#[test]
fn a_wrong_table_is_noticed() {
    let netbsd_as_freebsd = System {
        name: "wrong",
        headers: record("freebsd-15.1"),
        differing: &[],
        left_out: &[("EV_ADD", "none")],
        added: &[],
        ..*systems::system("netbsd").unwrap()
    };
    let found = disagreements(&netbsd_as_freebsd, &recorded(&netbsd_as_freebsd));
    for line in [
        "freebsd-15.1: EVFILT_READ is -1, not 0",
        "freebsd-15.1: EVFILT_JAIL = -14 is missing",
        "EV_ADD is excused, but needs no excuse",
    ] {
        assert!(found.iter().any(|it| it == line), "{line} is not among\n{}", found.join("\n"));
    }

    let freebsd_as_old = System { headers: record("freebsd-13.2"), ..*systems::system("freebsd").unwrap() };
    let found = disagreements(&freebsd_as_old, &recorded(&freebsd_as_old));
    assert!(found.iter().any(|it| it == "no header has EV_KEEPUDATA = 512"), "\n{}", found.join("\n"));
}

/// Where the names alone are known, as from a compiler's list of macros, a missing one is noticed all the same.
#[test]
fn a_name_without_a_value_is_noticed_too() {
    let system = systems::system("openbsd").unwrap();
    let mut names = recorded(system);
    for (_, header) in &mut names {
        header.values_mut().for_each(|value| *value = None);
    }
    assert_eq!(disagreements(system, &names), [""; 0]);
    names[1].1.insert("EVFILT_NEW".to_owned(), None);
    assert_eq!(disagreements(system, &names), ["openbsd-7.9: EVFILT_NEW is missing"]);
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
    let name = match std::env::consts::OS {
        _ if cfg!(apple) => "apple",
        "netbsd" if cfg!(feature = "netbsd11") => "netbsd11",
        other => other,
    };
    systems::system(name).unwrap()
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

/// Size and whether it has a sign of what Rust calls `definition`, with pointers of `pointer` bytes.
fn size_and_sign(definition: &str, pointer: u64) -> (u64, bool) {
    match definition {
        "i16" => (2, true),
        "u16" => (2, false),
        "u32" => (4, false),
        "i64" => (8, true),
        "isize" => (pointer, true),
        "usize" | "*mut c_void" => (pointer, false),
        "[u64; 4]" => (32, false),
        other => panic!("{other} in a kevent"),
    }
}

/// Everything in which the struct of the tables and that of a record disagree, one line each.
fn struct_disagreements(abi: &Abi, header: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let declared = &header["kevent"];
    let pointer = declared["fields"]["ident"]["size"].as_u64().unwrap();
    let model = match (pointer, declared["align"].as_u64()) {
        (8, _) => "lp64",
        (_, Some(4)) => "i386",
        _ => "ilp32",
    };
    let kevent = abi.structs.iter().find(|it| it.name == "kevent").unwrap();
    let Layout { size, align, offsets, .. } = kevent.layouts.iter().find(|it| it.model == model).unwrap();
    let mut same = |what: &str, ours: Value, theirs: &Value| {
        if ours != *theirs {
            found.push(format!("{what} is {theirs}, not {ours}"));
        }
    };
    same("size", (*size).into(), &declared["size"]);
    same("alignment", align.parse::<u64>().unwrap().into(), &declared["align"]);
    for ((field, spelled), offset) in kevent.fields.iter().zip(*offsets) {
        let (size, signed) = size_and_sign(abi.resolve(spelled), pointer);
        let theirs = &declared["fields"][field];
        same(&format!("offset of {field}"), (*offset).into(), &theirs["offset"]);
        same(&format!("size of {field}"), size.into(), &theirs["size"]);
        same(&format!("sign of {field}"), signed.into(), &theirs["signed"]);
    }
    let fields: Vec<&str> = declared["fields"].as_object().unwrap().keys().map(String::as_str).collect();
    same("number of fields", kevent.fields.len().into(), &fields.len().into());
    found
}

/// `struct kevent` lies in memory as each record has it. (Linux has no header of its own to be held against.)
#[test]
fn the_struct_is_the_headers() {
    let mut found = Vec::new();
    for system in SYSTEMS.iter().filter(|system| system.name != "linux") {
        for (file, text) in system.headers {
            let lines = struct_disagreements(&system.abi, &parsed(text));
            found.extend(lines.into_iter().map(|line| format!("{file}: {line}")));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));

    let netbsd10 = parsed(systems::system("netbsd").unwrap().headers[0].1);
    let found = struct_disagreements(&systems::system("freebsd").unwrap().abi, &netbsd10);
    for line in ["size is 40, not 64", "offset of data is 24, not 16", "sign of filter is false, not true"] {
        assert!(found.iter().any(|it| it == line), "{line} is not among\n{}", found.join("\n"));
    }
}

/// A C prototype as result, name, argument types and symbol, without the arguments' names.
fn read_prototype(declaration: &str) -> Option<String> {
    let (head, rest) = declaration.split_once('(')?;
    let (arguments, tail) = rest.split_once(')')?;
    let name = head.rsplit(' ').next()?;
    let symbol = tail.split('"').nth(1).unwrap_or(name);
    let arguments = arguments.split(',').map(|argument| {
        let words = argument.replace('*', " * ").replace("unsigned int", "unsigned");
        let mut words: Vec<&str> = words.split_whitespace().collect();
        let a_type_alone = matches!(words[..], [_] | [.., "*"] | ["const" | "struct", _]);
        if !a_type_alone {
            words.pop();
        }
        words.join(" ")
    });
    Some(format!("{head}({}) as {symbol}", arguments.collect::<Vec<_>>().join(", ")))
}

/// The same of a call in the tables.
fn our_prototype(abi: &Abi, call: &Call) -> String {
    let arguments = call.arguments.iter().map(|argument| match abi.resolve(argument) {
        "c_int" => "int".to_owned(),
        "c_uint" => "unsigned".to_owned(),
        "usize" => "size_t".to_owned(),
        other => other.replace("*const", "const struct").replace("*mut", "struct") + " *",
    });
    let mut arguments: Vec<String> = arguments.collect();
    if arguments.is_empty() {
        arguments.push("void".to_owned());
    }
    assert_eq!(call.result, "c_int");
    format!("int {}({}) as {}", call.name, arguments.join(", "), call.symbol)
}

/// Every call has the prototype of each record; one that is linked is in all of them, one that is looked up in some.
#[test]
fn the_calls_are_the_headers() {
    for system in SYSTEMS.iter().filter(|system| system.name != "linux") {
        let mut ours: BTreeMap<String, (bool, usize)> = BTreeMap::new();
        for call in system.abi.calls {
            ours.insert(our_prototype(&system.abi, call), (call.linked, 0));
        }
        for (file, text) in system.headers {
            for declaration in parsed(text)["prototypes"].as_array().unwrap() {
                let declaration = declaration.as_str().unwrap();
                // Apple's records have the tail of two enumerations among the prototypes.
                if !declaration.starts_with("int ") {
                    continue;
                }
                let theirs = read_prototype(declaration).unwrap();
                let known = ours.get_mut(&theirs);
                known.unwrap_or_else(|| panic!("{file} has {theirs}")).1 += 1;
            }
        }
        for (prototype, (linked, headers)) in ours {
            let wanted = if linked { system.headers.len() } else { 1 };
            assert!(headers >= wanted, "{}: {headers} headers have {prototype}", system.name);
        }
    }
}
