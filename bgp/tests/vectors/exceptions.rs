//! Vectors that do not apply, each with its reason. The counts keep the table from growing unseen.

use std::collections::BTreeMap;

/// Why a vector does not apply.
#[derive(Clone, Copy, Debug)]
pub enum Reason {
    /// The source takes a NEXT_HOP that is no address of a host; RFC 4271 §6.3 does not.
    SemanticNextHop,
    /// The source takes an unknown well-known attribute; RFC 4271 §6.3 does not.
    UnknownWellKnown,
    /// The source takes a next hop of another family; RFC 7606 §7.3, §7.11 do not.
    LenientNextHop,
    /// A part of a message that is not spoken here, or of a protocol that is not BGP-4.
    NotAMessage,
    /// My Autonomous System is neither AS_TRANS nor the four-octet number (RFC 6793 §4.1).
    MyAsIsNotAsTrans,
    /// The error is inside the NLRI of a family that is not read.
    FamilyNotRouted,
    /// The octets are a correct route to ::/0; FRR refuses them for its own reasons.
    RouteToEverywhere,
    /// An attribute that has no type here (22, 23, 29, 39, 40) is kept or dropped by its flags.
    AttributeWithoutType,
    /// ORF (RFC 5291) is not offered, so no peer may use it.
    OutboundRouteFilter,
    /// The source takes AS 0 in a path; RFC 7607 §2 does not.
    AsZero,
    /// The source withdraws; RFC 6793 §6 and RFC 7607 §2 discard the attribute.
    As4PathIsDiscarded,
    /// Kept to be shown, and marked as not to be passed on (RFC 4271 §5).
    UnknownNonTransitive,
    /// A code or subcode that is not assigned ends the session like any other (RFC 4271 §6.4).
    UnassignedNotification,
    /// The source does not check attribute flags; RFC 7606 §3c does.
    FlagsNotChecked,
    /// The capability is longer than its parameter; the source does not look.
    LengthsDoNotAddUp,
    /// No octet is no error of a stream.
    NoOctets,
    /// Labels, Path Identifiers or multicast in a field of plain prefixes.
    OtherKindOfNlri,
    /// A role that is not assigned is judged against ours (RFC 9234 §4.2), not by its octets.
    UnassignedRole,
    /// The source states no verdict.
    NoVerdict,
    /// Made up: attributes that no session, internal or external, may have together, or none of those that are mandatory.
    NotFromAPeer,
    /// The source resets for a family that is not negotiated; RFC 4760 §7 lets it be ignored.
    FamilyIgnored,
    /// BGPsec_PATH stands for AS_PATH (RFC 8205); without BGPsec AS_PATH is missing.
    BgpsecPath,
    /// The octets are not the attribute value that the test of the source reads.
    NotTheValue,
    /// Message type 128, from before RFC 2918.
    CiscoRouteRefresh,
}

/// One vector that does not apply.
pub struct Exception {
    /// Its number in the file.
    pub id: u64,
    /// Its name in the file.
    pub name: &'static str,
    /// Why.
    pub reason: Reason,
}

const fn not(id: u64, name: &'static str, reason: Reason) -> Exception {
    Exception { id, name, reason }
}

/// How many vectors each reason may hold.
const COUNTS: &[(&str, usize)] = &[
    ("As4PathIsDiscarded", 2),
    ("AsZero", 1),
    ("AttributeWithoutType", 41),
    ("BgpsecPath", 20),
    ("CiscoRouteRefresh", 1),
    ("FamilyIgnored", 2),
    ("FamilyNotRouted", 6),
    ("FlagsNotChecked", 11),
    ("LengthsDoNotAddUp", 1),
    ("LenientNextHop", 2),
    ("MyAsIsNotAsTrans", 2),
    ("NoOctets", 2),
    ("NoVerdict", 1),
    ("NotAMessage", 4),
    ("NotFromAPeer", 3),
    ("NotTheValue", 10),
    ("OtherKindOfNlri", 5),
    ("OutboundRouteFilter", 5),
    ("RouteToEverywhere", 1),
    ("SemanticNextHop", 14),
    ("UnassignedNotification", 14),
    ("UnassignedRole", 1),
    ("UnknownNonTransitive", 2),
    ("UnknownWellKnown", 2),
];

/// The NOTIFICATION is another one than the source's: RFC 4760 §7 gives errors of MP_REACH_NLRI
/// 3/9, FRR sends 3/1.
pub const OTHER_CODE: [u64; 3] = [611, 612, 613];

/// Whether the vector of this number is in [`OTHER_CODE`].
pub fn other_code(id: Option<u64>) -> bool {
    OTHER_CODE.iter().any(|other| Some(*other) == id)
}

/// Fails when a reason holds more or fewer vectors than it may.
pub fn assert_counts(found: &BTreeMap<String, usize>) {
    let found: Vec<_> = found
        .iter()
        .map(|(reason, count)| (reason.as_str(), *count))
        .collect();
    assert_eq!(found, COUNTS);
}

/// Every vector that does not apply, in the order of the file.
pub const EXCEPTIONS: &[Exception] = &[
    not(5, "conf-attributes#3", Reason::SemanticNextHop),
    not(47, "conf-generic-attribute#2", Reason::UnknownWellKnown),
    not(48, "conf-generic-attribute#3", Reason::UnknownWellKnown),
    not(57, "conf-ipself4#1", Reason::SemanticNextHop),
    not(129, "extended-nexthop#2", Reason::LenientNextHop),
    not(167, "api-check#4", Reason::SemanticNextHop),
    not(189, "api-healthcheck-module#2", Reason::SemanticNextHop),
    not(191, "api-healthcheck-withdraw#2", Reason::SemanticNextHop),
    not(198, "api-multiple-api#2", Reason::SemanticNextHop),
    not(199, "api-multiple-api#3", Reason::SemanticNextHop),
    not(213, "api-nexthop-self#3", Reason::SemanticNextHop),
    not(214, "api-nexthop-self#4", Reason::SemanticNextHop),
    not(215, "api-nexthop-self#5", Reason::SemanticNextHop),
    not(216, "api-nexthop-self#6", Reason::SemanticNextHop),
    not(217, "api-nexthop-self#7", Reason::SemanticNextHop),
    not(257, "bgp-ls-1", Reason::NotAMessage),
    not(275, "open3", Reason::MyAsIsNotAsTrans),
    not(292, "NextHop valid IPv6", Reason::LenientNextHop),
    not(346, "IPv4-VPNv4-bogus-plen", Reason::FamilyNotRouted),
    not(347, "IPv4-VPNv4-plen1-short", Reason::FamilyNotRouted),
    not(348, "IPv4-VPNv4-plen1-long", Reason::FamilyNotRouted),
    not(349, "IPv4-VPNv4-plenn-long", Reason::FamilyNotRouted),
    not(350, "IPv4-VPNv4-plenn-short", Reason::FamilyNotRouted),
    not(352, "IPv4-VPNv4-0-nlri", Reason::FamilyNotRouted),
    not(353, "IPv6-bug", Reason::RouteToEverywhere),
    not(
        365,
        "PREFIX-SID-SRv6-L3-Service-length-overflow",
        Reason::AttributeWithoutType,
    ),
    not(
        366,
        "PREFIX-SID-SRv6-L3-Service-missing-reserved",
        Reason::AttributeWithoutType,
    ),
    not(
        367,
        "PREFIX-SID-SRv6-L3-Service-sid-info-short",
        Reason::AttributeWithoutType,
    ),
    not(
        368,
        "PREFIX-SID-SRv6-L3-Service-sid-structure-bad-length",
        Reason::AttributeWithoutType,
    ),
    not(
        369,
        "PREFIX-SID-SRv6-L3-Service-sid-structure-bad-transposition",
        Reason::AttributeWithoutType,
    ),
    not(373, "minsize", Reason::OutboundRouteFilter),
    not(399, "ORF-empty", Reason::OutboundRouteFilter),
    not(406, "DynCap", Reason::NotAMessage),
    not(409, "DynCapMPCpadded", Reason::NotAMessage),
    not(444, "segment BGP_AS_ZERO", Reason::AsZero),
    not(
        449,
        "attr: as4_path, with as2 format data",
        Reason::As4PathIsDiscarded,
    ),
    not(
        457,
        "attr: 4b AS4_PATH: BGP_AS_ZERO",
        Reason::As4PathIsDiscarded,
    ),
    not(
        532,
        "pmsi-flag-nontrans [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        533,
        "pmsi-flag-nontrans [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(534, "pmsi-len-4 [ebgp]", Reason::AttributeWithoutType),
    not(535, "pmsi-len-4 [ibgp]", Reason::AttributeWithoutType),
    not(536, "pmsi-type-8 [ebgp]", Reason::AttributeWithoutType),
    not(537, "pmsi-type-8 [ibgp]", Reason::AttributeWithoutType),
    not(538, "pmsi-type-255 [ebgp]", Reason::AttributeWithoutType),
    not(539, "pmsi-type-255 [ibgp]", Reason::AttributeWithoutType),
    not(
        540,
        "pmsi-ingress-repl-len-10 [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        541,
        "pmsi-ingress-repl-len-10 [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        542,
        "encap-flag-nontrans [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        543,
        "encap-flag-nontrans [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(544, "encap-len-3 [ebgp]", Reason::AttributeWithoutType),
    not(545, "encap-len-3 [ibgp]", Reason::AttributeWithoutType),
    not(
        546,
        "encap-outer-len-mismatch [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        547,
        "encap-outer-len-mismatch [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        548,
        "encap-subtlv-overrun [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        549,
        "encap-subtlv-overrun [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        589,
        "prefix-sid-flag-nontrans [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        590,
        "prefix-sid-flag-nontrans [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        591,
        "prefix-sid-tlv-overrun [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        592,
        "prefix-sid-tlv-overrun [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        593,
        "prefix-sid-truncated-header [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        594,
        "prefix-sid-truncated-header [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        595,
        "prefix-sid-bad-label-index [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        596,
        "prefix-sid-bad-label-index [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        597,
        "link-state-flag-trans [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        598,
        "link-state-flag-trans [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        599,
        "link-state-tlv-overrun [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        600,
        "link-state-tlv-overrun [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        601,
        "link-state-truncated-tlv [ebgp]",
        Reason::AttributeWithoutType,
    ),
    not(
        602,
        "link-state-truncated-tlv [ibgp]",
        Reason::AttributeWithoutType,
    ),
    not(603, "nhc-bad-afi-safi [ebgp]", Reason::AttributeWithoutType),
    not(604, "nhc-bad-afi-safi [ibgp]", Reason::AttributeWithoutType),
    not(605, "nhc-tlv-overrun [ebgp]", Reason::AttributeWithoutType),
    not(606, "nhc-tlv-overrun [ibgp]", Reason::AttributeWithoutType),
    not(
        607,
        "unknown-fd-nontransitive [ebgp]",
        Reason::UnknownNonTransitive,
    ),
    not(
        608,
        "unknown-fd-nontransitive [ibgp]",
        Reason::UnknownNonTransitive,
    ),
    not(
        623,
        "TestDecodeNotificationMsg#1 Invalid error code",
        Reason::UnassignedNotification,
    ),
    not(
        624,
        "TestDecodeNotificationMsg#2 Invalid error code #2",
        Reason::UnassignedNotification,
    ),
    not(
        625,
        "TestDecodeNotificationMsg#3 Invalid ErrSubCode (Header)",
        Reason::UnassignedNotification,
    ),
    not(
        626,
        "TestDecodeNotificationMsg#4 Invalid ErrSubCode (Header) #2",
        Reason::UnassignedNotification,
    ),
    not(
        627,
        "TestDecodeNotificationMsg#5 Invalid ErrSubCode (Open)",
        Reason::UnassignedNotification,
    ),
    not(
        628,
        "TestDecodeNotificationMsg#6 Invalid ErrSubCode (Open) #2",
        Reason::UnassignedNotification,
    ),
    not(
        629,
        "TestDecodeNotificationMsg#7 Invalid ErrSubCode (Open) #3",
        Reason::UnassignedNotification,
    ),
    not(
        630,
        "TestDecodeNotificationMsg#8 Invalid ErrSubCode (Update)",
        Reason::UnassignedNotification,
    ),
    not(
        631,
        "TestDecodeNotificationMsg#9 Invalid ErrSubCode (Update) #2",
        Reason::UnassignedNotification,
    ),
    not(
        632,
        "TestDecodeNotificationMsg#10 Invalid ErrSubCode (Update) #3",
        Reason::UnassignedNotification,
    ),
    not(
        636,
        "TestDecodeNotificationMsg#14 Hold Timer Expired (invalid subcode)",
        Reason::UnassignedNotification,
    ),
    not(
        638,
        "TestDecodeNotificationMsg#16 FSM Error (invalid subcode)",
        Reason::UnassignedNotification,
    ),
    not(
        640,
        "TestDecodeNotificationMsg#18 Cease (invalid subcode)",
        Reason::UnassignedNotification,
    ),
    not(
        642,
        "TestDecodeUpdateMsg#2 2 withdraws with mandatory attributes, valid update",
        Reason::FlagsNotChecked,
    ),
    not(
        645,
        "TestDecodeUpdateMsg#5 2 withdraws with 3 path attributes (ORIGIN + ASPath, NH), valid update",
        Reason::FlagsNotChecked,
    ),
    not(
        646,
        "TestDecodeUpdateMsg#6 2 withdraws with 4 path attributes (ORIGIN + ASPath, NH, MED), valid update",
        Reason::FlagsNotChecked,
    ),
    not(
        647,
        "TestDecodeUpdateMsg#7 2 withdraws with 4 path attributes (ORIGIN + ASPath, NH, MED, Local Pref), valid update",
        Reason::FlagsNotChecked,
    ),
    not(
        648,
        "TestDecodeUpdateMsg#8 2 withdraws with 6 path attributes (ORIGIN, ASPath, NH, MED, Local Pref, Atomi Aggregate), valid update",
        Reason::FlagsNotChecked,
    ),
    not(
        649,
        "TestDecodeUpdateMsg#9 2 withdraws with 7 path attributes (ORIGIN, ASPath, NH, MED, Local Pref, Atomic Aggregate), valid update",
        Reason::FlagsNotChecked,
    ),
    not(
        655,
        "TestDecodeUpdateMsg#15 Unknown attribute",
        Reason::FlagsNotChecked,
    ),
    not(
        659,
        "TestDecodeOptParams#2 Add path capability with multiple entries",
        Reason::LengthsDoNotAddUp,
    ),
    not(665, "TestDecodeHeader#9 Empty input", Reason::NoOctets),
    not(
        666,
        "TestDecodePathAttrs#1 Valid attribute set",
        Reason::FlagsNotChecked,
    ),
    not(
        668,
        "TestDecodePathAttr#1 Valid origin",
        Reason::FlagsNotChecked,
    ),
    not(680, "TestDecodeNLRI#1 LU NLRI #1", Reason::OtherKindOfNlri),
    not(681, "TestDecodeNLRI#2 LU NLRI #2", Reason::OtherKindOfNlri),
    not(
        686,
        "TestDecodeNLRI#7 Valid NRLI #1 add path",
        Reason::OtherKindOfNlri,
    ),
    not(
        688,
        "TestDecodeNLRI#9 Incomplete path Identifier",
        Reason::OtherKindOfNlri,
    ),
    not(691, "TestDecodeNLRI#12 Empty input", Reason::NoOctets),
    not(703, "nonzero atomic aggregate", Reason::FlagsNotChecked),
    not(
        731,
        "test_bgp_role_capability:undefined_role_wire",
        Reason::UnassignedRole,
    ),
    not(
        880,
        "test_ipv4_nlri_mpls_labels_address:good_wire",
        Reason::NotAMessage,
    ),
    not(
        913,
        "test_update_message_error:bad_undefined_wire",
        Reason::UnassignedNotification,
    ),
    not(
        941,
        "test_ipv4_unicast:bad_multicast_wire",
        Reason::OtherKindOfNlri,
    ),
    not(977, "test_bgp_rfc7606_attr:good_wire", Reason::NoVerdict),
    not(1031, "up2.bin", Reason::NotFromAPeer),
    not(1035, "up8.bin", Reason::NotFromAPeer),
    not(1036, "up1.bin", Reason::NotFromAPeer),
    not(1099, "bgp.uts#16", Reason::OutboundRouteFilter),
    not(
        1123,
        "rejects_unnegotiated_family_mp_reach",
        Reason::FamilyIgnored,
    ),
    not(
        1124,
        "rejects_unnegotiated_family_mp_unreach",
        Reason::FamilyIgnored,
    ),
    not(1210, "BGP_notification_msg.cap#3", Reason::MyAsIsNotAsTrans),
    not(1315, "bgp-addpath.pcap#1", Reason::FlagsNotChecked),
    not(1319, "bgp-bgpsec.pcap#3", Reason::BgpsecPath),
    not(1320, "bgp-bgpsec.pcap#4", Reason::BgpsecPath),
    not(1321, "bgp-bgpsec.pcap#5", Reason::BgpsecPath),
    not(1322, "bgp-bgpsec.pcap#6", Reason::BgpsecPath),
    not(1323, "bgp-bgpsec.pcap#7", Reason::BgpsecPath),
    not(1324, "bgp-bgpsec.pcap#8", Reason::BgpsecPath),
    not(1325, "bgp-bgpsec.pcap#9", Reason::BgpsecPath),
    not(1326, "bgp-bgpsec.pcap#10", Reason::BgpsecPath),
    not(1327, "bgp-bgpsec.pcap#11", Reason::BgpsecPath),
    not(1328, "bgp-bgpsec.pcap#12", Reason::BgpsecPath),
    not(1330, "bgp-bgpsec.pcap#3", Reason::BgpsecPath),
    not(1331, "bgp-bgpsec.pcap#4", Reason::BgpsecPath),
    not(1332, "bgp-bgpsec.pcap#5", Reason::BgpsecPath),
    not(1333, "bgp-bgpsec.pcap#6", Reason::BgpsecPath),
    not(1334, "bgp-bgpsec.pcap#7", Reason::BgpsecPath),
    not(1335, "bgp-bgpsec.pcap#8", Reason::BgpsecPath),
    not(1336, "bgp-bgpsec.pcap#9", Reason::BgpsecPath),
    not(1337, "bgp-bgpsec.pcap#10", Reason::BgpsecPath),
    not(1338, "bgp-bgpsec.pcap#11", Reason::BgpsecPath),
    not(1339, "bgp-bgpsec.pcap#12", Reason::BgpsecPath),
    not(1369, "bgp-orf.pcapng#1", Reason::OutboundRouteFilter),
    not(1370, "bgp-orf.pcapng#2", Reason::OutboundRouteFilter),
    not(1397, "test_aggregator.test_parse#1", Reason::NotTheValue),
    not(1398, "test_aspath.test_parse#0", Reason::NotTheValue),
    not(1400, "test_aspath.test_parse#2", Reason::NotTheValue),
    not(1406, "test_community.test_parse#0", Reason::NotTheValue),
    not(1407, "test_community.test_parse#1", Reason::NotTheValue),
    not(1408, "test_community.test_parse#2", Reason::NotTheValue),
    not(1409, "test_community.test_parse#3", Reason::NotTheValue),
    not(
        1420,
        "test_extcommunity.test_parse_construct_flowspec_redirect_vrf#1",
        Reason::NotTheValue,
    ),
    not(
        1421,
        "test_extcommunity.test_parse_construct_flowspec_redirect_nh#0",
        Reason::NotTheValue,
    ),
    not(
        1423,
        "test_extcommunity.test_parse_construct_tarffic_rate#0",
        Reason::NotTheValue,
    ),
    not(1442, "test_nexthop.test_parse#1", Reason::SemanticNextHop),
    not(1443, "test_nexthop.test_parse#2", Reason::SemanticNextHop),
    not(
        1453,
        "test_route_refresh.test_construct_cisco_route_refresh#0",
        Reason::CiscoRouteRefresh,
    ),
];
