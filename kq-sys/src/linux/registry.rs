//! Which numbers are queues in this process: the way from a descriptor to its queue, on every call.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::os::fd::RawFd;
use std::sync::Arc;

use parking_lot::Mutex;

use super::queue::Queue;
use super::signals::Signals;
use super::sys::{self, Errno, Result};

type Entry = Mutex<Option<Arc<Queue>>>;

/// Entries for descriptors in two levels, made when first needed and never freed: one page of pointers for every
/// number that a process can have.
struct Table {
    leaves: [AtomicPtr<Leaf>; TABLE_SIZE],
    signals: Signals,
}
type Leaf = [Entry; LEAF_SIZE];
const LEAF_SIZE: usize = 1 << 12;
const TABLE_SIZE: usize = 1 << 18;

static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

/// A page that a forked child finds zeroed: the queues of its parent are not its own, and the memory behind `TABLE`
/// may have been in use, and locked, by a thread that the child does not have.
static PROCESS: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
const FRESH: u32 = 0;
const STARTING: u32 = 1;
const READY: u32 = 2;

/// This process's table, if it ever made a queue.
fn table() -> Option<&'static Table> {
    // SAFETY: a pointer that is not null is to a page that stays mapped.
    let process = unsafe { PROCESS.load(Ordering::Acquire).as_ref() }?;
    if process.load(Ordering::Acquire) != READY {
        return None;
    }
    // SAFETY: READY is stored after the table, which is never freed.
    unsafe { TABLE.load(Ordering::Acquire).as_ref() }
}

/// This process's table, made if it is not there.
fn make_table() -> Result<&'static Table> {
    let process = make_page()?;
    loop {
        match process.compare_exchange(FRESH, STARTING, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                let layout = std::alloc::Layout::new::<Table>();
                // SAFETY: the layout has a size; zeros are null pointers, which is what `leaves` holds at first.
                let fresh = unsafe { std::alloc::alloc_zeroed(layout) }.cast::<Table>();
                if fresh.is_null() {
                    process.store(FRESH, Ordering::Release);
                    return Err(libc::ENOMEM);
                }
                // SAFETY: within the table, which nobody else has yet.
                unsafe { ptr::addr_of_mut!((*fresh).signals).write(Signals::new()) };
                TABLE.store(fresh, Ordering::Release);
                process.store(READY, Ordering::Release);
            }
            Err(READY) => {
                if let Some(table) = table() {
                    return Ok(table);
                }
            }
            Err(_) => std::thread::yield_now(),
        }
    }
}

fn make_page() -> Result<&'static AtomicU32> {
    let page = PROCESS.load(Ordering::Acquire);
    // SAFETY: a pointer that is not null is to a page that stays mapped.
    if let Some(process) = unsafe { page.as_ref() } {
        return Ok(process);
    }
    let size = sys::page_size();
    // SAFETY: a private mapping of fresh memory, at an address of the kernel's choice.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(sys::errno());
    }
    // SAFETY: the page that was just mapped.
    if unsafe { libc::madvise(page, size, libc::MADV_WIPEONFORK) } != 0 {
        // A kernel before 4.14: a forked child could not be told from its parent.
        unmap(page, size);
        return Err(libc::ENOSYS);
    }
    let ours = page.cast::<AtomicU32>();
    let process = match PROCESS.compare_exchange(ptr::null_mut(), ours, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => ours,
        Err(first) => {
            unmap(page, size);
            first
        }
    };
    // SAFETY: one of the two pages, which stays mapped; zeros are a valid AtomicU32.
    Ok(unsafe { &*process })
}

fn unmap(page: *mut libc::c_void, size: usize) {
    // SAFETY: called with a page of this size that `make_page` mapped and gave to nobody.
    unsafe { libc::munmap(page, size) };
}

impl Table {
    fn entry(&self, number: RawFd) -> Option<&Entry> {
        let number = usize::try_from(number).ok()?;
        let leaf = self.leaves.get(number / LEAF_SIZE)?.load(Ordering::Acquire);
        // SAFETY: a leaf that is not null is never freed.
        unsafe { leaf.as_ref() }.map(|leaf| &leaf[number % LEAF_SIZE])
    }

    fn make_entry(&self, number: RawFd) -> Option<&Entry> {
        let slot = self.leaves.get(usize::try_from(number).ok()? / LEAF_SIZE)?;
        if slot.load(Ordering::Acquire).is_null() {
            let leaf: Box<[Entry]> = (0..LEAF_SIZE).map(|_| Entry::default()).collect();
            let leaf: Box<Leaf> = leaf.try_into().ok()?;
            let leaf = Box::into_raw(leaf);
            if slot.compare_exchange(ptr::null_mut(), leaf, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: just made here, and given to nobody: another thread was first.
                drop(unsafe { Box::from_raw(leaf) });
            }
        }
        self.entry(number)
    }
}

/// The queue that has the number, if this process made one.
pub(super) fn find(number: RawFd) -> Option<Arc<Queue>> {
    table()?.entry(number)?.lock().clone()
}

/// This process's signals, if it ever made a queue. Safe to call from a signal handler.
pub(super) fn signals() -> Option<&'static Signals> {
    table().map(|table| &table.signals)
}

/// Makes the number a queue. What it was before has been closed behind the queue's back; it goes now.
pub(super) fn insert(number: RawFd, queue: Arc<Queue>) -> Result<()> {
    const TOO_HIGH: Errno = libc::EMFILE;
    let entry = make_table()?.make_entry(number).ok_or(TOO_HIGH)?;
    let before = entry.lock().replace(queue);
    if let Some(before) = before {
        before.number_is_gone();
    }
    Ok(())
}

/// The number is no queue any more.
pub(super) fn remove(number: RawFd) -> Option<Arc<Queue>> {
    table()?.entry(number)?.lock().take()
}
