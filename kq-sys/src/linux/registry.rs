//! Which numbers are queues in this process: the way from a descriptor to its queue, on every call.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::alloc::{self, Layout};
use std::os::fd::RawFd;

use super::queue::Queue;
use super::signals::Signals;
use super::sys::{self, Errno, Result};

/// Entries for descriptors in two levels, made when first needed and never freed: one page of pointers for every
/// number that a process can have. Nor is a queue freed, so that finding one takes neither a lock nor a count: when its
/// number is a queue again, it has a new life.
struct Table {
    leaves: [AtomicPtr<Leaf>; TABLE_SIZE],
    signals: Signals,
}
type Leaf = [Entry; LEAF_SIZE];
type Entry = AtomicPtr<Queue>;
const LEAF_SIZE: usize = 1 << 12;
const TABLE_SIZE: usize = 1 << 18;

/// A page with the address of the table, which a forked child finds zeroed: the queues of its parent are not its own,
/// and the memory behind them may have been in use, and locked, by a thread that the child does not have.
static PAGE: AtomicPtr<AtomicPtr<Table>> = AtomicPtr::new(ptr::null_mut());

/// This process's table, if it ever made a queue.
#[inline]
fn table() -> Option<&'static Table> {
    // SAFETY: a pointer that is not null is to a page that stays mapped.
    let page = unsafe { PAGE.load(Ordering::Acquire).as_ref() }?;
    // SAFETY: a table is stored when it is complete, and never freed.
    unsafe { page.load(Ordering::Acquire).as_ref() }
}

/// This process's table, made if it is not there.
fn make_table() -> Result<&'static Table> {
    let page = make_page()?;
    if page.load(Ordering::Acquire).is_null() {
        let layout = Layout::new::<Table>();
        // SAFETY: the layout has a size; zeros are null pointers, which is what `leaves` holds at first.
        let fresh = unsafe { alloc::alloc_zeroed(layout) }.cast::<Table>();
        if fresh.is_null() {
            return Err(libc::ENOMEM);
        }
        // SAFETY: within the table, which nobody else has yet.
        unsafe { ptr::addr_of_mut!((*fresh).signals).write(Signals::new()) };
        if page.compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: made above, and given to nobody: another thread was first.
            unsafe { alloc::dealloc(fresh.cast(), layout) };
        }
    }
    table().ok_or(libc::ENOMEM)
}

fn make_page() -> Result<&'static AtomicPtr<Table>> {
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: a pointer that is not null is to a page that stays mapped.
    if let Some(page) = unsafe { page.as_ref() } {
        return Ok(page);
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
    let ours = page.cast::<AtomicPtr<Table>>();
    let page = match PAGE.compare_exchange(ptr::null_mut(), ours, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => ours,
        Err(first) => {
            unmap(page, size);
            first
        }
    };
    // SAFETY: one of the two pages, which stays mapped; zeros are a null pointer.
    Ok(unsafe { &*page })
}

fn unmap(page: *mut libc::c_void, size: usize) {
    // SAFETY: called with a page of this size that `make_page` mapped and gave to nobody.
    unsafe { libc::munmap(page, size) };
}

impl Table {
    #[inline]
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
            put(slot, leaf.try_into().ok()?);
        }
        self.entry(number)
    }
}

/// Stores the value unless another thread was first.
fn put<T>(place: &AtomicPtr<T>, value: Box<T>) {
    let value = Box::into_raw(value);
    if place.compare_exchange(ptr::null_mut(), value, Ordering::AcqRel, Ordering::Acquire).is_err() {
        // SAFETY: out of the box above, and given to nobody.
        drop(unsafe { Box::from_raw(value) });
    }
}

/// The queue of the number, in whatever life it is.
#[inline]
fn queue_of(entry: &Entry) -> Option<&'static Queue> {
    // SAFETY: a queue that is not null is never freed.
    unsafe { entry.load(Ordering::Acquire).as_ref() }
}

/// The queue that has the number, if this process made one.
#[inline]
pub(super) fn find(number: RawFd) -> Option<&'static Queue> {
    queue_of(table()?.entry(number)?).filter(|queue| queue.is_open())
}

/// This process's signals, if it ever made a queue. Safe to call from a signal handler.
pub(super) fn signals() -> Option<&'static Signals> {
    table().map(|table| &table.signals)
}

/// Makes the number a queue. What it was before has been closed behind the queue's back; it goes now.
pub(super) fn open(number: RawFd) -> Result<()> {
    const TOO_HIGH: Errno = libc::EMFILE;
    let entry = make_table()?.make_entry(number).ok_or(TOO_HIGH)?;
    if entry.load(Ordering::Acquire).is_null() {
        put(entry, Box::new(Queue::new(number)));
    }
    queue_of(entry).ok_or(TOO_HIGH)?.open();
    Ok(())
}
