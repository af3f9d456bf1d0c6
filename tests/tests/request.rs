//! The programs that kq-typed was asked for, word for word.

use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use kq_tests::{closed, listen, pipe, put, serial, takes, tcp_pair, Child};
use kq_typed::{Event, EventFilter, EventFlags, Kqueue, Watcher};

const LIMIT: Option<Duration> = Some(kq_tests::LIMIT);

/// The only event of the next wait.
#[track_caller]
fn one(kq: &Kqueue) -> Event {
    let mut events = kq.await_events(LIMIT).unwrap().into_iter();
    let event = events.next().expect("an event");
    assert!(events.next().is_none());
    event
}

#[test]
#[allow(unused_mut)] // as it was asked for
fn the_request_as_it_stands() -> std::io::Result<()> {
    let _serial = serial();
    let mut child = Child::exiting(0);
    let (mut client, server) = tcp_pair();
    let (fd, child_pid) = (server.as_raw_fd(), child.pid());
    client.write_all(b"hello")?;
    let (mut seen_read, mut seen_exit) = (false, false);

    let mut kq = Kqueue::new()?;
    kq.register(fd, EventFilter::Read, EventFlags::ADD | EventFlags::ENABLE, Some(Watcher::new(123)))?;
    kq.register(child_pid, EventFilter::Proc, EventFlags::ADD | EventFlags::ENABLE, Some("child_process_exited"))?;
    kq.register_timer(Duration::from_secs(5), EventFlags::ADD | EventFlags::ENABLE, Some(99))?;

    child.release();
    let start = Instant::now();
    while !(seen_read && seen_exit) && start.elapsed() < kq_tests::LIMIT {
        for event in kq.await_events(Some(Duration::from_secs(1)))? {
            if event.filter() == EventFilter::Read && event.ident() == fd as u64 {
                if let Some(watcher) = event.udata::<Watcher>() {
                    println!("{}", watcher.id);
                    seen_read = watcher.id == 123;
                }
            }
            if event.filter() == EventFilter::Proc && event.flags().contains(EventFlags::PROC_EXIT) {
                assert_eq!(event.ident(), u64::from(child_pid));
                assert_eq!(event.udata::<&str>(), Some(&"child_process_exited"));
                seen_exit = true;
            }
        }
    }
    assert!(seen_read, "no read event");
    assert!(seen_exit, "no exit");
    Ok(())
}

#[test]
fn a_socket_with_a_watcher() {
    let _serial = serial();
    let listener = listen();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let kq = Kqueue::new().unwrap();
    let fd = server.as_raw_fd();
    kq.register(fd, EventFilter::Read, EventFlags::ADD | EventFlags::ENABLE, Some(Watcher::new(123))).unwrap();
    assert!(kq.await_events(Some(Duration::ZERO)).unwrap().is_empty());
    client.write_all(b"hello").unwrap();
    let event = one(&kq);
    assert_eq!((event.filter(), event.ident()), (EventFilter::Read, fd as u64));
    assert_eq!(event.udata::<Watcher>().map(|watcher| watcher.id), Some(123));
    assert_eq!(event.data(), 5);
    assert!(!event.flags().contains(EventFlags::EOF));
    drop(client);
    // The end comes as a level, too, though perhaps only after the first look.
    kq_tests::wait_for("the end of the connection", || one(&kq).flags().contains(EventFlags::EOF));
}

#[test]
fn a_socket_with_a_number() {
    let (mut client, server) = tcp_pair();
    let kq = Kqueue::new().unwrap();
    kq.register(&server, EventFilter::Read, EventFlags::ADD | EventFlags::ENABLE, Some(42)).unwrap();
    client.write_all(b"x").unwrap();
    let event = one(&kq);
    assert_eq!(event.ident(), server.as_raw_fd() as u64);
    assert_eq!(event.udata::<i32>(), Some(&42));
}

#[test]
fn a_child_with_a_text() {
    let _serial = serial();
    let mut child = Child::exiting(7);
    let kq = Kqueue::new().unwrap();
    let flags = EventFlags::ADD | EventFlags::ENABLE;
    kq.register(child.pid(), EventFilter::Proc, flags, Some("child_process_exited")).unwrap();
    assert!(kq.await_events(Some(kq_tests::QUIET)).unwrap().is_empty());
    child.release();
    let event = one(&kq);
    assert_eq!((event.filter(), event.ident()), (EventFilter::Proc, u64::from(child.pid())));
    assert!(event.flags().contains(EventFlags::PROC_EXIT));
    assert_eq!(event.udata::<&str>(), Some(&"child_process_exited"));
    assert_eq!(child.reap().code(), Some(7));
    // A process exits once.
    assert!(kq.await_events(Some(kq_tests::QUIET)).unwrap().is_empty());
}

#[test]
fn a_timer_of_one_second_with_a_number() {
    let kq = Kqueue::new().unwrap();
    let start = Instant::now();
    kq.register_timer(Duration::from_secs(1), EventFlags::ADD | EventFlags::ENABLE, Some(99)).unwrap();
    for _ in 0..2 {
        let event = one(&kq);
        assert_eq!(event.filter(), EventFilter::Timer);
        assert_eq!(event.udata::<i32>(), Some(&99));
        assert!(event.data() >= 1);
    }
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[test]
fn a_timer_that_fires_once() {
    let kq = Kqueue::new().unwrap();
    let flags = EventFlags::ADD | EventFlags::ENABLE | EventFlags::ONESHOT;
    kq.register_timer(Duration::from_millis(10), flags, Some(99)).unwrap();
    assert_eq!(one(&kq).udata::<i32>(), Some(&99));
    assert!(kq.await_events(Some(kq_tests::QUIET)).unwrap().is_empty());
}

#[test]
fn descriptors_that_are_none() {
    let kq = Kqueue::new().unwrap();
    let flags = EventFlags::ADD | EventFlags::ENABLE;
    for fd in [-1, closed(0) as i32, i32::MIN] {
        for filter in [EventFilter::Read, EventFilter::Write] {
            let error = kq.register(fd, filter, flags, Some(Watcher::new(1))).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EBADF), "{fd}");
        }
    }
    assert!(kq.await_events(Some(Duration::ZERO)).unwrap().is_empty());
}

#[test]
fn a_process_that_is_none() {
    let _serial = serial();
    let mut child = Child::exiting(0);
    child.reap();
    let kq = Kqueue::new().unwrap();
    let flags = EventFlags::ADD | EventFlags::ENABLE;
    let error = kq.register(child.pid(), EventFilter::Proc, flags, None::<()>).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
}

#[test]
fn a_time_out_is_an_empty_collection() {
    let kq = Kqueue::new().unwrap();
    let time = Duration::from_millis(100);
    assert!(takes(time, || {
        let events = kq.await_events(Some(time)).unwrap();
        assert_eq!(events.into_iter().count(), 0);
    }));
}

#[test]
fn a_type_that_was_not_given_is_none() {
    let (reader, writer) = pipe();
    put(&writer, 1);
    let kq = Kqueue::new().unwrap();
    kq.register(&reader, EventFilter::Read, EventFlags::ADD | EventFlags::ENABLE, Some(Watcher::new(123))).unwrap();
    let event = one(&kq);
    assert_eq!(event.udata::<i32>(), None);
    assert_eq!(event.udata::<&str>(), None);
    assert_eq!(event.udata::<String>(), None);
    assert_eq!(event.udata::<Watcher>(), Some(&Watcher::new(123)));
}

#[test]
fn nothing_that_was_given_is_none_of_any_type() {
    let (reader, writer) = pipe();
    put(&writer, 1);
    let kq = Kqueue::new().unwrap();
    kq.register(&reader, EventFilter::Read, EventFlags::ADD | EventFlags::ENABLE, None::<()>).unwrap();
    let event = one(&kq);
    assert_eq!(event.udata::<()>(), None);
    assert_eq!(event.udata::<Watcher>(), None);
}

#[test]
fn the_loop_may_register_and_deregister() {
    let pipes: Vec<_> = (0..3).map(|_| pipe()).collect();
    let kq = Kqueue::new().unwrap();
    let flags = EventFlags::ADD | EventFlags::ENABLE;
    for (number, (reader, writer)) in pipes.iter().enumerate() {
        put(writer, 1);
        kq.register(reader, EventFilter::Read, flags, Some(number)).unwrap();
    }
    let mut seen = Vec::new();
    for event in kq.await_events(LIMIT).unwrap() {
        seen.push(*event.udata::<usize>().unwrap());
        for (number, (reader, _)) in pipes.iter().enumerate() {
            if seen.len() == 1 && number != seen[0] {
                // Not delivered any more, although it was received.
                kq.deregister((reader, EventFilter::Read)).unwrap();
            }
        }
        kq.register_timer(Duration::from_millis(1), flags | EventFlags::ONESHOT, Some("later")).unwrap();
    }
    assert_eq!(seen.len(), 1);
    kq.deregister((&pipes[seen[0]].0, EventFilter::Read)).unwrap();
    assert_eq!(one(&kq).udata::<&str>(), Some(&"later"));
}
