//! The example `watch`: what it takes for a change, and what it does with the command.

#[path = "../watch.rs"]
mod watch;

mod common;
#[allow(dead_code)] // what other tests use
#[path = "common/running.rs"]
mod running;

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use common::{program, programs, run, tests};
use running::{helps, is_refused, limit_descriptors, wait_for, Running, TempDir};

fn main() -> ExitCode {
    run(
        programs![watch],
        tests![
            a_change_runs_the_command,
            several_writes_are_one_run,
            writes_that_do_not_stop_are_told_nevertheless,
            nothing_runs_for_nothing,
            a_file_that_is_replaced_by_rename_is_followed,
            a_file_that_vanishes_may_come_back,
            a_file_may_come_back_with_its_directories,
            a_file_goes_and_comes_with_a_directory_far_above,
            a_directory_has_files_that_come_change_and_go,
            directories_below_are_watched_with_r,
            directories_below_are_not_watched_without_r,
            a_directory_that_was_moved_in_is_watched,
            a_directory_and_what_is_in_it_may_both_be_given,
            a_running_command_is_ended_and_started_again,
            a_command_that_ignores_sigterm_is_killed,
            what_the_command_started_ends_with_it,
            the_command_has_default_signals_and_no_input,
            a_command_that_does_not_exist_is_told,
            a_complaint_that_nobody_reads_does_not_end_it,
            signals_end_it,
            too_many_files_are_told,
            wrong_arguments_are_refused,
        ],
    )
}

/// `watch ARGUMENTS... -- /bin/sh -c SCRIPT` in a directory.
fn command(directory: &TempDir, arguments: &[&str], script: &str) -> Command {
    let mut command = program("watch");
    command.current_dir(directory.path()).args(arguments).args(["--", "/bin/sh", "-c", script]);
    command
}

fn start(directory: &TempDir, arguments: &[&str], script: &str) -> Running {
    let mut running = Running::start(&mut command(directory, arguments, script));
    running.line("watch: watching ");
    running
}

/// It ends with status 0, and says nothing more but `lines`.
#[track_caller]
fn stop(running: Running, signal: libc::c_int) -> Vec<String> {
    running.signal(signal);
    let (status, lines) = running.finish();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    lines
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

const QUIET: Duration = Duration::from_millis(500);

fn a_change_runs_the_command() {
    let directory = TempDir::new("change");
    let file = directory.join("file");
    append(&file, "one\n");
    let mut running = start(&directory, &["file"], "cat file; exit 3");
    for text in ["two", "three"] {
        append(&file, &format!("{text}\n"));
        running.line("watch: changed file");
        running.line("watch: run /bin/sh -c cat file; exit 3");
        running.line(text);
        running.line("watch: exit status: 3");
    }
    stop(running, libc::SIGTERM);
}

fn several_writes_are_one_run() {
    let directory = TempDir::new("several");
    let (file, runs) = (directory.join("file"), directory.join("runs"));
    append(&file, "");
    let mut running = start(&directory, &["file"], "echo run >> runs");
    for round in 1..=3 {
        for _ in 0..20 {
            append(&file, "x");
        }
        running.line("watch: exit status: 0");
        // There are a few, if the machine stands still for a tenth of a second in between.
        let _ = running.line_within(QUIET, "watch: exit status: 0");
        let count = fs::read_to_string(&runs).unwrap().lines().count();
        assert!((round..=5 * round).contains(&count), "{count} runs for {round} times twenty writes");
    }
    stop(running, libc::SIGTERM);
}

fn writes_that_do_not_stop_are_told_nevertheless() {
    let directory = TempDir::new("steady");
    let file = directory.join("file");
    append(&file, "");
    let mut running = start(&directory, &["file"], "true");
    wait_for("a run while writing goes on", || {
        append(&file, "x");
        running.line_within(Duration::from_millis(1), "watch: run").is_some()
    });
    stop(running, libc::SIGTERM);
}

fn nothing_runs_for_nothing() {
    let directory = TempDir::new("nothing");
    fs::create_dir(directory.join("d")).unwrap();
    append(&directory.join("d/file"), "x");
    append(&directory.join("alone"), "x");
    let mut running = start(&directory, &["d", "alone"], "true");
    // Beside the file that is watched; and reading.
    append(&directory.join("beside"), "x");
    fs::read(directory.join("alone")).unwrap();
    fs::read(directory.join("d/file")).unwrap();
    assert_eq!(running.line_within(QUIET, "watch: "), None);
    append(&directory.join("d/file"), "x");
    running.line("watch: changed d/file");
    stop(running, libc::SIGTERM);
}

fn a_file_that_is_replaced_by_rename_is_followed() {
    let directory = TempDir::new("rename");
    let file = directory.join("file");
    append(&file, "old\n");
    let mut running = start(&directory, &["file"], "cat file");
    for round in 0..3 {
        // As editors save.
        fs::write(directory.join("file.new"), format!("saved {round}\n")).unwrap();
        fs::rename(directory.join("file.new"), &file).unwrap();
        running.line("watch: replaced file");
        running.line(&format!("saved {round}"));
        running.line("watch: exit status: 0");
        // It is the new file that is watched.
        append(&file, "and more\n");
        running.line("watch: changed file");
        running.line("and more");
        running.line("watch: exit status: 0");
    }
    // As others save: the old one is moved away first.
    fs::rename(&file, directory.join("file~")).unwrap();
    fs::write(&file, "another\n").unwrap();
    running.line("another");
    running.line("watch: exit status: 0");
    append(&directory.join("file~"), "not this one");
    append(&file, "but this one\n");
    running.line("but this one");
    stop(running, libc::SIGTERM);
}

fn a_file_that_vanishes_may_come_back() {
    let directory = TempDir::new("vanish");
    let file = directory.join("file");
    append(&file, "x");
    let mut running = start(&directory, &["file"], "true");
    fs::remove_file(&file).unwrap();
    running.line("watch: gone file");
    running.line("watch: exit status: 0");
    append(&file, "y");
    running.line("watch: new file");
    running.line("watch: exit status: 0");
    append(&file, "z");
    running.line("watch: changed file");
    stop(running, libc::SIGTERM);
}

fn a_file_may_come_back_with_its_directories() {
    let directory = TempDir::new("deep");
    fs::create_dir_all(directory.join("a/b/c")).unwrap();
    append(&directory.join("a/b/c/file"), "x");
    let mut running = start(&directory, &["a/b/c/file"], "true");
    for _ in 0..2 {
        fs::remove_dir_all(directory.join("a")).unwrap();
        running.line("watch: gone a/b/c/file");
        running.line("watch: exit status: 0");
        for level in ["a", "a/b", "a/b/c"] {
            fs::create_dir(directory.join(level)).unwrap();
            std::thread::sleep(Duration::from_millis(150));
        }
        append(&directory.join("a/b/c/file"), "y");
        running.line("watch: new a/b/c/file");
        running.line("watch: exit status: 0");
        append(&directory.join("a/b/c/file"), "z");
        running.line("watch: changed a/b/c/file");
        running.line("watch: exit status: 0");
    }
    stop(running, libc::SIGTERM);
}

/// Only the directory that the file is in was watched, which knows nothing of its own path.
fn a_file_goes_and_comes_with_a_directory_far_above() {
    let directory = TempDir::new("above");
    for release in ["one", "two"] {
        fs::create_dir_all(directory.join(release).join("b/c")).unwrap();
        append(&directory.join(release).join("b/c/file"), release);
    }
    std::os::unix::fs::symlink("one", directory.join("a")).unwrap();
    let mut running = start(&directory, &["a/b/c/file"], "cat a/b/c/file; echo");
    // As releases are switched.
    std::os::unix::fs::symlink("two", directory.join("new")).unwrap();
    fs::rename(directory.join("new"), directory.join("a")).unwrap();
    running.line("watch: replaced a/b/c/file");
    running.exactly("two");
    running.line("watch: exit status: 0");
    append(&directory.join("two/b/c/file"), "+");
    running.line("watch: changed a/b/c/file");
    running.exactly("two+");
    running.line("watch: exit status: 0");
    fs::rename(directory.join("two"), directory.join("away")).unwrap();
    running.line("watch: gone a/b/c/file");
    running.line("watch: exit status: 0");
    fs::rename(directory.join("away"), directory.join("two")).unwrap();
    running.line("watch: new a/b/c/file");
    running.exactly("two+");
    stop(running, libc::SIGTERM);
}

fn a_directory_has_files_that_come_change_and_go() {
    let directory = TempDir::new("files");
    fs::create_dir(directory.join("d")).unwrap();
    append(&directory.join("d/old"), "x");
    let mut running = start(&directory, &["d"], "true");
    let mut sees = |line: &str| {
        running.line(&format!("watch: {line}"));
        running.line("watch: exit status: 0");
    };
    append(&directory.join("d/old"), "y");
    sees("changed d/old");
    append(&directory.join("d/new"), "x");
    sees("new d/new");
    append(&directory.join("d/new"), "y");
    sees("changed d/new");
    fs::rename(directory.join("d/new"), directory.join("d/newer")).unwrap();
    sees("gone d/new");
    append(&directory.join("d/newer"), "z");
    sees("changed d/newer");
    fs::write(directory.join("d/old"), "").unwrap();
    sees("changed d/old");
    fs::remove_file(directory.join("d/old")).unwrap();
    sees("gone d/old");
    stop(running, libc::SIGTERM);
}

fn directories_below_are_watched_with_r() {
    let directory = TempDir::new("below");
    fs::create_dir_all(directory.join("d/there/deep")).unwrap();
    append(&directory.join("d/there/deep/file"), "x");
    let mut running = start(&directory, &["-r", "d"], "true");
    let mut sees = |line: &str| {
        running.line(&format!("watch: {line}"));
        running.line("watch: exit status: 0");
    };
    append(&directory.join("d/there/deep/file"), "y");
    sees("changed d/there/deep/file");
    fs::create_dir_all(directory.join("d/later/deep")).unwrap();
    sees("new d/later/deep");
    append(&directory.join("d/later/deep/file"), "x");
    sees("new d/later/deep/file");
    append(&directory.join("d/later/deep/file"), "y");
    sees("changed d/later/deep/file");
    fs::remove_dir_all(directory.join("d/later")).unwrap();
    sees("gone d/later");
    stop(running, libc::SIGTERM);
}

fn directories_below_are_not_watched_without_r() {
    let directory = TempDir::new("flat");
    fs::create_dir_all(directory.join("d/below")).unwrap();
    append(&directory.join("d/below/file"), "x");
    let mut running = start(&directory, &["d"], "true");
    append(&directory.join("d/below/file"), "y");
    append(&directory.join("d/below/other"), "y");
    assert_eq!(running.line_within(QUIET, "watch: "), None);
    fs::create_dir(directory.join("d/another")).unwrap();
    running.line("watch: new d/another");
    stop(running, libc::SIGTERM);
}

fn a_directory_that_was_moved_in_is_watched() {
    let directory = TempDir::new("moved");
    fs::create_dir_all(directory.join("d")).unwrap();
    fs::create_dir_all(directory.join("outside/inner")).unwrap();
    append(&directory.join("outside/inner/file"), "x");
    let mut running = start(&directory, &["-r", "d"], "true");
    fs::rename(directory.join("outside"), directory.join("d/inside")).unwrap();
    running.line("watch: new d/inside/inner/file");
    running.line("watch: exit status: 0");
    append(&directory.join("d/inside/inner/file"), "y");
    running.line("watch: changed d/inside/inner/file");
    running.line("watch: exit status: 0");
    // And no more when it was moved out.
    fs::rename(directory.join("d/inside"), directory.join("outside")).unwrap();
    running.line("watch: gone d/inside/inner/file");
    running.line("watch: exit status: 0");
    append(&directory.join("outside/inner/file"), "z");
    assert_eq!(running.line_within(QUIET, "watch: "), None);
    stop(running, libc::SIGTERM);
}

fn a_directory_and_what_is_in_it_may_both_be_given() {
    let directory = TempDir::new("both");
    fs::create_dir_all(directory.join("d/sub")).unwrap();
    append(&directory.join("d/sub/file"), "x");
    let mut running = start(&directory, &["d", "d/sub", "d/sub/file"], "true");
    append(&directory.join("d/other"), "x");
    running.line("watch: new d/other");
    running.line("watch: exit status: 0");
    append(&directory.join("d/sub/file"), "y");
    running.line("watch: changed d/sub/file");
    running.line("watch: exit status: 0");
    // Nothing is taken for new at every look.
    assert_eq!(running.line_within(QUIET, "watch: "), None);
    stop(running, libc::SIGTERM);
}

fn a_running_command_is_ended_and_started_again() {
    let directory = TempDir::new("restart");
    let file = directory.join("file");
    append(&file, "x");
    let mut running = start(&directory, &["file"], "echo begun; sleep 1000; echo not ended");
    for _ in 0..3 {
        append(&file, "x");
        running.exactly("begun");
    }
    let lines = stop(running, libc::SIGTERM);
    assert_eq!(lines.iter().filter(|line| line.contains("signal: 15")).count(), 3, "{lines:#?}");
    assert!(!lines.iter().any(|line| line == "not ended"), "{lines:#?}");
}

fn a_command_that_ignores_sigterm_is_killed() {
    let directory = TempDir::new("kill");
    let file = directory.join("file");
    append(&file, "x");
    let mut running = start(&directory, &["file"], "trap '' TERM; echo begun; while :; do sleep 1; done");
    append(&file, "x");
    running.exactly("begun");
    append(&file, "x");
    running.line("signal: 9");
    running.exactly("begun");
    running.signal(libc::SIGTERM);
    running.signal(libc::SIGTERM);
    let (status, lines) = running.finish();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

fn what_the_command_started_ends_with_it() {
    let directory = TempDir::new("group");
    let file = directory.join("file");
    append(&file, "x");
    // Its child ignores SIGTERM and outlives it, and has the program's output, which would not end before it.
    let mut running = start(&directory, &["file"], "(trap '' TERM; echo begun; sleep 1000) & wait");
    append(&file, "x");
    running.exactly("begun");
    stop(running, libc::SIGTERM);
}

fn the_command_has_default_signals_and_no_input() {
    let directory = TempDir::new("signals");
    let file = directory.join("file");
    append(&file, "x");
    // A shell cannot trap what was ignored when it was started.
    let script = "trap 'echo got HUP' HUP; cat; kill -HUP $$; kill -INT $$; echo not ended";
    let mut running = start(&directory, &["file"], script);
    append(&file, "x");
    running.exactly("got HUP");
    running.line("signal: 2");
    stop(running, libc::SIGTERM);
}

fn a_command_that_does_not_exist_is_told() {
    let directory = TempDir::new("missing");
    let file = directory.join("file");
    append(&file, "x");
    let mut command = program("watch");
    command.current_dir(directory.path()).args(["file", "--", "/nonexistent/command"]);
    let mut running = Running::start(&mut command);
    running.line("watching");
    for _ in 0..2 {
        append(&file, "x");
        running.line("watch: /nonexistent/command: ");
    }
    stop(running, libc::SIGTERM);
}

/// The complaint failed, and the program with it.
fn a_complaint_that_nobody_reads_does_not_end_it() {
    let directory = TempDir::new("unread");
    let file = directory.join("file");
    append(&file, "x");
    let mut command = program("watch");
    command.current_dir(directory.path()).args(["file", "--", "./command"]);
    let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(OwnedFd::from(writer)).spawn().unwrap();
    drop((command, reader));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut sees = |text: &str| assert!(lines.any(|line| line.contains(text)), "no line with {text:?}");
    sees("watching");
    for _ in 0..3 {
        append(&file, "y");
        sees("run ./command");
    }
    running::send(child.id().try_into().unwrap(), libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn signals_end_it() {
    let directory = TempDir::new("end");
    append(&directory.join("file"), "x");
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let running = start(&directory, &["file"], "true");
        assert_eq!(stop(running, signal).len(), 1);
    }
}

fn too_many_files_are_told() {
    let directory = TempDir::new("many");
    fs::create_dir(directory.join("d")).unwrap();
    for number in 0..60 {
        append(&directory.join(&format!("d/{number}")), "x");
    }
    let mut few = command(&directory, &["d"], "true");
    limit_descriptors(&mut few, 56);
    let (status, lines) = Running::start(&mut few).finish();
    assert_eq!((status.code(), lines.len()), (Some(1), 1), "{lines:#?}");
    assert!(lines[0].contains("too many files"), "{lines:#?}");

    // If they come later, what can be watched still is.
    (20..60).for_each(|number| fs::remove_file(directory.join(&format!("d/{number}"))).unwrap());
    let mut few = command(&directory, &["d"], "true");
    limit_descriptors(&mut few, 56);
    let mut running = Running::start(&mut few);
    running.line("watching");
    (20..60).for_each(|number| append(&directory.join(&format!("d/{number}")), "x"));
    running.line("watch: exit status: 0");
    running.beside("too many files");
    append(&directory.join("d/0"), "y");
    running.line("watch: changed d/0");
    running.line("watch: exit status: 0");
    stop(running, libc::SIGTERM);
}

fn wrong_arguments_are_refused() {
    let directory = TempDir::new("wrong");
    append(&directory.join("file"), "x");
    let command = |arguments: &[&str]| {
        let mut command = program("watch");
        command.current_dir(directory.path()).args(arguments);
        command
    };
    helps(&mut command(&[]), "watch");
    is_refused(&mut command(&[]), "PATH... -- COMMAND");
    is_refused(&mut command(&["file"]), "PATH... -- COMMAND");
    is_refused(&mut command(&["file", "--"]), "PATH... -- COMMAND");
    is_refused(&mut command(&["--", "true"]), "PATH... -- COMMAND");
    is_refused(&mut command(&["-x", "file", "--", "true"]), "unknown option -x");
    is_refused(&mut command(&["missing", "--", "true"]), "missing: No such file or directory");
    is_refused(&mut command(&["/dev/null", "--", "true"]), "/dev/null is neither a file nor a directory");
}
