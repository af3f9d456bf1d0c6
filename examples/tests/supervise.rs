//! The example `supervise`: restarts, their delays, signals, and that no child is left.

#[path = "../supervise.rs"]
mod supervise;

mod common;
#[allow(dead_code)] // what other tests use
#[path = "common/running.rs"]
mod running;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use common::{program, programs, run, tests};
use kq::{Change, EventBuffer, Kqueue, ProcEvents};
use running::{helps, is_refused, Running, TempDir, LIMIT};

fn main() -> ExitCode {
    run(
        programs![supervise],
        tests![
            a_child_that_exits_is_started_again,
            restarts_wait_longer_and_longer,
            a_child_that_ran_for_long_is_restarted_soon,
            children_that_exit_at_once_are_not_lost,
            a_child_that_is_killed_is_started_again,
            signals_reach_every_child,
            a_stop_leaves_no_child,
            a_stop_ends_what_children_started,
            children_that_ignore_a_stop_are_killed,
            the_second_signal_kills,
            a_stop_cancels_restarts,
            a_command_that_vanishes_is_tried_again,
            wrong_arguments_are_refused,
        ],
    )
}

/// `supervise OPTIONS... -- /bin/sh -c SCRIPT`.
fn start(options: &[&str], script: &str) -> Running {
    let mut command = program("supervise");
    command.args(options).args(["--", "/bin/sh", "-c", script]);
    Running::start(&mut command)
}

#[track_caller]
fn stop(running: Running, signal: libc::c_int) -> Vec<String> {
    running.signal(signal);
    is_over(running)
}

/// It ends with status 0.
#[track_caller]
fn is_over(running: Running) -> Vec<String> {
    let (status, lines) = running.finish();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    lines
}

/// The process that a line tells of.
fn pid_of(line: &str) -> libc::pid_t {
    let pid = line.strip_suffix(" started").and_then(|line| line.rsplit(' ').next());
    pid.and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("no process in {line:?}"))
}

fn exists(pid: libc::pid_t) -> bool {
    // SAFETY: takes numbers only, and sends no signal.
    unsafe { libc::kill(pid, 0) == 0 }
}

/// A script that goes on until a signal ends it.
const ENDLESS: &str = "echo up; while :; do sleep 1; done";

fn a_child_that_exits_is_started_again() {
    let mut running = start(&["--delay", "1", "--max-delay", "10"], "echo up; exit 3");
    for restart in 1..=5 {
        running.line(&format!("child 0: exit status: 3, restart {restart} in "));
        running.times(restart, "up");
    }
    stop(running, libc::SIGTERM);
}

fn restarts_wait_longer_and_longer() {
    let begin = Instant::now();
    // A child that took as long as the longest delay would begin anew.
    let mut running = start(&["--delay", "400", "--max-delay", "1500"], "exit 1");
    for (restart, delay) in [(1, 400), (2, 800), (3, 1_500), (4, 1_500)] {
        running.line(&format!("child 0: exit status: 1, restart {restart} in {delay} ms"));
    }
    assert!(begin.elapsed() >= Duration::from_millis(400 + 800 + 1_500));
    stop(running, libc::SIGTERM);
}

fn a_child_that_ran_for_long_is_restarted_soon() {
    let directory = TempDir::new("soon");
    let mut command = program("supervise");
    command.current_dir(directory.path()).args(["--delay", "50", "--max-delay", "3000", "--", "/bin/sh", "-c"]);
    // It fails at once three times, and then works for longer than the longest delay.
    command.arg("echo >> log; if [ $(grep -c '' log) -gt 3 ]; then sleep 4; fi; exit 1");
    let mut running = Running::start(&mut command);
    for text in ["restart 1 in 50 ms", "restart 2 in 100 ms", "restart 3 in 200 ms", "restart 1 in 50 ms"] {
        running.line(text);
    }
    stop(running, libc::SIGTERM);
}

fn children_that_exit_at_once_are_not_lost() {
    // There is next to no time to register them.
    let mut command = program("supervise");
    command.args(["-n", "8", "--delay", "1", "--max-delay", "1", "--", "/bin/sh", "-c", ":"]);
    let mut running = Running::start(&mut command);
    for _ in 0..400 {
        running.line(": exit status: 0, restart ");
    }
    let lines = stop(running, libc::SIGTERM);
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count(" started"), count(": exit status: 0") + count(": signal: "), "a child was lost: {lines:#?}");
}

fn a_child_that_is_killed_is_started_again() {
    let mut running = start(&["-n", "2", "--delay", "1"], ENDLESS);
    let first = pid_of(&running.line("child 0: process"));
    running::send(first, libc::SIGKILL);
    running.line("child 0: signal: 9");
    let second = pid_of(&running.line("child 0: process"));
    assert!(first != second && exists(second));
    stop(running, libc::SIGTERM);
}

fn signals_reach_every_child() {
    // A shell cannot trap what was ignored when it was started.
    let script = "trap 'echo got HUP' HUP; trap 'echo got USR1' USR1; trap 'echo got USR2' USR2;
                  echo up; while :; do sleep 1; done";
    let mut running = start(&["-n", "3"], script);
    running.times(3, "up");
    for (signal, name) in [(libc::SIGUSR1, "USR1"), (libc::SIGHUP, "HUP"), (libc::SIGUSR2, "USR2")] {
        running.signal(signal);
        running.line(&format!("SIG{name} to 3 children"));
        running.times(3, &format!("got {name}"));
    }
    let lines = stop(running, libc::SIGTERM);
    assert!(lines.iter().any(|line| line == "supervise: stopped after 3 starts"), "{lines:#?}");
}

fn a_stop_leaves_no_child() {
    // SIGQUIT may leave core files where the children run.
    let directory = TempDir::new("quit");
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT] {
        let mut command = program("supervise");
        command.current_dir(directory.path()).args(["-n", "4", "--", "/bin/sh", "-c", ENDLESS]);
        let mut running = Running::start(&mut command);
        let children: Vec<_> = (0..4).map(|n| pid_of(&running.line(&format!("child {n}: process")))).collect();
        running.times(4, "up");
        let lines = stop(running, signal);
        assert_eq!(lines.iter().filter(|line| line.contains(&format!("signal: {signal}"))).count(), 4, "{lines:#?}");
        assert!(!children.into_iter().any(exists));
    }
}

fn a_stop_ends_what_children_started() {
    let mut running = start(&[], "sleep 1000 & echo sleep $!; wait");
    let line = running.line("sleep ");
    let sleep: u32 = line.trim_start_matches("sleep ").parse().unwrap();
    // It becomes init's to wait for, and exists until that has done so.
    let queue = Kqueue::new().unwrap();
    queue.apply(&[Change::process(sleep, ProcEvents::EXIT)]).unwrap();
    stop(running, libc::SIGTERM);
    let ended = queue.wait(&mut EventBuffer::with_capacity(1), Some(LIMIT)).unwrap().len();
    assert_eq!(ended, 1, "a grandchild was left");
}

fn children_that_ignore_a_stop_are_killed() {
    let mut running = start(&["--grace", "200"], "trap '' TERM; echo up; while :; do sleep 1; done");
    let child = pid_of(&running.line("process"));
    running.times(1, "up");
    let lines = stop(running, libc::SIGTERM);
    assert!(lines.iter().any(|line| line.starts_with("supervise: child 0: signal: 9")), "{lines:#?}");
    assert!(!exists(child));
}

fn the_second_signal_kills() {
    let mut running = start(&["--grace", "3600000"], "trap '' TERM; echo up; while :; do sleep 1; done");
    running.exactly("up");
    running.signal(libc::SIGTERM);
    running.line("SIGTERM to 1 children, and stop");
    running.signal(libc::SIGTERM);
    running.line("SIGTERM again: SIGKILL to 1 children");
    let lines = is_over(running);
    assert!(lines.iter().any(|line| line.starts_with("supervise: child 0: signal: 9")), "{lines:#?}");
}

fn a_stop_cancels_restarts() {
    let mut running = start(&["--delay", "3600000", "--max-delay", "3600000"], "exit 1");
    running.line("restart 1 in 3600000 ms");
    let lines = stop(running, libc::SIGTERM);
    assert!(lines.iter().any(|line| line == "supervise: stopped after 1 starts"), "{lines:#?}");
}

fn a_command_that_vanishes_is_tried_again() {
    use std::os::unix::fs::PermissionsExt;

    let directory = TempDir::new("vanishes");
    let (path, away) = (directory.join("command"), directory.join("away"));
    std::fs::write(&path, "#!/bin/sh\necho up\nexit 1\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = program("supervise");
    command.args(["--delay", "20", "--max-delay", "100", "--"]).arg(&path);
    let mut running = Running::start(&mut command);
    running.exactly("up");
    std::fs::rename(&path, &away).unwrap();
    (0..2).for_each(|_| drop(running.line("child 0: cannot start ")));
    std::fs::rename(&away, &path).unwrap();
    running.exactly("up");
    stop(running, libc::SIGTERM);
}

fn wrong_arguments_are_refused() {
    let command = |arguments: &[&str]| -> Command {
        let mut command = program("supervise");
        command.args(arguments);
        command
    };
    helps(&mut command(&[]), "supervise");
    is_refused(&mut command(&[]), "-- COMMAND is missing");
    is_refused(&mut command(&["-n", "2"]), "-- COMMAND is missing");
    is_refused(&mut command(&["--"]), "there is no COMMAND");
    is_refused(&mut command(&["-n", "0", "--", "true"]), "-n takes a number from 1 to 1000");
    is_refused(&mut command(&["--delay", "soon", "--", "true"]), "--delay takes a number");
    is_refused(&mut command(&["true"]), "unknown argument \"true\"");
    is_refused(&mut command(&["--", "/nonexistent/command"]), "cannot start /nonexistent/command: No such file");
}
