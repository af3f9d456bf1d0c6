//! Adding, modifying and deleting descriptors; closing them, and giving their numbers out again.

use std::io::Write;
use std::os::fd::BorrowedFd;

use super::*;

#[test]
fn adding_twice_is_eexist() {
    let poller = Poller::new().unwrap();
    let (stream, _peer) = pair();
    poller.add(&stream, Interest::READABLE, 1).unwrap();
    for interest in [Interest::READABLE, Interest::WRITABLE, Interest::BOTH, Interest::NONE] {
        assert_eq!(errno(poller.add(&stream, interest, 2)), libc::EEXIST);
    }
}

#[test]
fn a_refused_second_add_leaves_the_first_as_it_was() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    assert_eq!(errno(fixture.poller.add(&stream, Interest::BOTH, 2)), libc::EEXIST);
    assert_eq!(fixture.wait(), [readable(1)]);
}

#[test]
fn what_was_reported_is_added_still() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    assert_eq!(fixture.wait(), [readable(1)]);
    assert_eq!(errno(fixture.poller.add(&stream, Interest::READABLE, 1)), libc::EEXIST);
}

#[test]
fn what_is_asked_for_nothing_is_added_still() {
    let poller = Poller::new().unwrap();
    let (stream, _peer) = pair();
    poller.add(&stream, Interest::NONE, 1).unwrap();
    assert_eq!(errno(poller.add(&stream, Interest::READABLE, 1)), libc::EEXIST);
    poller.delete(&stream).unwrap();
}

#[test]
fn modifying_what_was_never_added_is_enoent() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    assert_eq!(errno(fixture.poller.modify(&stream, Interest::BOTH, 1)), libc::ENOENT);
    fixture.nothing();
}

#[test]
fn deleting_what_was_never_added_is_enoent() {
    let poller = Poller::new().unwrap();
    let (stream, _peer) = pair();
    assert_eq!(errno(poller.delete(&stream)), libc::ENOENT);
}

#[test]
fn deleting_twice_and_modifying_the_deleted_are_enoent() {
    let poller = Poller::new().unwrap();
    let (stream, _peer) = pair();
    poller.add(&stream, Interest::BOTH, 1).unwrap();
    poller.delete(&stream).unwrap();
    assert_eq!(errno(poller.delete(&stream)), libc::ENOENT);
    assert_eq!(errno(poller.modify(&stream, Interest::READABLE, 1)), libc::ENOENT);
}

#[test]
fn a_deleted_descriptor_is_silent() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::BOTH, 1).unwrap();
    fixture.poller.delete(&stream).unwrap();
    fixture.nothing();
}

#[test]
fn a_deleted_descriptor_is_added_anew() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    for key in 1..=3 {
        fixture.poller.add(&stream, Interest::READABLE, key).unwrap();
        assert_eq!(fixture.wait(), [readable(key)]);
        fixture.poller.delete(&stream).unwrap();
    }
}

#[test]
fn a_closed_descriptor_is_silent() {
    let mut fixture = Fixture::new();
    let (stream, mut peer) = ready_pair();
    let added = far_dup(&stream);
    drop(stream);
    fixture.poller.add(&added, Interest::READABLE, 1).unwrap();
    drop(added);
    assert!(peer.write(b"more").is_err());
    fixture.nothing();
}

#[test]
fn a_reused_number_is_added_without_error() {
    let mut fixture = Fixture::new();
    let (old, _old_peer) = pair();
    let (new, _new_peer) = ready_pair();
    fixture.poller.add(&old, Interest::BOTH, 1).unwrap();
    let reused = reuse(old, new);
    fixture.poller.add(&reused, Interest::READABLE, 2).unwrap();
    assert_eq!(fixture.wait(), [readable(2)]);
}

#[test]
fn a_reused_number_is_no_ghost_of_the_old_file() {
    let mut fixture = Fixture::new();
    // The old file is ready when it goes, and the new one is ready too, but nobody added it.
    let (old, _old_peer) = ready_pair();
    let (new, _new_peer) = ready_pair();
    fixture.poller.add(&old, Interest::BOTH, 1).unwrap();
    let _reused = reuse(old, new);
    fixture.nothing();
}

#[test]
fn the_old_key_does_not_come_with_the_reused_number() {
    let mut fixture = Fixture::new();
    let (old, _old_peer) = ready_pair();
    let (new, new_peer) = pair();
    fixture.poller.add(&old, Interest::BOTH, 1).unwrap();
    let reused = reuse(old, new);
    fixture.poller.add(&reused, Interest::READABLE, 2).unwrap();
    fixture.nothing();
    (&new_peer).write_all(b"x").unwrap();
    assert_eq!(fixture.wait(), [readable(2)]);
}

#[test]
fn modifying_a_reused_number_is_enoent() {
    let mut fixture = Fixture::new();
    let (old, _old_peer) = pair();
    let (new, _new_peer) = ready_pair();
    fixture.poller.add(&old, Interest::READABLE, 1).unwrap();
    let reused = reuse(old, new);
    assert_eq!(errno(fixture.poller.modify(&reused, Interest::READABLE, 2)), libc::ENOENT);
    fixture.nothing();
}

#[test]
fn deleting_a_reused_number_is_enoent() {
    let poller = Poller::new().unwrap();
    let (old, _old_peer) = pair();
    let (new, _new_peer) = pair();
    poller.add(&old, Interest::READABLE, 1).unwrap();
    let reused = reuse(old, new);
    assert_eq!(errno(poller.delete(&reused)), libc::ENOENT);
}

#[test]
fn a_number_is_reused_after_its_event() {
    let mut fixture = Fixture::new();
    let (old, _old_peer) = ready_pair();
    let (new, _new_peer) = ready_pair();
    fixture.poller.add(&old, Interest::READABLE, 1).unwrap();
    assert_eq!(fixture.wait(), [readable(1)]);
    let reused = reuse(old, new);
    fixture.poller.add(&reused, Interest::READABLE, 2).unwrap();
    assert_eq!(fixture.wait(), [readable(2)]);
}

#[test]
fn a_number_is_reused_again_and_again() {
    let mut fixture = Fixture::new();
    let (mut stream, mut peer) = ready_pair();
    for key in 0..200 {
        let interest = [Interest::READABLE, Interest::NONE, Interest::BOTH, Interest::WRITABLE][key as usize % 4];
        fixture.poller.add(&stream, interest, key).unwrap();
        let seen = fixture.look();
        let wanted = if interest == Interest::NONE { vec![] } else { vec![Event::Ready { key, ready: interest }] };
        assert_eq!(seen, wanted);
        let (new, new_peer) = ready_pair();
        stream = reuse(stream, new);
        peer = new_peer;
    }
    drop(peer);
}

#[test]
fn a_duplicate_is_a_registration_of_its_own() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    let duplicate = stream.try_clone().unwrap();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    assert_eq!(errno(fixture.poller.modify(&duplicate, Interest::READABLE, 2)), libc::ENOENT);
    fixture.poller.add(&duplicate, Interest::READABLE, 2).unwrap();
    let mut seen = fixture.wait();
    while seen.len() < 2 {
        seen.extend(fixture.wait());
    }
    assert!(seen.len() == 2 && seen.contains(&readable(1)) && seen.contains(&readable(2)), "{seen:?}");
}

#[test]
fn closing_the_added_one_is_its_end_though_a_duplicate_lives() {
    let mut fixture = Fixture::new();
    let (stream, mut peer) = pair();
    let added = far_dup(&stream);
    fixture.poller.add(&added, Interest::READABLE, 1).unwrap();
    drop(added);
    peer.write_all(b"x").unwrap();
    fixture.nothing();
    fixture.poller.add(&stream, Interest::READABLE, 2).unwrap();
    assert_eq!(fixture.wait(), [readable(2)]);
}

#[test]
fn closing_a_duplicate_leaves_the_added_one() {
    let mut fixture = Fixture::new();
    let (stream, mut peer) = pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    drop(far_dup(&stream));
    peer.write_all(b"x").unwrap();
    assert_eq!(fixture.wait(), [readable(1)]);
    fixture.poller.delete(&stream).unwrap();
}

#[test]
fn a_number_that_no_descriptor_has_is_not_added() {
    let poller = Poller::new().unwrap();
    // SAFETY: what is borrowed is a number that no descriptor has, and nothing is done with it but what is tested here.
    let nobody = unsafe { BorrowedFd::borrow_raw(1_000_000) };
    assert_eq!(errno(poller.add(&nobody, Interest::READABLE, 1)), libc::EBADF);
    assert_eq!(errno(poller.modify(&nobody, Interest::READABLE, 1)), libc::ENOENT);
    assert_eq!(errno(poller.delete(&nobody)), libc::ENOENT);
}

#[test]
fn what_is_refused_is_not_added() {
    let mut fixture = Fixture::new();
    let (reader, writer) = pipe();
    drop(reader);
    match fixture.poller.add(&writer, Interest::BOTH, 1) {
        // Most kernels refuse to watch a pipe that nobody reads.
        Err(_) => {
            assert!(!shows_readable(&fixture.poller));
            assert_eq!(errno(fixture.poller.modify(&writer, Interest::NONE, 1)), libc::ENOENT);
            fixture.nothing();
        }
        Ok(()) => assert!(matches!(fixture.wait()[..], [Event::Ready { key: 1, .. }])),
    }
}

#[test]
fn every_key_comes_back_whole() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::NONE, 0).unwrap();
    for key in [0, 1, u64::from(u32::MAX), 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX] {
        fixture.poller.modify(&stream, Interest::READABLE, key).unwrap();
        assert_eq!(fixture.wait(), [readable(key)]);
    }
}

#[test]
fn several_descriptors_have_the_same_key() {
    let mut fixture = Fixture::new();
    let pairs: Vec<_> = (0..3).map(|_| ready_pair()).collect();
    for (stream, _) in &pairs {
        fixture.poller.add(stream, Interest::READABLE, 7).unwrap();
    }
    let mut seen = fixture.wait();
    while seen.len() < pairs.len() {
        seen.extend(fixture.wait());
    }
    assert_eq!(seen, [readable(7); 3]);
    fixture.poller.delete(&pairs[0].0).unwrap();
    assert_eq!(errno(fixture.poller.add(&pairs[1].0, Interest::NONE, 7)), libc::EEXIST);
}

#[test]
fn two_pollers_watch_one_descriptor() {
    let (mut first, mut second) = (Fixture::new(), Fixture::new());
    let (stream, _peer) = ready_pair();
    first.poller.add(&stream, Interest::READABLE, 1).unwrap();
    second.poller.add(&stream, Interest::READABLE, 2).unwrap();
    assert_eq!((first.wait(), second.wait()), (vec![readable(1)], vec![readable(2)]));
    first.poller.delete(&stream).unwrap();
    second.poller.modify(&stream, Interest::READABLE, 3).unwrap();
    assert_eq!(second.wait(), [readable(3)]);
}

#[test]
fn dropping_the_poller_closes_nothing() {
    let poller = Poller::new().unwrap();
    let (stream, mut peer) = pair();
    poller.add(&stream, Interest::BOTH, 1).unwrap();
    poller.add_timer(1, LIMIT).unwrap();
    drop(poller);
    peer.write_all(b"x").unwrap();
    take(&stream);
    let mut fixture = Fixture::new();
    fixture.poller.add(&stream, Interest::BOTH, 2).unwrap();
    assert_eq!(fixture.wait(), [writable(2)]);
}
