//! FIFOs, which are opened for one direction, and whose other end may come again.
#![cfg(freebsd_abi)] // as FreeBSD's kernel has it

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use kq::{Change, Filter, Flags};
use kq_tests::descriptor::{checked, ident};
use kq_tests::{want, TempDir, TestQueue};

/// A FIFO's end to read from, and one to write to.
fn fifo(dir: &TempDir) -> (File, File) {
    let path = dir.join("fifo");
    let name = CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: the name ends with a zero and outlives the call.
    checked(unsafe { libc::mkfifo(name.as_ptr(), 0o600) });
    let open = |options: &mut OpenOptions| options.custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    (open(OpenOptions::new().read(true)), open(OpenOptions::new().write(true)))
}

#[test]
fn the_wrong_end_of_a_fifo_ended() {
    let dir = TempDir::new();
    let (reader, writer) = fifo(&dir);
    let mut queue = TestQueue::new();
    queue.set(Change::write(&reader));
    queue.set(Change::read(&writer));
    queue.nothing();
    drop(reader);
    queue.nothing();
    let (reader, writer) = fifo(&TempDir::new());
    queue.set(Change::write(&reader));
    drop(writer);
    queue.nothing();
}

#[test]
fn a_fifo_without_a_reader_was_a_pipe_without_one() {
    let dir = TempDir::new();
    let (reader, writer) = fifo(&dir);
    let mut queue = TestQueue::new();
    queue.set(Change::write(&writer).udata(1));
    drop(reader);
    let ended = want(Filter::WRITE, ident(&writer)).flags(Flags::EOF);
    queue.sees(&[ended.udata(1)]);
    queue.sees(&[ended.udata(1)]);
    queue.set(Change::write(&writer).delete());
    queue.set(Change::write(&writer).udata(2));
    queue.sees(&[ended.udata(2)]);
}
