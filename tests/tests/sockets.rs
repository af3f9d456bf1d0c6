//! READ and WRITE on connected, listening, closing and refused sockets.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use kq::{Change, Errno, EventKind, Flags};
use kq_tests::descriptor::checked;
use kq_tests::queue::{want_read, want_write};
use kq_tests::{get, listen, pair, put, tcp_pair, TestQueue, LIMIT};

/// A TCP socket that is not connected.
fn fresh_socket() -> TcpStream {
    // SAFETY: takes numbers only.
    let fd = checked(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) });
    // SAFETY: the call just made the descriptor, and nobody else has it.
    TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Starts to connect a non-blocking socket.
fn start_to_connect(socket: &TcpStream, to: SocketAddr) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    // SAFETY: zeros are a valid address.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_port = to.port().to_be();
    address.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
    let length = std::mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is valid for its length.
    match unsafe { libc::connect(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes closing the socket reset the connection.
fn reset_when_closed(socket: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let length = std::mem::size_of_val(&linger) as libc::socklen_t;
    // SAFETY: the option's value is valid for its length.
    checked(unsafe {
        let value = std::ptr::from_ref(&linger).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, length)
    });
}

fn error_of(errno: i32) -> Option<Errno> {
    Some(Errno::from_raw(errno))
}

#[test]
fn the_end_may_come_with_data() {
    let (a, b) = pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&a).udata(1));
    put(&b, 3);
    b.shutdown(Shutdown::Write).unwrap();
    queue.sees(&[want_read(&a).flags(Flags::EOF).data(3).udata(1)]);
    get(&a, 3);
    queue.sees(&[want_read(&a).flags(Flags::EOF).udata(1)]);
}

#[test]
fn the_end_is_news_to_an_edge() {
    let (a, b) = pair();
    let mut queue = TestQueue::new();
    let wanted = want_read(&a).data(3).udata(1);
    queue.set(Change::read(&a).clear().udata(1));
    put(&b, 3);
    queue.sees(&[wanted.flags(Flags::CLEAR)]);
    drop(b);
    queue.sees(&[wanted.flags(Flags::EOF | Flags::CLEAR)]);
    queue.nothing();
}

#[test]
fn a_listener_counts_the_connections_that_wait() {
    let listener = listen();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&listener).udata(1));
    queue.nothing();
    let connect = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _first = connect();
    queue.comes_to_see(&[want_read(&listener).data(1).udata(1)]);
    let _second = connect();
    queue.comes_to_see(&[want_read(&listener).data(2).udata(1)]);
    listener.accept().unwrap();
    queue.sees(&[want_read(&listener).data(1).udata(1)]);
    listener.accept().unwrap();
    queue.nothing();
}

#[test]
fn a_half_closed_connection_is_at_its_end() {
    let (client, server) = tcp_pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&server).udata(1));
    put(&client, 5);
    client.shutdown(Shutdown::Write).unwrap();
    queue.comes_to_see(&[want_read(&server).flags(Flags::EOF).data(5).udata(1)]);
    get(&server, 5);
    queue.sees(&[want_read(&server).flags(Flags::EOF).udata(1)]);
}

#[test]
fn a_half_closed_connection_can_still_be_written_to() {
    let (client, server) = tcp_pair();
    let mut queue = TestQueue::new();
    client.shutdown(Shutdown::Write).unwrap();
    // The end has arrived.
    queue.set(Change::read(&server).udata(1));
    queue.comes_to_see(&[want_read(&server).flags(Flags::EOF).udata(1)]);
    queue.set(Change::read(&server).delete());
    queue.set(Change::write(&server).udata(1));
    queue.sees(&[want_write(&server).udata(1)]);
}

#[test]
fn a_reset_connection_has_an_error_which_stays_in_the_socket() {
    let (client, server) = tcp_pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&server).udata(1));
    queue.set(Change::write(&server).udata(2));
    reset_when_closed(&client);
    drop(client);
    let reset = libc::ECONNRESET as u32;
    queue.comes_to_see(&[
        want_read(&server).flags(Flags::EOF).fflags(reset).udata(1),
        want_write(&server).flags(Flags::EOF).fflags(reset).at_least(0).udata(2),
    ]);
    for event in queue.wait(LIMIT) {
        match event.kind() {
            EventKind::Read { eof, error, .. } | EventKind::Write { eof, error, .. } => {
                assert_eq!((eof, error), (true, error_of(libc::ECONNRESET)));
            }
            kind => panic!("{kind:?}"),
        }
    }
    let error = server.take_error().unwrap().and_then(|error| error.raw_os_error());
    assert_eq!(error, Some(libc::ECONNRESET));
}

#[test]
fn a_connection_that_is_made_becomes_writable() {
    let listener = listen();
    let client = fresh_socket();
    let mut queue = TestQueue::new();
    // It may be there at once, or in progress.
    let _ = start_to_connect(&client, listener.local_addr().unwrap());
    queue.set(Change::write(&client).udata(1));
    queue.sees(&[want_write(&client).udata(1)]);
}

#[test]
fn a_connection_that_is_refused_ends_with_the_error() {
    let address = listen().local_addr().unwrap();
    let client = fresh_socket();
    let mut queue = TestQueue::new();
    match start_to_connect(&client, address).map_err(|error| error.raw_os_error()) {
        Err(Some(libc::EINPROGRESS)) => {}
        // A system may answer at once; then no event is left to come.
        Err(Some(libc::ECONNREFUSED)) => return,
        outcome => panic!("{outcome:?}"),
    }
    queue.set(Change::write(&client).udata(1));
    let refused = libc::ECONNREFUSED as u32;
    queue.comes_to_see(&[want_write(&client).flags(Flags::EOF).fflags(refused).at_least(0).udata(1)]);
    let error = client.take_error().unwrap().and_then(|error| error.raw_os_error());
    assert_eq!(error, Some(libc::ECONNREFUSED));
}

#[test]
#[cfg(freebsd_abi)] // the others have a filter for it, which counts it elsewhere
fn an_urgent_byte_is_no_data() {
    let (client, server) = tcp_pair();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&server).udata(1));
    // SAFETY: the buffer is valid for one byte.
    let sent = unsafe { libc::send(client.as_raw_fd(), [b'!'].as_ptr().cast(), 1, libc::MSG_OOB) };
    assert_eq!(sent, 1);
    queue.nothing();
}

#[test]
fn a_socket_that_is_not_connected_is_not_ready() {
    let socket = fresh_socket();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&socket).udata(1));
    queue.set(Change::write(&socket).udata(2));
    queue.nothing();
}

#[test]
#[cfg(freebsd_abi)] // so in its kernel, whose TCP sockets say it, too
fn a_listening_unix_socket_that_was_shut_went_on_listening() {
    let dir = kq_tests::TempDir::new();
    let listener = std::os::unix::net::UnixListener::bind(dir.join("s")).unwrap();
    let mut queue = TestQueue::new();
    queue.set(Change::read(&listener).udata(1));
    // FreeBSD says ENOTCONN, and does it.
    // SAFETY: takes numbers only.
    unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) };
    let wanted = want_read(&listener).flags(Flags::EOF).fflags(libc::ECONNABORTED as u32).udata(1);
    queue.sees(&[wanted]);
    queue.sees(&[wanted]);
}
