//! What must not compile: values that would cross threads, events that would outlive what they borrow, registrations that
//! are ignored.
//!
//! It needs cargo and the sources, and says the same whatever the system: Linux only, since the tests are run elsewhere
//! as programs alone.
//!
//! The compilers of different years word and draw their messages differently, so none is compared as a whole. Each case
//! begins with `//~ CODE: PART`: there have to be errors, all of this code, and their messages have to have the part.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

#[test]
fn what_must_not_compile() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let copies = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_fail");
    let _ = fs::remove_dir_all(&copies);
    fs::create_dir_all(&copies).unwrap();
    // The messages are written beside the cases, for the check below.
    std::env::set_var("TRYBUILD", "overwrite");
    let cases: Vec<_> = fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path()).collect();
    {
        let trybuild = trybuild::TestCases::new();
        for case in &cases {
            let copy = copies.join(case.file_name().unwrap());
            fs::copy(case, &copy).unwrap();
            trybuild.compile_fail(copy);
        }
        // Compiled when dropped; a case that does compile fails the test.
    }
    assert!(!cases.is_empty());
    for case in &cases {
        let message = fs::read_to_string(copies.join(case.file_name().unwrap()).with_extension("stderr")).unwrap();
        check(case, &message);
    }
}

fn check(case: &Path, message: &str) {
    let source = fs::read_to_string(case).unwrap();
    let (code, part) = source
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//~ "))
        .and_then(|line| line.split_once(": "))
        .unwrap_or_else(|| panic!("{} does not say what is expected", case.display()));
    let head = match code {
        "error" => String::from("error: "),
        code => format!("error[{code}]: "),
    };
    let mut errors = message.lines().filter(|line| line.starts_with("error")).peekable();
    assert!(
        errors.peek().is_some() && errors.all(|error| error.starts_with(&head)) && message.contains(part),
        "{}: expected {head:?} with {part:?}:\n{message}",
        case.display()
    );
}
