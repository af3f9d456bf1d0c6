//! Runs a command whenever a file or directory changes, on `Queue<T>`.
//!
//! A knote on a directory tells that its entries changed, and not which: its listing is compared with the one before. It
//! does not tell of writes to its files: each has a knote, and so a descriptor, of its own. An editor that saves by renaming
//! leaves that knote on the old file: what has the path by then is opened anew, and the directories above tell when it is
//! there. Events within a tenth of a second are one change.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use kq_typed::kq::{Change, ProcEvents, VnodeEvents};
use kq_typed::{Queue, Registration};

const HELP: &str = "\
usage: watch [-r] PATH... -- COMMAND [ARGUMENT...]

Runs COMMAND whenever a PATH changes, until SIGINT, SIGTERM or SIGHUP comes. A command that still runs is ended first:
its process group gets SIGTERM, and SIGKILL two seconds later. It reads nothing: its standard input is /dev/null.

A PATH is a file, or a directory with the files in it; it may vanish and come back.

  -r    with all directories below, also those that are made later; symbolic links to directories are not followed

Each file and directory takes a descriptor. If there are too many at the beginning, that is an error; later ones are
listed, but changes of what is in them are not seen.
";

/// This long without an event, and what happened is one change ...
const QUIET: Duration = Duration::from_millis(100);
/// ... which is told after this time if events do not stop coming.
const LONGEST: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);

/// Descriptors that are not used for files, since starting a command and waiting for it takes some, too.
const RESERVE: usize = 16;

const QUIET_TIMER: usize = 1;
const KILL_TIMER: usize = 2;

const SIGNALS: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Prints a line. That nobody reads it any more does not end the program.
macro_rules! say {
    ($($arg:tt)*) => { let _ = writeln!(io::stdout(), "watch: {}", format_args!($($arg)*)); };
}
/// The same for a complaint.
macro_rules! complain {
    ($($arg:tt)*) => { let _ = writeln!(io::stderr(), "watch: {}", format_args!($($arg)*)); };
}

/// Runs the program.
pub fn main() -> ExitCode {
    let result = match Options::parse(env::args_os().skip(1)) {
        Ok(Some(options)) => watch(options),
        Ok(None) => {
            print!("{HELP}");
            Ok(())
        }
        Err(message) => {
            eprintln!("watch: {message}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("watch: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    recursive: bool,
    paths: Vec<PathBuf>,
    command: Vec<OsString>,
}

impl Options {
    /// `None` if help is asked for.
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Options>, String> {
        let (mut recursive, mut paths) = (false, Vec::new());
        for arg in args.by_ref() {
            match arg.to_str() {
                Some("-h" | "--help") => return Ok(None),
                Some("-r") => recursive = true,
                Some("--") => break,
                Some(option) if option.starts_with('-') => {
                    return Err(format!("unknown option {option} (--help tells more)"))
                }
                _ => {
                    let path = PathBuf::from(arg);
                    match fs::metadata(&path) {
                        Ok(metadata) if metadata.is_file() || metadata.is_dir() => paths.push(path),
                        Ok(_) => return Err(format!("{} is neither a file nor a directory", path.display())),
                        Err(error) => return Err(format!("{}: {error}", path.display())),
                    }
                }
            }
        }
        let command: Vec<OsString> = args.collect();
        if paths.is_empty() || command.is_empty() {
            return Err("PATH... -- COMMAND is what it needs (--help tells more)".to_owned());
        }
        Ok(Some(Options { recursive, paths, command }))
    }
}

/// What is behind a registration.
enum Source {
    File(PathBuf),
    Directory,
    /// A directory above a path, for the case that the path, or what leads to it, becomes another's.
    Parent,
    Quiet,
    Kill,
    Child,
    Signal,
}

fn watch(options: Options) -> io::Result<()> {
    let most = allow_descriptors()?.saturating_sub(RESERVE);
    let queue = Queue::new()?;
    // A queue sees a signal beside its default action, which is the end of the process, and not instead of it.
    for signal in SIGNALS {
        // SAFETY: SIG_IGN runs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
        queue.register(Change::signal(signal), Source::Signal)?.detach();
    }
    // Whoever started this program may have ignored it, and then there would be no status to wait for.
    // SAFETY: SIG_DFL runs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let mut tree = Tree::new(&queue, options.paths, options.recursive, most)?;
    let mut debounce = Debounce { queue: &queue, timer: None, since: None };
    let mut job = Job { queue: &queue, command: options.command, running: None, again: false, leaving: false };
    say!("watching files: {}, directories: {}", tree.count(Kind::File), tree.count(Kind::Directory));

    let mut ready = queue.events(64);
    while !job.is_over() {
        let mut due = false;
        for event in queue.wait(&mut ready, None)? {
            match &*event.udata().lock() {
                Source::File(path) => {
                    let notes = VnodeEvents::from_bits_retain(event.event().fflags());
                    if notes.intersects(VnodeEvents::WRITE | VnodeEvents::EXTEND) {
                        tree.written.insert(path.clone());
                    }
                    debounce.restart()?;
                }
                Source::Directory => debounce.restart()?,
                Source::Parent if tree.is_disturbed() => debounce.restart()?,
                Source::Parent => {}
                Source::Quiet => due = true,
                Source::Kill => job.send(libc::SIGKILL),
                Source::Child => job.exited()?,
                Source::Signal => job.leave()?,
            }
        }
        // After the whole batch, which may tell of what is looked at now.
        if due {
            debounce.end();
            let news = tree.update()?;
            for (path, what) in &news {
                say!("{what} {}", path.display());
            }
            if !news.is_empty() {
                job.changed()?;
            }
        }
    }
    Ok(())
}

/// Waits for events to stop coming.
struct Debounce<'q> {
    queue: &'q Queue<Source>,
    timer: Option<Registration<Source>>,
    since: Option<Instant>,
}

impl Debounce<'_> {
    fn restart(&mut self) -> io::Result<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.timer.is_none() || since.elapsed() < LONGEST {
            self.timer = None; // its id is free then
            self.timer = Some(self.queue.register(Change::timer(QUIET_TIMER, QUIET).oneshot(), Source::Quiet)?);
        }
        Ok(())
    }

    fn end(&mut self) {
        (self.timer, self.since) = (None, None);
    }
}

// ---- files ----------------------------------------------------------------------------------------------------------

/// The paths that are watched, as they were when they were last looked at.
struct Tree<'q> {
    queue: &'q Queue<Source>,
    roots: Vec<PathBuf>,
    recursive: bool,
    /// The highest number that a file's descriptor may have: they are given out from the lowest on.
    most: usize,
    nodes: BTreeMap<PathBuf, Node>,
    /// For each root the directories above it that are there.
    parents: BTreeMap<PathBuf, Node>,
    /// Files that were written to: a clock may be too coarse to show that.
    written: BTreeSet<PathBuf>,
    /// Counts the looks at everything; the first one is 1.
    look: u64,
}

struct Node {
    kind: Kind,
    stamp: Stamp,
    /// `None` if the file cannot be watched.
    _watched: Option<Watched>,
    /// The last look that found it.
    seen: u64,
}

/// Dropped in this order: the knote is deleted before its descriptor is closed.
struct Watched {
    _knote: Registration<Source>,
    file: File,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    File,
    Directory,
    /// Listed only: a directory that is not looked into, a socket, a broken link.
    Other,
    Parent,
}

/// By which a file is known, and its changes.
#[derive(Clone, Copy, PartialEq)]
struct Stamp {
    id: (u64, u64),
    state: Option<(u64, i64, i64, u32)>,
}

#[derive(Clone, Copy)]
enum What {
    New,
    Changed,
    Replaced,
    Gone,
}

type News = BTreeMap<PathBuf, What>;

impl<'q> Tree<'q> {
    fn new(queue: &'q Queue<Source>, roots: Vec<PathBuf>, recursive: bool, most: usize) -> io::Result<Tree<'q>> {
        let (nodes, parents) = (BTreeMap::new(), BTreeMap::new());
        let mut tree = Tree { queue, roots, recursive, most, nodes, parents, written: BTreeSet::new(), look: 0 };
        tree.update()?;
        Ok(tree)
    }

    fn count(&self, kind: Kind) -> usize {
        self.nodes.values().filter(|node| node.kind == kind).count()
    }

    /// Looks at everything, watches what is new and forgets what is gone.
    fn update(&mut self) -> io::Result<News> {
        self.look += 1;
        let mut news = News::new();
        for root in self.roots.clone() {
            self.watch_above(&root)?;
            self.visit(&root, &mut news)?;
        }
        let look = self.look;
        self.parents.retain(|_, node| node.seen == look);
        self.nodes.retain(|path, node| {
            if node.seen != look {
                news.insert(path.clone(), What::Gone);
            }
            node.seen == look
        });
        for path in std::mem::take(&mut self.written) {
            if self.nodes.contains_key(&path) {
                news.entry(path).or_insert(What::Changed);
            }
        }
        Ok(news)
    }

    fn visit(&mut self, path: &Path, news: &mut News) -> io::Result<()> {
        let Some((metadata, kind)) = self.inspect(path) else { return Ok(()) };
        let mut stamp = Stamp::new(&metadata, kind);
        match self.nodes.get_mut(path) {
            Some(node) if (node.kind, node.stamp.id) == (kind, stamp.id) => {
                node.seen = self.look;
                if node.stamp != stamp {
                    node.stamp = stamp;
                    news.insert(path.to_owned(), What::Changed);
                }
            }
            old => {
                let what = if old.is_some() { What::Replaced } else { What::New };
                news.insert(path.to_owned(), what);
                let watched = self.open_unless_refused(path, kind)?;
                // What happens from here on is told: so this is what it is to be compared with.
                if let Some(metadata) = watched.as_ref().and_then(|watched| watched.file.metadata().ok()) {
                    stamp = Stamp::new(&metadata, kind);
                }
                self.nodes.insert(path.to_owned(), Node { kind, stamp, _watched: watched, seen: self.look });
            }
        }
        if kind == Kind::Directory {
            match fs::read_dir(path) {
                Ok(entries) => {
                    for entry in entries.flatten() {
                        self.visit(&path.join(entry.file_name()), news)?;
                    }
                }
                // It has vanished meanwhile, which its knote tells.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // What cannot be read is not gone.
                Err(_) => {
                    let below = self.nodes.iter_mut().filter(|(it, _)| it.starts_with(path));
                    below.for_each(|(_, node)| node.seen = self.look);
                }
            }
        }
        Ok(())
    }

    /// What has the path now; `None` if nothing has.
    fn inspect(&self, path: &Path) -> Option<(Metadata, Kind)> {
        let own = fs::symlink_metadata(path).ok()?;
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Some((metadata, Kind::File)),
            Ok(metadata) if metadata.is_dir() => {
                // A root may lie in another one.
                let is_root = self.roots.iter().any(|root| root == path);
                let enters = is_root || (self.recursive && own.is_dir());
                Some((metadata, if enters { Kind::Directory } else { Kind::Other }))
            }
            _ => Some((own, Kind::Other)),
        }
    }

    fn open_unless_refused(&self, path: &Path, kind: Kind) -> io::Result<Option<Watched>> {
        if kind == Kind::Other {
            return Ok(None);
        }
        match self.open(path, kind) {
            Ok(watched) => Ok(Some(watched)),
            // Gone again: the directory that it was in tells.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // It may be passed and not be read: what goes and comes in it is not seen.
            Err(error) if kind == Kind::Parent && error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => {
                let used_up = matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
                let text = match used_up {
                    true => format!("{}: too many files for the limit of descriptors (ulimit -n)", path.display()),
                    false => format!("{}: {error}", path.display()),
                };
                let is_limit = used_up || matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::ENOMEM));
                if is_limit && self.look == 1 {
                    return Err(io::Error::new(error.kind(), text));
                }
                complain!("{text}; what is in it is not watched");
                Ok(None)
            }
        }
    }

    fn open(&self, path: &Path, kind: Kind) -> io::Result<Watched> {
        // A pipe that has taken the file's place must not hold the program up.
        let flags = libc::O_NONBLOCK;
        // For events only: the file system can be unmounted nevertheless.
        #[cfg(apple)]
        let flags = flags | libc::O_EVTONLY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if usize::try_from(file.as_raw_fd()).is_ok_and(|number| number > self.most) {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        let moved = VnodeEvents::WRITE | VnodeEvents::DELETE | VnodeEvents::RENAME | VnodeEvents::REVOKE;
        let (events, source) = match kind {
            Kind::File => (moved | VnodeEvents::EXTEND | VnodeEvents::ATTRIB, Source::File(path.to_owned())),
            Kind::Parent => (moved, Source::Parent),
            Kind::Directory | Kind::Other => (moved, Source::Directory),
        };
        let knote = self.queue.register(Change::vnode(&file, events).clear(), source)?;
        Ok(Watched { _knote: knote, file })
    }

    /// Watches the directories above a root: each tells when what leads to the root goes or comes in it.
    fn watch_above(&mut self, root: &Path) -> io::Result<()> {
        // The highest first: what appears in one that is watched already is told.
        let above: Vec<_> = above(root).collect();
        for parent in above.into_iter().rev() {
            let Some(id) = directory_id(parent) else { return Ok(()) };
            match self.parents.get_mut(parent) {
                Some(node) if node.stamp.id == id => node.seen = self.look,
                _ => {
                    let watched = self.open_unless_refused(parent, Kind::Parent)?;
                    let stamp = Stamp { id, state: None };
                    let node = Node { kind: Kind::Parent, stamp, _watched: watched, seen: self.look };
                    self.parents.insert(parent.to_owned(), node);
                }
            }
        }
        Ok(())
    }

    /// Whether something else has the path of a root, or leads to it, than at the last look.
    fn is_disturbed(&self) -> bool {
        self.roots.iter().any(|root| {
            let id = self.inspect(root).map(|(metadata, kind)| Stamp::new(&metadata, kind).id);
            let known = |parent: &Path| self.parents.get(parent).map(|node| node.stamp.id);
            id != self.nodes.get(root).map(|node| node.stamp.id)
                || above(root).any(|parent| directory_id(parent) != known(parent))
        })
    }
}

/// The paths of the directories above a path, the lowest first.
fn above(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().skip(1).map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// The id of the directory that has the path, if one has.
fn directory_id(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok().filter(Metadata::is_dir)?;
    Some((metadata.dev(), metadata.ino()))
}

impl Stamp {
    fn new(metadata: &Metadata, kind: Kind) -> Stamp {
        let state = (metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.mode());
        // A directory's own time and size change with its entries, which are told by their names.
        let state = (kind == Kind::File).then_some(state);
        Stamp { id: (metadata.dev(), metadata.ino()), state }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::New => "new",
            What::Changed => "changed",
            What::Replaced => "replaced",
            What::Gone => "gone",
        })
    }
}

/// Raises the limit of descriptors as far as that goes without privileges, and gives it.
fn allow_descriptors() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct is valid for the call's write.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let most = limit.rlim_max;
    // Apple's systems refuse more than this for a limit, even where they say that there is none.
    #[cfg(apple)]
    let most = most.min(10_240).max(limit.rlim_cur);
    let raised = libc::rlimit { rlim_cur: most, ..limit };
    // SAFETY: the struct is valid.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
        limit = raised;
    }
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

// ---- the command ----------------------------------------------------------------------------------------------------

struct Job<'q> {
    queue: &'q Queue<Source>,
    command: Vec<OsString>,
    running: Option<Running>,
    /// Something changed while the command ran.
    again: bool,
    leaving: bool,
}

struct Running {
    child: Child,
    /// The timer until SIGKILL, once it was asked to end.
    ending: Option<Registration<Source>>,
}

impl Job<'_> {
    fn changed(&mut self) -> io::Result<()> {
        if self.running.is_none() {
            return self.start();
        }
        self.again = true;
        self.end()
    }

    fn start(&mut self) -> io::Result<()> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let mut command = Command::new(program);
        // A process group of its own, so that what the command starts is ended with it.
        command.args(arguments).stdin(Stdio::null()).process_group(0);
        // SAFETY: signal(2) may be called between fork and exec.
        unsafe { command.pre_exec(default_signals) };
        let text: Vec<_> = self.command.iter().map(|word| word.to_string_lossy()).collect();
        say!("run {}", text.join(" "));
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                complain!("{}: {error}", program.to_string_lossy());
                return Ok(());
            }
        };
        match self.queue.register(Change::process(child.id(), ProcEvents::EXIT), Source::Child) {
            Ok(registration) => drop(registration.detach()),
            // It is over already, and some kernels do not know it any more.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {
                say!("{}", child.wait()?);
                return Ok(());
            }
            Err(error) => {
                complain!("the command cannot be waited for: {error}");
                child.kill()?;
                child.wait()?;
                return Ok(());
            }
        }
        self.running = Some(Running { child, ending: None });
        Ok(())
    }

    /// Asks the command to end, unless that was done.
    fn end(&mut self) -> io::Result<()> {
        match &mut self.running {
            Some(running) if running.ending.is_none() => {
                let timer = Change::timer(KILL_TIMER, PATIENCE).oneshot();
                running.ending = Some(self.queue.register(timer, Source::Kill)?);
                self.send(libc::SIGTERM);
            }
            _ => {}
        }
        Ok(())
    }

    /// Sends a signal to the command's process group.
    fn send(&self, signal: libc::c_int) {
        if let Some(group) = self.running.as_ref().and_then(|it| libc::pid_t::try_from(it.child.id()).ok()) {
            // SAFETY: takes numbers only. The child was not waited for, so its number is its own.
            unsafe { libc::kill(-group, signal) };
        }
    }

    fn exited(&mut self) -> io::Result<()> {
        if self.running.as_ref().is_some_and(|running| running.ending.is_some()) {
            // What it started and left behind.
            self.send(libc::SIGKILL);
        }
        let Some(mut running) = self.running.take() else { return Ok(()) };
        // The event may come a moment before the status can be had, so this waits.
        say!("{}", running.child.wait()?);
        if std::mem::take(&mut self.again) && !self.leaving {
            drop(running); // its timer, too
            return self.start();
        }
        Ok(())
    }

    /// The first signal ends the command, the second one kills it.
    fn leave(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.leaving, true) {
            self.send(libc::SIGKILL);
        }
        self.end()
    }

    fn is_over(&self) -> bool {
        self.leaving && self.running.is_none()
    }
}

/// What is ignored stays ignored after exec: so the child takes the signals back.
fn default_signals() -> io::Result<()> {
    for signal in SIGNALS {
        // SAFETY: SIG_DFL runs no code.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    Ok(())
}
