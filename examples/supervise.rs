//! Keeps N children running, on `kq`: restarts them when they exit, later and later if they do so at once, and forwards
//! signals to them.
//!
//! Nothing is polled: the end of each child, each restart's timer and each signal is a knote. Nothing is lost either: a child
//! that is gone before it is registered is known by ESRCH, or by an event at once.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use kq::{Change, EventBuffer, EventKind, Kqueue, ProcEvents};

const HELP: &str = "\
usage: supervise [-n N] [--delay MS] [--max-delay MS] [--grace MS] -- COMMAND [ARGUMENT...]

Keeps N children running COMMAND, until SIGINT or SIGTERM comes. Signals go to the children's process groups.

  -n N             how many children (1)
  --delay MS       how long the first restart of a child waits (100); each one after it waits twice as long
  --max-delay MS   how long a restart waits at most (30000); a child that has run for so long begins anew
  --grace MS       how long children may take to end, before SIGKILL (5000); a second signal ends that at once

  SIGHUP, SIGUSR1, SIGUSR2   are forwarded
  SIGINT, SIGTERM, SIGQUIT   are forwarded, and nothing is restarted any more
";

const FORWARDED: [(libc::c_int, &str); 6] = [
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGQUIT, "SIGQUIT"),
];
const STOPPING: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT];

/// The timer before SIGKILL; the children's own have their numbers, from 0 on.
const GRACE_IS_OVER: usize = usize::MAX;

/// Prints a line. That nobody reads it any more does not end the program.
macro_rules! say {
    ($($arg:tt)*) => { let _ = writeln!(io::stdout(), "supervise: {}", format_args!($($arg)*)); };
}

/// Runs the program.
pub fn main() -> ExitCode {
    let result = match Options::parse(env::args_os().skip(1)) {
        Ok(Some(options)) => supervise(options),
        Ok(None) => {
            print!("{HELP}");
            Ok(())
        }
        Err(message) => {
            eprintln!("supervise: {message}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("supervise: {error}");
            // That there is no such command shows at the first start.
            let wrong = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied);
            ExitCode::from(if wrong { 2 } else { 1 })
        }
    }
}

struct Options {
    children: usize,
    delay: Duration,
    max_delay: Duration,
    grace: Duration,
    command: Vec<OsString>,
}

impl Options {
    /// `None` if help is asked for.
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Options>, String> {
        let mut options = Options {
            children: 1,
            delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            command: Vec::new(),
        };
        loop {
            let arg = args.next().ok_or("-- COMMAND is missing (--help tells more)")?;
            let mut number = |high: u32| {
                let value = args.next().unwrap_or_default();
                let number = value.to_str().and_then(|text| text.parse().ok()).filter(|n| (1..=high).contains(n));
                number.ok_or(format!("{} takes a number from 1 to {high}, not {value:?}", arg.to_string_lossy()))
            };
            let millis = |number: u32| Duration::from_millis(number.into());
            match arg.to_str() {
                Some("-h" | "--help") => return Ok(None),
                Some("-n") => options.children = number(1_000)? as usize,
                Some("--delay") => options.delay = millis(number(3_600_000)?),
                Some("--max-delay") => options.max_delay = millis(number(3_600_000)?),
                Some("--grace") => options.grace = millis(number(3_600_000)?),
                Some("--") => break,
                _ => return Err(format!("unknown argument {arg:?} (--help tells more)")),
            }
        }
        options.command = args.collect();
        if options.command.is_empty() {
            return Err("there is no COMMAND behind -- (--help tells more)".to_owned());
        }
        Ok(Some(options))
    }
}

fn supervise(options: Options) -> io::Result<()> {
    let queue = Kqueue::new()?;
    let mut events = EventBuffer::with_capacity(64);
    // A queue sees a signal beside its default action, which is the end of the process, and not instead of it.
    for (signal, _) in FORWARDED {
        ignore(signal);
        queue.apply(&[Change::signal(signal)])?;
    }
    // Whoever started this program may have ignored it, and then there would be no status to wait for.
    take_default_action(libc::SIGCHLD);

    let mut supervisor = Supervisor { queue: &queue, slots: Vec::new(), options, stopping: false, starts: 0 };
    for _ in 0..supervisor.options.children {
        let delay = supervisor.options.delay;
        supervisor.slots.push(Slot { child: None, started: Instant::now(), delay, restarts: 0 });
    }
    for slot in 0..supervisor.slots.len() {
        if let Err(error) = supervisor.start(slot) {
            supervisor.send(libc::SIGKILL);
            return Err(error);
        }
    }
    while !supervisor.is_over() {
        let ready = match queue.wait(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            ready => ready?,
        };
        for event in ready {
            match event.kind() {
                EventKind::Process { .. } => supervisor.exited(event.udata())?,
                EventKind::Timer { id: GRACE_IS_OVER, .. } => {
                    say!("SIGKILL, since the time is up");
                    supervisor.send(libc::SIGKILL);
                }
                EventKind::Timer { id, .. } => supervisor.restart(id)?,
                EventKind::Signal { signal, .. } => supervisor.signalled(signal)?,
                _ => {}
            }
        }
    }
    say!("stopped after {} starts", supervisor.starts);
    Ok(())
}

struct Supervisor<'q> {
    queue: &'q Kqueue,
    options: Options,
    slots: Vec<Slot>,
    stopping: bool,
    starts: u64,
}

/// The place of one child at a time; its number is the udata of the child's knote and the id of the restart's timer.
struct Slot {
    child: Option<Child>,
    started: Instant,
    /// How long the next restart waits.
    delay: Duration,
    restarts: u32,
}

impl Supervisor<'_> {
    fn start(&mut self, slot: usize) -> io::Result<()> {
        let [program, arguments @ ..] = &self.options.command[..] else { return Ok(()) };
        let mut command = Command::new(program);
        // A process group of its own: a terminal's SIGINT would reach the child twice.
        command.args(arguments).process_group(0);
        // SAFETY: signal(2) may be called between fork and exec.
        unsafe { command.pre_exec(take_default_actions) };
        // Returns when the child has executed the command, or could not: no signal meets the actions of before.
        let child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", program.to_string_lossy()))
        })?;
        self.starts += 1;
        say!("child {slot}: process {} started", child.id());
        let exit = Change::process(child.id(), ProcEvents::EXIT).udata(slot);
        self.slots[slot].child = Some(child);
        self.slots[slot].started = Instant::now();
        match self.queue.apply(&[exit]) {
            // It has exited already, and some kernels do not know it any more.
            Err(error) if error.errno().raw() == libc::ESRCH => self.exited(slot),
            Err(error) => {
                if let Some(mut child) = self.slots[slot].child.take() {
                    child.kill()?;
                    child.wait()?;
                }
                Err(error.into())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Takes the status of a child that has exited, and has it started again later.
    fn exited(&mut self, number: usize) -> io::Result<()> {
        let slot = &mut self.slots[number];
        let Some(mut child) = slot.child.take() else { return Ok(()) };
        // The event may come a moment before the status can be had, so this waits.
        let status = child.wait()?;
        if self.stopping {
            say!("child {number}: {status}");
            return Ok(());
        }
        if slot.started.elapsed() >= self.options.max_delay {
            (slot.delay, slot.restarts) = (self.options.delay, 0);
        }
        self.restart_later(number, &status)
    }

    fn restart_later(&mut self, number: usize, why: &dyn Display) -> io::Result<()> {
        let slot = &mut self.slots[number];
        let delay = slot.delay.min(self.options.max_delay);
        slot.delay = delay * 2;
        slot.restarts += 1;
        say!("child {number}: {why}, restart {} in {} ms", slot.restarts, delay.as_millis());
        Ok(self.queue.apply(&[Change::timer(number, delay).oneshot()])?)
    }

    /// A restart's timer has fired.
    fn restart(&mut self, number: usize) -> io::Result<()> {
        if self.stopping {
            return Ok(());
        }
        match self.start(number) {
            // The command may come back, and so may what processes need.
            Err(error) => self.restart_later(number, &error),
            Ok(()) => Ok(()),
        }
    }

    fn signalled(&mut self, signal: libc::c_int) -> io::Result<()> {
        let name = FORWARDED.iter().find(|(number, _)| *number == signal).map_or("a signal", |(_, name)| name);
        let count = self.slots.iter().filter(|slot| slot.child.is_some()).count();
        if !STOPPING.contains(&signal) {
            say!("{name} to {count} children");
            self.send(signal);
        } else if self.stopping {
            say!("{name} again: SIGKILL to {count} children");
            self.send(libc::SIGKILL);
        } else {
            say!("{name} to {count} children, and stop");
            self.stopping = true;
            self.queue.apply(&[Change::timer(GRACE_IS_OVER, self.options.grace).oneshot()])?;
            self.send(signal);
        }
        Ok(())
    }

    /// Sends a signal to every child's process group.
    fn send(&self, signal: libc::c_int) {
        for child in self.slots.iter().filter_map(|slot| slot.child.as_ref()) {
            if let Ok(group) = libc::pid_t::try_from(child.id()) {
                // SAFETY: takes numbers only. A child that was not waited for has its number to itself.
                unsafe { libc::kill(-group, signal) };
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stopping && self.slots.iter().all(|slot| slot.child.is_none())
    }
}

fn ignore(signal: libc::c_int) {
    // SAFETY: SIG_IGN runs no code.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

fn take_default_action(signal: libc::c_int) {
    // SAFETY: SIG_DFL runs no code.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// What is ignored stays ignored after exec: so the child takes the signals back.
fn take_default_actions() -> io::Result<()> {
    FORWARDED.iter().for_each(|(signal, _)| take_default_action(*signal));
    Ok(())
}
