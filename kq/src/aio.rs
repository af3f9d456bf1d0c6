//! Asynchronous I/O on FreeBSD, which registers its events through a `sigevent`.

use std::os::fd::AsRawFd;

use crate::{Flags, Kqueue};

impl Kqueue {
    /// What to put into the `aio_sigevent` of an `aiocb` (aio(4)), or to give to lio_listio(2), so that this queue gets
    /// an event when the operation, or the list, is done: an [`EventKind::Aio`](crate::EventKind::Aio) or
    /// [`EventKind::Lio`](crate::EventKind::Lio) with `udata`. FreeBSD.
    ///
    /// `flags` are none or a mode: [`Flags::ONESHOT`], [`Flags::CLEAR`], [`Flags::DISPATCH`]. The operation fails with
    /// EINVAL for others, and with EBADF if the queue is closed by then. The control block has to stay where it is until
    /// aio_return(2) was called for it; its address is the event's ident.
    ///
    /// ```no_run
    /// use kq::{Flags, Kqueue};
    /// use std::os::fd::AsRawFd;
    ///
    /// let queue = Kqueue::new()?;
    /// let file = std::fs::File::open("/etc/services")?;
    /// let mut bytes = [0_u8; 512];
    /// // SAFETY: zeros are valid for a control block.
    /// let mut block: libc::aiocb = unsafe { std::mem::zeroed() };
    /// block.aio_fildes = file.as_raw_fd();
    /// block.aio_buf = bytes.as_mut_ptr().cast();
    /// block.aio_nbytes = bytes.len();
    /// block.aio_sigevent = queue.sigevent(Flags::ONESHOT, 5);
    /// // SAFETY: the block and the bytes stay where they are until the operation is done.
    /// assert_eq!(unsafe { libc::aio_read(&mut block) }, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn sigevent(&self, flags: Flags, udata: usize) -> libc::sigevent {
        // SAFETY: the struct is made of integers and a pointer, for which zeros are valid.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_KEVENT;
        event.sigev_value.sival_ptr = udata as *mut libc::c_void;
        // <sys/signal.h> has other names for these two: sigev_notify_kqueue, and sigev_notify_kevent_flags, which is an
        // unsigned short at the start of the union that libc shows as a thread's id.
        event.sigev_signo = self.as_raw_fd();
        let [first, second] = flags.bits().to_ne_bytes();
        event.sigev_notify_thread_id = i32::from_ne_bytes([first, second, 0, 0]);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventBuffer, EventKind};
    use std::fs::File;
    use std::io::Write;
    use std::time::Duration;

    /// A file of five bytes that has no name.
    fn file(name: &str) -> File {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(b"hello").unwrap();
        file
    }

    /// A control block for reading the file's beginning.
    fn control_block(file: &File, bytes: &mut [u8]) -> libc::aiocb {
        // SAFETY: zeros are valid for a control block.
        let mut block: libc::aiocb = unsafe { std::mem::zeroed() };
        block.aio_fildes = file.as_raw_fd();
        block.aio_buf = bytes.as_mut_ptr().cast();
        block.aio_nbytes = bytes.len();
        block
    }

    /// Whether the call that just answered so did its work: a kernel may lack it, or allow it for some files only.
    fn is_supported(result: libc::c_int) -> bool {
        let error = std::io::Error::last_os_error();
        let is_missing = matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EOPNOTSUPP));
        assert!(result == 0 || is_missing, "{error}");
        result == 0
    }

    #[test]
    fn a_read_is_told_when_it_is_done() {
        let queue = Kqueue::new().unwrap();
        let mut buffer = EventBuffer::with_capacity(4);
        let (file, mut bytes) = (file("kq-aio"), [0_u8; 8]);
        let mut block = control_block(&file, &mut bytes);
        block.aio_sigevent = queue.sigevent(Flags::ONESHOT, 5);
        // SAFETY: the block and the bytes stay where they are until the operation is done.
        if !is_supported(unsafe { libc::aio_read(&mut block) }) {
            return;
        }
        let events = queue.wait(&mut buffer, Some(Duration::from_secs(30))).unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0].udata(), 5);
        let aiocb = std::ptr::from_ref(&block) as usize;
        assert_eq!(events[0].kind(), EventKind::Aio { aiocb, error: None });
        // SAFETY: the operation is done.
        assert_eq!(unsafe { libc::aio_return(&mut block) }, 5);
        assert_eq!(&bytes[..5], b"hello");
    }

    #[test]
    fn a_list_is_told_when_all_of_it_is_done() {
        let queue = Kqueue::new().unwrap();
        let mut buffer = EventBuffer::with_capacity(4);
        let (file, mut bytes) = (file("kq-lio"), [0_u8; 8]);
        let mut block = control_block(&file, &mut bytes);
        block.aio_lio_opcode = libc::LIO_READ;
        block.aio_sigevent.sigev_notify = libc::SIGEV_NONE;
        let list = [std::ptr::from_mut(&mut block)];
        let mut event = queue.sigevent(Flags::empty(), 6);
        // SAFETY: the list, the block and the bytes stay where they are until the operation is done.
        if !is_supported(unsafe { libc::lio_listio(libc::LIO_NOWAIT, list.as_ptr(), 1, &mut event) }) {
            return;
        }
        let events = queue.wait(&mut buffer, Some(Duration::from_secs(30))).unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!((events[0].kind(), events[0].udata()), (EventKind::Lio { list: list.as_ptr() as usize }, 6));
        // SAFETY: the operation is done.
        assert_eq!(unsafe { libc::aio_return(list[0]) }, 5);
        assert_eq!(&bytes[..5], b"hello");
    }
}
