//! Vectors that get another verdict than their source states, by name and with the reason.
//!
//! Each is checked too: against the verdict that is right here. A row that is not listed gets the
//! verdict of its source, and one that is listed does not, so that the list cannot go stale.

use crate::verdict::Verdict::{self, Discard, Ok, Reset, Withdraw};

/// Vectors that differ from their source for one reason.
pub struct Departure {
    /// Why.
    pub reason: &'static str,
    /// What they get instead; `None` where there is nothing to decode.
    pub verdict: Option<Verdict>,
    /// How many there are.
    pub count: usize,
    /// One a line: number in the file, name.
    pub rows: &'static str,
}

impl Departure {
    /// Number and name of each vector.
    pub fn rows(&self) -> impl Iterator<Item = (u32, &'static str)> {
        self.rows.trim().lines().map(|line| {
            let (id, name) = line.trim().split_once(' ').unwrap();
            (id.parse().unwrap(), name)
        })
    }
}

/// The departure that lists a vector.
pub fn find(id: u32) -> Option<(&'static Departure, &'static str)> {
    DEPARTURES.iter().find_map(|departure| {
        let (_, name) = departure.rows().find(|(listed, _)| *listed == id)?;
        Some((departure, name))
    })
}

/// All of them.
pub const DEPARTURES: &[Departure] = &[
    Departure {
        reason: "NEXT_HOP that is no address of a host, which RFC 4271 §6.3 does not take",
        verdict: Some(Withdraw),
        count: 14,
        rows: "
            5 conf-attributes#3
            57 conf-ipself4#1
            167 api-check#4
            189 api-healthcheck-module#2
            191 api-healthcheck-withdraw#2
            198 api-multiple-api#2
            199 api-multiple-api#3
            213 api-nexthop-self#3
            214 api-nexthop-self#4
            215 api-nexthop-self#5
            216 api-nexthop-self#6
            217 api-nexthop-self#7
            1442 test_nexthop.test_parse#1
            1443 test_nexthop.test_parse#2",
    },
    Departure {
        reason: "unknown well-known attribute, which RFC 4271 §6.3 resets for",
        verdict: Some(Reset(3, 2)),
        count: 2,
        rows: "
            47 conf-generic-attribute#2
            48 conf-generic-attribute#3",
    },
    Departure {
        reason: "IPv6 NLRI with a next hop of 4 octets, which RFC 2545 §3 does not have",
        verdict: Some(Reset(3, 9)),
        count: 1,
        rows: "
            129 extended-nexthop#2",
    },
    Departure {
        reason: "the source's own framing of BGP-LS NLRI, no UPDATE",
        verdict: Some(Reset(3, 1)),
        count: 1,
        rows: "
            257 bgp-ls-1",
    },
    Departure {
        reason: "My Autonomous System is neither AS_TRANS nor the four-octet number (RFC 6793 §4.1)",
        verdict: Some(Reset(2, 2)),
        count: 2,
        rows: "
            275 open3
            1210 BGP_notification_msg.cap#3",
    },
    Departure {
        reason: "NEXT_HOP of 16 octets, which RFC 7606 §7.3 withdraws for",
        verdict: Some(Withdraw),
        count: 1,
        rows: "
            292 NextHop valid IPv6",
    },
    Departure {
        reason: "the error is in NLRI of a family that is not implemented, so not read",
        verdict: Some(Ok),
        count: 6,
        rows: "
            346 IPv4-VPNv4-bogus-plen
            347 IPv4-VPNv4-plen1-short
            348 IPv4-VPNv4-plen1-long
            349 IPv4-VPNv4-plenn-long
            350 IPv4-VPNv4-plenn-short
            352 IPv4-VPNv4-0-nlri",
    },
    Departure {
        reason: "two routes to ::/0; FRR refuses them for a reason of its own",
        verdict: Some(Ok),
        count: 1,
        rows: "
            353 IPv6-bug",
    },
    Departure {
        reason: "the error is in an attribute that is not implemented (22, 23, 29, 39, 40), so not read",
        verdict: Some(Ok),
        count: 41,
        rows: "
            365 PREFIX-SID-SRv6-L3-Service-length-overflow
            366 PREFIX-SID-SRv6-L3-Service-missing-reserved
            367 PREFIX-SID-SRv6-L3-Service-sid-info-short
            368 PREFIX-SID-SRv6-L3-Service-sid-structure-bad-length
            369 PREFIX-SID-SRv6-L3-Service-sid-structure-bad-transposition
            532 pmsi-flag-nontrans [ebgp]
            533 pmsi-flag-nontrans [ibgp]
            534 pmsi-len-4 [ebgp]
            535 pmsi-len-4 [ibgp]
            536 pmsi-type-8 [ebgp]
            537 pmsi-type-8 [ibgp]
            538 pmsi-type-255 [ebgp]
            539 pmsi-type-255 [ibgp]
            540 pmsi-ingress-repl-len-10 [ebgp]
            541 pmsi-ingress-repl-len-10 [ibgp]
            542 encap-flag-nontrans [ebgp]
            543 encap-flag-nontrans [ibgp]
            544 encap-len-3 [ebgp]
            545 encap-len-3 [ibgp]
            546 encap-outer-len-mismatch [ebgp]
            547 encap-outer-len-mismatch [ibgp]
            548 encap-subtlv-overrun [ebgp]
            549 encap-subtlv-overrun [ibgp]
            589 prefix-sid-flag-nontrans [ebgp]
            590 prefix-sid-flag-nontrans [ibgp]
            591 prefix-sid-tlv-overrun [ebgp]
            592 prefix-sid-tlv-overrun [ibgp]
            593 prefix-sid-truncated-header [ebgp]
            594 prefix-sid-truncated-header [ibgp]
            595 prefix-sid-bad-label-index [ebgp]
            596 prefix-sid-bad-label-index [ibgp]
            597 link-state-flag-trans [ebgp]
            598 link-state-flag-trans [ibgp]
            599 link-state-tlv-overrun [ebgp]
            600 link-state-tlv-overrun [ibgp]
            601 link-state-truncated-tlv [ebgp]
            602 link-state-truncated-tlv [ibgp]
            603 nhc-bad-afi-safi [ebgp]
            604 nhc-bad-afi-safi [ibgp]
            605 nhc-tlv-overrun [ebgp]
            606 nhc-tlv-overrun [ibgp]",
    },
    Departure {
        reason: "ORF (RFC 5291) is not implemented: its capability is not read",
        verdict: Some(Ok),
        count: 2,
        rows: "
            373 minsize
            399 ORF-empty",
    },
    Departure {
        reason: "DYNAMIC CAPABILITY, or a piece of a family's NLRI: no message of this speaker",
        verdict: None,
        count: 6,
        rows: "
            406 DynCap
            407 DynCapLong
            408 DynCapPadded
            409 DynCapMPCpadded
            410 DynCapMPCoverflow
            880 test_ipv4_nlri_mpls_labels_address:good_wire",
    },
    Departure {
        reason: "AS 0 in AS_PATH, which RFC 7607 §2 withdraws for",
        verdict: Some(Withdraw),
        count: 1,
        rows: "
            444 segment BGP_AS_ZERO",
    },
    Departure {
        reason: "FRR withdraws for an AS4_PATH that RFC 6793 §4.1, §6 and RFC 7607 §2 discard",
        verdict: Some(Discard),
        count: 2,
        rows: "
            449 attr: as4_path, with as2 format data
            457 attr: 4b AS4_PATH: BGP_AS_ZERO",
    },
    Departure {
        reason: "unknown non-transitive attribute: kept to be shown, never passed on (RFC 4271 §5)",
        verdict: Some(Ok),
        count: 2,
        rows: "
            607 unknown-fd-nontransitive [ebgp]
            608 unknown-fd-nontransitive [ibgp]",
    },
    Departure {
        reason: "MP_REACH_NLRI error: FRR sends 3/1, RFC 4760 §7 says 3/9",
        verdict: Some(Reset(3, 9)),
        count: 3,
        rows: "
            611 mp-reach-nexthop-len-bogus [ebgp]
            612 mp-reach-nexthop-len-overrun [ebgp]
            613 mp-reach-truncated [ebgp]",
    },
    Departure {
        reason: "NOTIFICATION with an unassigned code or subcode, which is not answered (RFC 4271 §6.4)",
        verdict: Some(Ok),
        count: 14,
        rows: "
            623 TestDecodeNotificationMsg#1 Invalid error code
            624 TestDecodeNotificationMsg#2 Invalid error code #2
            625 TestDecodeNotificationMsg#3 Invalid ErrSubCode (Header)
            626 TestDecodeNotificationMsg#4 Invalid ErrSubCode (Header) #2
            627 TestDecodeNotificationMsg#5 Invalid ErrSubCode (Open)
            628 TestDecodeNotificationMsg#6 Invalid ErrSubCode (Open) #2
            629 TestDecodeNotificationMsg#7 Invalid ErrSubCode (Open) #3
            630 TestDecodeNotificationMsg#8 Invalid ErrSubCode (Update)
            631 TestDecodeNotificationMsg#9 Invalid ErrSubCode (Update) #2
            632 TestDecodeNotificationMsg#10 Invalid ErrSubCode (Update) #3
            636 TestDecodeNotificationMsg#14 Hold Timer Expired (invalid subcode)
            638 TestDecodeNotificationMsg#16 FSM Error (invalid subcode)
            640 TestDecodeNotificationMsg#18 Cease (invalid subcode)
            913 test_update_message_error:bad_undefined_wire",
    },
    Departure {
        reason: "capability longer than its parameter; bio-rd does not look at the parameter's length",
        verdict: Some(Reset(2, 0)),
        count: 1,
        rows: "
            659 TestDecodeOptParams#2 Add path capability with multiple entries",
    },
    Departure {
        reason: "labelled NLRI, in a field of plain prefixes",
        verdict: Some(Reset(3, 10)),
        count: 2,
        rows: "
            680 TestDecodeNLRI#1 LU NLRI #1
            681 TestDecodeNLRI#2 LU NLRI #2",
    },
    Departure {
        reason: "no prefix at all: right in a message",
        verdict: Some(Ok),
        count: 1,
        rows: "
            691 TestDecodeNLRI#12 Empty input",
    },
    Departure {
        reason: "wrong flags of ATOMIC_AGGREGATE, stronger than its length that the source looks at (RFC 7606 §3c, §3h)",
        verdict: Some(Withdraw),
        count: 1,
        rows: "
            703 nonzero atomic aggregate",
    },
    Departure {
        reason: "unassigned role: judged against ours (RFC 9234 §4.2), not by its octet",
        verdict: Some(Ok),
        count: 1,
        rows: "
            731 test_bgp_role_capability:undefined_role_wire",
    },
    Departure {
        reason: "multicast prefix: right in its syntax, for the RIB to ignore (RFC 4271 §6.3)",
        verdict: Some(Ok),
        count: 1,
        rows: "
            941 test_ipv4_unicast:bad_multicast_wire",
    },
    Departure {
        reason: "the source states no verdict; its NLRI have a prefix length over 32",
        verdict: Some(Reset(3, 10)),
        count: 1,
        rows: "
            977 test_bgp_rfc7606_attr:good_wire",
    },
    Departure {
        reason: "UPDATE without mandatory attributes, which RFC 7606 §3d withdraws for",
        verdict: Some(Withdraw),
        count: 2,
        rows: "
            1031 up2.bin
            1035 up8.bin",
    },
    Departure {
        reason: "MP_REACH_NLRI as a well-known attribute (RFC 4760 §3)",
        verdict: Some(Reset(3, 9)),
        count: 2,
        rows: "
            1036 up1.bin
            1315 bgp-addpath.pcap#1",
    },
    Departure {
        reason: "ORF (RFC 5291) is not implemented: a ROUTE-REFRESH with entries is too long (RFC 7313 §5)",
        verdict: Some(Reset(7, 1)),
        count: 3,
        rows: "
            1099 bgp.uts#16
            1369 bgp-orf.pcapng#1
            1370 bgp-orf.pcapng#2",
    },
    Departure {
        reason: "family that is not agreed on: ignored, which RFC 4760 §7 allows",
        verdict: Some(Ok),
        count: 2,
        rows: "
            1123 rejects_unnegotiated_family_mp_reach
            1124 rejects_unnegotiated_family_mp_unreach",
    },
    Departure {
        reason: "BGPsec_PATH in place of AS_PATH (RFC 8205), not implemented: AS_PATH is missing",
        verdict: Some(Withdraw),
        count: 20,
        rows: "
            1319 bgp-bgpsec.pcap#3
            1320 bgp-bgpsec.pcap#4
            1321 bgp-bgpsec.pcap#5
            1322 bgp-bgpsec.pcap#6
            1323 bgp-bgpsec.pcap#7
            1324 bgp-bgpsec.pcap#8
            1325 bgp-bgpsec.pcap#9
            1326 bgp-bgpsec.pcap#10
            1327 bgp-bgpsec.pcap#11
            1328 bgp-bgpsec.pcap#12
            1330 bgp-bgpsec.pcap#3
            1331 bgp-bgpsec.pcap#4
            1332 bgp-bgpsec.pcap#5
            1333 bgp-bgpsec.pcap#6
            1334 bgp-bgpsec.pcap#7
            1335 bgp-bgpsec.pcap#8
            1336 bgp-bgpsec.pcap#9
            1337 bgp-bgpsec.pcap#10
            1338 bgp-bgpsec.pcap#11
            1339 bgp-bgpsec.pcap#12",
    },
    Departure {
        reason: "not the octets that the test of the source reads; as they stand they are right",
        verdict: Some(Ok),
        count: 8,
        rows: "
            1397 test_aggregator.test_parse#1
            1398 test_aspath.test_parse#0
            1400 test_aspath.test_parse#2
            1406 test_community.test_parse#0
            1407 test_community.test_parse#1
            1408 test_community.test_parse#2
            1409 test_community.test_parse#3
            1445 test_originatorid.test_parse#1",
    },
    Departure {
        reason: "not the octets that the test of the source reads; as they stand the length is wrong",
        verdict: Some(Withdraw),
        count: 3,
        rows: "
            1420 test_extcommunity.test_parse_construct_flowspec_redirect_vrf#1
            1421 test_extcommunity.test_parse_construct_flowspec_redirect_nh#0
            1423 test_extcommunity.test_parse_construct_tarffic_rate#0",
    },
    Departure {
        reason: "message type 128, from before RFC 2918",
        verdict: Some(Reset(1, 3)),
        count: 1,
        rows: "
            1453 test_route_refresh.test_construct_cisco_route_refresh#0",
    },
];
