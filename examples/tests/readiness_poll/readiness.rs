//! When a descriptor is reported, for what, how often, and how long a wait takes.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Instant;

use super::*;

#[test]
fn data_makes_readable() {
    let mut fixture = Fixture::new();
    let (stream, mut peer) = pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    fixture.nothing();
    peer.write_all(b"x").unwrap();
    assert_eq!(fixture.wait(), [readable(1)]);
}

#[test]
fn data_that_was_there_before_makes_readable() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    assert_eq!(fixture.wait(), [readable(1)]);
}

#[test]
fn room_makes_writable_at_once() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = pair();
    fixture.poller.add(&stream, Interest::WRITABLE, 1).unwrap();
    assert_eq!(fixture.wait(), [writable(1)]);
}

#[test]
fn a_full_socket_is_writable_when_it_was_read() {
    let mut fixture = Fixture::new();
    let (mut stream, mut peer) = pair();
    stream.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    let bytes = [0; 4096];
    while stream.write(&bytes).is_ok() {}
    fixture.poller.add(&stream, Interest::WRITABLE, 1).unwrap();
    fixture.nothing();
    let mut bytes = [0; 4096];
    let end = loop {
        match peer.read(&mut bytes) {
            Ok(count) => assert!(count > 0),
            Err(error) => break error.kind(),
        }
    };
    assert_eq!(end, ErrorKind::WouldBlock);
    assert_eq!(fixture.wait(), [writable(1)]);
}

#[test]
fn both_directions_are_one_event() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::BOTH, 1).unwrap();
    assert_eq!(fixture.wait(), [Event::Ready { key: 1, ready: Interest::BOTH }]);
    fixture.nothing();
}

#[test]
fn an_event_of_one_direction_disarms_both() {
    let mut fixture = Fixture::new();
    let (stream, mut peer) = pair();
    fixture.poller.add(&stream, Interest::BOTH, 1).unwrap();
    assert_eq!(fixture.wait(), [writable(1)]);
    peer.write_all(b"x").unwrap();
    fixture.nothing();
    fixture.poller.modify(&stream, Interest::BOTH, 1).unwrap();
    assert_eq!(fixture.wait(), [Event::Ready { key: 1, ready: Interest::BOTH }]);
}

#[test]
fn only_what_was_asked_for_is_reported() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::WRITABLE, 1).unwrap();
    assert_eq!(fixture.wait(), [writable(1)]);
    fixture.poller.modify(&stream, Interest::READABLE, 2).unwrap();
    assert_eq!(fixture.wait(), [readable(2)]);
}

#[test]
fn a_readiness_is_reported_once() {
    let mut fixture = Fixture::new();
    let (stream, mut peer) = ready_pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    assert_eq!(fixture.wait(), [readable(1)]);
    peer.write_all(b"more").unwrap();
    fixture.nothing();
}

#[test]
fn asked_again_while_ready_it_is_reported_again() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::READABLE, 0).unwrap();
    for key in 0..5 {
        assert_eq!(fixture.wait(), [readable(key)]);
        fixture.poller.modify(&stream, Interest::READABLE, key + 1).unwrap();
    }
    take(&stream);
    fixture.nothing();
}

#[test]
fn none_is_silent_until_something_is_asked() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::NONE, 1).unwrap();
    fixture.nothing();
    fixture.poller.modify(&stream, Interest::READABLE, 2).unwrap();
    assert_eq!(fixture.wait(), [readable(2)]);
}

#[test]
fn none_takes_back_what_was_asked() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    for asked in [Interest::READABLE, Interest::WRITABLE, Interest::BOTH] {
        fixture.poller.add(&stream, asked, 1).unwrap();
        fixture.poller.modify(&stream, Interest::NONE, 1).unwrap();
        fixture.nothing();
        fixture.poller.delete(&stream).unwrap();
    }
}

#[test]
fn what_is_asked_takes_the_place_of_what_was() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    let kinds = [Interest::READABLE, Interest::WRITABLE, Interest::BOTH];
    fixture.poller.add(&stream, Interest::NONE, 0).unwrap();
    for before in kinds {
        for ready in kinds {
            fixture.poller.modify(&stream, before, 1).unwrap();
            fixture.poller.modify(&stream, ready, 2).unwrap();
            assert_eq!(fixture.wait(), [Event::Ready { key: 2, ready }], "after {before:?}");
            fixture.nothing();
        }
    }
}

#[test]
fn the_end_of_the_other_side_is_readable() {
    let mut fixture = Fixture::new();
    let (stream, peer) = pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    drop(peer);
    assert_eq!(fixture.wait(), [readable(1)]);
    assert_eq!((&stream).read(&mut [0; 1]).unwrap(), 0);
    fixture.poller.modify(&stream, Interest::READABLE, 2).unwrap();
    assert_eq!(fixture.wait(), [readable(2)]);
}

#[test]
fn the_end_comes_behind_the_data() {
    let mut fixture = Fixture::new();
    let (stream, peer) = ready_pair();
    drop(peer);
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    assert_eq!(fixture.wait(), [readable(1)]);
    take(&stream);
    fixture.poller.modify(&stream, Interest::READABLE, 1).unwrap();
    assert_eq!(fixture.wait(), [readable(1)]);
    assert_eq!((&stream).read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn the_end_of_the_other_side_is_writable() {
    let mut fixture = Fixture::new();
    let (mut stream, peer) = pair();
    drop(peer);
    fixture.poller.add(&stream, Interest::WRITABLE, 1).unwrap();
    assert_eq!(fixture.wait(), [writable(1)]);
    assert_eq!(stream.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn half_an_end_leaves_the_other_direction() {
    let mut fixture = Fixture::new();
    let (mut stream, mut peer) = pair();
    peer.shutdown(Shutdown::Write).unwrap();
    fixture.poller.add(&stream, Interest::BOTH, 1).unwrap();
    assert_eq!(fixture.wait(), [Event::Ready { key: 1, ready: Interest::BOTH }]);
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    stream.write_all(b"x").unwrap();
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 1);
}

#[test]
fn a_listener_is_readable_while_a_connection_waits() {
    let mut fixture = Fixture::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    fixture.poller.add(&listener, Interest::READABLE, 1).unwrap();
    fixture.nothing();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(fixture.wait(), [readable(1)]);
    let _server = listener.accept().unwrap();
    fixture.poller.modify(&listener, Interest::READABLE, 1).unwrap();
    fixture.nothing();
}

#[test]
fn the_ends_of_a_pipe() {
    let mut fixture = Fixture::new();
    let (reader, writer) = pipe();
    fixture.poller.add(&reader, Interest::READABLE, 1).unwrap();
    fixture.nothing();
    fixture.poller.add(&writer, Interest::WRITABLE, 2).unwrap();
    assert_eq!(fixture.wait(), [writable(2)]);
    std::fs::File::from(writer).write_all(b"x").unwrap();
    assert_eq!(fixture.wait(), [readable(1)]);
}

#[test]
fn every_one_of_many_is_reported_once() {
    let mut fixture = Fixture::new();
    let pairs: Vec<_> = (0..30).map(|_| ready_pair()).collect();
    for (key, (stream, _)) in (0..).zip(&pairs) {
        fixture.poller.add(stream, Interest::READABLE, key).unwrap();
    }
    let mut seen: HashMap<Event, u32> = HashMap::new();
    while seen.len() < pairs.len() {
        for event in fixture.wait() {
            *seen.entry(event).or_default() += 1;
        }
    }
    assert!((0..30).all(|key| seen.get(&readable(key)) == Some(&1)), "{seen:?}");
    fixture.nothing();
}

#[test]
fn what_does_not_fit_is_left_for_the_next_wait() {
    let mut fixture = Fixture::with_room_for(4);
    let pairs: Vec<_> = (0..10).map(|_| ready_pair()).collect();
    for (key, (stream, _)) in (0..).zip(&pairs) {
        fixture.poller.add(stream, Interest::READABLE, key).unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < pairs.len() {
        let events = fixture.wait();
        assert!(events.len() <= 4, "{events:?}");
        seen.extend(events);
    }
    assert!(seen.len() == 10 && (0..10).all(|key| seen.contains(&readable(key))), "{seen:?}");
    fixture.nothing();
}

#[test]
fn room_for_nothing_is_room_for_one() {
    let mut fixture = Fixture::with_room_for(0);
    let (first, second) = (ready_pair(), ready_pair());
    fixture.poller.add(&first.0, Interest::READABLE, 1).unwrap();
    fixture.poller.add(&second.0, Interest::READABLE, 2).unwrap();
    let seen = [fixture.wait(), fixture.wait()].concat();
    assert!(seen.contains(&readable(1)) && seen.contains(&readable(2)), "{seen:?}");
}

#[test]
fn what_is_always_ready_keeps_nobody_from_its_turn() {
    let mut fixture = Fixture::with_room_for(1);
    let pairs: Vec<_> = (0..3).map(|_| ready_pair()).collect();
    for (key, (stream, _)) in (0..).zip(&pairs) {
        fixture.poller.add(stream, Interest::READABLE, key).unwrap();
    }
    let mut turns = [0; 3];
    for _ in 0..30 {
        let [Event::Ready { key, .. }] = fixture.wait()[..] else { panic!("there is room for one") };
        turns[key as usize] += 1;
        fixture.poller.modify(&pairs[key as usize].0, Interest::READABLE, key).unwrap();
    }
    assert!(turns.iter().all(|count| *count >= 5), "{turns:?}");
}

#[test]
fn no_time_is_no_wait() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.look(), []);
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    assert_eq!(fixture.look(), [readable(1)]);
    assert_eq!(fixture.look(), []);
}

#[test]
fn a_wait_ends_when_its_time_is_up_and_not_before() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    for time in [Duration::from_nanos(1), Duration::from_micros(1_500), Duration::from_millis(20)] {
        let start = Instant::now();
        assert_eq!(fixture.poller.wait(&mut fixture.events, Some(time)).unwrap(), []);
        assert!(start.elapsed() >= time);
    }
}

#[test]
fn waits_without_end_and_nearly_so() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    for time in [None, Some(Duration::MAX), Some(Duration::from_secs(u64::from(u32::MAX)))] {
        assert_eq!(fixture.poller.wait(&mut fixture.events, time).unwrap(), [readable(1)]);
        fixture.poller.modify(&stream, Interest::READABLE, 1).unwrap();
    }
}

#[test]
fn the_list_of_the_last_wait_is_gone() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    assert_eq!(fixture.wait().len(), 1);
    assert_eq!(fixture.look(), []);
    fixture.poller.modify(&stream, Interest::READABLE, 2).unwrap();
    assert_eq!(fixture.wait(), [readable(2)]);
}

#[test]
fn the_poller_is_readable_while_there_is_something() {
    let mut fixture = Fixture::new();
    let (stream, mut peer) = pair();
    fixture.poller.add(&stream, Interest::READABLE, 1).unwrap();
    assert!(!shows_readable(&fixture.poller));
    peer.write_all(b"x").unwrap();
    assert!(shows_readable(&fixture.poller));
    assert_eq!(fixture.wait(), [readable(1)]);
    assert!(!shows_readable(&fixture.poller));
    fixture.poller.notify().unwrap();
    assert!(shows_readable(&fixture.poller));
}

#[test]
fn what_was_taken_back_leaves_nothing_in_the_queue() {
    let mut fixture = Fixture::new();
    let (stream, _peer) = ready_pair();
    for asked in [Interest::READABLE, Interest::WRITABLE, Interest::BOTH] {
        fixture.poller.add(&stream, asked, 1).unwrap();
        assert!(shows_readable(&fixture.poller));
        fixture.poller.modify(&stream, Interest::NONE, 1).unwrap();
        if cfg!(not(linux)) {
            // A kernel takes a disabled knote out of its queue when it comes across it.
            assert_eq!(fixture.look(), []);
        }
        assert!(!shows_readable(&fixture.poller), "{asked:?}, modified");
        fixture.poller.modify(&stream, asked, 1).unwrap();
        fixture.poller.delete(&stream).unwrap();
        assert!(!shows_readable(&fixture.poller), "{asked:?}, deleted");
    }
}
