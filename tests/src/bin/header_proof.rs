//! Writes what the tables of kq-sys say of a system as a C file of assertions, for a compiler that has its headers.
//!
//! - `assertions SYSTEM` prints that file: every constant's value and type, every struct's layout, every call's
//!   prototype and symbol.
//! - `names SYSTEM DUMP…` compares the constants' names with those in the headers, of each of which DUMP has the macros
//!   as `cc -E -dM` prints them.
//! - `symbols SYSTEM` prints the symbols that a program on that system is linked with.
//!
//! It stands alone, so that `rustc` by itself builds it from a changed copy of the tables; `.ci/headers` does.

#[path = "../../../kq-sys/tests/systems/mod.rs"]
mod systems;
#[path = "../../../kq-sys/tests/systems/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;
use systems::{Abi, Call, Layout, System};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["assertions", name] => known(name).and_then(assertions),
        ["symbols", name] => known(name).map(symbols),
        ["names", name, ref dumps @ ..] if !dumps.is_empty() => known(name).and_then(|system| names(system, dumps)),
        _ => Err("usage: header_proof assertions SYSTEM | symbols SYSTEM | names SYSTEM DUMP...".to_owned()),
    };
    match outcome {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

fn known(name: &str) -> Result<&'static System, String> {
    systems::system(name).ok_or_else(|| format!("no table is called {name}"))
}

/// The C condition for one of the data models that `abi!` names.
fn condition(model: &str) -> Result<&'static str, String> {
    match model {
        "lp64" => Ok("defined(__LP64__)"),
        "i386" => Ok("!defined(__LP64__) && defined(__i386__)"),
        "ilp32" => Ok("!defined(__LP64__) && !defined(__i386__)"),
        _ => Err(format!("no data model is called {model}")),
    }
}

/// The kind and size in C of what Rust calls `definition`: kinds as in the macro `KIND` below.
fn kind_and_size(definition: &str) -> Result<(char, String), String> {
    let whole = |kind, bytes: &str| Ok((kind, bytes.to_owned()));
    match definition {
        "i16" => whole('s', "2"),
        "i32" => whole('s', "4"),
        "i64" => whole('s', "8"),
        "isize" => whole('s', "sizeof(void *)"),
        "u16" => whole('u', "2"),
        "u32" => whole('u', "4"),
        "u64" => whole('u', "8"),
        "usize" => whole('u', "sizeof(void *)"),
        "*mut c_void" => whole('p', "sizeof(void *)"),
        _ => Err(format!("{definition} has no place in a kevent")),
    }
}

/// The C type of a constant that Rust holds in `definition`.
fn constant_type(definition: &str) -> Result<&'static str, String> {
    match definition {
        "i16" => Ok("int16_t"),
        "i32" => Ok("int32_t"),
        "u16" => Ok("uint16_t"),
        "u32" => Ok("uint32_t"),
        _ => Err(format!("{definition} is no constant's type")),
    }
}

/// The C type of an argument or a result.
fn argument_type(abi: &Abi, argument: &str) -> Result<String, String> {
    if let Some(pointed) = argument.strip_prefix("*const ") {
        return Ok(format!("const struct {pointed} *"));
    }
    if let Some(pointed) = argument.strip_prefix("*mut ") {
        return Ok(format!("struct {pointed} *"));
    }
    match abi.resolve(argument) {
        "c_int" => Ok("int".to_owned()),
        "c_uint" => Ok("unsigned int".to_owned()),
        "usize" => Ok("size_t".to_owned()),
        other => Err(format!("{other} is no argument's type")),
    }
}

/// The C type of a call, with `name` in the place of its name.
fn prototype(abi: &Abi, call: &Call, name: &str) -> Result<String, String> {
    let arguments: Result<Vec<String>, String> = call.arguments.iter().map(|it| argument_type(abi, it)).collect();
    let arguments = arguments?;
    let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
    Ok(format!("{} {name}({arguments})", argument_type(abi, call.result)?))
}

const OPENING: &str = "\
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNED signed char: 's', short: 's', int: 's', long: 's', long long: 's'
#define UNSIGNED unsigned char: 'u', unsigned short: 'u', unsigned: 'u', unsigned long: 'u', unsigned long long: 'u'
#define KIND(it) _Generic((it), SIGNED, UNSIGNED, void *: 'p', default: 0)
#define FIELD(type, field) (((struct type *)0)->field)
#define TEXT_OF(it) #it
#define TEXT(it) TEXT_OF(it)
#define SYMBOL(name) __asm(TEXT(__USER_LABEL_PREFIX__) name)
";

/// The C file of a system.
fn assertions(system: &System) -> Result<String, String> {
    let mut out = format!("/* What kq-sys says of {}, asserted of its headers. */\n{OPENING}\n", system.name);
    for constant in system.table.constants() {
        write_constant(&mut out, system, constant)?;
    }
    for declared in system.abi.structs {
        write_fields(&mut out, &system.abi, declared.name, declared.fields)?;
        let mut conditions = Vec::new();
        for layout in declared.layouts {
            conditions.push(format!("!({})", condition(layout.model)?));
            write_layout(&mut out, declared.name, declared.fields, layout)?;
        }
        let name = declared.name;
        let _ =
            writeln!(out, "#if {}\n#error \"{name} has no layout for this machine\"\n#endif", conditions.join(" && "));
    }
    for call in system.abi.calls {
        write_call(&mut out, &system.abi, call)?;
    }
    Ok(out)
}

fn write_constant(out: &mut String, system: &System, constant: systems::Constant) -> Result<(), String> {
    let (name, kind, value) = constant;
    let kind = system.abi.resolve(kind);
    let held_in = constant_type(kind)?;
    let others = system.differing.iter().filter(|(it, ..)| *it == name);
    let others: String = others.map(|(_, other, _)| format!(" || (long long)({name}) == {other}LL")).collect();
    // A header that is too old for a constant has no macro of that name: `names` sees to it that some header has it.
    let _ = writeln!(out, "#ifdef {name}");
    let _ = writeln!(out, "_Static_assert((long long)({name}) == {value}LL{others}, \"{name} is {value}\");");
    if others.is_empty() {
        let holds = format!("(long long)({held_in})({name}) == (long long)({name})");
        let _ = writeln!(out, "_Static_assert({holds}, \"{name} fits {kind}\");");
    }
    let _ = writeln!(out, "#endif");
    Ok(())
}

fn write_fields(out: &mut String, abi: &Abi, name: &str, fields: &[(&str, &str)]) -> Result<(), String> {
    for (field, spelled) in fields {
        let definition = abi.resolve(spelled);
        let array = definition.strip_prefix('[').and_then(|it| it.strip_suffix(']')).and_then(|it| it.split_once("; "));
        let (element, index) = match array {
            Some((element, _)) => (element, "[0]"),
            None => (definition, ""),
        };
        let (kind, size) = kind_and_size(element)?;
        let at = format!("FIELD({name}, {field}){index}");
        let _ = writeln!(
            out,
            "_Static_assert(KIND({at}) == '{kind}' && sizeof({at}) == {size}, \"{name}.{field} is {definition}\");"
        );
        if let Some((_, length)) = array {
            let whole = format!("sizeof(FIELD({name}, {field}))");
            let _ = writeln!(
                out,
                "_Static_assert({whole} == {length} * sizeof({at}), \"{name}.{field} is {definition}\");"
            );
        }
    }
    Ok(())
}

fn write_layout(out: &mut String, name: &str, fields: &[(&str, &str)], layout: &Layout) -> Result<(), String> {
    let Layout { model, size, align, offsets } = layout;
    if fields.len() != offsets.len() {
        return Err(format!("{name} has {} fields, but {} offsets in {model}", fields.len(), offsets.len()));
    }
    let align = match *align {
        "core::mem::align_of::<u64>()" => "_Alignof(uint64_t)",
        number => number,
    };
    let _ = writeln!(out, "#if {}", condition(model)?);
    let _ = writeln!(out, "_Static_assert(sizeof(struct {name}) == {size}, \"{name} has {size} bytes\");");
    let _ = writeln!(out, "_Static_assert(_Alignof(struct {name}) == {align}, \"{name} is aligned to {align}\");");
    for ((field, _), offset) in fields.iter().zip(*offsets) {
        let place = format!("offsetof(struct {name}, {field}) == {offset}");
        let _ = writeln!(out, "_Static_assert({place}, \"{name}.{field} is at {offset}\");");
    }
    let _ = writeln!(out, "#endif");
    Ok(())
}

fn write_call(out: &mut String, abi: &Abi, call: &Call) -> Result<(), String> {
    let Call { name, symbol, .. } = call;
    let kind = prototype(abi, call, "")?;
    let _ = writeln!(
        out,
        "_Static_assert(__builtin_types_compatible_p(__typeof__({name}), __typeof__({kind})), \"{name} is {kind}\");"
    );
    // A compiler refuses a second symbol for a call, and, once the call was used, a first one. So a header without a
    // symbol of its own is taken for what it means, unless the tables have another symbol than the name.
    if symbol != name {
        let _ = writeln!(out, "void *use_of_{name}(void) {{ return (void *){name}; }}");
    }
    let _ = writeln!(out, "{} SYMBOL(\"{symbol}\");", prototype(abi, call, name)?);
    Ok(())
}

/// The linked symbols, one a line.
fn symbols(system: &System) -> String {
    system.abi.calls.iter().filter(|call| call.linked).map(|call| format!("{}\n", call.symbol)).collect()
}

/// Holds the names in the table against the macros that the compiler dumped.
fn names(system: &System, dumps: &[&str]) -> Result<String, String> {
    let mut headers = Vec::new();
    for dump in dumps {
        let macros = std::fs::read_to_string(dump).map_err(|error| format!("{dump}: {error}"))?;
        let constants: BTreeMap<String, Option<i128>> =
            macros.lines().filter_map(constant_defined).map(|name| (name.to_owned(), None)).collect();
        headers.push(((*dump).to_owned(), constants));
    }
    let found = systems::disagreements(system, &headers);
    if found.is_empty() {
        Ok(format!("{} constants, none missing\n", headers.last().map_or(0, |(_, constants)| constants.len())))
    } else {
        Err(found.join("\n"))
    }
}

/// The name of the kqueue constant that a line of the dump defines.
fn constant_defined(line: &str) -> Option<&str> {
    let (name, body) = line.strip_prefix("#define ")?.split_once(' ')?;
    let ours = ["EVFILT_", "EV_", "NOTE_", "KQUEUE_", "KEVENT_FLAG_"].iter().any(|prefix| name.starts_with(prefix));
    // A macro with arguments has its parenthesis in the name.
    (ours && !name.contains('(') && !body.trim().is_empty()).then_some(name)
}
