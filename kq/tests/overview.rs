//! The calls as a newcomer writes them: what is promised of their shape compiles, and does what it says.

mod common;

use common::{child_line, spawn_child};
use kq::{Change, EventBuffer, EventKind, Kqueue, ProcEvents, VnodeEvents};
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::process::ChildStdin;
use std::time::Duration;

const LISTENER: usize = 17;

#[test]
fn every_call_once() {
    child_line();
    let mut child = spawn_child("every_call_once");
    let done = each_call(child.id(), child.stdin.take());
    child.wait().unwrap();
    done.unwrap();
}

/// With the process `pid`, which ends when its input does.
fn each_call(pid: u32, input: Option<ChildStdin>) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let path = std::env::temp_dir().join(format!("kq-overview-{}", std::process::id()));
    let config_file = File::create(&path)?;
    let timeout = Duration::from_secs(30);

    let kq = Kqueue::new()?;
    let mut events = EventBuffer::with_capacity(256);

    kq.apply(&[
        Change::read(&listener).udata(LISTENER),
        Change::timer(1, Duration::from_millis(5)).oneshot(),
        Change::process(pid, ProcEvents::EXIT),
        Change::vnode(&config_file, VnodeEvents::WRITE | VnodeEvents::DELETE).clear(),
    ])?;

    let _client = TcpStream::connect(listener.local_addr()?)?;
    std::fs::remove_file(&path)?;
    drop(input);

    let (mut accepted, mut fired, mut ended, mut removed) = (false, false, None, false);
    while !(accepted && fired && ended.is_some() && removed) {
        for event in kq.wait(&mut events, Some(timeout))? {
            match event.kind() {
                EventKind::Read { available, eof, error, .. } => {
                    assert_eq!((event.udata(), available, eof, error), (LISTENER, Some(1), false, None));
                    listener.accept()?;
                    accepted = true;
                }
                EventKind::Timer { id, expirations } => {
                    assert_eq!((id, expirations), (1, 1));
                    fired = true;
                }
                EventKind::Process { pid: of, status, events, .. } => {
                    assert_eq!((of, events.contains(ProcEvents::EXIT)), (pid, true));
                    ended = status;
                }
                EventKind::Vnode { events, .. } => removed |= events.contains(VnodeEvents::DELETE),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(ended.is_some_and(|status| status.success()));

    let changes = [Change::timer(2, Duration::from_millis(5)).oneshot()];
    let timeout = Some(timeout);
    assert_eq!(kq.apply_and_wait(&changes, &mut events, timeout)?.len(), 1);
    for receipt in kq.apply_each(&changes.map(Change::delete), &mut events)? {
        assert_eq!((receipt.index(), receipt.error().map(|error| error.raw())), (0, Some(libc::ENOENT)));
    }
    kq.replace(&changes[0])?;
    Ok(())
}

#[test]
#[cfg(has_user)]
fn a_user_event() -> std::io::Result<()> {
    let kq = Kqueue::new()?;
    let mut events = EventBuffer::with_capacity(4);
    let user = Change::user(7).clear();
    if let Err(error) = kq.apply(&[user]) {
        // NetBSD 9 and OpenBSD before 7.8 have no user events.
        assert!(cfg!(any(netbsd, openbsd)) && error.errno().raw() == libc::EINVAL, "{error}");
        return Ok(());
    }
    kq.apply(&[user.trigger()])?;
    for event in kq.wait(&mut events, Some(Duration::from_secs(30)))? {
        assert!(matches!(event.kind(), EventKind::User { id: 7, .. }));
    }
    Ok(())
}
