//! An echo server on `Queue<T>`, edge-triggered, with one `Conn` behind the knotes of a connection.
//!
//! It survives clients that reset, stall and half-close, runs out of descriptors without spinning, and stops gracefully.
//! With `--threads N` several threads wait on the one queue, and EV_DISPATCH gives each event to one of them.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use kq_typed::kq::{Change, Filter};
use kq_typed::{Key, Mutex, Queue, Ready, Registration, Waker};

const HELP: &str = "\
usage: echo_server [--port N] [--threads N] [--grace SECONDS]

Sends back what TCP clients of this machine send, until SIGINT or SIGTERM comes.

  --port N          the port to listen on; 0, which is the default, lets the system choose
  --threads N       threads that wait on the one queue (1)
  --grace SECONDS   how long a stop waits for clients that do not take their data,
                    or go on sending (5); a second signal ends that at once
";

/// What one READ takes, and so the most that a connection's client can make the server keep.
const CHUNK: usize = 16 * 1024;
/// So many READs in a row, then it is the turn of the other connections.
const ROUNDS: usize = 16;
/// Descriptors that connections leave over: on Linux a queue has some of its own, which are made when first needed.
const RESERVE: usize = 16;
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);
/// What a client has sent may be on its way while there is nothing to read, even on one machine: its system may send the
/// rest only when the first bytes were acknowledged, and the server's may wait with that, for 100 ms on FreeBSD.
const SILENCE: Duration = Duration::from_millis(250);

const ACCEPT_AGAIN: usize = 1;
const GRACE_IS_OVER: usize = 2;
const LOOK_AGAIN: usize = 3;

/// Prints a line. That nobody reads it any more does not end the program.
macro_rules! say {
    ($to:expr, $($arg:tt)*) => { let _ = writeln!($to, $($arg)*); };
}

/// Runs the program.
pub fn main() -> ExitCode {
    let result = match Options::parse(env::args_os().skip(1)) {
        Ok(Some(options)) => Server::new(&options).and_then(|server| server.run(options.threads)),
        Ok(None) => {
            print!("{HELP}");
            Ok(())
        }
        Err(message) => {
            eprintln!("echo_server: {message}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_server: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    port: u16,
    threads: u16,
    grace: Duration,
}

impl Options {
    /// `None` if help is asked for.
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Options>, String> {
        let mut options = Options { port: 0, threads: 1, grace: Duration::from_secs(5) };
        while let Some(arg) = args.next() {
            let mut number = |range: RangeInclusive<u16>| {
                let value = args.next().unwrap_or_default();
                let number = value.to_str().and_then(|text| text.parse().ok()).filter(|number| range.contains(number));
                let (low, high) = range.into_inner();
                number.ok_or(format!("{} takes a number from {low} to {high}, not {value:?}", arg.to_string_lossy()))
            };
            match arg.to_str() {
                Some("-h" | "--help") => return Ok(None),
                Some("--port") => options.port = number(0..=u16::MAX)?,
                Some("--threads") => options.threads = number(1..=256)?,
                Some("--grace") => options.grace = Duration::from_secs(number(0..=3_600)?.into()),
                _ => return Err(format!("unknown argument {arg:?} (--help tells more)")),
            }
        }
        Ok(Some(options))
    }
}

/// What is behind a registration.
enum Source {
    /// Behind its READ knote, and behind a timer while there is no descriptor for a connection.
    Listener(TcpListener),
    /// Behind its READ knote, and behind a WRITE knote while the client does not take what it is sent.
    Conn(Conn),
    Signal,
    Deadline,
    Silence,
}

struct Server {
    queue: Queue<Source>,
    waker: Waker,
    /// With one thread a knote is edge-triggered; with several it is disabled by each event, until that is handled.
    dispatch: bool,
    grace: Duration,
    /// Disabled until the stop. It is made at the beginning: when no descriptor is left, a queue's first timer may fail.
    deadline: Registration<Source>,
    most: usize,
    listener: Mutex<Option<Registration<Source>>>,
    /// The owners of the READ knotes.
    conns: Mutex<HashMap<u64, Registration<Source>>>,
    stopping: AtomicBool,
    over: AtomicBool,
    accepted: AtomicU64,
    broken: AtomicU64,
    echoed: AtomicU64,
}

impl Server {
    fn new(options: &Options) -> io::Result<Server> {
        let queue = Queue::new()?;
        // A queue sees a signal beside its default action, which is the end of the process, and not instead of it.
        for signal in [libc::SIGINT, libc::SIGTERM] {
            ignore(signal);
            queue.register(Change::signal(signal), Source::Signal)?.detach();
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        say!(io::stdout(), "listening on {}", listener.local_addr()?);
        let deadline = Change::timer(GRACE_IS_OVER, options.grace).oneshot().disabled();
        let server = Server {
            deadline: queue.register(deadline, Source::Deadline)?,
            waker: queue.waker()?,
            queue,
            dispatch: options.threads > 1,
            grace: options.grace,
            most: descriptors()?.saturating_sub(RESERVE).max(1),
            listener: Mutex::new(None),
            conns: Mutex::new(HashMap::new()),
            stopping: AtomicBool::new(false),
            over: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            echoed: AtomicU64::new(0),
        };
        let change = server.mode(Change::read(&listener));
        *server.listener.lock() = Some(server.queue.register(change, Source::Listener(listener))?);
        Ok(server)
    }

    fn mode(&self, change: Change) -> Change {
        if self.dispatch {
            change.dispatch()
        } else {
            change.clear()
        }
    }

    fn run(&self, threads: u16) -> io::Result<()> {
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| self.work())).collect();
            let result = self.work();
            others.into_iter().fold(result, |result, other| result.and(other.join().expect("a thread does not panic")))
        })?;
        let without_its_data = |shared: &Mutex<Source>| match &*shared.lock() {
            Source::Conn(conn) => !conn.pending.is_empty(),
            _ => false,
        };
        let cut_off = self.conns.lock().values().filter(|conn| without_its_data(conn.udata())).count();
        say!(
            io::stdout(),
            "stopped: {} connections, {} broken off, {cut_off} cut off, {} bytes echoed",
            self.accepted.load(Ordering::Relaxed),
            self.broken.load(Ordering::Relaxed),
            self.echoed.load(Ordering::Relaxed),
        );
        Ok(())
    }

    /// What each thread does, until the server is over.
    fn work(&self) -> io::Result<()> {
        let result = self.handle_events();
        // A wake ends one thread's wait, and so each that leaves wakes another one.
        self.over.store(true, Ordering::Release);
        result.and(self.waker.wake())
    }

    fn handle_events(&self) -> io::Result<()> {
        let mut ready = self.queue.events(64);
        let mut chunk = vec![0; CHUNK];
        while !self.over.load(Ordering::Acquire) {
            for event in self.queue.wait(&mut ready, None)? {
                match &mut *event.udata().lock() {
                    Source::Listener(listener) => self.accept(listener, &event)?,
                    Source::Conn(conn) => {
                        if event.event().filter() == Filter::WRITE {
                            conn.write = None; // it was one-shot
                        }
                        self.serve(conn, event.udata(), &mut chunk);
                    }
                    Source::Signal => self.stop(&mut chunk)?,
                    Source::Deadline => self.over.store(true, Ordering::Release),
                    Source::Silence => self.look(&mut chunk),
                }
            }
        }
        Ok(())
    }

    /// Takes all connections that wait: an edge-triggered knote tells of them once.
    fn accept(&self, listener: &TcpListener, event: &Ready<'_, Source>) -> io::Result<()> {
        // A timer's event may come after the stop: it has held the listener until now.
        while !self.stopping.load(Ordering::Acquire) {
            if self.conns.lock().len() >= self.most {
                return self.accept_later(event);
            }
            match listener.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = self.add(stream) {
                        say!(io::stderr(), "echo_server: a connection was refused: {error}");
                    }
                }
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR | libc::ECONNABORTED) => {}
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                        return self.accept_later(event);
                    }
                    _ if error.kind() == ErrorKind::WouldBlock => break,
                    _ => return Err(error),
                },
            }
        }
        match &*self.listener.lock() {
            Some(registration) if self.dispatch => registration.enable(),
            _ => Ok(()),
        }
    }

    /// The connections wait on, and nothing tells when a descriptor is free: so after a while again, rather than at once.
    fn accept_later(&self, event: &Ready<'_, Source>) -> io::Result<()> {
        let timer = Change::timer(ACCEPT_AGAIN, OUT_OF_DESCRIPTORS).oneshot();
        match self.queue.register(timer, event.udata().clone()) {
            Ok(registration) => registration.detach(),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(error),
        };
        Ok(())
    }

    fn add(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let change = self.mode(Change::read(&stream));
        // The lock is held until the owner is in its place, where the first event's handler looks for it.
        let mut conns = self.conns.lock();
        if self.stopping.load(Ordering::Acquire) {
            return Ok(());
        }
        let number = self.accepted.fetch_add(1, Ordering::Relaxed);
        let conn = Conn { number, stream, pending: Vec::new(), ended: false, looks: 0, write: None, removed: false };
        conns.insert(number, self.queue.register(change, Source::Conn(conn))?);
        Ok(())
    }

    /// Does what can be done for a connection without waiting, and asks for the event that it then depends on.
    fn serve(&self, conn: &mut Conn, shared: &Arc<Mutex<Source>>, chunk: &mut [u8]) {
        // Another thread may have had the last event while this one waited for the lock.
        if conn.removed {
            return;
        }
        match conn.step(chunk, &self.echoed).and_then(|step| self.ask_for_more(conn, shared, step)) {
            Ok(true) => {}
            Ok(false) => self.remove(conn),
            Err(_) => {
                self.broken.fetch_add(1, Ordering::Relaxed);
                self.remove(conn);
            }
        }
    }

    /// Whether the connection goes on.
    fn ask_for_more(&self, conn: &mut Conn, shared: &Arc<Mutex<Source>>, step: Step) -> io::Result<bool> {
        let stopping = self.stopping.load(Ordering::Acquire);
        match step {
            Step::Over => return Ok(false),
            Step::Idle if stopping && conn.looks > 1 => return Ok(false),
            // Until there is room nothing is read, so the client is held up, too. A reset shows as room to write.
            Step::NoRoom if conn.write.is_none() => self.ask_for_room(conn, shared)?,
            // There is room, so this is the next turn: READ would not tell of it if everything was read by now.
            Step::MoreToRead if stopping && conn.write.is_none() => self.ask_for_room(conn, shared)?,
            Step::NoRoom => {}
            // The next bytes are the next edge.
            Step::Idle if !self.dispatch => {}
            Step::Idle | Step::MoreToRead => {
                if let Some(registration) = self.conns.lock().get(&conn.number) {
                    match self.dispatch {
                        true => registration.enable()?,
                        // Registered anew, it tells of what is there already.
                        false => registration.modify(Change::read(&conn.stream).clear())?,
                    }
                }
            }
        }
        Ok(true)
    }

    fn ask_for_room(&self, conn: &mut Conn, shared: &Arc<Mutex<Source>>) -> io::Result<()> {
        let change = Change::write(&conn.stream).oneshot();
        conn.write = Some(self.queue.register(change, Arc::clone(shared))?.detach());
        Ok(())
    }

    /// Ends both registrations; the socket is closed when the last event that holds the `Conn` has had its turn.
    fn remove(&self, conn: &mut Conn) {
        conn.removed = true;
        if let Some(key) = conn.write.take() {
            self.queue.deregister(key);
        }
        let mut conns = self.conns.lock();
        conns.remove(&conn.number);
        if conns.is_empty() && self.stopping.load(Ordering::Acquire) {
            self.over.store(true, Ordering::Release);
        }
    }

    /// The first signal: no new connections, and the old ones end when what they have sent is answered, and nothing comes
    /// for a while. The second: the end.
    fn stop(&self, chunk: &mut [u8]) -> io::Result<()> {
        if self.stopping.swap(true, Ordering::AcqRel) {
            self.over.store(true, Ordering::Release);
            return Ok(());
        }
        drop(self.listener.lock().take());
        self.deadline.modify(Change::timer(GRACE_IS_OVER, self.grace).oneshot())?;
        self.queue.register(Change::timer(LOOK_AGAIN, SILENCE), Source::Silence)?.detach();
        say!(io::stdout(), "stopping: {} connections are open", self.conns.lock().len());
        self.look(chunk);
        Ok(())
    }

    /// Looks after all connections: who has sent nothing since the last look has sent all.
    fn look(&self, chunk: &mut [u8]) {
        let conns: Vec<_> = self.conns.lock().values().map(|registration| Arc::clone(registration.udata())).collect();
        for shared in &conns {
            if let Source::Conn(conn) = &mut *shared.lock() {
                conn.looks += 1;
                self.serve(conn, shared, chunk);
            }
        }
        if self.conns.lock().is_empty() {
            self.over.store(true, Ordering::Release);
        }
    }
}

/// A connection.
struct Conn {
    number: u64,
    stream: TcpStream,
    /// What the client has not taken yet. Nothing is read while there is any, so it is never more than a chunk.
    pending: Vec<u8>,
    /// The client has sent all that it will.
    ended: bool,
    /// How often a stop has looked after it since something came.
    looks: u32,
    /// The WRITE knote, while there is one.
    write: Option<Key>,
    /// Its registrations are over.
    removed: bool,
}

/// What a connection depends on.
enum Step {
    /// The client's next bytes.
    Idle,
    /// Nothing, but others want their turn.
    MoreToRead,
    /// Room to write.
    NoRoom,
    /// Nothing any more.
    Over,
}

impl Conn {
    /// Reads and writes until that would block, or for long enough.
    fn step(&mut self, chunk: &mut [u8], echoed: &AtomicU64) -> io::Result<Step> {
        for _ in 0..ROUNDS {
            if !self.pending.is_empty() {
                let sent = send(&mut self.stream, &self.pending, echoed)?;
                self.pending.drain(..sent);
                if !self.pending.is_empty() {
                    return Ok(Step::NoRoom);
                }
                self.pending = Vec::new(); // an idle connection needs no memory
            }
            if self.ended {
                return Ok(Step::Over);
            }
            // EV_EOF may come with bytes pending: the end is where reading says so.
            match self.stream.read(chunk) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    self.looks = 0;
                    let sent = send(&mut self.stream, &chunk[..count], echoed)?;
                    self.pending.extend_from_slice(&chunk[sent..count]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Step::Idle),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(if self.pending.is_empty() && !self.ended { Step::MoreToRead } else { Step::NoRoom })
    }
}

/// Sends as much as there is room for.
fn send(stream: &mut TcpStream, bytes: &[u8], echoed: &AtomicU64) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    echoed.fetch_add(sent as u64, Ordering::Relaxed);
    Ok(sent)
}

fn ignore(signal: libc::c_int) {
    // SAFETY: SIG_IGN runs no code.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// How many descriptors the process may have.
fn descriptors() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct is valid for the call's write.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } {
        0 => Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)),
        _ => Err(io::Error::last_os_error()),
    }
}
