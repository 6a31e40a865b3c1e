//! Before the first claim (RFC 5227 §2.1, RFC 4862 §5.4).

use l2::responder::{AddressState, Config, Fence, Probing};

use crate::common::frames::{announcement, claim, our_probe, probe, question};
use crate::common::{ETH1, Node, SPEAKER, STRANGER, VIPS, eth, first_ever, taken_over};

#[test]
fn a_first_claim_is_probed_three_times_and_announced_within_a_second() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        node.run(1_000);
        let probes = vec![our_probe(vip); 3];
        assert_eq!(node.sent(), [probes, announcement(vip)].concat());
        assert_eq!(
            node.states(),
            [AddressState::Probing, AddressState::Claimed]
        );
    }
}

#[test]
fn the_times_of_rfc_5227_can_be_had() {
    for vip in VIPS {
        let probing = Probing::RFC_5227;
        let mut node = Node::with(Config {
            probing,
            ..Config::default()
        });
        node.addresses(&[(vip, first_ever())]);
        node.run(7_000);
        let times: Vec<u64> = node.sent_when().iter().map(|(at, ..)| *at).collect();
        assert!(times[0] <= 1_000);
        assert!((1_000..=2_001).contains(&(times[1] - times[0])));
        assert!((1_000..=2_001).contains(&(times[2] - times[1])));
        assert!(
            (2_000..=2_001).contains(&(times[3] - times[2])),
            "{times:?}"
        );
    }
}

#[test]
fn a_request_is_not_answered_while_the_address_is_probed() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        node.hear(&question(vip));
        node.run(500);
        node.hear(&question(vip));
        assert!(node.sent().iter().all(|said| *said == our_probe(vip)));
    }
}

#[test]
fn a_takeover_does_not_wait() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, taken_over())]);
        node.hear(&question(vip));
        assert_eq!(node.sent().len(), announcement(vip).len() + 1);
        assert_eq!(node.states(), [AddressState::Claimed]);
    }
}

#[test]
fn an_address_that_turns_out_to_be_taken_over_is_probed_no_longer() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        node.addresses(&[(vip, taken_over())]);
        assert_eq!(node.state(vip), Some(AddressState::Claimed));
    }
}

#[test]
fn a_stranger_that_has_the_address_puts_it_in_quarantine_with_its_mac() {
    for vip in VIPS {
        for frame in [claim(STRANGER, vip), probe(STRANGER, vip)] {
            let mut node = Node::new();
            node.addresses(&[(vip, first_ever())]);
            node.run(150);
            node.hear(&frame);
            node.sent();
            node.hear(&question(vip));
            node.run(7_000);
            assert_eq!(node.sent(), [""; 0], "it is silent");
            let by = STRANGER;
            let states = [AddressState::Probing, AddressState::Quarantined { by }];
            assert_eq!(node.states(), states);
        }
    }
}

#[test]
fn a_quarantine_ends_with_new_probes_and_each_is_longer_up_to_five_minutes() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        for expected in [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000] {
            node.hear(&claim(STRANGER, vip));
            let end = node.responder.poll_timeout().expect("it ends");
            let wait = (end - node.now).as_millis();
            assert!((expected * 3 / 4..=expected).contains(&wait), "{wait}");
            node.run(wait as u64 + 1);
            assert_eq!(node.state(vip), Some(AddressState::Probing));
        }
        node.run(1_000);
        assert_eq!(
            node.state(vip),
            Some(AddressState::Claimed),
            "the stranger has gone"
        );
    }
}

#[test]
fn a_conflict_on_one_interface_is_none_on_another() {
    for vip in VIPS {
        let mut node = Node::new();
        node.interfaces(&[eth(2), eth(ETH1)]);
        node.addresses(&[(vip, first_ever())]);
        node.hear_on(ETH1, None, &claim(STRANGER, vip));
        node.run(1_000);
        let state = |index| {
            node.responder
                .state(index, vip.parse().expect("an address"))
        };
        assert_eq!(state(2), Some(AddressState::Claimed));
        let by = STRANGER;
        assert_eq!(state(ETH1), Some(AddressState::Quarantined { by }));
    }
}

#[test]
fn another_of_our_speakers_is_no_stranger_to_a_probe() {
    for vip in VIPS {
        let mut node = Node::new();
        node.speakers(&[SPEAKER]);
        node.addresses(&[(vip, first_ever())]);
        node.hear(&claim(SPEAKER, vip));
        node.hear(&probe(SPEAKER, vip));
        node.run(1_000);
        assert_eq!(
            node.states(),
            [AddressState::Probing, AddressState::Claimed]
        );
    }
}

#[test]
fn a_stranger_that_turns_out_to_be_a_speaker_ends_the_quarantine() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        node.hear(&claim(SPEAKER, vip));
        node.speakers(&[SPEAKER]);
        node.run(1_000);
        assert_eq!(node.state(vip), Some(AddressState::Claimed));
    }
}

#[test]
fn our_own_probe_that_comes_back_is_no_conflict() {
    for vip in VIPS {
        let mut node = Node::new();
        node.interfaces(&[eth(2), eth(ETH1)]);
        node.addresses(&[(vip, first_ever())]);
        for mac in [eth(2).mac, eth(ETH1).mac] {
            node.hear(&probe(mac, vip));
            node.hear(&claim(mac, vip));
        }
        assert_eq!(node.state(vip), Some(AddressState::Probing));
    }
}

#[test]
fn an_address_that_was_in_quarantine_is_probed_to_the_end_whatever_the_set_says_again() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, taken_over())]);
        node.hear(&claim(STRANGER, vip));
        node.run(2_000);
        node.hear(&claim(STRANGER, vip));
        let end = node.responder.poll_timeout().expect("it ends");
        node.run((end - node.now).as_millis() as u64 + 1);
        node.addresses(&[(vip, taken_over())]);
        assert_eq!(node.state(vip), Some(AddressState::Probing));
    }
}

#[test]
fn a_quarantine_after_ten_calm_minutes_is_a_first_one() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        for _ in 0..3 {
            node.hear(&claim(STRANGER, vip));
            assert_eq!(
                node.state(vip),
                Some(AddressState::Quarantined { by: STRANGER })
            );
            let end = node.responder.poll_timeout().expect("it ends");
            assert!((end - node.now).as_secs() <= 10);
            node.fence(Fence::Closed);
            node.run(600_000);
            node.fence(Fence::Open);
            node.run(1);
        }
    }
}

#[test]
fn the_stranger_that_was_heard_last_is_named() {
    for vip in VIPS {
        let mut node = Node::new();
        node.addresses(&[(vip, first_ever())]);
        node.hear(&claim(STRANGER, vip));
        node.hear(&claim(SPEAKER, vip));
        assert_eq!(
            node.state(vip),
            Some(AddressState::Quarantined { by: SPEAKER })
        );
        node.speakers(&[SPEAKER]);
        node.run(1);
        assert_eq!(
            node.state(vip),
            Some(AddressState::Probing),
            "a speaker is no stranger"
        );
        node.hear(&claim(STRANGER, vip));
        let end = node.responder.poll_timeout().expect("it ends");
        assert!(
            (end - node.now).as_secs() <= 10,
            "the first one does not count"
        );
    }
}

#[test]
fn without_probes_an_address_is_claimed_and_nobody_is_asked() {
    for vip in VIPS {
        let probing = Probing {
            num: 0,
            ..Probing::FAST
        };
        let mut node = Node::with(Config {
            probing,
            ..Config::default()
        });
        node.addresses(&[(vip, first_ever())]);
        node.run(100);
        assert_eq!(node.sent(), announcement(vip));
        assert_eq!(node.state(vip), Some(AddressState::Claimed));
    }
}
