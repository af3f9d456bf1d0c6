//! `Waker`: wakes a thread that waits on a queue.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::{Change, Kqueue};

/// Wakes a thread that waits on a queue, from any other thread.
///
/// The waiting thread gets an event with the waker's udata; that is how it is known, since its filter depends on the
/// system. Several wakes before the event is taken are one event, and one waiting thread gets it. A wake while nobody
/// waits is kept for the next wait.
///
/// Dropping the waker takes its event out of the queue, with a wake that was not taken yet: share it in an [`Arc`]
/// with the thread that waits.
///
/// It is a user event (EVFILT_USER) where the running system has them, and otherwise (NetBSD 9, OpenBSD before 7.8) a
/// pair of connected sockets.
///
/// ```
/// use kq::{EventBuffer, Kqueue, Waker};
/// use std::sync::Arc;
///
/// const WAKE: usize = usize::MAX;
///
/// let queue = Arc::new(Kqueue::new()?);
/// let waker = Arc::new(Waker::new(&queue, 0, WAKE)?);
/// let worker = std::thread::spawn({
///     let waker = Arc::clone(&waker);
///     move || waker.wake()
/// });
///
/// let mut events = EventBuffer::with_capacity(8);
/// let events = queue.wait(&mut events, None)?;
/// assert_eq!(events[0].udata(), WAKE);
/// worker.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Waker {
    queue: Arc<Kqueue>,
    udata: usize,
    means: Means,
}

/// How the event is raised.
#[derive(Debug)]
enum Means {
    /// A user event, by the change that triggers it.
    #[cfg(has_user)]
    User { trigger: Change },
    /// Bytes that are sent to a socket that the queue watches.
    Socket { sender: UnixStream, receiver: UnixStream },
}

impl Waker {
    /// Makes a waker for `queue`, whose event has `udata`.
    ///
    /// `ident` is the ident of its user event: no other user event of the queue may have it. The waker keeps the queue
    /// open.
    ///
    /// # Errors
    /// As [`Kqueue::apply`], and without user events also EMFILE and ENFILE: two descriptors are needed then.
    pub fn new(queue: &Arc<Kqueue>, ident: usize, udata: usize) -> io::Result<Waker> {
        #[cfg(has_user)]
        {
            // Added now, triggered later: FreeBSD and NetBSD ignore a trigger within the adding change.
            let added = Change::user(ident).clear().udata(udata);
            match queue.apply(&[added]) {
                // What a kernel without the filter answers.
                Err(error) if error.errno().raw() == libc::EINVAL => (),
                Err(error) => return Err(error.into()),
                Ok(()) => {
                    let means = Means::User { trigger: added.trigger() };
                    return Ok(Waker { queue: Arc::clone(queue), udata, means });
                }
            }
        }
        let _ = ident;
        Waker::over_socket(queue, udata)
    }

    fn over_socket(queue: &Arc<Kqueue>, udata: usize) -> io::Result<Waker> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        queue.apply(&[Change::read(&receiver).clear().udata(udata)])?;
        let means = Means::Socket { sender, receiver };
        Ok(Waker { queue: Arc::clone(queue), udata, means })
    }

    /// Wakes a thread that waits on the queue, or the next one that will.
    ///
    /// # Errors
    /// ENOENT if the waker's user event was deleted, EBADF in a forked child.
    #[inline(always)] // see kq-sys's `syscall`
    pub fn wake(&self) -> io::Result<()> {
        // A forked child has the sockets, too, and perhaps another queue under the number.
        if !self.queue.is_ours() {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        match &self.means {
            #[cfg(has_user)]
            Means::User { trigger } => Ok(self.queue.apply(std::slice::from_ref(trigger))?),
            Means::Socket { sender, receiver } => send_byte(sender, receiver),
        }
    }

    /// The udata of the waker's event.
    #[inline]
    pub fn udata(&self) -> usize {
        self.udata
    }
}

/// Sends a byte: each one that is sent raises the event. Nobody has read those before, so they are read here when no
/// more fit.
fn send_byte(mut sender: &UnixStream, mut receiver: &UnixStream) -> io::Result<()> {
    loop {
        match sender.write(&[1]) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Another thread may have read them first: then there is room to try again, too.
                let mut bytes = [0; 4096];
                while matches!(receiver.read(&mut bytes), Ok(read) if read == bytes.len()) {}
            }
            Err(error) => return Err(error),
        }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        match &self.means {
            // A forked child has another queue under the number, or none.
            #[cfg(has_user)]
            Means::User { trigger } if self.queue.is_ours() => {
                // Fails if the program deleted it, which is as well.
                let _ = self.queue.apply(&[trigger.delete()]);
            }
            // The sockets are closed, and with that out of the queue.
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventBuffer;
    use std::time::Duration;

    const PATIENCE: Option<Duration> = Some(Duration::from_secs(20));

    /// What holds for either means.
    fn wakes(queue: &Arc<Kqueue>, waker: Waker) {
        let mut events = EventBuffer::with_capacity(4);
        assert!(queue.wait(&mut events, Some(Duration::ZERO)).unwrap().is_empty());

        // Several wakes are one event, also of more bytes than a socket holds.
        for _ in 0..20_000 {
            waker.wake().unwrap();
        }
        let woken = queue.wait(&mut events, PATIENCE).unwrap();
        assert_eq!(woken.iter().map(|event| event.udata()).collect::<Vec<_>>(), [7]);
        assert!(queue.wait(&mut events, Some(Duration::ZERO)).unwrap().is_empty());

        // Each wake after that is a new event.
        for _ in 0..3 {
            waker.wake().unwrap();
            assert_eq!(queue.wait(&mut events, PATIENCE).unwrap().len(), 1);
        }

        // From another thread, while this one waits.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                waker.wake().unwrap();
            });
            assert_eq!(queue.wait(&mut events, PATIENCE).unwrap().len(), 1);
        });

        waker.wake().unwrap();
        drop(waker);
        assert!(queue.wait(&mut events, Some(Duration::ZERO)).unwrap().is_empty());
    }

    #[test]
    fn a_waker_wakes() {
        let queue = Arc::new(Kqueue::new().unwrap());
        let waker = Waker::new(&queue, 1, 7).unwrap();
        wakes(&queue, waker);
    }

    #[test]
    fn a_waker_without_user_events_wakes() {
        let queue = Arc::new(Kqueue::new().unwrap());
        let waker = Waker::over_socket(&queue, 7).unwrap();
        wakes(&queue, waker);
    }

    #[test]
    fn many_threads_wake_at_once() {
        let queue = Arc::new(Kqueue::new().unwrap());
        for waker in [Waker::new(&queue, 1, 1).unwrap(), Waker::over_socket(&queue, 2).unwrap()] {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..2_000).for_each(|_| waker.wake().unwrap()));
                }
            });
            let mut events = EventBuffer::with_capacity(4);
            let woken = queue.wait(&mut events, PATIENCE).unwrap();
            assert_eq!(woken.iter().map(|event| event.udata()).collect::<Vec<_>>(), [waker.udata()]);
        }
    }

    /// Its byte went into the socket that both processes have, and woke the parent.
    #[test]
    #[cfg(not(any(target_os = "tvos", target_os = "watchos")))] // no fork(2) there
    fn a_child_does_not_wake_its_parent() {
        let queue = Arc::new(Kqueue::new().unwrap());
        for waker in [Waker::new(&queue, 1, 1).unwrap(), Waker::over_socket(&queue, 2).unwrap()] {
            // SAFETY: the child makes system calls only, and exits without running this process's exit handlers.
            let child = unsafe { libc::fork() };
            assert!(child >= 0, "{}", io::Error::last_os_error());
            if child == 0 {
                let refused = waker.wake().is_err_and(|error| error.raw_os_error() == Some(libc::EBADF));
                // SAFETY: ends the process.
                unsafe { libc::_exit(i32::from(!refused)) };
            }
            let mut status = 0;
            // SAFETY: `status` is valid for the call's write.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{waker:?}: {status:#x}");
            let mut events = EventBuffer::with_capacity(4);
            assert!(queue.wait(&mut events, Some(Duration::ZERO)).unwrap().is_empty());
        }
    }
}
