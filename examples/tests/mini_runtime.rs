//! The example `mini_runtime`: its report, and what its runtime promises.

#[path = "../mini_runtime.rs"]
mod mini_runtime;

mod common;
#[allow(dead_code)] // what other tests use
#[path = "common/running.rs"]
mod running;

use std::cell::Cell;
use std::future::{poll_fn, Future};
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use common::{program, programs, run, tests};
use kq::{Change, VnodeEvents};
use mini_runtime::{Knote, Runtime};
use running::{helps, is_refused, limit_descriptors, send, Running, TempDir};

fn main() -> ExitCode {
    run(
        programs![mini_runtime],
        tests![
            the_report_is_whole,
            with_few_descriptors_there_are_fewer_connections,
            wrong_arguments_are_refused,
            tasks_run_side_by_side,
            a_waiting_runtime_is_not_busy,
            two_tasks_wait_for_one_socket,
            another_interest_in_the_same_knote_is_refused,
            a_dropped_future_deletes_its_knote,
            a_future_that_shares_a_knote_leaves_it_to_the_others,
            tasks_that_are_left_are_cancelled,
            other_threads_wake_tasks,
            a_task_that_is_woken_often_is_woken,
            a_task_that_wakes_itself_does_not_keep_the_others_waiting,
            a_child_that_is_gone_already_is_waited_for,
            signals_are_counted_while_nobody_waits,
            changes_add_up_while_nobody_waits,
            a_panic_on_another_thread_arrives,
            a_refused_connection_is_an_error,
        ],
    )
}

/// Runs a future on a runtime of its own; nothing is left in the queue.
#[track_caller]
fn block_on<T: 'static, F: Future<Output = T> + 'static>(future: impl FnOnce(Runtime) -> F) -> T {
    let runtime = Runtime::new().unwrap();
    let value = runtime.block_on(future(runtime.clone())).unwrap();
    assert_eq!(runtime.knotes(), 0);
    value
}

const MOMENT: Duration = Duration::from_millis(20);

fn the_report_is_whole() {
    let (status, lines) = Running::start(&mut program("mini_runtime")).finish();
    assert!(status.success(), "{lines:#?}");
    let told = [
        "sleep: 200, 400, 600 ms, side by side",
        "child: exit status: 7",
        "signal: SIGUSR1 came 1x",
        "file: VnodeEvents(WRITE), then VnodeEvents(DELETE)",
        "thread: a task was woken from another one",
        "cancelled: an accept, after 50 ms, 0 knotes left",
    ];
    assert_eq!(lines[..told.len()], told);
    let Some((connections, bytes)) = connections_of(&lines) else { panic!("{lines:#?}") };
    // Fewer if the system does not allow so many descriptors, which is said.
    assert!(connections == 1_000 || lines.iter().any(|line| line.contains("instead of 1000")), "{lines:#?}");
    assert_eq!(bytes, connections * 1_000);
    assert!(lines.last().is_some_and(|line| line.ends_with(" waits, 0 knotes left")), "{lines:#?}");
}

fn connections_of(lines: &[String]) -> Option<(usize, usize)> {
    lines.iter().find_map(|line| {
        let (connections, rest) = line.strip_prefix("echo: ")?.split_once(" connections at once, ")?;
        let bytes = rest.strip_suffix(" bytes came back")?;
        Some((connections.parse().ok()?, bytes.parse().ok()?))
    })
}

fn with_few_descriptors_there_are_fewer_connections() {
    let mut command = program("mini_runtime");
    limit_descriptors(&mut command, 100);
    let (status, lines) = Running::start(&mut command).finish();
    assert!(status.success(), "{lines:#?}");
    assert!(lines.contains(&"echo: 100 descriptors are allowed: 34 connections instead of 1000".to_owned()));
    assert_eq!(connections_of(&lines), Some((34, 34_000)), "{lines:#?}");
}

fn wrong_arguments_are_refused() {
    let command = |arguments: &[&str]| {
        let mut command = program("mini_runtime");
        command.args(arguments);
        command
    };
    helps(&mut command(&[]), "mini_runtime");
    for wrong in [&["--connections"][..], &["--connections", "0"], &["--connections", "1", "2"], &["--sockets", "1"]] {
        is_refused(&mut command(wrong), "the only argument is --connections, from 1 to 10000");
    }
}

fn tasks_run_side_by_side() {
    const TIME: Duration = Duration::from_secs(1);
    let start = Instant::now();
    block_on(|runtime| async move {
        let sleepers: Vec<_> = (0..20)
            .map(|_| {
                let own = runtime.clone();
                runtime.spawn(async move { own.sleep(TIME).await })
            })
            .collect();
        runtime.yield_now().await;
        assert_eq!(runtime.knotes(), 20);
        for sleeper in sleepers {
            sleeper.await.unwrap();
        }
    });
    assert!(start.elapsed() >= TIME);
}

fn a_waiting_runtime_is_not_busy() {
    let waits = block_on(|runtime| async move {
        let before = runtime.waits();
        runtime.sleep(MOMENT * 10).await.unwrap();
        runtime.waits() - before
    });
    assert!(waits <= 3, "{waits} waits for one timer");
}

fn two_tasks_wait_for_one_socket() {
    block_on(|runtime| async move {
        let (receiver, mut sender) = UnixStream::pair().unwrap();
        let receiver = Rc::new(receiver);
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let (own, receiver) = (runtime.clone(), Rc::clone(&receiver));
                runtime.spawn(async move { own.readable(&*receiver).await })
            })
            .collect();
        runtime.sleep(MOMENT).await.unwrap();
        assert_eq!(runtime.knotes(), 1);
        sender.write_all(b"x").unwrap();
        for task in waiting {
            task.await.unwrap();
        }
    });
}

fn another_interest_in_the_same_knote_is_refused() {
    block_on(|runtime| async move {
        let (receiver, _sender) = UnixStream::pair().unwrap();
        let first = Knote::new(&runtime, Change::read(&receiver).oneshot()).unwrap();
        let other = Knote::new(&runtime, Change::read(&receiver).clear());
        assert_eq!(other.err().and_then(|error| error.raw_os_error()), Some(libc::EEXIST));
        drop(first);
        Knote::new(&runtime, Change::read(&receiver).clear()).unwrap();
    });
}

/// What deleting the knote answers.
fn delete(runtime: &Runtime, change: Change) -> Option<i32> {
    runtime.queue().apply(&[change.delete()]).err().map(|error| error.errno().raw())
}

fn a_dropped_future_deletes_its_knote() {
    block_on(|runtime| async move {
        let (receiver, _sender) = UnixStream::pair().unwrap();
        let given_up = runtime.timeout(MOMENT, runtime.readable(&receiver)).await.unwrap();
        assert!(given_up.is_none());
        assert_eq!(runtime.knotes(), 0);
        assert_eq!(delete(&runtime, Change::read(&receiver)), Some(libc::ENOENT));
        // The other way round it is the timer that goes.
        let (receiver, mut sender) = UnixStream::pair().unwrap();
        sender.write_all(b"x").unwrap();
        let in_time = runtime.timeout(Duration::from_secs(3_600), runtime.readable(&receiver)).await.unwrap();
        assert!(in_time.is_some());
        assert_eq!(runtime.knotes(), 0);
    });
}

fn a_future_that_shares_a_knote_leaves_it_to_the_others() {
    block_on(|runtime| async move {
        let (receiver, mut sender) = UnixStream::pair().unwrap();
        let receiver = Rc::new(receiver);
        let (own, theirs) = (runtime.clone(), Rc::clone(&receiver));
        let other = runtime.spawn(async move { own.readable(&*theirs).await });
        let given_up = runtime.timeout(MOMENT, runtime.readable(&*receiver)).await.unwrap();
        assert!(given_up.is_none());
        assert_eq!(runtime.knotes(), 1);
        sender.write_all(b"x").unwrap();
        other.await.unwrap();
    });
}

fn tasks_that_are_left_are_cancelled() {
    let dropped = Rc::new(Cell::new(0));
    struct Count(Rc<Cell<u32>>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let runtime = Runtime::new().unwrap();
    runtime
        .block_on({
            let (runtime, dropped) = (runtime.clone(), Rc::clone(&dropped));
            async move {
                for _ in 0..3 {
                    let (own, count) = (runtime.clone(), Count(Rc::clone(&dropped)));
                    runtime.spawn(async move {
                        let _count = count;
                        own.sleep(Duration::from_secs(3_600)).await
                    });
                }
                runtime.sleep(MOMENT).await.unwrap();
                assert_eq!(runtime.knotes(), 3);
            }
        })
        .unwrap();
    assert_eq!((dropped.get(), runtime.knotes()), (3, 0));
    // It can be used again.
    assert_eq!(runtime.block_on(async { 7 }).unwrap(), 7);
}

fn other_threads_wake_tasks() {
    let sum = block_on(|runtime| async move {
        let tasks: Vec<_> = (0..40)
            .map(|number| {
                let own = runtime.clone();
                runtime.spawn(async move { own.unblock(move || number).await })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    });
    assert_eq!(sum, (0..40).sum());
}

fn a_task_that_is_woken_often_is_woken() {
    const WAKES: usize = 5_000;
    block_on(|_| async {
        let count = Arc::new(AtomicUsize::new(0));
        let mut threads = Vec::new();
        poll_fn(|context| {
            if threads.is_empty() {
                for _ in 0..4 {
                    let (count, waker) = (Arc::clone(&count), context.waker().clone());
                    threads.push(thread::spawn(move || {
                        for _ in 0..WAKES {
                            count.fetch_add(1, Ordering::Release);
                            waker.wake_by_ref();
                        }
                    }));
                }
            }
            // Its last poll comes after the last wake, or never.
            match count.load(Ordering::Acquire) {
                done if done == 4 * WAKES => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

fn a_task_that_wakes_itself_does_not_keep_the_others_waiting() {
    block_on(|runtime| async move {
        let busy = runtime.clone();
        runtime.spawn(async move {
            loop {
                busy.yield_now().await;
            }
        });
        runtime.sleep(MOMENT).await.unwrap();
    });
}

fn a_child_that_is_gone_already_is_waited_for() {
    block_on(|runtime| async move {
        for code in 0..10 {
            let mut child = Command::new("/bin/sh").args(["-c", &format!("exit {code}")]).spawn().unwrap();
            // The first ones are registered while they run, the last ones afterwards.
            runtime.sleep(MOMENT * code / 2).await.unwrap();
            assert_eq!(runtime.exited(&mut child).await.unwrap().code(), i32::try_from(code).ok());
        }
        let mut gone = Command::new("/bin/sh").args(["-c", "exit 9"]).stdout(Stdio::piped()).spawn().unwrap();
        let output = gone.stdout.take().unwrap();
        let nothing = runtime.unblock(|| io::copy(&mut { output }, &mut io::sink()).unwrap()).await;
        assert_eq!(nothing, 0);
        assert_eq!(runtime.exited(&mut gone).await.unwrap().code(), Some(9));
    });
}

fn signals_are_counted_while_nobody_waits() {
    // SAFETY: SIG_IGN runs no code.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    block_on(|runtime| async move {
        let signals = runtime.signal(libc::SIGUSR2).unwrap();
        for _ in 0..3 {
            send(std::process::id().try_into().unwrap(), libc::SIGUSR2);
            // Longer than the queue takes to tell.
            runtime.sleep(MOMENT).await.unwrap();
        }
        assert_eq!(signals.next().await.count, 3);
    });
}

fn changes_add_up_while_nobody_waits() {
    let directory = TempDir::new("changes");
    let path = directory.join("file");
    std::fs::write(&path, "x").unwrap();
    block_on(|runtime| async move {
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        let events = VnodeEvents::WRITE | VnodeEvents::RENAME;
        let changes = runtime.changes(file.try_clone().unwrap(), events).unwrap();
        file.write_all(b"y").unwrap();
        runtime.sleep(MOMENT).await.unwrap();
        std::fs::rename(&path, path.with_extension("old")).unwrap();
        runtime.sleep(MOMENT).await.unwrap();
        let mut seen = VnodeEvents::empty();
        while !seen.contains(events) {
            seen |= changes.next().await;
        }
    });
}

fn a_panic_on_another_thread_arrives() {
    let runtime = Runtime::new().unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let own = runtime.clone();
        // Without the message of a panic that is meant.
        runtime.block_on(async move { own.unblock(|| std::panic::resume_unwind(Box::new("meant"))).await })
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"meant"));
}

fn a_refused_connection_is_an_error() {
    block_on(|runtime| async move {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(TcpStream::connect(address).is_ok());
        drop(listener);
        let refused = runtime.connect(address).await.unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
    });
}
