//! What kind of file a descriptor is, and what the kinds tell of their readiness beside epoll.

use std::os::fd::RawFd;

use super::queue::Queue;
use super::sys::Result;
use super::{registry, sys};

/// What a file is, as far as its readiness depends on it; found out when first needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    Pipe,
    /// A socket with connections.
    Tcp,
    UnixStream,
    OtherStream,
    Datagram,
    Queue,
    Other,
}

impl Kind {
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Kind::Tcp | Kind::UnixStream | Kind::OtherStream)
    }
}

pub(super) fn kind_of(fd: RawFd) -> Result<Kind> {
    let kind = match sys::status_of(fd)?.st_mode & libc::S_IFMT {
        libc::S_IFIFO => Kind::Pipe,
        libc::S_IFSOCK => match sys::socket_int(fd, libc::SO_TYPE) {
            Ok(kind @ (libc::SOCK_STREAM | libc::SOCK_SEQPACKET)) => match sys::socket_int(fd, libc::SO_DOMAIN) {
                Ok(libc::AF_UNIX) if kind == libc::SOCK_STREAM => Kind::UnixStream,
                Ok(libc::AF_INET | libc::AF_INET6)
                    if sys::socket_int(fd, libc::SO_PROTOCOL) == Ok(libc::IPPROTO_TCP) =>
                {
                    Kind::Tcp
                }
                _ => Kind::OtherStream,
            },
            _ => Kind::Datagram,
        },
        _ if is_queue(fd) => Kind::Queue,
        _ => Kind::Other,
    };
    Ok(kind)
}

/// Whether the number is another queue's.
pub(super) fn is_queue(fd: RawFd) -> bool {
    registry::find(fd).is_some_and(Queue::has_its_number)
}

pub(super) fn pipe_room(fd: RawFd) -> Result<i64> {
    Ok(i64::from(sys::pipe_size(fd)? - sys::bytes_to_read(fd)?).max(0))
}

/// The room in a socket's send buffer. What it holds is counted with the kernel's overhead, so that nothing may seem
/// to be left although the socket is writable: then it is one byte.
pub(super) fn socket_room(fd: RawFd) -> Result<i64> {
    let memory = sys::socket_memory(fd)?;
    Ok((i64::from(memory.send_size) - i64::from(memory.unsent)).max(1))
}

/// Whether this side of a connection was shut for writing, which poll(2) does not tell.
pub(super) fn is_shut_for_writing(kind: Kind, fd: RawFd) -> bool {
    // FIN_WAIT1, FIN_WAIT2, TIME_WAIT, LAST_ACK, CLOSING
    const SHUT: [u8; 5] = [4, 5, 6, 9, 11];
    match kind {
        Kind::Tcp => sys::tcp_info(fd).is_ok_and(|info| SHUT.contains(&info.tcpi_state)),
        // A stream takes nothing to send for an answer; a packet of nothing would be one.
        Kind::UnixStream => sys::send(fd, &[]) == Err(libc::EPIPE),
        _ => false,
    }
}

/// The error that a socket has pending, inferred: reading it would take it from the program. 0 where it is not sure.
pub(super) fn pending_error(fd: RawFd) -> u32 {
    const CLOSED: u8 = 7;
    let errno = match sys::tcp_info(fd) {
        // A round trip was measured, so there was a connection.
        Ok(info) if info.tcpi_state == CLOSED && info.tcpi_rtt != 0 => libc::ECONNRESET,
        Ok(info) if info.tcpi_state == CLOSED => libc::ECONNREFUSED,
        Ok(_) => 0,
        Err(_) => match sys::socket_int(fd, libc::SO_DOMAIN) {
            Ok(libc::AF_UNIX) => libc::ECONNRESET,
            _ => 0,
        },
    };
    errno as u32
}
