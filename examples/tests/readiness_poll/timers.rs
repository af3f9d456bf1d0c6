//! Timers: due, re-armed, cancelled, none and very many.

use std::thread::sleep;
use std::time::Instant;

use super::*;

const SOON: Duration = Duration::from_millis(5);
const NEVER: Duration = Duration::from_secs(86_400);
/// What a kernel that counts in ticks may be early by.
const TICK: Duration = Duration::from_millis(if cfg!(any(netbsd, openbsd, dragonfly)) { 10 } else { 0 });

#[test]
fn a_timer_is_reported_once_with_its_key() {
    let mut fixture = Fixture::new();
    fixture.poller.add_timer(9, SOON).unwrap();
    assert_eq!(fixture.wait(), [timer(9)]);
    fixture.nothing();
}

#[test]
fn a_timer_is_never_early() {
    let mut fixture = Fixture::new();
    for time in [Duration::from_nanos(1), Duration::from_micros(999), Duration::from_millis(30)] {
        let start = Instant::now();
        fixture.poller.add_timer(1, time).unwrap();
        assert_eq!(fixture.wait(), [timer(1)]);
        assert!(start.elapsed() + TICK >= time, "{:?} of {time:?}", start.elapsed());
    }
}

#[test]
fn a_timer_of_no_time_is_due() {
    let mut fixture = Fixture::new();
    fixture.poller.add_timer(1, Duration::ZERO).unwrap();
    assert_eq!(fixture.wait(), [timer(1)]);
}

#[test]
fn a_timer_of_all_time_is_silent_and_can_be_deleted() {
    let mut fixture = Fixture::new();
    for time in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(1 << 31)] {
        match fixture.poller.add_timer(1, time) {
            Err(error) => assert!(cfg!(netbsd) && error.raw_os_error() == Some(libc::EINVAL), "{error}"),
            Ok(()) => {
                fixture.nothing();
                fixture.poller.delete_timer(1).unwrap();
            }
        }
    }
}

#[test]
fn adding_a_timer_twice_is_eexist_and_leaves_the_first() {
    let mut fixture = Fixture::new();
    fixture.poller.add_timer(1, NEVER).unwrap();
    assert_eq!(errno(fixture.poller.add_timer(1, Duration::ZERO)), libc::EEXIST);
    fixture.nothing();
    fixture.poller.delete_timer(1).unwrap();
}

#[test]
fn deleting_a_timer_that_was_never_added_is_enoent() {
    let poller = Poller::new().unwrap();
    assert_eq!(errno(poller.delete_timer(1)), libc::ENOENT);
}

#[test]
fn deleting_a_timer_that_was_reported_or_deleted_is_enoent() {
    let mut fixture = Fixture::new();
    fixture.poller.add_timer(1, Duration::ZERO).unwrap();
    assert_eq!(fixture.wait(), [timer(1)]);
    assert_eq!(errno(fixture.poller.delete_timer(1)), libc::ENOENT);
    fixture.poller.add_timer(1, NEVER).unwrap();
    fixture.poller.delete_timer(1).unwrap();
    assert_eq!(errno(fixture.poller.delete_timer(1)), libc::ENOENT);
}

#[test]
fn a_cancelled_timer_is_silent() {
    let mut fixture = Fixture::new();
    fixture.poller.add_timer(1, SOON).unwrap();
    fixture.poller.delete_timer(1).unwrap();
    fixture.nothing();
}

#[test]
fn a_timer_that_is_due_can_be_cancelled_until_it_is_reported() {
    let mut fixture = Fixture::new();
    fixture.poller.add_timer(1, Duration::ZERO).unwrap();
    sleep(SOON);
    fixture.poller.delete_timer(1).unwrap();
    assert!(!shows_readable(&fixture.poller));
    fixture.nothing();
}

#[test]
fn a_timer_is_added_anew_after_its_report() {
    let mut fixture = Fixture::new();
    for _ in 0..5 {
        fixture.poller.add_timer(1, SOON).unwrap();
        assert_eq!(fixture.wait(), [timer(1)]);
    }
    fixture.nothing();
}

#[test]
fn a_timer_is_re_armed_for_sooner() {
    let mut fixture = Fixture::new();
    fixture.poller.add_timer(1, NEVER).unwrap();
    fixture.poller.delete_timer(1).unwrap();
    fixture.poller.add_timer(1, SOON).unwrap();
    assert_eq!(fixture.wait(), [timer(1)]);
    fixture.nothing();
}

#[test]
fn a_timer_is_re_armed_for_later() {
    let mut fixture = Fixture::new();
    fixture.poller.add_timer(1, Duration::ZERO).unwrap();
    sleep(SOON);
    fixture.poller.delete_timer(1).unwrap();
    fixture.poller.add_timer(1, NEVER).unwrap();
    fixture.nothing();
    fixture.poller.delete_timer(1).unwrap();
}

#[test]
fn timers_come_in_the_order_of_their_times() {
    let mut fixture = Fixture::new();
    // The times grow from one to the next, so that a pause between two of them changes nothing; and by more than a slow
    // machine's processors, each of which may have some of the timers, are late.
    fixture.poller.add_timer(0, NEVER).unwrap();
    for key in 1..=4 {
        fixture.poller.add_timer(key, Duration::from_millis(100 * key)).unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.extend(fixture.wait());
    }
    assert_eq!(seen, [timer(1), timer(2), timer(3), timer(4)]);
    fixture.poller.delete_timer(0).unwrap();
}

#[test]
fn the_keys_of_timers_and_of_descriptors_are_apart() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    fixture.poller.add_timer(1, Duration::ZERO).unwrap();
    let mut seen = fixture.wait();
    while seen.len() < 2 {
        seen.extend(fixture.wait());
    }
    assert!(seen.contains(&readable(1)) && seen.contains(&timer(1)), "{seen:?}");
    fixture.poller.add_timer(1, NEVER).unwrap();
    fixture.poller.delete(&stream).unwrap();
    fixture.poller.delete_timer(1).unwrap();
}

#[test]
fn every_key_of_a_timer_comes_back_whole() {
    let mut fixture = Fixture::new();
    // On 32-bit machines the first and the third would be one ident.
    let keys = [0, u64::from(u32::MAX), 1 << 32, 1 << 63, u64::MAX];
    for key in keys {
        fixture.poller.add_timer(key, Duration::ZERO).unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < keys.len() {
        seen.extend(fixture.wait());
    }
    assert!(keys.iter().all(|key| seen.contains(&timer(*key))), "{seen:?}");
}

#[test]
fn very_many_timers_are_reported_each_once() {
    let mut fixture = Fixture::new();
    // OpenBSD allows a process 1,024 of them.
    for key in 0..300 {
        fixture.poller.add_timer(key, Duration::from_micros(100 * (key % 7))).unwrap();
    }
    let mut seen = vec![0; 300];
    while seen.iter().sum::<u32>() < 300 {
        for event in fixture.wait() {
            let Event::Timer { key } = event else { panic!("{event:?}") };
            seen[key as usize] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count == 1), "{seen:?}");
    fixture.nothing();
}
