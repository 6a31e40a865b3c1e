//! Whether a node that comes back takes addresses over, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plan::tenure::{HEARD_AFTER, Presence, SETTLED_AFTER, TOGETHER, Tenure};
use plan::world::{Failback, Links};

use crate::worlds::{VIP, advertise, edit, elect, service, world};

/// By its hash, iris2 is the owner.
#[test]
fn a_node_that_has_just_come_back_leaves_addresses_where_they_are_as_its_advertisement_says() {
    type Row<'a> = (Failback, bool, Option<&'a str>, &'a str);
    let table: [Row<'_>; 9] = [
        (Failback::Immediate, true, Some("iris1"), "iris2"),
        (Failback::Delayed, true, Some("iris1"), "iris1"),
        (Failback::Delayed, false, Some("iris1"), "iris2"),
        (Failback::Never, false, Some("iris1"), "iris1"),
        (Failback::Never, true, Some("iris1"), "iris1"),
        (Failback::Never, true, Some("iris2"), "iris2"),
        (Failback::Never, false, Some("iris9"), "iris2"),
        (Failback::Never, false, None, "iris2"),
        (Failback::Never, true, None, "iris1"),
    ];
    for (failback, returned, had, owner) in table {
        let mut world = world(&["iris1", "iris2"]);
        advertise(&mut world, |ad| ad.failback = failback);
        let returned = returned.then(|| Arc::from("iris2"));
        world.links = Arc::new(Links {
            returned: returned.into_iter().collect(),
            owners: had.map(|had| (VIP, Arc::from(had))).into_iter().collect(),
            ..Links::default()
        });
        let elected = elect(&world, &service()).owner;
        assert_eq!(elected.as_deref(), Some(owner), "{failback:?} {had:?}");
        // Nobody as good is left: it does not wait.
        edit(&mut world, owner, |node| node.unschedulable = true);
        let elected = elect(&world, &service()).owner;
        assert_ne!(elected.as_deref(), Some(owner), "{failback:?} {had:?}");
    }
}

#[test]
fn a_node_that_comes_back_this_very_moment_takes_nothing_even_where_it_would_at_once() {
    let mut world = world(&["iris1", "iris2"]);
    advertise(&mut world, |ad| ad.failback = Failback::Immediate);
    let back: BTreeSet<Arc<str>> = [Arc::from("iris2")].into();
    for (arriving, owner) in [(back.clone(), "iris1"), (BTreeSet::new(), "iris2")] {
        world.links = Arc::new(Links {
            returned: back.clone(),
            arriving,
            ..Links::default()
        });
        let elected = elect(&world, &service()).owner;
        assert_eq!(elected.as_deref(), Some(owner));
    }
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a beginning for the virtual clock"
)]
fn a_node_that_comes_back_arrives_until_all_have_heard_of_it() {
    let start = Instant::now() + Duration::from_secs(1_000);
    let back = start + TOGETHER + SETTLED_AFTER;
    let mut tenure = Tenure::default();
    let alive = |since| Presence::InService(Some(since));
    let mut arriving = |at, b| {
        let nodes = [("a", alive(start)), ("b", b)];
        let nodes = nodes.map(|(node, presence)| (Arc::from(node), presence));
        let returned = tenure.next(at, &nodes.into());
        (returned.arriving.len(), returned.until)
    };
    assert_eq!(arriving(start, alive(start)), (0, None));
    assert_eq!(arriving(back, Presence::Dead), (0, None));
    let (heard, settled) = (back + HEARD_AFTER, back + SETTLED_AFTER);
    assert_eq!(arriving(back, alive(back)), (1, Some(heard)));
    assert_eq!(arriving(heard, alive(back)), (0, Some(settled)));
    assert_eq!(arriving(settled, alive(back)), (0, None));
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a beginning for the virtual clock"
)]
fn speakers_that_heard_of_a_return_a_little_sooner_or_later_agree_soon_whenever_it_was() {
    let start = Instant::now() + Duration::from_secs(1_000);
    let differs = Duration::from_millis(3);
    let alive = |since| Presence::InService(Some(since));
    let settles = |first: Instant, came: Instant| {
        let nodes = [("a", alive(first)), ("b", alive(came))];
        let nodes = nodes.map(|(node, presence)| (Arc::from(node), presence));
        let returned = Tenure::default().next(came + HEARD_AFTER, &nodes.into());
        returned.until.unwrap_or(came + HEARD_AFTER)
    };
    for later in (0..60_000).map(Duration::from_millis) {
        let soon = settles(start, start + later);
        let late = settles(start, start + later + differs);
        let late = late.max(settles(start + differs, start + later + differs));
        assert!(soon <= late && late - soon <= differs * 2, "{later:?}");
    }
}

/// What is seen of nodes at a moment, in seconds, and which of them have returned.
type Row<'a> = (u64, &'a [(&'a str, Presence)], &'a [&'a str]);

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a beginning for the virtual clock"
)]
fn who_comes_long_after_the_others_has_returned_until_it_has_settled() {
    let start = Instant::now() + Duration::from_secs(1_000);
    let at = |seconds| start + Duration::from_secs(seconds);
    let alive = |seconds| Presence::InService(Some(at(seconds)));
    let api = Presence::InService(None);
    let (dead, out) = (Presence::Dead, Presence::Out);
    let tables: [&[Row<'_>]; 12] = [
        // All begin together.
        &[
            (0, &[("a", alive(0)), ("b", alive(3))], &[]),
            (
                11,
                &[("a", alive(0)), ("b", alive(3)), ("c", alive(10))],
                &[],
            ),
        ],
        // Not quite.
        &[
            (0, &[("a", alive(0)), ("b", alive(0))], &[]),
            (15, &[("a", alive(0)), ("b", alive(15))], &["b"]),
            (19, &[("a", alive(0)), ("b", alive(15))], &["b"]),
            (20, &[("a", alive(0)), ("b", alive(15))], &[]),
        ],
        // One dies and comes back; and again, within its time.
        &[
            (0, &[("a", alive(0)), ("b", alive(0))], &[]),
            (50, &[("a", alive(0)), ("b", dead)], &[]),
            (60, &[("a", alive(0)), ("b", alive(60))], &["b"]),
            (80, &[("a", alive(0)), ("b", alive(75))], &["b"]),
            (104, &[("a", alive(0)), ("b", alive(75))], &["b"]),
            (105, &[("a", alive(0)), ("b", alive(75))], &[]),
        ],
        // A speaker begins that sees the others a moment later than itself.
        &[
            (100, &[("a", dead), ("me", alive(100))], &[]),
            (101, &[("a", alive(0)), ("me", alive(100))], &["me"]),
        ],
        // As the API server says: the node was cordoned, its speaker was alive all the time.
        &[
            (0, &[("a", alive(0)), ("b", alive(0))], &[]),
            (40, &[("a", alive(0)), ("b", out)], &[]),
            (50, &[("a", alive(0)), ("b", alive(0))], &["b"]),
            (80, &[("a", alive(0)), ("b", alive(0))], &[]),
        ],
        // So it was here, and the node itself says when that was, which the others heard before.
        &[
            (0, &[("a", alive(0)), ("b", alive(0))], &[]),
            (40, &[("a", alive(0)), ("b", out)], &[]),
            (51, &[("a", alive(0)), ("b", alive(50))], &["b"]),
            (80, &[("a", alive(0)), ("b", alive(50))], &[]),
        ],
        // It was back long before this was heard here.
        &[
            (0, &[("a", alive(0)), ("b", alive(0))], &[]),
            (40, &[("a", alive(0)), ("b", out)], &[]),
            (48, &[("a", alive(0)), ("b", dead)], &[]),
            (56, &[("a", alive(0)), ("b", alive(50))], &["b"]),
            (80, &[("a", alive(0)), ("b", alive(50))], &[]),
        ],
        // Since when one has been alive was a guess at first.
        &[
            (40, &[("a", alive(0)), ("b", alive(40))], &["b"]),
            (41, &[("a", alive(0)), ("b", alive(1))], &[]),
        ],
        // A speaker looks before it has heard from any, itself too.
        &[
            (100, &[("a", api), ("me", api)], &[]),
            (100, &[("a", alive(0)), ("me", alive(100))], &["me"]),
            (129, &[("a", alive(0)), ("me", alive(100))], &["me"]),
            (130, &[("a", alive(0)), ("me", alive(100))], &[]),
        ],
        // Liveness is not watched.
        &[
            (0, &[("a", api)], &[]),
            (1, &[("a", api), ("b", api)], &["b"]),
            (30, &[("a", api), ("b", api)], &["b"]),
            (31, &[("a", api), ("b", api)], &[]),
        ],
        &[
            (0, &[("a", api), ("b", api)], &[]),
            (40, &[("a", api), ("b", out)], &[]),
            (50, &[("a", api), ("b", api), ("c", api)], &["b", "c"]),
            (80, &[("a", api), ("b", api), ("c", api)], &[]),
        ],
        // Nobody is left that has been there for longer.
        &[
            (0, &[("a", alive(0)), ("b", dead)], &[]),
            (50, &[("a", alive(0)), ("b", alive(50))], &["b"]),
            (51, &[("a", dead), ("b", alive(50))], &[]),
        ],
    ];
    for table in tables {
        let mut tenure = Tenure::default();
        for (seconds, nodes, expected) in table {
            let nodes = nodes
                .iter()
                .map(|(node, presence)| (Arc::from(*node), *presence));
            let nodes: BTreeMap<Arc<str>, Presence> = nodes.collect();
            let returned = tenure.next(at(*seconds), &nodes);
            let names: Vec<&str> = returned.nodes.iter().map(Arc::as_ref).collect();
            assert_eq!(names, *expected, "{seconds}: {nodes:?}");
            let until = returned.until.is_some_and(|until| until > at(*seconds));
            assert_eq!(until, !expected.is_empty(), "{seconds}: {nodes:?}");
        }
    }
    assert!(TOGETHER < SETTLED_AFTER);
}
