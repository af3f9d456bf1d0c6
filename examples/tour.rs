//! A tour: a TCP listener and its connections, a child process and a pipe from it, timers and a user event on one queue,
//! each with a value of its own type for its udata. The program drives all of them itself, prints a line for every event, and
//! ends after about a second.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, IsTerminal, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use kq_typed::kq::EventKind;
use kq_typed::{Event, EventFilter, EventFlags, Kqueue, Watcher};

/// The udata of a connection: it owns the socket, which is closed when the registration ends.
#[derive(Debug)]
struct Connection {
    number: u32,
    stream: TcpStream,
}

const FLAGS: EventFlags = EventFlags::ADD.union(EventFlags::ENABLE);
const BELL: u64 = 7;
const TICK: Duration = Duration::from_millis(100);
const TICKS: i64 = 8;
const PATIENCE: Duration = Duration::from_secs(4);

fn main() -> io::Result<ExitCode> {
    // The child process is this program again: it says what it is told, and exits with 3 when there is no more.
    if std::env::args().nth(1).as_deref() == Some("child") {
        io::copy(&mut io::stdin(), &mut io::stdout())?;
        return Ok(ExitCode::from(3));
    }
    let mut tour = Tour::start()?;
    while !tour.is_over() {
        // The collection owns its events, so that the loop may change the queue.
        for event in tour.kq.await_events(Some(TICK))? {
            tour.handle(&event)?;
        }
        if tour.printer.start.elapsed() > PATIENCE {
            eprintln!("not everything came within {PATIENCE:?}");
            return Ok(ExitCode::FAILURE);
        }
    }
    tour.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that is watched, and what drives it.
struct Tour {
    kq: Kqueue,
    listener: TcpListener,
    accepted: u32,
    child: Child,
    pipe: Option<ChildStdout>,
    exited: bool,
    client: Option<TcpStream>,
    closed: u32,
    ticks: i64,
    counts: BTreeMap<String, u64>,
    printer: Printer,
}

impl Tour {
    fn start() -> io::Result<Tour> {
        let kq = Kqueue::new()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let mut program = Command::new(std::env::current_exe()?);
        let mut child = program.arg("child").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipe = child.stdout.take();

        kq.register(&listener, EventFilter::Read, FLAGS, Some("front door"))?;
        if let Some(pipe) = &pipe {
            kq.register(pipe, EventFilter::Read, FLAGS, Some(Watcher::new(123)))?;
        }
        kq.register(child.id(), EventFilter::Proc, FLAGS, Some("child_process_exited"))?;
        kq.register_timer(TICK, FLAGS, Some(99))?;
        kq.register_timer(TICK * 7 / 2, FLAGS | EventFlags::ONESHOT, Some(3.5))?;
        kq.register(BELL, EventFilter::User, FLAGS | EventFlags::CLEAR, Some(String::from("ding")))?;

        let printer = Printer::new();
        printer.line("time", "what", "which", "data", "udata");
        Ok(Tour {
            kq,
            listener,
            accepted: 0,
            child,
            pipe,
            exited: false,
            client: None,
            closed: 0,
            ticks: 0,
            counts: BTreeMap::new(),
            printer,
        })
    }

    fn is_over(&self) -> bool {
        self.ticks >= TICKS && self.exited && self.pipe.is_none() && self.closed > 0
    }

    /// Prints an event and does what it asks for.
    fn handle(&mut self, event: &Event) -> io::Result<()> {
        *self.counts.entry(format!("{:?}", event.filter())).or_default() += 1;
        self.printer.event(event);
        match event.filter() {
            EventFilter::Timer if event.udata::<i32>().is_some() => {
                for _ in 0..event.data() {
                    self.ticks += 1;
                    self.act()?;
                }
            }
            EventFilter::Read if event.udata::<Watcher>().is_some() => self.read_pipe()?,
            EventFilter::Read => match event.udata::<Connection>() {
                Some(connection) => self.serve(event, connection)?,
                None => self.accept()?,
            },
            EventFilter::Proc => self.exited = true,
            _ => {}
        }
        Ok(())
    }

    /// What the program does to itself at each tick.
    fn act(&mut self) -> io::Result<()> {
        match self.ticks {
            1 => self.client = Some(TcpStream::connect(self.listener.local_addr()?)?),
            2 => {
                if let Some(input) = &mut self.child.stdin {
                    input.write_all(b"hello\n")?;
                }
            }
            3 => {
                if let Some(client) = &mut self.client {
                    client.write_all(b"how do you do")?;
                }
            }
            // From another thread: the queue can be shared.
            4 => std::thread::scope(|scope| {
                let ring = scope.spawn(|| self.kq.trigger((BELL, EventFilter::User)));
                ring.join().expect("the thread does not panic")
            })?,
            5 => {
                if let Some(client) = &self.client {
                    client.shutdown(Shutdown::Write)?;
                }
            }
            // The end of its input is the child's end, and that of the pipe.
            6 => drop(self.child.stdin.take()),
            _ => {}
        }
        Ok(())
    }

    /// Reads what the child said; at the end of the pipe its descriptor is closed, which ends the registration.
    fn read_pipe(&mut self) -> io::Result<()> {
        let mut bytes = [0; 64];
        if let Some(pipe) = &mut self.pipe {
            if pipe.read(&mut bytes)? == 0 {
                self.pipe = None;
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        let (stream, _) = self.listener.accept()?;
        self.accepted += 1;
        // The value owns the descriptor that it is registered for.
        let fd = stream.as_raw_fd();
        let connection = Connection { number: self.accepted, stream };
        self.kq.register(fd, EventFilter::Read, FLAGS, Some(connection))?;
        Ok(())
    }

    /// Echoes what a connection sent, and ends its registration when it has nothing more to say.
    fn serve(&mut self, event: &Event, connection: &Connection) -> io::Result<()> {
        let mut bytes = [0; 64];
        let count = (&connection.stream).read(&mut bytes)?;
        if count > 0 {
            return (&connection.stream).write_all(&bytes[..count]);
        }
        self.kq.deregister(event.key())?;
        self.closed += 1;
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.child.wait()?;
        let total: u64 = self.counts.values().sum();
        let counts: Vec<String> = self.counts.iter().map(|(filter, count)| format!("{count} {filter}")).collect();
        println!("{total} events: {}", counts.join(", "));
        Ok(())
    }
}

/// Writes lines, in colour on a terminal.
struct Printer {
    start: Instant,
    colour: bool,
}

impl Printer {
    fn new() -> Printer {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Printer { start: Instant::now(), colour }
    }

    fn event(&self, event: &Event) {
        let (which, data) = match event.kind() {
            EventKind::Read { available, eof, .. } => {
                let which = match event.udata::<&str>() {
                    Some(_) => format!("listener {}", event.ident()),
                    None if event.udata::<Watcher>().is_some() => format!("pipe {}", event.ident()),
                    None => format!("connection {}", event.ident()),
                };
                (which, format!("{}{}", available.unwrap_or(0), if eof { ", end" } else { "" }))
            }
            EventKind::Process { pid, status, .. } => {
                (format!("process {pid}"), status.map_or(String::new(), |status| status.to_string()))
            }
            EventKind::Timer { expirations, .. } => {
                let which = if event.flags().contains(EventFlags::ONESHOT) { "one-shot" } else { "periodic" };
                (which.to_owned(), format!("{expirations}x"))
            }
            EventKind::User { id, .. } => (format!("user event {id}"), String::new()),
            kind => (format!("{kind:?}"), String::new()),
        };
        let time = format!("{:.3}", self.start.elapsed().as_secs_f64());
        self.line(time, format!("{:?}", event.filter()), which, data, udata(event));
    }

    fn line(
        &self,
        time: impl Display,
        what: impl Display,
        which: impl Display,
        data: impl Display,
        udata: impl Display,
    ) {
        let (on, off) = if self.colour { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
        println!("{time:>6}  {on}{what:<6}{off}  {which:<14}  {data:<16}  {udata}");
    }
}

/// The event's value, with its type.
fn udata(event: &Event) -> String {
    if let Some(text) = event.udata::<&str>() {
        format!("{text:?}: &str")
    } else if let Some(number) = event.udata::<i32>() {
        format!("{number}: i32")
    } else if let Some(number) = event.udata::<f64>() {
        format!("{number}: f64")
    } else if let Some(watcher) = event.udata::<Watcher>() {
        format!("{}: Watcher", watcher.id)
    } else if let Some(connection) = event.udata::<Connection>() {
        format!("{}: Connection", connection.number)
    } else if let Some(text) = event.udata::<String>() {
        format!("{text:?}: String")
    } else {
        "none".to_owned()
    }
}
