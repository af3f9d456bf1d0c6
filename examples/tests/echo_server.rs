//! The example `echo_server`: what it does with clients of all kinds, and how it stops.

#[path = "../echo_server.rs"]
mod echo_server;

mod common;
#[allow(dead_code)] // what other tests use
#[path = "common/running.rs"]
mod running;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use common::{program, programs, run, tests};
use running::{helps, is_refused, limit_descriptors, Running, LIMIT};

fn main() -> ExitCode {
    run(
        programs![echo_server],
        tests![
            a_thousand_bytes_come_back,
            a_client_that_has_sent_all_gets_all_back,
            a_reset_ends_one_connection_and_nothing_else,
            who_does_not_read_is_not_read_from,
            many_clients_at_once,
            four_threads,
            a_stop_answers_what_was_sent,
            a_stop_waits_for_so_long,
            the_second_signal_ends_the_waiting,
            a_stop_ends_idle_connections,
            without_descriptors_it_does_not_spin,
            it_listens_where_it_is_told,
            a_stop_whose_lines_nobody_reads_is_a_stop,
            wrong_arguments_are_refused,
        ],
    )
}

struct Server {
    running: Running,
    address: SocketAddr,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = program("echo_server");
    command.args(arguments);
    command
}

impl Server {
    fn start(arguments: &[&str]) -> Server {
        Server::of(&mut command(arguments))
    }

    fn of(command: &mut Command) -> Server {
        let mut running = Running::start(command);
        let line = running.line("listening on ");
        let address = line.trim_start_matches("listening on ").parse().expect("an address");
        Server { running, address }
    }

    fn client(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server accepts");
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// Stops it; it has accepted `connections`, and `broken` of them ended with an error, `cut` without their data.
    #[track_caller]
    fn stop(self, connections: u32, broken: u32, cut: u32) {
        self.running.signal(libc::SIGTERM);
        self.ends(connections, broken, cut);
    }

    #[track_caller]
    fn ends(self, connections: u32, broken: u32, cut: u32) {
        let (status, lines) = self.running.finish();
        assert_eq!(status.code(), Some(0), "{lines:#?}");
        let told = format!("stopped: {connections} connections, {broken} broken off, {cut} cut off, ");
        assert!(lines.iter().any(|line| line.starts_with(&told)), "no {told:?} in {lines:#?}");
    }
}

#[track_caller]
fn round_trip(mut client: &TcpStream, bytes: &[u8]) {
    client.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    client.read_exact(&mut back).unwrap();
    assert!(back == bytes);
}

/// Bytes that tell where they belong.
fn pattern(start: usize, count: usize) -> Vec<u8> {
    (start..start + count).map(|position| (position % 251) as u8).collect()
}

/// Sends, without reading, until the server takes no more; how much that was. Meanwhile another client is served.
fn stall(server: &Server, mut client: &TcpStream) -> usize {
    const MOST: usize = 64 << 20; // more than any system's buffers on the way
    let other = server.client();
    client.set_nonblocking(true).unwrap();
    let (mut sent, mut refusals) = (0, 0);
    while refusals < 100 {
        match client.write(&pattern(sent, 64 * 1024)) {
            Ok(count) => (sent, refusals) = (sent + count, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                refusals += 1;
                round_trip(&other, b"not stalled");
            }
        }
        assert!(sent < MOST, "the server keeps whatever comes");
    }
    client.set_nonblocking(false).unwrap();
    sent
}

/// Reads to the end: it is what was sent, all of it.
#[track_caller]
fn comes_back(mut client: &TcpStream, sent: usize) {
    let (mut received, mut bytes) = (0, vec![0; 64 * 1024]);
    loop {
        let count = client.read(&mut bytes).unwrap();
        if count == 0 {
            break;
        }
        assert!(bytes[..count] == pattern(received, count), "other bytes from {received} on");
        received += count;
    }
    assert_eq!(received, sent);
}

fn a_thousand_bytes_come_back() {
    let server = Server::start(&[]);
    let client = server.client();
    for round in 0..10 {
        round_trip(&client, &pattern(round, 1_000));
    }
    drop(client);
    server.stop(1, 0, 0);
}

fn a_client_that_has_sent_all_gets_all_back() {
    for threads in ["1", "3"] {
        let server = Server::start(&["--threads", threads]);
        for sent in [0, 1, 1_000, 200_000] {
            let mut client = server.client();
            client.write_all(&pattern(0, sent)).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            comes_back(&client, sent);
        }
        server.stop(4, 0, 0);
    }
}

fn a_reset_ends_one_connection_and_nothing_else() {
    for threads in ["1", "4"] {
        let server = Server::start(&["--threads", threads]);
        let other = server.client();
        for _ in 0..20 {
            let client = server.client();
            round_trip(&client, b"accepted");
            socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
        }
        for _ in 0..20 {
            round_trip(&other, b"still there");
        }
        server.stop(21, 20, 0);
    }
}

fn who_does_not_read_is_not_read_from() {
    let server = Server::start(&[]);
    let client = server.client();
    let sent = stall(&server, &client);
    client.shutdown(Shutdown::Write).unwrap();
    comes_back(&client, sent);
    server.stop(2, 0, 0);
}

fn many_clients_at_once() {
    let server = Server::start(&[]);
    let clients: Vec<TcpStream> = (0..80).map(|_| server.client()).collect();
    for round in 0..5 {
        for (mut client, number) in clients.iter().zip(0..) {
            client.write_all(&pattern(number + round, 1_000)).unwrap();
        }
        for (mut client, number) in clients.iter().zip(0..) {
            let mut back = [0; 1_000];
            client.read_exact(&mut back).unwrap();
            assert!(back[..] == pattern(number + round, 1_000));
        }
    }
    server.stop(80, 0, 0);
}

fn four_threads() {
    let server = Server::start(&["--threads", "4"]);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            let client = server.client();
            scope.spawn(move || (0..50).for_each(|round| round_trip(&client, &pattern(round, 3_000))));
        }
    });
    let client = server.client();
    let sent = stall(&server, &client);
    client.shutdown(Shutdown::Write).unwrap();
    comes_back(&client, sent);
    server.stop(22, 0, 0);
}

/// Many times, for what comes last has once been read with the last read of a turn, and the end was not noticed.
fn a_stop_answers_what_was_sent() {
    for threads in ["1", "4", "1", "4", "1", "4", "1", "4"] {
        let mut server = Server::start(&["--threads", threads, "--grace", "60"]);
        let client = server.client();
        let sent = stall(&server, &client);
        server.running.signal(libc::SIGTERM);
        server.running.line("stopping: ");
        assert!(TcpStream::connect(server.address).is_err(), "it still accepts");
        comes_back(&client, sent);
        server.ends(2, 0, 0);
    }
}

fn a_stop_waits_for_so_long() {
    let server = Server::start(&["--grace", "1"]);
    let client = server.client();
    stall(&server, &client);
    let start = Instant::now();
    server.stop(2, 0, 1);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

fn the_second_signal_ends_the_waiting() {
    for threads in ["1", "4"] {
        let mut server = Server::start(&["--threads", threads, "--grace", "3600"]);
        let client = server.client();
        stall(&server, &client);
        server.running.signal(libc::SIGINT);
        server.running.line("stopping: ");
        server.running.signal(libc::SIGINT);
        server.ends(2, 0, 1);
    }
}

fn a_stop_ends_idle_connections() {
    for grace in ["3600", "0"] {
        let server = Server::start(&["--threads", "4", "--grace", grace]);
        let clients: Vec<TcpStream> = (0..10).map(|_| server.client()).collect();
        clients.iter().for_each(|client| round_trip(client, b"accepted"));
        server.stop(10, 0, 0);
        clients.iter().for_each(|client| comes_back(client, 0));
    }
}

fn without_descriptors_it_does_not_spin() {
    const PAUSE: Duration = Duration::from_secs(2);
    // With a limit that the server knows, and with one that is lower in truth, as others have descriptors, too.
    for (threads, others) in [("1", 0), ("4", 0), ("1", 30), ("4", 30)] {
        // What a slow machine needs for the rest, it needs without the pause, too.
        let rest = served_without_descriptors(threads, others, Duration::ZERO);
        let used = served_without_descriptors(threads, others, PAUSE);
        assert!(
            used < 2 * rest + PAUSE / 2,
            "{used:?} of processor time, {rest:?} but for {PAUSE:?} in which nothing could be done"
        );
    }
}

/// The processor time of a server that has more clients than descriptors, and is left to itself for so long.
fn served_without_descriptors(threads: &str, others: libc::rlim_t, pause: Duration) -> Duration {
    let mut command = command(&["--threads", threads]);
    leave_open(&mut command, others);
    limit_descriptors(&mut command, 40 + others);
    let before = processor_time_of_children();
    let server = Server::of(&mut command);
    // The system accepts for the server: all connect, and wait.
    let clients: Vec<TcpStream> = (0..60).map(|_| server.client()).collect();
    round_trip(&clients[0], b"one of the first");
    std::thread::sleep(pause);
    // Each that leaves makes room for another one, until all were served.
    for client in clients {
        round_trip(&client, b"served");
    }
    server.stop(60, 0, 0);
    processor_time_of_children() - before
}

/// Hands so many descriptors on to a command that is to be started.
fn leave_open(command: &mut Command, count: libc::rlim_t) {
    let open = move || {
        // SAFETY: takes numbers only.
        match (0..count).all(|_| unsafe { libc::dup(libc::STDIN_FILENO) } != -1) {
            true => Ok(()),
            false => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: system calls, and nothing else, between fork and exec.
    unsafe { command.pre_exec(open) };
}

fn processor_time_of_children() -> Duration {
    // SAFETY: a struct of numbers, for which zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the struct is valid for the call's write.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) }, 0);
    [usage.ru_utime, usage.ru_stime]
        .iter()
        .map(|time| Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64))
        .sum()
}

fn it_listens_where_it_is_told() {
    let server = Server::start(&[]);
    let port = server.address.port();
    server.stop(0, 0, 0);
    // Nobody else had the port a moment ago.
    let server = Server::start(&["--port", &port.to_string()]);
    assert_eq!(server.address.port(), port);
    round_trip(&server.client(), b"here");
    let taken = Running::start(&mut command(&["--port", &port.to_string()]));
    let (status, lines) = taken.finish();
    assert_eq!((status.code(), lines.len()), (Some(1), 1), "{lines:#?}");
    server.stop(1, 0, 0);
}

/// Its lines failed, and with several threads it went on without end.
fn a_stop_whose_lines_nobody_reads_is_a_stop() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    for threads in ["1", "4"] {
        let mut command = command(&["--threads", threads]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        // The reader, and with it the pipe's end, goes with this statement.
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).unwrap();
        running::send(child.id().try_into().expect("a pid"), libc::SIGTERM);
        let mut status = None;
        running::wait_for("the server's end", || {
            status = child.try_wait().expect("a child to wait for");
            status.is_some()
        });
        assert_eq!(status.and_then(|status| status.code()), Some(0), "{threads} threads after {line:?}");
    }
}

fn wrong_arguments_are_refused() {
    helps(&mut command(&[]), "echo_server");
    is_refused(&mut command(&["--port", "65536"]), "--port takes a number from 0 to 65535");
    is_refused(&mut command(&["--threads", "0"]), "--threads takes a number from 1");
    is_refused(&mut command(&["--threads"]), "--threads takes a number");
    is_refused(&mut command(&["--grace", "soon"]), "\"soon\"");
    is_refused(&mut command(&["somewhere"]), "unknown argument \"somewhere\"");
}
