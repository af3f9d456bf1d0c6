//! Starts programs of this package as processes of their own, and looks at what they print and how they end.

mod common;
#[path = "../delayed_requests.rs"]
mod delayed_requests;
#[path = "../delayed_requests_raw.rs"]
mod delayed_requests_raw;
#[path = "../in_mio.rs"]
mod in_mio;
#[path = "../in_tokio.rs"]
mod in_tokio;
#[path = "../raw_kevent.rs"]
mod raw_kevent;
#[path = "../readiness_poll/main.rs"]
mod readiness_poll;

use std::process::{ExitCode, Output, Stdio};

use common::{program, programs, run, tests};

fn main() -> ExitCode {
    run(
        programs![delayed_requests, delayed_requests_raw, in_mio, in_tokio, raw_kevent, readiness_poll],
        tests![
            answers_come_in_the_order_of_their_delays,
            delayed_requests_explain_themselves,
            a_wrong_argument_is_one_line_and_status_2,
            an_argument_that_is_no_text_is_refused_like_others,
            a_queue_in_mio,
            a_queue_in_tokio,
            every_field_and_both_lists,
            a_timespec_is_a_duration,
            an_echo_server_on_the_poller,
            options_choose_among_these_tests,
        ],
    )
}

fn output(name: &str, arguments: &[&str]) -> Output {
    program(name).args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

/// What the program printed, which ended well and had nothing to complain about.
#[track_caller]
fn printed(name: &str, arguments: &[&str]) -> String {
    let output = output(name, arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

const DELAYED: [&str; 2] = ["delayed_requests", "delayed_requests_raw"];

fn answers_come_in_the_order_of_their_delays() {
    for name in DELAYED {
        assert_eq!(printed(name, &["100"]), "RECEIVED: 5, 4, 3, 2, 1\nFINISHED\n", "{name}");
    }
}

fn delayed_requests_explain_themselves() {
    for name in DELAYED {
        for argument in ["--help", "-h"] {
            let help = printed(name, &[argument]);
            assert!(help.starts_with(&format!("Usage: {name} [MILLISECONDS]\n")), "{help}");
        }
    }
}

fn a_wrong_argument_is_one_line_and_status_2() {
    for name in DELAYED {
        for arguments in [&["soon"][..], &["-1"], &["1", "2"], &[""], &["--verbose"], &["9999999999"]] {
            let output = output(name, arguments);
            let complaint = String::from_utf8(output.stderr).expect("text");
            assert_eq!(output.status.code(), Some(2), "{name} {arguments:?}: {complaint}");
            assert!(output.stdout.is_empty(), "{name} {arguments:?}");
            assert!(complaint.starts_with(&format!("{name}: ")), "{complaint}");
            assert_eq!(complaint.matches('\n').count(), 1, "{complaint}");
            assert!(complaint.ends_with('\n') && complaint.contains(arguments[0]), "{complaint}");
        }
    }
}

/// It ended the program with a panic.
fn an_argument_that_is_no_text_is_refused_like_others() {
    use std::os::unix::ffi::OsStrExt;

    for name in DELAYED {
        let argument = std::ffi::OsStr::from_bytes(b"\xff");
        let output = program(name).arg(argument).stdin(Stdio::null()).output().expect("the program starts");
        let complaint = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{name}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(complaint.starts_with(&format!("{name}: ")), "{complaint}");
    }
}

fn a_queue_in_mio() {
    let lines = "queue: 10 timers fired\nmio: a connection, nodelay false\nqueue: the child ended, exit status: 3\n";
    assert_eq!(printed("in_mio", &[]), lines);
}

fn a_queue_in_tokio() {
    let lines = "\
kernel timer: fired 1x
waker: another thread is heard
child: exit status: 3
beside it: tokio's own timer
";
    assert_eq!(printed("in_tokio", &[]), lines);
}

fn every_field_and_both_lists() {
    let printed = printed("raw_kevent", &[]);
    for lines in [
        "both lists: 1 event(s)\n  TIMER 7: end false, fflags 0x0, data 1, udata 0x0\n",
        "\nevent list: 1 event(s)\n  READ fd: end false, fflags 0x",
        ", data 5, udata 0x1234\nevent list again: 0 event(s)\n",
        "\nchange list: 1 event(s)\n  USER 3: end false, ",
        "\nfailed change: TIMER 99 of udata 0x99: Some(Os { code: 2, ",
        "\nreceipt 0: None\nreceipt 1: Some(Os { code: 22, ",
        "\nreceipt 2: Some(Os { code: 2, ",
        "\nthe same queue: 1 event(s)\n  TIMER 7: end false, fflags 0x0, data 1, udata 0x0\n",
    ] {
        assert!(printed.contains(lines), "{lines:?} is not in\n{printed}");
    }
}

fn a_timespec_is_a_duration() {
    use raw_kevent::timeout;
    use std::time::Duration;

    let time = |tv_sec, tv_nsec| timeout(Some(kq_sys::timespec { tv_sec, tv_nsec })).map_err(|e| e.raw_os_error());
    assert_eq!(time(3, 999_999_999), Ok(Some(Duration::new(3, 999_999_999))));
    assert_eq!(time(0, 0), Ok(Some(Duration::ZERO)));
    for (seconds, nanoseconds) in [(-1, 0), (0, -1), (0, 1_000_000_000)] {
        assert_eq!(time(seconds, nanoseconds), Err(Some(libc::EINVAL)));
    }
    assert_eq!(timeout(None).expect("no end is none"), None);
}

fn an_echo_server_on_the_poller() {
    let mut lines = String::new();
    for number in 1..=3 {
        lines += &format!("connection {number}: 19 bytes in\nconnection {number}: 19 bytes out\n");
        lines += &format!("connection {number}: 0 bytes in\n");
    }
    lines += "notified: the clients are done\n";
    assert_eq!(printed("readiness_poll", &[]), lines);
}

fn options_choose_among_these_tests() {
    let listed = |arguments: &[&str]| {
        let this = std::env::current_exe().expect("a program knows its path");
        let output = std::process::Command::new(this).args(arguments).arg("--list").output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = listed(&[]).len();
    assert!(all >= 9);
    assert_eq!(listed(&["--test-threads", "1", "--nocapture", "--color=never"]).len(), all);
    assert_eq!(listed(&["a_queue_in"]), ["a_queue_in_mio: test", "a_queue_in_tokio: test"]);
    assert_eq!(listed(&["a_queue_in", "--skip", "tokio"]), ["a_queue_in_mio: test"]);
    assert_eq!(listed(&["--exact", "a_queue_in_mio"]), ["a_queue_in_mio: test"]);
    assert!(listed(&["--exact", "a_queue_in"]).is_empty());
}
