//! How many connections a listening socket has waiting.

use std::os::fd::{AsRawFd, RawFd};

use super::sys::{self, Result};

/// TCP counts them for everybody; a unix socket's are asked of sock_diag(7); another family's are one at least, as
/// long as there is any.
pub(super) fn connections_waiting(fd: RawFd) -> i64 {
    const LISTEN: u8 = 10;
    if let Ok(info) = sys::tcp_info(fd) {
        if info.tcpi_state == LISTEN {
            return i64::from(info.tcpi_unacked);
        }
    }
    if sys::poll_now(fd, libc::POLLIN) & libc::POLLIN == 0 {
        return 0;
    }
    match sys::socket_int(fd, libc::SO_DOMAIN) {
        Ok(libc::AF_UNIX) => unix_connections_waiting(fd).map_or(1, |count| i64::from(count).max(1)),
        _ => 1,
    }
}

const NETLINK_HEADER: usize = 16;
/// `struct unix_diag_msg`, with the socket's inode after four bytes.
const ANSWER_HEADER: usize = NETLINK_HEADER + 16;

fn unix_connections_waiting(fd: RawFd) -> Result<u32> {
    const NETLINK_SOCK_DIAG: i32 = 4;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const UDIAG_SHOW_RQLEN: u32 = 0x10;
    const UNIX_DIAG_RQLEN: u16 = 4;
    let inode = sys::status_of(fd)?.st_ino as u32;
    // A netlink header, then `struct unix_diag_req`.
    let mut request = [0u8; NETLINK_HEADER + 24];
    let mut put = |offset: usize, bytes: &[u8]| request[offset..offset + bytes.len()].copy_from_slice(bytes);
    put(0, &(NETLINK_HEADER as u32 + 24).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(NETLINK_HEADER, &[libc::AF_UNIX as u8]);
    let all_states = u32::MAX;
    put(NETLINK_HEADER + 4, &all_states.to_ne_bytes());
    put(NETLINK_HEADER + 8, &inode.to_ne_bytes());
    put(NETLINK_HEADER + 12, &UDIAG_SHOW_RQLEN.to_ne_bytes());
    let no_cookie = [0xff; 8];
    put(NETLINK_HEADER + 16, &no_cookie);
    let netlink = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, NETLINK_SOCK_DIAG)?;
    sys::send(netlink.as_raw_fd(), &request)?;
    let mut answer = [0u8; 512];
    let length = sys::receive(netlink.as_raw_fd(), &mut answer)?;
    let answer = &answer[..length];
    let u16_at = |offset: usize| answer.get(offset..offset + 2).map(|two| u16::from_ne_bytes([two[0], two[1]]));
    let u32_at = |offset: usize| {
        answer.get(offset..offset + 4).map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))
    };
    if u16_at(4) != Some(SOCK_DIAG_BY_FAMILY) || u32_at(NETLINK_HEADER + 4) != Some(inode) {
        return Err(libc::ENOENT);
    }
    let mut offset = ANSWER_HEADER;
    while let (Some(size), Some(kind)) = (u16_at(offset), u16_at(offset + 2)) {
        if kind == UNIX_DIAG_RQLEN {
            return u32_at(offset + 4).ok_or(libc::ENOENT);
        }
        // Attributes are aligned to four bytes.
        offset += usize::from(size.max(4)).next_multiple_of(4);
    }
    Err(libc::ENOENT)
}
