//! Metrics of L2 mode.

use std::collections::BTreeMap;
use std::net::IpAddr;

use l2::responder::AddressCounters;

use super::super::links::word;
use super::text::Metric;
use crate::link_io::LinkReport;

/// L2 mode at work.
pub struct Link {
    report: LinkReport,
    /// Of each address, over all interfaces.
    by_address: BTreeMap<IpAddr, AddressCounters>,
    /// Speakers that are alive, this one among them; `None` where that is not watched.
    speakers: Option<usize>,
}

/// Ours.
pub const LINK: &[Metric<Link>] = &[
    Metric::gauge(
        "herald_l2_addresses",
        "Addresses on interfaces of this node by their state: one that is claimed is answered for.",
        |link, out| {
            let mut states: BTreeMap<&str, u64> = BTreeMap::new();
            for address in &link.report.addresses {
                *states.entry(word(address.state)).or_default() += 1;
            }
            for (state, count) in states {
                out.add(&[("state", state)], count);
            }
        },
    ),
    Metric::counter(
        "herald_l2_conflicts_total",
        "Frames in which a stranger claimed an address, by address.",
        |link, out| {
            for (address, counters) in &link.by_address {
                out.add(&[("ip", &address.to_string())], counters.conflicts);
            }
        },
    ),
    Metric::counter(
        "herald_l2_frames_received_total",
        "ARP and Neighbor Discovery frames about our addresses that were read.",
        |link, out| out.add(&[], link.report.io.received),
    ),
    Metric::counter(
        "herald_l2_frames_sent_total",
        "ARP and Neighbor Discovery frames sent.",
        |link, out| out.add(&[], link.report.io.sent),
    ),
    Metric::counter(
        "herald_l2_frames_lost_total",
        "Frames that did not arrive or leave: the kernel had no room, or they were too many.",
        |link, out| {
            let (io, counters) = (link.report.io, link.report.counters);
            for (why, count) in [
                ("received", io.dropped),
                ("sent", io.unsent),
                ("suppressed", counters.suppressed),
                ("malformed", counters.malformed),
            ] {
                out.add(&[("what", why)], count);
            }
        },
    ),
    Metric::gauge(
        "herald_l2_sockets",
        "Raw sockets that are open.",
        |link, out| out.add(&[], link.report.sockets),
    ),
    Metric::gauge(
        "herald_l2_groups_missing",
        "Solicited-node groups that could not be joined: IPv6 addresses in them are not heard of.",
        |link, out| out.add(&[], link.report.io.groups_missing),
    ),
    Metric::gauge(
        "herald_live_speakers",
        "Speakers that are alive, this one among them.",
        |link, out| {
            if let Some(speakers) = link.speakers {
                out.add(&[], speakers);
            }
        },
    ),
];

/// MetalLB's, with its words.
pub const METALLB: &[Metric<Link>] = &[
    Metric::counter(
        "metallb_layer2_requests_received",
        "Number of layer2 requests received for owned IPs",
        |link, out| {
            for (address, counters) in &link.by_address {
                out.add(&[("ip", &address.to_string())], counters.requests);
            }
        },
    ),
    Metric::counter(
        "metallb_layer2_responses_sent",
        "Number of layer2 responses sent for owned IPs in response to requests",
        |link, out| {
            for (address, counters) in &link.by_address {
                out.add(&[("ip", &address.to_string())], counters.answers);
            }
        },
    ),
    Metric::counter(
        "metallb_layer2_gratuitous_sent",
        "Number of gratuitous layer2 packets sent for owned IPs as a result of failovers",
        |link, out| {
            for (address, counters) in &link.by_address {
                out.add(&[("ip", &address.to_string())], counters.announcements);
            }
        },
    ),
];

impl Link {
    /// Of what the task says of itself.
    pub fn new(report: LinkReport, speakers: Option<usize>) -> Link {
        let mut by_address: BTreeMap<IpAddr, AddressCounters> = BTreeMap::new();
        for status in &report.addresses {
            let AddressCounters {
                requests,
                answers,
                announcements,
                conflicts,
            } = status.counters;
            let sum = by_address.entry(status.address).or_default();
            sum.requests += requests;
            sum.answers += answers;
            sum.announcements += announcements;
            sum.conflicts += conflicts;
        }
        Link {
            report,
            by_address,
            speakers,
        }
    }
}
