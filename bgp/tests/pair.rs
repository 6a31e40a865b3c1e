//! Whole sessions between two peers: from the first SYN to every way a session ends.

mod common;

use std::time::Duration;

use bgp::fsm::StateName;
use bgp::peer::{Direction, DownReason, StopReason};
use bgp::{Event, HoldTime, Notification};
use common::{Pair, config, external, internal, many, routes};

#[test]
fn a_session_comes_up_at_once_and_routes_flow_both_ways() {
    let mut pair = Pair::new(external());
    pair.set_routes(0, routes(&[("10.1.0.1/32", 7)]));
    pair.set_routes(1, routes(&[("10.2.0.0/24", 8)]));
    pair.run_secs(1);
    pair.assert_established();
    assert!(pair.received_by(1).contains_key("10.1.0.1/32"));
    assert!(pair.received_by(0).contains_key("10.2.0.0/24"));
}

#[test]
fn it_does_not_matter_how_the_stream_is_cut() {
    for chunk in [1, 2, 3, 7, 18, 19, 20, 23, 64, 1000] {
        let mut pair = Pair::new(external());
        pair.chunk = chunk;
        pair.set_routes(0, many(1000));
        pair.run_secs(5);
        pair.assert_established();
        assert_eq!(pair.received_by(1).len(), 1000, "{chunk} octets at a time");
    }
}

#[test]
fn when_both_connect_the_connection_of_the_higher_identifier_stays() {
    for (latency, numbers) in [(0, [1, 2]), (10, [1, 2]), (10, [2, 1]), (200, [1, 2])] {
        let [a, b] = numbers;
        let mut pair = Pair::new([config(65001, 65002, a), config(65002, 65001, b)]);
        pair.latency = Duration::from_millis(latency);
        pair.set_routes(0, many(10));
        pair.set_routes(1, many(10));
        pair.run_secs(10);
        pair.assert_established();
        let outgoing = usize::from(b > a);
        let connection = pair.sides[outgoing].peer.status(pair.now).connection;
        let direction = connection.map(|connection| connection.direction);
        assert_eq!(
            direction,
            Some(Direction::Outgoing),
            "{latency} {numbers:?}"
        );
        for side in &pair.sides {
            assert_eq!(side.downs, []);
            assert_eq!(side.peer.connections().count(), 1);
        }
    }
}

#[test]
fn a_passive_peer_waits_and_is_found() {
    let mut configs = external();
    configs[1].passive = true;
    let mut pair = Pair::new(configs);
    pair.run_secs(1);
    pair.assert_established();
    assert!(pair.sides[1].connects.is_empty());
}

#[test]
fn two_passive_peers_wait_for_ever() {
    let mut configs = external();
    configs[0].passive = true;
    configs[1].passive = true;
    let mut pair = Pair::new(configs);
    pair.run_secs(1000);
    assert_eq!(pair.state(0), StateName::Active);
    assert_eq!(pair.sides[0].peer.poll_timeout(), None);
}

#[test]
fn a_peer_that_does_not_listen_is_asked_ever_more_rarely() {
    let mut pair = Pair::idle(external(), common::now());
    pair.sides[0].listens = false;
    pair.sides[1].listens = false;
    pair.event(0, Event::Start);
    pair.run_secs(600);
    let connects = pair.sides[0].connects.len();
    assert!((10..=18).contains(&connects), "{connects} in ten minutes");
    pair.event(1, Event::Start);
    pair.sides[1].listens = true;
    pair.run_secs(120);
    pair.assert_established();
}

#[test]
fn a_wrong_as_is_told_to_both_and_makes_no_tight_loop() {
    let mut pair = Pair::new([config(65001, 65009, 1), config(65002, 65001, 2)]);
    pair.run_secs(5);
    let refused = DownReason::Sent(Notification::BAD_PEER_AS);
    assert!(pair.sides[0].downs.contains(&refused));
    let told = DownReason::Received(Notification::BAD_PEER_AS);
    assert!(pair.sides[1].downs.contains(&told));
    pair.run_secs(595);
    for side in &pair.sides {
        let connects = side.connects.len();
        assert!((5..=60).contains(&connects), "{connects} in ten minutes");
        assert!(side.ups.is_empty());
    }
}

#[test]
fn a_silent_peer_is_down_after_the_hold_time() {
    let mut configs = external();
    configs[0].hold_time = HoldTime::new(9).expect("allowed");
    let mut pair = Pair::new(configs);
    pair.run_secs(1);
    pair.sides[1].reaches = false;
    pair.run_secs(10);
    let expired = DownReason::Sent(Notification::HOLD_TIMER_EXPIRED);
    assert_eq!(pair.sides[0].downs.first(), Some(&expired));
}

#[test]
fn keepalives_hold_a_session_with_nothing_to_say() {
    let mut configs = external();
    configs[0].hold_time = HoldTime::new(3).expect("allowed");
    let mut pair = Pair::new(configs);
    pair.run_secs(3600);
    pair.assert_established();
    assert_eq!(pair.sides[1].ups.len(), 1);
}

#[test]
fn a_hold_time_of_zero_means_no_timers_at_all() {
    let mut configs = external();
    configs[1].hold_time = HoldTime::DISABLED;
    let mut pair = Pair::new(configs);
    pair.run_secs(1);
    pair.assert_established();
    assert_eq!(pair.sides[0].peer.poll_timeout(), None);
}

#[test]
fn a_peer_that_never_reads_is_dropped_after_the_send_hold_time() {
    let mut configs = external();
    configs[0].send_hold_time = Some(Duration::from_secs(30));
    let mut pair = Pair::new(configs);
    pair.run_secs(1);
    let conn = pair.sides[0].peer.connections().next().expect("a session");
    pair.sides[0].writable = false;
    pair.set_routes(0, many(1));
    let mut stuck = bytes::BytesMut::new();
    assert!(pair.sides[0].peer.poll_transmit(pair.now, conn, &mut stuck));
    pair.run_secs(29);
    pair.assert_established();
    pair.run_secs(2);
    let expired = DownReason::Sent(Notification::SEND_HOLD_TIMER_EXPIRED);
    assert_eq!(pair.sides[0].downs.first(), Some(&expired));
}

#[test]
fn a_shutdown_says_why_and_stays_down() {
    let mut pair = Pair::new(external());
    pair.run_secs(1);
    let reason = StopReason::AdministrativeShutdown("moving to rack 7".to_owned());
    pair.event(0, Event::Stop(reason));
    pair.run_secs(1);
    let Some(DownReason::Received(received)) = pair.sides[1].downs.first() else {
        panic!("{:?}", pair.sides[1].downs);
    };
    assert!(received.is_same_error(&Notification::ADMINISTRATIVE_SHUTDOWN));
    assert_eq!(
        received.communication().as_deref(),
        Some("moving to rack 7")
    );
    pair.run_secs(600);
    assert_eq!(pair.state(0), StateName::Idle);
    pair.event(0, Event::Start);
    pair.run_secs(130);
    pair.assert_established();
}

#[test]
fn a_reset_comes_back_by_itself() {
    let mut pair = Pair::new(external());
    pair.run_secs(120);
    let reason = StopReason::AdministrativeReset(String::new());
    pair.event(0, Event::Stop(reason));
    pair.run_secs(2);
    pair.assert_established();
    assert_eq!(pair.sides[0].ups.len(), 2);
}

#[test]
fn every_other_cease_names_its_subcode() {
    let rows = [
        (
            Event::Stop(StopReason::PeerDeconfigured),
            Notification::PEER_DECONFIGURED,
        ),
        (
            Event::Stop(StopReason::OtherConfigurationChange),
            Notification::OTHER_CONFIGURATION_CHANGE,
        ),
        (Event::BfdDown, Notification::BFD_DOWN),
    ];
    for (event, expected) in rows {
        let mut pair = Pair::new(external());
        pair.run_secs(1);
        pair.event(0, event);
        pair.run(Duration::from_millis(50));
        assert_eq!(pair.sides[1].downs, [DownReason::Received(expected)]);
    }
}

#[test]
fn a_restart_says_nothing_and_the_next_open_has_the_r_bit() {
    let mut configs = external();
    configs[0].graceful_restart_time = Some(120);
    configs[1].graceful_restart_time = Some(120);
    let mut pair = Pair::new(configs.clone());
    pair.run_secs(1);
    pair.event(0, Event::Stop(StopReason::Restart));
    pair.run(Duration::from_millis(50));
    assert!(matches!(pair.sides[1].downs[..], [DownReason::Tcp(_)]));
    configs[0].restarting = true;
    let mut after = Pair::new(configs);
    after.run_secs(1);
    let seen = after.sides[1].ups[0]
        .peer_graceful_restart
        .clone()
        .expect("announced");
    assert!(seen.restart_state && seen.notification);
    assert_eq!(seen.restart_time, 120);
    after.cut();
    after.run_secs(5);
    let seen = after.sides[1].ups[1]
        .peer_graceful_restart
        .clone()
        .expect("announced");
    assert!(!seen.restart_state);
}

#[test]
fn a_lost_connection_is_made_again() {
    let mut pair = Pair::new(external());
    pair.set_routes(0, many(3));
    pair.run_secs(120);
    pair.cut();
    pair.run_secs(2);
    pair.assert_established();
    assert_eq!(pair.received_by(1).len(), 3);
}

#[test]
fn a_peer_over_its_prefix_limit_is_cut_off() {
    let mut configs = external();
    configs[0].max_prefixes = Some(5);
    let mut pair = Pair::new(configs);
    pair.set_routes(1, many(5));
    pair.run_secs(1);
    pair.assert_established();
    pair.set_routes(1, many(6));
    pair.run(Duration::from_millis(50));
    let Some(DownReason::Received(received)) = pair.sides[1].downs.first() else {
        panic!("{:?}", pair.sides[1].downs);
    };
    assert!(received.is_same_error(&Notification::MAXIMUM_PREFIXES_REACHED));
    assert_eq!(received.data, [0, 1, 1, 0, 0, 0, 5]);
}

#[test]
fn wide_as_numbers_survive_internal_and_external_sessions() {
    for (ours, theirs) in [
        (65001, 4_200_000_000),
        (4_200_000_000, 65001),
        (70_000, 70_000),
    ] {
        let mut pair = Pair::new([config(ours, theirs, 1), config(theirs, ours, 2)]);
        pair.set_routes(0, many(1));
        pair.run_secs(1);
        pair.assert_established();
        let path: Vec<u32> = pair
            .received_by(1)
            .values()
            .next()
            .map_or_else(Vec::new, |route| {
                route.as_path.iter().map(|asn| asn.get()).collect()
            });
        let expected = if ours == theirs { vec![] } else { vec![ours] };
        assert_eq!(path, expected);
    }
}

#[test]
fn internal_routes_have_local_pref_and_external_ones_do_not() {
    for (configs, expected) in [(internal(), Some(100)), (external(), None)] {
        let mut pair = Pair::new(configs);
        pair.set_routes(0, many(1));
        pair.run_secs(1);
        let route = pair.received_by(1).into_values().next().expect("a route");
        assert_eq!(route.local_pref, expected);
        assert_eq!(route.next_hop, Some(pair.sides[0].address.ip()));
    }
}

#[test]
fn a_slow_peer_gets_the_last_set_and_none_in_between() {
    let mut pair = Pair::new(external());
    pair.set_routes(0, many(2));
    pair.run_secs(1);
    pair.sides[0].writable = false;
    for count in [500, 20, 3000, 1] {
        pair.set_routes(0, many(count));
    }
    pair.run_secs(5);
    let before = pair.sides[0].peer.status(pair.now).counters.sent.update;
    pair.sides[0].writable = true;
    pair.run_secs(1);
    assert_eq!(pair.received_by(1).len(), 1);
    let after = pair.sides[0].peer.status(pair.now).counters.sent.update;
    assert_eq!(after - before, 1, "one withdrawal");
}

#[test]
fn a_refresh_brings_every_route_again() {
    let mut pair = Pair::new(external());
    pair.set_routes(0, many(10));
    pair.run_secs(1);
    let counters = |pair: &Pair, side: usize| pair.sides[side].peer.status(pair.now).counters;
    let before = counters(&pair, 1).received;
    pair.event(1, Event::RequestRefresh(bgp::Family::Ipv4Unicast));
    pair.run_secs(1);
    let after = counters(&pair, 1).received;
    assert_eq!(after.update - before.update, 1, "ten routes in one UPDATE");
    assert_eq!(after.route_refresh, 2, "BoRR and EoRR");
    pair.assert_established();
}

#[test]
fn a_restarted_peer_replaces_its_dead_session_at_once() {
    let mut configs = external();
    configs[0].passive = true;
    configs[0].graceful_restart_time = Some(120);
    configs[1].graceful_restart_time = Some(120);
    let mut pair = Pair::new(configs.clone());
    pair.run_secs(1);
    pair.replace(1, configs[1].clone());
    pair.run_secs(1);
    pair.assert_established();
    assert_eq!(pair.sides[0].ups.len(), 2);
}

#[test]
fn a_second_connection_beside_a_session_is_refused() {
    let mut configs = external();
    configs[0].passive = true;
    let mut pair = Pair::new(configs.clone());
    pair.run_secs(1);
    pair.replace(1, configs[1].clone());
    pair.run(Duration::from_millis(20));
    let refused = DownReason::Received(Notification::CONNECTION_REJECTED);
    assert_eq!(pair.sides[1].downs, [refused]);
    pair.run_secs(240);
    pair.assert_established();
}
