//! The dynamic door: registering, replacing, modifying, every filter, collections of events.

mod common;

use common::*;
use kq_typed::kq::{Change, EventKind};
use kq_typed::{EventFilter, EventFlags, Events, Key, Kqueue, Mutex, Watcher};
use std::collections::HashSet;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const ADD: EventFlags = EventFlags::ADD;

fn errno<T>(result: std::io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

/// The values of the events that come next.
fn next<T: Clone + 'static>(kq: &Kqueue, timeout: Option<Duration>) -> Vec<T> {
    kq.await_events(timeout).unwrap().iter().map(|event| event.udata::<T>().expect("the type").clone()).collect()
}

#[test]
fn flags_that_are_not_a_registrations_are_refused() {
    let (a, _b) = pair();
    let kq = Kqueue::new().unwrap();
    for flags in [
        EventFlags::empty(),
        EventFlags::ENABLE,
        EventFlags::ONESHOT,
        ADD | EventFlags::DELETE,
        ADD | EventFlags::DISABLE,
        ADD | EventFlags::EOF,
        ADD | EventFlags::ERROR,
        ADD | EventFlags::PROC_EXIT,
        ADD | EventFlags::VNODE_WRITE,
        ADD | EventFlags::from_bits_retain(1 << 63),
    ] {
        assert_eq!(errno(kq.register(&a, EventFilter::Read, flags, Some(1))), Some(libc::EINVAL), "{flags:?}");
    }
    for flags in [EventFlags::ENABLE, ADD | EventFlags::DISABLE, ADD | EventFlags::PROC_EXIT] {
        assert_eq!(errno(kq.register_timer(Duration::from_secs(1), flags, Some(1))), Some(libc::EINVAL), "{flags:?}");
    }
    assert_eq!(errno(kq.register(1, EventFilter::Timer, ADD, Some(1))), Some(libc::EINVAL));
    assert_eq!(errno(kq.register(&a, EventFilter::Vnode, ADD, Some(1))), Some(libc::EINVAL));
    // Nothing of it is there.
    assert_eq!(errno(kq.deregister((&a, EventFilter::Read))), Some(libc::ENOENT));
}

#[test]
fn whatever_has_a_number_can_be_registered() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let number = a.as_raw_fd();
    let kq = Kqueue::new().unwrap();
    let read = EventFilter::Read;
    let expect = |value: &str| assert_eq!(next::<String>(&kq, PATIENCE), [value]);
    kq.register(number, read, ADD, Some("i32".to_string())).unwrap();
    expect("i32");
    kq.register(number as u32, read, ADD, Some("u32".to_string())).unwrap();
    expect("u32");
    kq.register(number as u64, read, ADD, Some("u64".to_string())).unwrap();
    expect("u64");
    kq.register(number as usize, read, ADD, Some("usize".to_string())).unwrap();
    expect("usize");
    kq.register(a.as_fd(), read, ADD, Some("borrowed".to_string())).unwrap();
    expect("borrowed");
    kq.register(&a, read, ADD, Some("reference".to_string())).unwrap();
    expect("reference");
}

#[test]
fn registering_again_replaces_value_and_mode() {
    let (mut a, mut b) = pair();
    let drops = Drops::default();
    let kq = Kqueue::new().unwrap();
    let old = kq.register(&a, EventFilter::Read, ADD | EventFlags::ONESHOT, Some(drops.value())).unwrap();
    let new = kq.register(&a, EventFilter::Read, ADD, Some("new")).unwrap();
    assert_ne!(old, new);
    assert_eq!(drops.count(), 1);
    assert_eq!(errno(kq.deregister(old)), Some(libc::ENOENT));
    assert_eq!(errno(kq.enable(old)), Some(libc::ENOENT));

    // Not one-shot any more.
    b.write_all(b"x").unwrap();
    for _ in 0..3 {
        assert_eq!(next::<&str>(&kq, PATIENCE), ["new"]);
    }
    // Now edge-triggered.
    kq.register(&a, EventFilter::Read, ADD | EventFlags::CLEAR, Some("edge")).unwrap();
    assert_eq!(next::<&str>(&kq, PATIENCE), ["edge"]);
    assert!(kq.await_events(NOW).unwrap().is_empty());
    // One that is refused leaves the old one.
    assert_eq!(errno(kq.register(&a, EventFilter::Read, ADD | EventFlags::EOF, Some("no"))), Some(libc::EINVAL));
    a.read_exact(&mut [0]).unwrap();
    b.write_all(b"x").unwrap();
    assert_eq!(next::<&str>(&kq, PATIENCE), ["edge"]);
    kq.deregister(new).unwrap_err();
    kq.deregister((&a, EventFilter::Read)).unwrap();
}

#[test]
fn what_the_kernel_refuses_to_replace_stays() {
    let kq = Kqueue::new().unwrap();
    let drops = Drops::default();
    let timer = |change: Change| kq.register_change(change, Some(drops.value()));
    let key = timer(Change::timer(5, Duration::from_secs(3600))).unwrap();
    // No kernel takes a timer of such a unit and time.
    let bad = Change::timer(5, Duration::from_secs(1)).fflags(0xffff_ffff).data(-1);
    if timer(bad).is_err() {
        assert_eq!(drops.count(), 1);
        kq.modify_timer(key, Duration::from_millis(1)).unwrap();
        let events = kq.await_events(PATIENCE).unwrap();
        assert_eq!(events.iter().next().unwrap().key(), key);
    }
}

#[test]
fn timers_have_idents_of_their_own() {
    let kq = Kqueue::new().unwrap();
    let flags = ADD | EventFlags::ENABLE | EventFlags::ONESHOT;
    let mut left: HashSet<Key> =
        (0..20).map(|number| kq.register_timer(Duration::from_millis(number), flags, Some(number)).unwrap()).collect();
    assert_eq!(left.len(), 20);
    let mut idents = HashSet::new();
    while !left.is_empty() {
        let events = kq.await_events(PATIENCE).unwrap();
        assert!(!events.is_empty(), "{} timers did not fire", left.len());
        for event in events {
            assert_eq!(event.filter(), EventFilter::Timer);
            assert!(event.udata::<u64>().is_some());
            assert!(left.remove(&event.key()), "{event:?} a second time");
            assert!(idents.insert(event.ident()));
        }
    }
}

#[test]
fn timers_repeat_and_change_and_stop() {
    let kq = Kqueue::new().unwrap();
    let key = kq.register_timer(Duration::from_millis(5), ADD, Some("tick")).unwrap();
    for _ in 0..3 {
        assert_eq!(next::<&str>(&kq, PATIENCE), ["tick"]);
    }
    kq.modify_timer(key, Duration::from_secs(3600)).unwrap();
    assert!(kq.await_events(Some(Duration::from_millis(50))).unwrap().is_empty());
    kq.modify_timer(key, Duration::from_millis(1)).unwrap();
    assert_eq!(next::<&str>(&kq, PATIENCE), ["tick"]);
    kq.disable(key).unwrap();
    assert!(kq.await_events(Some(Duration::from_millis(50))).unwrap().is_empty());
    kq.enable(key).unwrap();
    assert_eq!(next::<&str>(&kq, PATIENCE), ["tick"]);
    // One-shot from here on, with the interval that it has.
    kq.modify(key, ADD | EventFlags::ONESHOT).unwrap();
    assert_eq!(next::<&str>(&kq, PATIENCE), ["tick"]);
    assert_eq!(errno(kq.deregister(key)), Some(libc::ENOENT));
    assert!(kq.await_events(Some(Duration::from_millis(50))).unwrap().is_empty());
}

#[test]
fn a_time_of_the_wall_clock() {
    let kq = Kqueue::new().unwrap();
    let time = SystemTime::now() + Duration::from_millis(30);
    kq.register_timer_at(time, ADD, Some("now")).unwrap();
    assert_eq!(next::<&str>(&kq, PATIENCE), ["now"]);
    kq.register_timer_at(SystemTime::UNIX_EPOCH, ADD, Some("long ago")).unwrap();
    assert_eq!(next::<&str>(&kq, PATIENCE), ["long ago"]);
    assert!(kq.await_events(Some(Duration::from_millis(20))).unwrap().is_empty());
}

#[cfg(has_user)]
#[test]
fn user_events() {
    let kq = Kqueue::new().unwrap();
    let user = EventFilter::User;
    let key = kq.register(7, user, ADD | EventFlags::CLEAR, Some("seven")).unwrap();
    kq.register(8, user, ADD | EventFlags::CLEAR, Some("eight")).unwrap();
    for _ in 0..3 {
        // A trigger keeps the value behind the event, whatever the kernel does to udata.
        kq.trigger(key).unwrap();
        assert_eq!(next::<&str>(&kq, PATIENCE), ["seven"]);
        kq.trigger((8, user)).unwrap();
        assert_eq!(next::<&str>(&kq, PATIENCE), ["eight"]);
        kq.disable(key).unwrap();
        kq.enable(key).unwrap();
    }
    let (a, _b) = pair();
    let read = kq.register(&a, EventFilter::Read, ADD, None::<()>).unwrap();
    assert_eq!(errno(kq.trigger(read)), Some(libc::EINVAL));
    kq.deregister(key).unwrap();
    assert_eq!(errno(kq.trigger(key)), Some(libc::ENOENT));
    assert_eq!(errno(kq.trigger((7, user))), Some(libc::ENOENT));
}

#[test]
fn modifying() {
    let (a, mut b) = pair();
    let kq = Kqueue::new().unwrap();
    let key = kq.register(&a, EventFilter::Read, ADD, Some(1)).unwrap();
    b.write_all(b"x").unwrap();
    assert_eq!(next::<i32>(&kq, PATIENCE), [1]);
    // An action alone keeps the mode.
    kq.modify(key, EventFlags::DISABLE).unwrap();
    assert!(kq.await_events(NOW).unwrap().is_empty());
    kq.modify((&a, EventFilter::Read), EventFlags::ENABLE).unwrap();
    assert_eq!(next::<i32>(&kq, PATIENCE), [1]);
    assert_eq!(next::<i32>(&kq, PATIENCE), [1]);
    // Another mode; the key and the value stay.
    kq.modify(key, ADD | EventFlags::DISPATCH).unwrap();
    assert_eq!(next::<i32>(&kq, PATIENCE), [1]);
    assert!(kq.await_events(NOW).unwrap().is_empty());
    kq.enable(key).unwrap();
    assert_eq!(next::<i32>(&kq, PATIENCE), [1]);
    kq.modify(key, ADD).unwrap();
    assert_eq!(next::<i32>(&kq, PATIENCE), [1]);
    assert_eq!(next::<i32>(&kq, PATIENCE), [1]);
    assert_eq!(errno(kq.modify(key, EventFlags::DELETE)), Some(libc::EINVAL));
    assert_eq!(errno(kq.modify(key, ADD | EventFlags::VNODE_WRITE)), Some(libc::EINVAL));
    assert_eq!(errno(kq.modify((&b, EventFilter::Read), ADD)), Some(libc::ENOENT));
    kq.deregister(key).unwrap();
    assert!(kq.await_events(NOW).unwrap().is_empty());
    assert_eq!(errno(kq.modify(key, ADD)), Some(libc::ENOENT));
    assert_eq!(errno(kq.enable(key)), Some(libc::ENOENT));
    assert_eq!(errno(kq.deregister(key)), Some(libc::ENOENT));
}

#[test]
fn the_same_descriptor_for_reading_and_for_writing() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let kq = Kqueue::new().unwrap();
    kq.register(&a, EventFilter::Read, ADD, Some("read")).unwrap();
    kq.register(&a, EventFilter::Write, ADD, Some("write")).unwrap();
    let mut seen = HashSet::new();
    while seen.len() < 2 {
        let values = next::<&str>(&kq, PATIENCE);
        assert!(!values.is_empty());
        seen.extend(values);
    }
    kq.deregister((&a, EventFilter::Write)).unwrap();
    assert_eq!(next::<&str>(&kq, PATIENCE), ["read"]);
}

#[test]
fn the_end_of_a_connection() {
    let (a, b) = pair();
    let kq = Kqueue::new().unwrap();
    kq.register(&a, EventFilter::Read, ADD, Some(1)).unwrap();
    drop(b);
    let events = kq.await_events(PATIENCE).unwrap();
    let event = events.iter().next().unwrap();
    assert!(event.flags().contains(EventFlags::EOF));
    assert!(!event.flags().contains(ADD));
    assert!(matches!(event.kind(), EventKind::Read { eof: true, .. }));
}

#[test]
fn a_signal() {
    let kq = Kqueue::new().unwrap();
    // SAFETY: the signal is ignored, and nothing else in this program uses it.
    unsafe { libc::signal(libc::SIGWINCH, libc::SIG_IGN) };
    kq.register(libc::SIGWINCH, EventFilter::Signal, ADD, Some("the window")).unwrap();
    // SAFETY: sends a signal to this process, which ignores it.
    unsafe { libc::kill(libc::getpid(), libc::SIGWINCH) };
    let events = kq.await_events(PATIENCE).unwrap();
    let event = events.iter().next().expect("a signal");
    assert_eq!(event.filter(), EventFilter::Signal);
    assert_eq!(event.ident(), libc::SIGWINCH as u64);
    assert_eq!(event.data(), 1);
    assert_eq!(event.udata::<&str>(), Some(&"the window"));
    kq.deregister((libc::SIGWINCH, EventFilter::Signal)).unwrap();
    assert_eq!(errno(kq.register(-1, EventFilter::Signal, ADD, Some(1))), Some(libc::EINVAL));
}

#[test]
fn a_signal_handler_does_not_end_the_wait() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = nothing;
    // SAFETY: zeros are an action without flags and with an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // SAFETY: the handler does nothing; no other test uses the signal.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()) }, 0);

    let kq = Kqueue::new().unwrap();
    // SAFETY: takes nothing.
    let waiting = unsafe { libc::pthread_self() } as usize;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                // SAFETY: the thread waits for this one to end.
                unsafe { libc::pthread_kill(waiting as libc::pthread_t, libc::SIGUSR2) };
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let time = Duration::from_millis(100);
        assert!(takes(time, || assert!(kq.await_events(Some(time)).unwrap().is_empty())));
        kq.register_timer(Duration::from_millis(50), ADD | EventFlags::ONESHOT, Some("fired")).unwrap();
        assert_eq!(next::<&str>(&kq, None), ["fired"]);
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_file() {
    let path = std::env::temp_dir().join(format!("kq-typed-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    let kq = Kqueue::new().unwrap();
    let asked = ADD | EventFlags::CLEAR | EventFlags::VNODE_WRITE | EventFlags::VNODE_DELETE;
    kq.register(&file, EventFilter::Vnode, asked, Some("the file")).unwrap();
    file.write_all(b"x").unwrap();
    let events = kq.await_events(PATIENCE).unwrap();
    let event = events.iter().next().expect("a write");
    assert!(event.flags().contains(EventFlags::VNODE_WRITE));
    assert!(!event.flags().contains(EventFlags::VNODE_DELETE));
    assert_eq!(event.udata::<&str>(), Some(&"the file"));
    drop(events);
    // Other notes, the same value: what was not asked for is not told.
    kq.modify((&file, EventFilter::Vnode), ADD | EventFlags::CLEAR | EventFlags::VNODE_DELETE).unwrap();
    file.write_all(b"x").unwrap();
    std::fs::remove_file(&path).unwrap();
    let events = kq.await_events(PATIENCE).unwrap();
    let event = events.iter().next().expect("a removal");
    assert!(event.flags().contains(EventFlags::VNODE_DELETE), "{event:?}");
    assert!(!event.flags().contains(EventFlags::VNODE_WRITE), "{event:?}");
    assert_eq!(event.udata::<&str>(), Some(&"the file"));
}

#[test]
fn several_things_happen_to_a_child() {
    child();
    let mut process = spawn("several_things_happen_to_a_child", 3);
    let kq = Kqueue::new().unwrap();
    let key = kq.register(process.id(), EventFilter::Proc, ADD, Some(Watcher::new(1))).unwrap();
    assert!(kq.await_events(NOW).unwrap().is_empty());
    release(&mut process);
    for event in kq.await_events(PATIENCE).unwrap() {
        assert_eq!(event.key(), key);
        assert!(event.flags().contains(EventFlags::PROC_EXIT));
        assert!(event.flags().contains(EventFlags::EOF));
        // Over already, in the loop.
        assert_eq!(errno(kq.deregister(key)), Some(libc::ENOENT));
    }
    process.wait().unwrap();
    let gone = kq.register(process.id(), EventFilter::Proc, ADD, Some(1));
    assert_eq!(errno(gone), Some(libc::ESRCH));
    assert_eq!(errno(kq.register(-1, EventFilter::Proc, ADD, Some(1))), Some(libc::ESRCH));
}

#[test]
fn the_queue_can_be_changed_in_the_loop() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let kq = Kqueue::new().unwrap();
    kq.register(&a, EventFilter::Read, ADD | EventFlags::ONESHOT, Some(0)).unwrap();
    for round in 0..5 {
        let mut seen = 0;
        for event in kq.await_events(PATIENCE).unwrap() {
            assert_eq!(event.udata::<i32>(), Some(&round));
            // A one-shot is registered again in the handler of its own event.
            kq.register(&a, EventFilter::Read, ADD | EventFlags::ONESHOT, Some(round + 1)).unwrap();
            seen += 1;
        }
        assert_eq!(seen, 1);
    }
    // By reference the one-shot is over when the collection is.
    for round in 5..10 {
        let events = kq.await_events(PATIENCE).unwrap();
        for event in &events {
            assert_eq!(event.udata::<i32>(), Some(&round));
            kq.register(&a, EventFilter::Read, ADD | EventFlags::ONESHOT, Some(round + 1)).unwrap();
        }
    }
}

#[test]
fn a_deregistered_event_is_not_seen_in_the_same_collection() {
    let (a, mut a2) = pair();
    let (b, mut b2) = pair();
    a2.write_all(b"x").unwrap();
    b2.write_all(b"x").unwrap();
    let kq = Kqueue::new().unwrap();
    let first = kq.register(&a, EventFilter::Read, ADD, Some("a")).unwrap();
    let second = kq.register(&b, EventFilter::Read, ADD, Some("b")).unwrap();
    let events = both(&kq);
    let mut seen = Vec::new();
    for event in &events {
        seen.push(event.key());
        kq.deregister(if event.key() == first { second } else { first }).unwrap();
    }
    assert_eq!(seen.len(), 1);
    // And so by value.
    assert_eq!(events.into_iter().map(|event| event.key()).collect::<Vec<_>>(), seen);

    kq.register(&a, EventFilter::Read, ADD, Some("a")).unwrap();
    kq.register(&b, EventFilter::Read, ADD, Some("b")).unwrap();
    let mut events = both(&kq).into_iter();
    assert!(events.next().is_some());
    // Replaced is deregistered too.
    kq.register(&a, EventFilter::Read, ADD, Some("new a")).unwrap();
    kq.register(&b, EventFilter::Read, ADD, Some("new b")).unwrap();
    assert!(events.next().is_none());
}

/// A collection with two events.
fn both(kq: &Kqueue) -> Events {
    for _ in 0..1000 {
        let events = kq.await_events(PATIENCE).unwrap();
        if events.len() == 2 {
            return events;
        }
    }
    panic!("two events that are pending did not come together");
}

#[test]
fn shared_values() {
    let (a, mut b) = pair();
    let kq = Kqueue::new().unwrap();
    let shared = Arc::new(Mutex::new(0_u32));
    kq.register(&a, EventFilter::Read, ADD | EventFlags::CLEAR, Some(Arc::clone(&shared))).unwrap();
    kq.register_timer(Duration::from_millis(1), ADD | EventFlags::ONESHOT, Some(Arc::clone(&shared))).unwrap();
    b.write_all(b"x").unwrap();
    let mut left = 2;
    while left > 0 {
        let events = kq.await_events(PATIENCE).unwrap();
        assert!(!events.is_empty());
        for event in events {
            *event.udata::<Arc<Mutex<u32>>>().expect("the shared value").lock() += 1;
            left -= 1;
        }
    }
    assert_eq!(*shared.lock(), 2);
    drop(kq);
    assert_eq!(Arc::strong_count(&shared), 1);
}

#[test]
fn events_hold_their_values() {
    let (a, mut b) = pair();
    b.write_all(b"x").unwrap();
    let drops = Drops::default();
    let kq = Kqueue::new().unwrap();
    let key = kq.register(&a, EventFilter::Read, ADD, Some(drops.value())).unwrap();
    let event = kq.await_events(PATIENCE).unwrap().into_iter().next().unwrap();
    let again = event.clone();
    kq.deregister(key).unwrap();
    drop(kq);
    assert!(event.udata::<Counted>().is_some());
    drop(event);
    assert_eq!(drops.count(), 0);
    drop(again);
    assert_eq!(drops.count(), 1);
}

#[test]
fn values_are_dropped_with_the_queue() {
    let drops = Drops::default();
    let kq = Kqueue::new().unwrap();
    for _ in 0..10 {
        kq.register_timer(Duration::from_secs(3600), ADD, Some(drops.value())).unwrap();
    }
    assert_eq!(drops.count(), 0);
    drop(kq);
    assert_eq!(drops.count(), 10);
}

#[test]
fn a_refused_value_is_dropped_and_leaves_nothing() {
    let drops = Drops::default();
    let kq = Kqueue::new().unwrap();
    kq.register(closed_number(), EventFilter::Read, ADD, Some(drops.value())).unwrap_err();
    assert_eq!(drops.count(), 1);
    assert_eq!(errno(kq.deregister((closed_number(), EventFilter::Read))), Some(libc::ENOENT));
}

#[test]
fn a_closed_descriptor_makes_room_for_the_next() {
    let drops = Drops::default();
    let kq = Kqueue::new().unwrap();
    let (a, _a2) = pair();
    let (b, mut b2) = pair();
    let old = kq.register(&a, EventFilter::Read, ADD, Some(drops.value())).unwrap();
    become_file(&a, &b);
    b2.write_all(b"x").unwrap();
    // Nobody has told the queue, and nothing of the new file reaches the old value.
    assert!(kq.await_events(NOW).unwrap().is_empty());
    kq.register(&a, EventFilter::Read, ADD, Some("new")).unwrap();
    assert_eq!(drops.count(), 1);
    assert_eq!(errno(kq.deregister(old)), Some(libc::ENOENT));
    assert_eq!(next::<&str>(&kq, PATIENCE), ["new"]);
}

#[test]
fn a_collection_of_the_callers() {
    let kq = Kqueue::new().unwrap();
    let mut events = Events::with_capacity(4);
    assert_eq!(events.capacity(), 4);
    assert!(events.is_empty());
    let sockets: Vec<_> = (0..10).map(|_| pair()).collect();
    for (number, (a, mut b)) in sockets.iter().map(|(a, b)| (a, b)).enumerate() {
        kq.register(a, EventFilter::Read, ADD | EventFlags::ONESHOT, Some(number)).unwrap();
        b.write_all(b"x").unwrap();
    }
    let mut seen = HashSet::new();
    while seen.len() < 10 {
        kq.await_events_into(&mut events, PATIENCE).unwrap();
        assert!(!events.is_empty() && events.len() <= 4);
        for event in &events {
            assert!(seen.insert(*event.udata::<usize>().unwrap()));
        }
    }
    kq.await_events_into(&mut events, NOW).unwrap();
    assert!(events.is_empty());
    // Another queue may fill it.
    let other = Kqueue::new().unwrap();
    other.register_timer(Duration::ZERO, ADD | EventFlags::ONESHOT, Some("other")).unwrap();
    other.await_events_into(&mut events, PATIENCE).unwrap();
    drop(kq);
    drop(other);
    let event = events.into_iter().next();
    // The queue is gone, and with it the registration.
    assert!(event.is_none());
}

#[test]
fn a_waker_wakes_and_is_no_event() {
    let kq = Kqueue::new().unwrap();
    let waker = kq.waker().unwrap();
    waker.wake().unwrap();
    waker.wake().unwrap();
    let woken = kq.await_events(None).unwrap();
    assert!(woken.is_empty() && woken.is_woken());
    drop(woken);
    assert!(!kq.await_events(NOW).unwrap().is_woken());
    // Beside an event.
    kq.register_timer(Duration::ZERO, ADD | EventFlags::ONESHOT, Some(1)).unwrap();
    std::thread::sleep(Duration::from_millis(10));
    waker.wake().unwrap();
    let (mut events, mut wakes) = (0, 0);
    while events == 0 || wakes == 0 {
        let both = kq.await_events(PATIENCE).unwrap();
        events += both.len();
        wakes += usize::from(both.is_woken());
    }
    assert_eq!((events, wakes), (1, 1));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            waker.clone().wake().unwrap();
        });
        assert!(kq.await_events(None).unwrap().is_empty());
    });
    drop(kq);
    assert_eq!(errno(waker.wake()), Some(libc::EBADF));
}

#[test]
fn debug_can_be_read() {
    let (a, mut b) = pair();
    b.write_all(b"hello").unwrap();
    let kq = Kqueue::new().unwrap();
    kq.register(&a, EventFilter::Read, ADD | EventFlags::CLEAR, Some(99_i32)).unwrap();
    let events = kq.await_events(PATIENCE).unwrap();
    let text = format!("{events:?}");
    for part in ["filter: Read", &format!("ident: {}", a.as_raw_fd()), "CLEAR", "data: 5", "udata: i32"] {
        assert!(text.contains(part), "{text} has no {part}");
    }
    assert!(format!("{kq:?}").starts_with("Kqueue { fd: "));
}

#[test]
fn a_low_water_mark() {
    let (a, mut b) = pair();
    let kq = Kqueue::new().unwrap();
    kq.register_change(Change::read(&a).low_water(5), Some("enough")).unwrap();
    b.write_all(b"1234").unwrap();
    assert!(kq.await_events(Some(Duration::from_millis(20))).unwrap().is_empty());
    b.write_all(b"5").unwrap();
    assert_eq!(next::<&str>(&kq, PATIENCE), ["enough"]);
}
