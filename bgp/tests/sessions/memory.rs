//! What a peer holds does not grow with what has come and gone.
//!
//! Everything that a peer owns is in its `Debug` form, so the length of that stands for memory.

use std::sync::Arc;

use bgp::{RouteAttributes, RouteSet};

use crate::common::{Pair, asn, external, many};

/// Sets of attributes at a time, and changes.
const AT_A_TIME: u32 = 10;
const CHANGES: u32 = 600;

#[test]
fn attributes_that_come_and_go_leave_nothing_behind() {
    let mut pair = Pair::new(external());
    pair.run_secs(1);
    let largest = over_the_changes(&mut pair, |_, _| {});
    assert_bounded(largest);
    pair.run_secs(1);
    assert_eq!(pair.received_by(1).len(), AT_A_TIME as usize);
}

#[test]
fn nor_do_they_while_the_peer_does_not_read() {
    let mut pair = Pair::new(external());
    pair.run_secs(1);
    pair.sides[0].writable = false;
    let largest = over_the_changes(&mut pair, |_, _| {});
    assert_bounded(largest);
    pair.sides[0].writable = true;
    pair.run_secs(1);
    assert_eq!(pair.received_by(1).len(), AT_A_TIME as usize);
}

#[test]
fn nor_do_they_while_the_peer_reads_now_and_then() {
    let mut pair = Pair::new(external());
    pair.run_secs(1);
    let largest = over_the_changes(&mut pair, |pair, change| {
        pair.sides[0].writable = change % 7 == 0;
        pair.pump();
    });
    assert_bounded(largest);
    pair.sides[0].writable = true;
    pair.run_secs(1);
    assert_eq!(pair.received_by(1).len(), AT_A_TIME as usize);
}

#[test]
fn without_a_route_a_peer_that_had_many_is_as_small_as_at_first() {
    let mut pair = Pair::new(external());
    pair.set_routes(0, RouteSet::default());
    pair.run_secs(1);
    let empty = footprint(&pair);
    pair.set_routes(0, many(5_000));
    pair.run_secs(1);
    assert!(footprint(&pair) > 20 * empty);
    pair.set_routes(0, RouteSet::default());
    pair.run_secs(1);
    assert!(footprint(&pair) < empty + empty / 2, "{empty}");
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let mut pair = Pair::new(external());
    let mut largest = [0; 2];
    for change in 0..CHANGES {
        pair.run_secs(60);
        pair.cut();
        let late = usize::from(change >= CHANGES / 2);
        largest[late] = footprint(&pair).max(largest[late]);
    }
    assert_bounded(largest);
    assert!(pair.sides[0].ups.len() > 100);
}

/// The largest footprint in the first half of the changes and in the second. Every change has
/// attributes that were never there before.
fn over_the_changes(pair: &mut Pair, mut then: impl FnMut(&mut Pair, u32)) -> [usize; 2] {
    let mut largest = [0; 2];
    for change in 0..CHANGES {
        pair.set_routes(0, distinct(change));
        pair.run(std::time::Duration::from_millis(5));
        then(pair, change);
        let late = usize::from(change >= CHANGES / 2);
        largest[late] = footprint(pair).max(largest[late]);
    }
    largest
}

/// Numbers get longer with time, nothing else does.
#[track_caller]
fn assert_bounded([early, late]: [usize; 2]) {
    assert!(late < early + early / 10, "{early} octets, later {late}");
}

fn footprint(pair: &Pair) -> usize {
    format!("{:?}", pair.sides[0].peer).len()
}

/// Routes each with attributes of its own.
fn distinct(change: u32) -> RouteSet {
    let route = |index: u32| {
        let attributes = RouteAttributes {
            med: Some(1_000_000 + change * AT_A_TIME + index),
            as_path: vec![asn(4_200_000_000 + index)],
            ..RouteAttributes::default()
        };
        let prefix = format!("10.1.{index}.0/24").parse().expect("a prefix");
        (prefix, Arc::new(attributes))
    };
    (0..AT_A_TIME).map(route).collect()
}
