//! What fills and drains: low-water marks, EMPTY, ends that this side made, terminals and FIFOs.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use kq::{Change, Flags};
use kq_tests::descriptor::checked;
use kq_tests::queue::{want_read, want_write};
use kq_tests::{get, pair, put, serial, tcp_pair, TempDir, TestQueue};

/// Writes until there is no room.
#[cfg(linux)]
fn fill(socket: &UnixStream) {
    socket.set_nonblocking(true).unwrap();
    // SAFETY: 512 bytes of the block.
    while unsafe { libc::write(socket.as_raw_fd(), [0u8; 512].as_ptr().cast(), 512) } > 0 {}
}

/// Reads all that is there.
#[cfg(has_empty)]
fn drain(socket: &mut impl std::io::Read) {
    let mut block = [0; 4096];
    while matches!(socket.read(&mut block), Ok(1..)) {}
}

#[test]
fn a_low_water_mark_holds_back_what_is_less() {
    let (a, b) = pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&a).low_water(10).udata(1));
    put(&b, 9);
    queue.nothing();
    put(&b, 1);
    queue.sees(&[want_read(&a).data(10).udata(1)]);
    queue.sees(&[want_read(&a).data(10).udata(1)]);
    get(&a, 1);
    queue.nothing();
    put(&b, 1);
    queue.sees(&[want_read(&a).data(10).udata(1)]);
    // An end is above any mark.
    get(&a, 10);
    drop(b);
    queue.sees(&[want_read(&a).flags(Flags::EOF).udata(1)]);
}

#[test]
fn a_low_water_mark_with_each_mode() {
    for (mode, flags) in
        [(Flags::CLEAR, Flags::CLEAR), (Flags::ONESHOT, Flags::ONESHOT), (Flags::DISPATCH, Flags::DISPATCH)]
    {
        let (a, b) = pair();
        let mut queue = TestQueue::new();
        let change = Change::read(&a).add_flags(mode).low_water(10).udata(1);
        queue.set(change);
        put(&b, 5);
        queue.nothing();
        put(&b, 5);
        queue.sees(&[want_read(&a).flags(flags).data(10).udata(1)]);
        queue.nothing();
        if mode == Flags::DISPATCH {
            get(&a, 5);
            queue.set(change.enable());
            queue.nothing();
            put(&b, 6);
            queue.sees(&[want_read(&a).flags(flags).data(11).udata(1)]);
        }
    }
}

#[test]
fn a_low_water_mark_leaves_the_sockets_own_alone() {
    let (a, _b) = pair();
    let queue = TestQueue::new();
    queue.set(Change::read(&a).low_water(10));
    let (mut mark, mut size) = (0, 4);
    // SAFETY: room for one int.
    checked(unsafe {
        libc::getsockopt(
            a.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            std::ptr::addr_of_mut!(mark).cast::<libc::c_int>().cast(),
            &mut size,
        )
    });
    assert_eq!(mark, 1);
}

// On the BSDs a unix socket's room is the reader's buffer, whose size differs.
#[cfg(linux)]
#[test]
fn a_low_water_mark_of_room() {
    let (a, mut b) = pair();
    let mut queue = TestQueue::new();
    fill(&a);
    queue.set(Change::write(&a).low_water(20_000));
    queue.nothing();
    b.set_nonblocking(true).unwrap();
    drain(&mut b);
    queue.sees(&[want_write(&a).at_least(20_000)]);
}

#[cfg(has_empty)]
#[test]
fn a_drained_send_buffer() {
    let (client, mut server) = tcp_pair();
    let mut queue = TestQueue::new();
    queue.set(Change::empty(&client).udata(1));
    queue.sees(&[kq_tests::want(kq::Filter::EMPTY, client.as_raw_fd() as usize).udata(1)]);
    queue.set(Change::empty(&client).delete());
    // More than both buffers hold, of which nothing is read.
    kq_tests::descriptor::fill(&client);
    queue.set(Change::empty(&client).oneshot().udata(2));
    queue.nothing();
    server.set_nonblocking(true).unwrap();
    let wanted = kq_tests::want(kq::Filter::EMPTY, client.as_raw_fd() as usize).flags(Flags::ONESHOT).udata(2);
    kq_tests::wait_for("the buffer to drain", || {
        drain(&mut server);
        let events = queue.wait(kq_tests::QUIET);
        assert!(events.iter().all(|event| wanted.is(event)), "{events:?}");
        !events.is_empty()
    });
}

#[test]
fn an_end_for_writing_that_this_side_made() {
    let (unix, _peer) = pair();
    let (tcp, _server) = tcp_pair();
    let mut queue = TestQueue::new();
    queue.set(Change::write(&unix));
    queue.sees(&[want_write(&unix)]);
    unix.shutdown(Shutdown::Write).unwrap();
    queue.sees(&[want_write(&unix).flags(Flags::EOF).at_least(0)]);
    queue.set(Change::write(&unix).delete());
    queue.set(Change::write(&tcp));
    queue.sees(&[want_write(&tcp)]);
    tcp.shutdown(Shutdown::Write).unwrap();
    queue.sees(&[want_write(&tcp).flags(Flags::EOF).at_least(0)]);
}

#[test]
fn a_listener_of_unix_sockets_counts_too() {
    let dir = TempDir::new();
    let listener = UnixListener::bind(dir.join("socket")).unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&listener));
    queue.nothing();
    let clients: Vec<UnixStream> = (0..3).map(|_| UnixStream::connect(dir.join("socket")).unwrap()).collect();
    for waiting in [3, 2, 1] {
        queue.sees(&[want_read(&listener).data(waiting)]);
        listener.accept().unwrap();
    }
    queue.nothing();
    drop(clients);
}

/// Both ends of a terminal.
fn terminal() -> (OwnedFd, OwnedFd) {
    // SAFETY: takes numbers only, and a name that the call before made.
    unsafe {
        let master = checked(libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY));
        checked(libc::grantpt(master));
        checked(libc::unlockpt(master));
        let slave = checked(libc::open(libc::ptsname(master), libc::O_RDWR | libc::O_NOCTTY));
        (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave))
    }
}

#[test]
fn a_terminal_is_ready_with_a_line() {
    let _serial = serial();
    let (master, slave) = terminal();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&slave).udata(1));
    queue.nothing();
    // SAFETY: three bytes.
    let write =
        |text: &[u8]| checked(unsafe { libc::write(master.as_raw_fd(), text.as_ptr().cast(), text.len()) } as i32);
    write(b"hi");
    queue.nothing();
    write(b"\n");
    queue.sees(&[want_read(&slave).data(3).udata(1)]);
    get(&slave, 3);
    queue.nothing();
}

#[test]
fn a_fifo_without_writers_is_at_its_end() {
    let dir = TempDir::new();
    let path = dir.join("fifo");
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a name that ends with a zero.
    checked(unsafe { libc::mkfifo(name.as_ptr(), 0o600) });
    let reader: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    let writer = OpenOptions::new().write(true).open(&path).unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&reader));
    queue.nothing();
    put(&writer, 3);
    queue.sees(&[want_read(&reader).data(3)]);
    drop(writer);
    // An Apple kernel does not say so (golang/go#24164).
    if !cfg!(apple) {
        queue.sees(&[want_read(&reader).flags(Flags::EOF).data(3)]);
        get(&reader, 3);
        queue.sees(&[want_read(&reader).flags(Flags::EOF)]);
    }
}
