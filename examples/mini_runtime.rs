//! An async runtime of one file: tasks, TCP, sleep, child processes, signals and file changes as futures over `kq`; with an
//! echo server and a thousand clients on it.
//!
//! One thread runs the tasks that were woken. When there are none it waits on the queue, for all that the tasks wait for.
//! A future owns the knote that it depends on: dropped, it deletes it, and that is all that cancelling takes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::future::{poll_fn, Future};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::pin::{pin, Pin};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use kq::{Change, Event, EventBuffer, Filter, Flags, Kqueue, ProcEvents, VnodeEvents};
use socket2::{Domain, Socket, Type};

// ---- the runtime ----------------------------------------------------------------------------------------------------

/// A runtime; clones are the same one.
#[derive(Clone)]
pub struct Runtime(Rc<Inner>);

struct Inner {
    queue: Arc<Kqueue>,
    events: RefCell<EventBuffer>,
    /// The queue has one knote for an ident and filter. So has this table, with all that wait for it.
    knotes: RefCell<HashMap<(Filter, usize), Watched>>,
    tasks: RefCell<HashMap<u64, Task>>,
    last_id: Cell<u64>,
    woken: Arc<Woken>,
    waits: Cell<u64>,
}

struct Task {
    /// Taken out while it is polled.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Arc<TaskWaker>,
}

/// The tasks that can go on: the part of the runtime that other threads reach.
struct Woken {
    tasks: Mutex<Vec<u64>>,
    thread: ThreadId,
    waker: kq::Waker,
}

struct TaskWaker {
    task: u64,
    /// The task is among the woken already.
    queued: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<TaskWaker>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        lock(&self.woken.tasks).push(self.task);
        // The runtime's own thread looks before it waits. Another one ends its wait, or the next one: no wake is lost.
        if thread::current().id() != self.woken.thread {
            // It fails in a forked child only, where there is no runtime.
            let _ = self.woken.waker.wake();
        }
    }
}

impl Runtime {
    /// A runtime for the thread that makes it.
    pub fn new() -> io::Result<Runtime> {
        let queue = Arc::new(Kqueue::new()?);
        let waker = kq::Waker::new(&queue, 0, 0)?;
        let woken = Woken { tasks: Mutex::default(), thread: thread::current().id(), waker };
        Ok(Runtime(Rc::new(Inner {
            queue,
            events: RefCell::new(EventBuffer::with_capacity(256)),
            knotes: RefCell::default(),
            tasks: RefCell::default(),
            last_id: Cell::new(0),
            woken: Arc::new(woken),
            waits: Cell::new(0),
        })))
    }

    /// Starts a task. It runs on its own; the handle gives what it returns.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        let done = Rc::new(Done { value: Cell::new(None), waker: Cell::new(None) });
        let handle = JoinHandle { done: Rc::clone(&done) };
        let future = Box::pin(async move {
            done.value.set(Some(future.await));
            if let Some(waker) = done.waker.take() {
                waker.wake();
            }
        });
        let id = self.new_id();
        let waker = Arc::new(TaskWaker { task: id, queued: AtomicBool::new(false), woken: Arc::clone(&self.0.woken) });
        self.0.tasks.borrow_mut().insert(id, Task { future: Some(future), waker: Arc::clone(&waker) });
        waker.wake();
        handle
    }

    /// Runs the future, and all tasks, until the future is ready. Tasks that are left are cancelled.
    pub fn block_on<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> io::Result<T> {
        let main = self.spawn(future);
        let result = loop {
            // A task that is woken meanwhile has its turn after the events of others.
            let woken = std::mem::take(&mut *lock(&self.0.woken.tasks));
            woken.into_iter().for_each(|task| self.poll(task));
            if let Some(value) = main.done.value.take() {
                break Ok(value);
            }
            let more = !lock(&self.0.woken.tasks).is_empty();
            if let Err(error) = self.wait(more.then_some(Duration::ZERO)) {
                break Err(error);
            }
        };
        // Their futures hold the runtime, and use it when they are dropped: nothing may be borrowed by then.
        while !self.0.tasks.borrow().is_empty() {
            let tasks = self.0.tasks.take();
            drop(tasks);
        }
        result
    }

    fn poll(&self, id: u64) {
        // A task that has ended may be woken still.
        let taken = self.0.tasks.borrow_mut().get_mut(&id).and_then(|task| {
            task.waker.queued.store(false, Ordering::Release);
            Some((task.future.take()?, Arc::clone(&task.waker)))
        });
        let Some((mut future, waker)) = taken else { return };
        let poll = future.as_mut().poll(&mut Context::from_waker(&Waker::from(waker)));
        let mut tasks = self.0.tasks.borrow_mut();
        match (poll, tasks.get_mut(&id)) {
            (Poll::Pending, Some(task)) => task.future = Some(future),
            _ => {
                tasks.remove(&id);
                drop(tasks);
                drop(future);
            }
        }
    }

    /// Waits for events and wakes the tasks that they are for.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.waits.set(self.0.waits.get() + 1);
        let mut wakers = Vec::new();
        let mut buffer = self.0.events.borrow_mut();
        let events = match self.0.queue.wait(&mut buffer, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => &[],
            events => events?,
        };
        let mut knotes = self.0.knotes.borrow_mut();
        for event in events {
            let key = (event.filter(), event.ident());
            // The waker's event is in no table: it has ended the wait, and that was its task.
            let Some(watched) = knotes.get(&key) else { continue };
            wakers.extend(watched.waiters.iter().filter_map(|waiter| waiter.tell(event)));
            // The kernel says so of a process's exit, too.
            if event.flags().contains(Flags::ONESHOT) {
                knotes.remove(&key);
            }
        }
        drop((knotes, buffer));
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn new_id(&self) -> u64 {
        self.0.last_id.set(self.0.last_id.get() + 1);
        self.0.last_id.get()
    }

    /// The queue, for changes of the program's own.
    pub fn queue(&self) -> &Kqueue {
        &self.0.queue
    }

    /// How many knotes the tasks have in the queue.
    pub fn knotes(&self) -> usize {
        self.0.knotes.borrow().len()
    }

    /// How often the runtime has waited on the queue.
    pub fn waits(&self) -> u64 {
        self.0.waits.get()
    }
}

/// What a task returns, as a future. Dropping it leaves the task running.
pub struct JoinHandle<T> {
    done: Rc<Done<T>>,
}

struct Done<T> {
    value: Cell<Option<T>>,
    waker: Cell<Option<Waker>>,
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match self.done.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                self.done.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

// ---- knotes ---------------------------------------------------------------------------------------------------------

/// A knote, and the tasks that want its events.
struct Watched {
    change: Change,
    waiters: Vec<Rc<Waiter>>,
}

#[derive(Default)]
struct Waiter {
    told: Cell<Option<Told>>,
    waker: Cell<Option<Waker>>,
}

/// What a knote has told since it was last asked.
#[derive(Clone, Copy)]
pub struct Told {
    /// The fflags of all events.
    pub notes: u32,
    /// The sum of their data.
    pub count: i64,
}

impl Waiter {
    /// Keeps what the event tells, beside what was not asked for yet.
    fn tell(&self, event: &Event) -> Option<Waker> {
        let before = self.told.get().unwrap_or(Told { notes: 0, count: 0 });
        let count = before.count.saturating_add(event.data());
        self.told.set(Some(Told { notes: before.notes | event.fflags(), count }));
        self.waker.take()
    }
}

/// An interest in a knote. The last one that is dropped deletes it.
pub struct Knote {
    runtime: Runtime,
    key: (Filter, usize),
    waiter: Rc<Waiter>,
}

impl Knote {
    /// Adds the knote, or joins those that wait for it: an event is for them all.
    ///
    /// EEXIST if the ident and filter are watched in another way.
    pub fn new(runtime: &Runtime, change: Change) -> io::Result<Knote> {
        let (key, waiter) = ((change.filter(), change.ident()), Rc::new(Waiter::default()));
        let mut knotes = runtime.0.knotes.borrow_mut();
        match knotes.get_mut(&key) {
            Some(watched) if watched.change == change => watched.waiters.push(Rc::clone(&waiter)),
            Some(_) => return Err(io::Error::from_raw_os_error(libc::EEXIST)),
            None => {
                runtime.0.queue.apply(&[change])?;
                knotes.insert(key, Watched { change, waiters: vec![Rc::clone(&waiter)] });
            }
        }
        Ok(Knote { runtime: runtime.clone(), key, waiter })
    }

    /// Waits for the knote's next event.
    pub async fn next(&self) -> Told {
        poll_fn(|context| match self.waiter.told.take() {
            Some(told) => Poll::Ready(told),
            None => {
                self.waiter.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

impl Drop for Knote {
    fn drop(&mut self) {
        let mut knotes = self.runtime.0.knotes.borrow_mut();
        let Some(watched) = knotes.get_mut(&self.key) else { return };
        watched.waiters.retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
        if watched.waiters.is_empty() {
            // It fails if the descriptor was closed before, and its knote went with it.
            let _ = self.runtime.0.queue.apply(&[watched.change.delete()]);
            knotes.remove(&self.key);
        }
    }
}

// ---- what tasks wait for --------------------------------------------------------------------------------------------

impl Runtime {
    /// Waits for a time.
    pub async fn sleep(&self, time: Duration) -> io::Result<()> {
        // As many timers as there are sleepers, each under a number of its own.
        let id = self.new_id() as usize;
        Knote::new(self, Change::timer(id, time).oneshot())?.next().await;
        Ok(())
    }

    /// What the future gives, or `None` if it takes longer than that; then it is dropped.
    pub async fn timeout<T>(&self, time: Duration, future: impl Future<Output = T>) -> io::Result<Option<T>> {
        let mut future = pin!(future);
        let mut sleep = pin!(self.sleep(time));
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Ok(Some(value))),
            Poll::Pending => sleep.as_mut().poll(context).map(|slept| slept.map(|()| None)),
        })
        .await
    }

    /// Lets the other tasks go on first.
    pub async fn yield_now(&self) {
        let mut yielded = false;
        poll_fn(|context| match std::mem::replace(&mut yielded, true) {
            true => Poll::Ready(()),
            false => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
    }

    /// Waits for data, a connection to accept, or the end.
    pub async fn readable(&self, fd: &impl AsFd) -> io::Result<()> {
        Knote::new(self, Change::read(fd).oneshot())?.next().await;
        Ok(())
    }

    /// Waits for room to write.
    pub async fn writable(&self, fd: &impl AsFd) -> io::Result<()> {
        Knote::new(self, Change::write(fd).oneshot())?.next().await;
        Ok(())
    }

    /// Accepts a connection on a listener that does not block.
    pub async fn accept(&self, listener: &TcpListener) -> io::Result<TcpStream> {
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    return Ok(stream);
                }
                Err(error) if would_block(&error)? => self.readable(listener).await?,
                Err(_) => {}
            }
        }
    }

    /// Connects to a server; the stream does not block.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                self.writable(&socket).await?;
                socket.take_error()?.map_or(Ok(()), Err)?;
            }
            result => result?,
        }
        Ok(socket.into())
    }

    /// Reads what there is; 0 is the end.
    pub async fn read(&self, mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match stream.read(buffer) {
                Err(error) if would_block(&error)? => self.readable(stream).await?,
                Err(_) => {}
                count => return count,
            }
        }
    }

    /// Writes everything.
    pub async fn write_all(&self, mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if would_block(&error)? => self.writable(stream).await?,
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Waits for a child to exit.
    pub async fn exited(&self, child: &mut Child) -> io::Result<ExitStatus> {
        match Knote::new(self, Change::process(child.id(), ProcEvents::EXIT)) {
            Ok(knote) => drop(knote.next().await),
            // It has exited already, and some kernels do not know it any more.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => return Err(error),
        }
        // The event may come a moment before the status can be had, so this waits.
        child.wait()
    }

    /// Counts a signal, which has to be ignored or handled: a queue sees it beside its default action.
    pub fn signal(&self, signal: i32) -> io::Result<Knote> {
        Knote::new(self, Change::signal(signal))
    }

    /// Watches a file, which it keeps open.
    pub fn changes(&self, file: File, events: VnodeEvents) -> io::Result<FileChanges> {
        Ok(FileChanges { knote: Knote::new(self, Change::vnode(&file, events).clear())?, _file: file })
    }

    /// Runs a function that blocks on a thread of its own.
    pub async fn unblock<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let slot = Arc::new(Mutex::new((None, None::<Waker>)));
        let theirs = Arc::clone(&slot);
        thread::spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            let mut slot = lock(&theirs);
            slot.0 = Some(result);
            if let Some(waker) = slot.1.take() {
                waker.wake();
            }
        });
        let result = poll_fn(|context| {
            let mut slot = lock(&slot);
            match slot.0.take() {
                Some(result) => Poll::Ready(result),
                None => {
                    slot.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        });
        result.await.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// The changes of a file.
pub struct FileChanges {
    // Dropped in this order: the knote before its descriptor is closed.
    knote: Knote,
    _file: File,
}

impl FileChanges {
    /// Waits for the next changes, and gives all that there were since the last time.
    pub async fn next(&self) -> VnodeEvents {
        VnodeEvents::from_bits_retain(self.knote.next().await.notes)
    }
}

/// Whether a call is to be made again when the descriptor is ready (or at once); another error is one.
fn would_block(error: &io::Error) -> io::Result<bool> {
    match error.raw_os_error() {
        Some(libc::EINTR | libc::ECONNABORTED) => Ok(false),
        _ if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Some(number) => Err(io::Error::from_raw_os_error(number)),
        None => Err(error.kind().into()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// ---- the program ----------------------------------------------------------------------------------------------------

const HELP: &str = "\
usage: mini_runtime [--connections N]

Runs tasks that sleep, echo over TCP, wait for a child, a signal and a change of a file, and are cancelled.

  --connections N   how many clients the echo server has at once (1000)
";
const MESSAGE: usize = 1_000;
/// Descriptors beside those of the connections.
const OTHERS: usize = 32;

/// Runs the program.
pub fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let connections = match args.next() {
        None => Some(1_000),
        Some(arg) if arg == "--help" || arg == "-h" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(arg) if arg == "--connections" => args.next().and_then(|number| number.to_str()?.parse().ok()),
        Some(_) => None,
    };
    let (Some(connections @ 1..=10_000), None) = (connections, args.next()) else {
        eprintln!("mini_runtime: the only argument is --connections, from 1 to 10000 (--help tells more)");
        return ExitCode::from(2);
    };
    let run = || {
        let runtime = Runtime::new()?;
        runtime.block_on(report(runtime.clone(), connections))??;
        println!("runtime: {} waits, {} knotes left", runtime.waits(), runtime.knotes());
        Ok(())
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error: io::Error = error;
            eprintln!("mini_runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn report(runtime: Runtime, connections: usize) -> io::Result<()> {
    println!("sleep: {}", sleepers(&runtime).await?);
    println!("child: {}", child(&runtime).await?);
    println!("signal: {}", signal(&runtime).await?);
    println!("file: {}", file(&runtime).await?);
    println!("thread: {}", runtime.unblock(|| "a task was woken from another one").await);
    println!("cancelled: {}", cancelled(&runtime).await?);
    println!("echo: {}", echo(&runtime, connections).await?);
    Ok(())
}

async fn sleepers(runtime: &Runtime) -> io::Result<String> {
    let start = Instant::now();
    let order = Rc::new(RefCell::new(Vec::new()));
    let mut tasks = Vec::new();
    for millis in [600, 400, 200] {
        let (runtime, order) = (runtime.clone(), Rc::clone(&order));
        tasks.push(runtime.clone().spawn(async move {
            runtime.sleep(Duration::from_millis(millis)).await?;
            order.borrow_mut().push(millis);
            io::Result::Ok(())
        }));
    }
    for task in tasks {
        task.await?;
    }
    let early = start.elapsed() < Duration::from_millis(600);
    Ok(format!("{} ms, {}", join(&order.borrow()), if early { "too early" } else { "side by side" }))
}

async fn child(runtime: &Runtime) -> io::Result<String> {
    let mut child = Command::new("/bin/sh").args(["-c", "read line; exit 7"]).stdin(Stdio::piped()).spawn()?;
    let input = child.stdin.take();
    let waiting = runtime.spawn({
        let runtime = runtime.clone();
        async move { runtime.exited(&mut child).await }
    });
    runtime.yield_now().await;
    drop(input); // by now it is waited for
    Ok(waiting.await?.to_string())
}

async fn signal(runtime: &Runtime) -> io::Result<String> {
    // SAFETY: SIG_IGN runs no code.
    unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) };
    let signals = runtime.signal(libc::SIGUSR1)?;
    // SAFETY: takes numbers only.
    unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
    Ok(format!("SIGUSR1 came {}x", signals.next().await.count))
}

async fn file(runtime: &Runtime) -> io::Result<String> {
    let path = env::temp_dir().join(format!("mini_runtime-{}", std::process::id()));
    fs::write(&path, "one line\n")?;
    let changes = runtime.changes(File::open(&path)?, VnodeEvents::WRITE | VnodeEvents::DELETE)?;
    OpenOptions::new().append(true).open(&path)?.write_all(b"another\n")?;
    let written = changes.next().await;
    fs::remove_file(&path)?;
    let mut removed = changes.next().await;
    while !removed.contains(VnodeEvents::DELETE) {
        removed |= changes.next().await;
    }
    Ok(format!("{:?}, then {:?}", written & VnodeEvents::WRITE, removed & VnodeEvents::DELETE))
}

async fn cancelled(runtime: &Runtime) -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let accepted = runtime.timeout(Duration::from_millis(50), runtime.accept(&listener)).await?;
    let what = if accepted.is_some() { "not" } else { "an accept, after 50 ms" };
    Ok(format!("{what}, {} knotes left", runtime.knotes()))
}

async fn echo(runtime: &Runtime, wanted: usize) -> io::Result<String> {
    let limit = descriptors(2 * wanted + OTHERS)?;
    let connections = wanted.min(limit.saturating_sub(OTHERS) / 2).max(1);
    if connections < wanted {
        println!("echo: {limit} descriptors are allowed: {connections} connections instead of {wanted}");
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    runtime.spawn(serve(runtime.clone(), listener));

    // All are open before the first one says something. The server has its turn in between, before too many wait.
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(runtime.connect(address).await?);
        runtime.yield_now().await;
    }
    let clients: Vec<_> =
        streams.into_iter().zip(1..).map(|(stream, n)| runtime.spawn(client(runtime.clone(), stream, n))).collect();
    let mut bytes = 0;
    for client in clients {
        bytes += client.await?;
    }
    Ok(format!("{connections} connections at once, {bytes} bytes came back"))
}

async fn serve(runtime: Runtime, listener: TcpListener) -> io::Result<()> {
    loop {
        match runtime.accept(&listener).await {
            Ok(stream) => drop(runtime.spawn(answer(runtime.clone(), stream))),
            // Without descriptors the connection goes on waiting: so a while later again, rather than at once.
            Err(_) => runtime.sleep(Duration::from_millis(50)).await?,
        }
    }
}

async fn answer(runtime: Runtime, stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match runtime.read(&stream, &mut buffer).await? {
            0 => return Ok(()),
            count => runtime.write_all(&stream, &buffer[..count]).await?,
        }
    }
}

async fn client(runtime: Runtime, stream: TcpStream, number: usize) -> io::Result<usize> {
    let sent = vec![number as u8; MESSAGE];
    runtime.write_all(&stream, &sent).await?;
    let mut received = vec![0; MESSAGE];
    let mut filled = 0;
    while filled < MESSAGE {
        match runtime.read(&stream, &mut received[filled..]).await? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    match received == sent {
        true => Ok(filled),
        false => Err(io::Error::new(ErrorKind::InvalidData, "something else came back")),
    }
}

/// Raises the limit of descriptors to `wanted` if the system allows it, and gives what it is then.
fn descriptors(wanted: usize) -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct is valid for the call's write.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let wanted = libc::rlim_t::try_from(wanted).unwrap_or(libc::rlim_t::MAX);
    if limit.rlim_cur < wanted {
        let raised = libc::rlimit { rlim_cur: wanted.min(limit.rlim_max), ..limit };
        // SAFETY: the struct is valid.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
            limit = raised;
        }
    }
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

fn join(numbers: &[u64]) -> String {
    numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
