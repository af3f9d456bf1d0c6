//! The programs that the dynamic door was asked for, as they were written down.

mod common;

use common::{child, closed_number, release, spawn, takes};
use kq_typed::{Event, EventFilter, EventFlags, Kqueue, Watcher};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (server, client)
}

#[test]
#[allow(clippy::zombie_processes)] // only if the test fails, and then not for long
fn the_lines_of_the_request() -> std::io::Result<()> {
    child();
    let (mut server, mut client) = tcp();
    let fd = server.as_raw_fd();
    let mut process = spawn("the_lines_of_the_request", 0);
    let child_pid = process.id();

    #[allow(unused_mut)] // as it was written
    let mut kq = Kqueue::new()?;
    kq.register(fd, EventFilter::Read, EventFlags::ADD | EventFlags::ENABLE, Some(Watcher::new(123)))?;
    kq.register(child_pid, EventFilter::Proc, EventFlags::ADD | EventFlags::ENABLE, Some("child_process_exited"))?;
    kq.register_timer(Duration::from_secs(1), EventFlags::ADD | EventFlags::ENABLE, Some(99))?;

    client.write_all(b"hello")?;
    release(&mut process);

    let (mut read, mut exited, mut fired) = (false, false, false);
    let start = Instant::now();
    while !(read && exited && fired) {
        assert!(start.elapsed() < Duration::from_secs(60));
        for event in kq.await_events(Some(Duration::from_secs(1)))? {
            let event: Event = event;
            if event.filter() == EventFilter::Read && event.ident() == fd as u64 {
                if let Some(watcher) = event.udata::<Watcher>() {
                    println!("{}", watcher.id);
                    assert_eq!(watcher.id, 123);
                    let mut bytes = [0; 5];
                    server.read_exact(&mut bytes)?;
                    read = true;
                }
            }
            if event.filter() == EventFilter::Proc && event.flags().contains(EventFlags::PROC_EXIT) {
                assert_eq!(event.ident(), u64::from(child_pid));
                assert_eq!(event.udata::<&str>(), Some(&"child_process_exited"));
                exited = true;
            }
            if event.filter() == EventFilter::Timer {
                assert_eq!(event.udata::<i32>(), Some(&99));
                assert_eq!(event.udata::<u32>(), None);
                assert!(start.elapsed() >= Duration::from_millis(990));
                fired = true;
            }
        }
    }
    assert!(process.wait()?.success());
    Ok(())
}

#[test]
fn a_tcp_socket_with_a_number() {
    let (server, mut client) = tcp();
    let fd = server.as_raw_fd();
    let kq = Kqueue::new().unwrap();
    kq.register(fd, EventFilter::Read, EventFlags::ADD, Some(42)).unwrap();
    client.write_all(b"0123456789").unwrap();
    let events = kq.await_events(Some(Duration::from_secs(30))).unwrap();
    let event = events.iter().next().expect("an event");
    assert_eq!(event.filter(), EventFilter::Read);
    assert_eq!(event.ident(), fd as u64);
    assert_eq!(event.udata::<i32>(), Some(&42));
    assert!(event.data() >= 1);
}

#[test]
fn a_childs_exit_with_a_text() {
    child();
    let mut process = spawn("a_childs_exit_with_a_text", 7);
    let kq = Kqueue::new().unwrap();
    kq.register(process.id(), EventFilter::Proc, EventFlags::ADD | EventFlags::PROC_EXIT, Some("it is over")).unwrap();
    release(&mut process);
    let events: Vec<Event> = kq.await_events(Some(Duration::from_secs(30))).unwrap().into_iter().collect();
    assert_eq!(events.len(), 1);
    assert!(events[0].flags().contains(EventFlags::PROC_EXIT));
    assert_eq!(events[0].udata::<&str>(), Some(&"it is over"));
    match events[0].raw().kind() {
        kq_typed::kq::EventKind::Process { status, .. } => assert_eq!(status.unwrap().code(), Some(7)),
        kind => panic!("{kind:?}"),
    }
    process.wait().unwrap();
    // The registration ended with its event.
    assert!(kq.deregister((process.id(), EventFilter::Proc)).is_err());
}

#[test]
fn an_invalid_descriptor() {
    let kq = Kqueue::new().unwrap();
    for fd in [-1, closed_number()] {
        let error = kq.register(fd, EventFilter::Read, EventFlags::ADD | EventFlags::ENABLE, Some(1)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF), "{fd}");
    }
}

#[test]
fn a_time_out() {
    let (server, _client) = tcp();
    let kq = Kqueue::new().unwrap();
    kq.register(&server, EventFilter::Read, EventFlags::ADD, None::<()>).unwrap();
    let time = Duration::from_millis(50);
    assert!(takes(time, || {
        let events = kq.await_events(Some(time)).unwrap();
        assert!(events.is_empty());
        assert_eq!(events.into_iter().count(), 0);
    }));
    assert!(kq.await_events(Some(Duration::ZERO)).unwrap().is_empty());
}

#[test]
fn a_type_that_was_not_given() {
    let (server, mut client) = tcp();
    client.write_all(b"x").unwrap();
    let kq = Kqueue::new().unwrap();
    kq.register(&server, EventFilter::Read, EventFlags::ADD, Some(99_i32)).unwrap();
    kq.register(&client, EventFilter::Write, EventFlags::ADD, None::<()>).unwrap();
    let (mut read, mut written) = (false, false);
    for _ in 0..10 {
        for event in &kq.await_events(Some(Duration::from_secs(30))).unwrap() {
            if event.filter() == EventFilter::Read {
                assert_eq!(event.udata::<i64>(), None);
                assert_eq!(event.udata::<&str>(), None);
                assert_eq!(event.udata::<String>(), None);
                assert_eq!(event.udata::<Watcher>(), None);
                assert_eq!(event.udata::<i32>(), Some(&99));
                read = true;
            } else {
                assert_eq!(event.udata::<()>(), None);
                written = true;
            }
        }
    }
    assert!(read && written);
}
