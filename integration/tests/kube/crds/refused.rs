//! What is refused, by the API server and by `herald check`.

/// An object that is right but for one thing.
pub struct Row {
    /// Its kind.
    pub kind: &'static str,
    /// What differs from a right spec of that kind, merged into it (RFC 7386).
    pub spec: &'static str,
    /// What the API server says.
    pub server: &'static str,
    /// What `herald check` says.
    pub check: &'static str,
}

/// Both say the same.
const fn both(kind: &'static str, spec: &'static str, says: &'static str) -> Row {
    each(kind, spec, says, says)
}

/// Each says it in its own words.
const fn each(
    kind: &'static str,
    spec: &'static str,
    server: &'static str,
    check: &'static str,
) -> Row {
    Row {
        kind,
        spec,
        server,
        check,
    }
}

const POOL: &str = "IPAddressPool";
const PEER: &str = "BGPPeer";
const ROUTES: &str = "BGPAdvertisement";
const L2: &str = "L2Advertisement";
const BFD: &str = "BFDProfile";
const NAMES: &str = "Community";

/// Every one of them.
pub const ROWS: &[&[Row]] = &[
    POOLS,
    NUMBERS,
    ADDRESSES,
    TIMERS,
    SESSIONS,
    UNSUPPORTED,
    ADVERTISEMENTS,
    COMMUNITIES,
    SELECTORS,
];

const POOLS: &[Row] = &[
    each(
        POOL,
        r#"{"addresses": null}"#,
        "spec.addresses: Required value",
        "`addresses` is missing",
    ),
    each(
        POOL,
        r#"{"addresses": []}"#,
        "should have at least 1 items",
        "the list is too short",
    ),
    both(
        POOL,
        r#"{"addresses": ["203.0.113.5"]}"#,
        "write 203.0.113.5/32 for this one address",
    ),
    both(
        POOL,
        r#"{"addresses": ["2001:db8::5"]}"#,
        "write 2001:db8::5/128 for this one address",
    ),
    both(
        POOL,
        r#"{"addresses": ["203.0.113.0/33"]}"#,
        "is neither a CIDR prefix nor a range",
    ),
    both(
        POOL,
        r#"{"addresses": ["here"]}"#,
        "is neither a CIDR prefix nor a range",
    ),
    both(
        POOL,
        r#"{"addresses": ["203.0.113.1-here"]}"#,
        "write a range as FIRST-LAST",
    ),
    both(
        POOL,
        r#"{"addresses": ["203.0.113.1-203.0.113.2-203.0.113.3"]}"#,
        "write a range as FIRST-LAST",
    ),
    both(
        POOL,
        r#"{"addresses": ["203.0.113.1-2001:db8::1"]}"#,
        "write one entry for IPv4 and one for IPv6",
    ),
    both(
        POOL,
        r#"{"addresses": ["203.0.113.20-203.0.113.3"]}"#,
        "backwards",
    ),
    both(
        POOL,
        r#"{"addresses": ["10.0.1.0-10.0.0.255"]}"#,
        "backwards",
    ),
    both(
        POOL,
        r#"{"addresses": ["203.0.113.0/24", "203.0.113.0/24"]}"#,
        "write each address in one entry only",
    ),
    each(
        POOL,
        r#"{"autoAssign": "yes"}"#,
        "must be of type boolean",
        "a string is there where a boolean must be",
    ),
    each(
        POOL,
        r#"{"autoasign": true}"#,
        "unknown field",
        "did you mean `autoAssign`?",
    ),
    each(
        POOL,
        r#"{"serviceAllocation": {"priority": -1}}"#,
        "greater than or equal to 0",
        "out of range",
    ),
    each(
        POOL,
        r#"{"serviceAllocation": {"namespaces": ["a", "a"]}}"#,
        "Duplicate value",
        "is there twice",
    ),
];

const NUMBERS: &[Row] = &[
    each(
        PEER,
        r#"{"myASN": null}"#,
        "spec.myASN: Required value",
        "`myASN` is missing",
    ),
    each(
        PEER,
        r#"{"myASN": 0}"#,
        "greater than or equal to 1",
        "0 is out of range",
    ),
    each(
        PEER,
        r#"{"myASN": 4294967296}"#,
        "less than or equal to",
        "4294967296 is out of range",
    ),
    both(PEER, r#"{"myASN": 23456}"#, "23456 is AS_TRANS"),
    both(PEER, r#"{"peerASN": 23456}"#, "23456 is AS_TRANS"),
    each(
        PEER,
        r#"{"peerASN": 0}"#,
        "the peer's AS number is missing",
        "0 is reserved",
    ),
    both(
        PEER,
        r#"{"peerASN": null}"#,
        "add peerASN, or dynamicASN: internal or external",
    ),
    both(
        PEER,
        r#"{"dynamicASN": "external"}"#,
        "both peerASN and dynamicASN are given",
    ),
    each(
        PEER,
        r#"{"peerASN": null, "dynamicASN": "any"}"#,
        "Unsupported value",
        "write internal or external",
    ),
    each(
        PEER,
        r#"{"peerPort": 0}"#,
        "greater than or equal to 1",
        "0 is out of range",
    ),
    each(
        PEER,
        r#"{"peerPort": 65536}"#,
        "less than or equal to 65535",
        "65536 is out of range",
    ),
];

const ADDRESSES: &[Row] = &[
    both(
        PEER,
        r#"{"peerAddress": null}"#,
        "the peer's address is missing",
    ),
    both(
        PEER,
        r#"{"peerAddress": "router.example"}"#,
        "write an IPv4 or IPv6 address",
    ),
    both(
        PEER,
        r#"{"peerAddress": "0.0.0.0"}"#,
        "write the router's unicast address",
    ),
    both(
        PEER,
        r#"{"peerAddress": "224.0.0.5"}"#,
        "write the router's unicast address",
    ),
    both(
        PEER,
        r#"{"peerAddress": "ff02::1"}"#,
        "write the router's unicast address",
    ),
    both(
        PEER,
        r#"{"peerAddress": "fe80::1"}"#,
        "link-local and has no zone",
    ),
    both(
        PEER,
        r#"{"peerAddress": "fe80::1%"}"#,
        "name the interface, such as fe80::1%eth0",
    ),
    both(
        PEER,
        r#"{"peerAddress": "2001:db8::1%eth0"}"#,
        "has a zone, which only link-local addresses take",
    ),
    both(
        PEER,
        r#"{"sourceAddress": "eth0"}"#,
        "write an IPv4 or IPv6 address",
    ),
    both(
        PEER,
        r#"{"sourceAddress": "2001:db8::2"}"#,
        "of different families",
    ),
    both(
        PEER,
        r#"{"routerID": "2001:db8::2"}"#,
        "write it as an IPv4 address other than 0.0.0.0",
    ),
    both(
        PEER,
        r#"{"routerID": "0.0.0.0"}"#,
        "write it as an IPv4 address other than 0.0.0.0",
    ),
    both(
        PEER,
        r#"{"routerID": "seven"}"#,
        "write it as an IPv4 address other than 0.0.0.0",
    ),
];

const TIMERS: &[Row] = &[
    both(PEER, r#"{"holdTime": "2s"}"#, "write 0s, or 3s to 65535s"),
    both(
        PEER,
        r#"{"holdTime": "65536s"}"#,
        "write 0s, or 3s to 65535s",
    ),
    both(
        PEER,
        r#"{"holdTime": "-3s"}"#,
        "write 0s, or 3s to 65535s, with its unit",
    ),
    both(
        PEER,
        r#"{"holdTime": "90"}"#,
        "write 0s, or 3s to 65535s, with its unit",
    ),
    both(
        PEER,
        r#"{"holdTime": "4500ms"}"#,
        "not a whole number of seconds",
    ),
    both(
        PEER,
        r#"{"holdTime": "9s", "keepaliveTime": "10s"}"#,
        "more than",
    ),
    both(
        PEER,
        r#"{"holdTime": "9s", "keepaliveTime": "0s"}"#,
        "without KEEPALIVEs",
    ),
    both(PEER, r#"{"keepaliveTime": "0s"}"#, "without KEEPALIVEs"),
    both(PEER, r#"{"keepaliveTime": "1h1"}"#, "with its unit"),
    both(PEER, r#"{"connectTime": "0s"}"#, "write 1s to 65535s"),
    both(PEER, r#"{"connectTime": "65536s"}"#, "write 1s to 65535s"),
    both(
        PEER,
        r#"{"connectTime": "1500ms"}"#,
        "not a whole number of seconds",
    ),
    both(
        PEER,
        r#"{"enableGracefulRestart": true, "gracefulRestartTime": "4096s"}"#,
        "write 0s to 4095s",
    ),
    both(
        PEER,
        r#"{"enableGracefulRestart": true, "longLivedStaleTime": "16777216s"}"#,
        "write 0s to 16777215s",
    ),
    both(
        PEER,
        r#"{"gracefulRestartTime": "60s"}"#,
        "graceful restart is off for this peer",
    ),
    both(
        PEER,
        r#"{"longLivedStaleTime": "1h"}"#,
        "graceful restart is off for this peer",
    ),
];

const SESSIONS: &[Row] = &[
    both(
        PEER,
        r#"{"password": "p", "passwordSecret": {"name": "s"}}"#,
        "keep passwordSecret, and remove password",
    ),
    both(
        PEER,
        r#"{"peerASN": 64512, "ebgpMultiHop": true}"#,
        "iBGP, which is multihop anyway",
    ),
    both(
        PEER,
        r#"{"peerASN": null, "dynamicASN": "internal", "ebgpMultiHop": true}"#,
        "iBGP, which is multihop anyway",
    ),
    both(
        PEER,
        r#"{"ebgpMultiHop": true, "ttlSecurity": 2}"#,
        "both ebgpMultiHop and ttlSecurity are given",
    ),
    each(
        PEER,
        r#"{"ttlSecurity": 0}"#,
        "greater than or equal to 1",
        "0 is out of range",
    ),
    each(
        PEER,
        r#"{"ttlSecurity": 255}"#,
        "less than or equal to 254",
        "255 is out of range",
    ),
    each(
        PEER,
        r#"{"password": "123456789012345678901234567890123456789012345678901234567890123456789012345678901"}"#,
        "may not be more than 80",
        "write at most 80",
    ),
];

const UNSUPPORTED: &[Row] = &[
    both(
        PEER,
        r#"{"peerAddress": null, "interface": "eth0"}"#,
        "unnumbered peering is not supported by this build",
    ),
    both(
        PEER,
        r#"{"vrf": "red"}"#,
        "VRFs are not supported by this build",
    ),
    both(
        PEER,
        r#"{"bfdProfile": "fast"}"#,
        "BFD is not supported by this build",
    ),
    both(
        PEER,
        r#"{"localASN": 64600}"#,
        "a second AS number is not supported by this build",
    ),
    both(
        BFD,
        r#"{"echoMode": true}"#,
        "the Echo function is not supported by this build",
    ),
    both(
        L2,
        r#"{"preferredNodeSelectors": [{"weight": 1, "preference": {}}]}"#,
        "preferences among nodes are not supported by this build",
    ),
];

const ADVERTISEMENTS: &[Row] = &[
    each(
        ROUTES,
        r#"{"aggregationLength": 0}"#,
        "greater than or equal to 1",
        "0 is out of range",
    ),
    each(
        ROUTES,
        r#"{"aggregationLength": 33}"#,
        "less than or equal to 32",
        "33 is out of range",
    ),
    each(
        ROUTES,
        r#"{"aggregationLengthV6": 129}"#,
        "less than or equal to 128",
        "129 is out of range",
    ),
    both(
        ROUTES,
        r#"{"aggregationLength": 24, "serviceSelectors": [{}]}"#,
        "serviceSelectors and an aggregation length are both given",
    ),
    both(
        ROUTES,
        r#"{"aggregationLengthV6": 64, "serviceSelectors": [{}]}"#,
        "serviceSelectors and an aggregation length are both given",
    ),
    each(
        ROUTES,
        r#"{"localPref": 4294967296}"#,
        "less than or equal to",
        "out of range",
    ),
    each(
        ROUTES,
        r#"{"med": -1}"#,
        "greater than or equal to 0",
        "out of range",
    ),
    each(
        ROUTES,
        r#"{"asPathPrepend": 17}"#,
        "less than or equal to 16",
        "out of range",
    ),
    each(
        ROUTES,
        r#"{"peers": ["a", "a"]}"#,
        "Duplicate value",
        "is there twice",
    ),
    each(
        ROUTES,
        r#"{"ipAddressPools": ["a", "a"]}"#,
        "Duplicate value",
        "is there twice",
    ),
    each(
        L2,
        r#"{"interfaces": ["eth0", "eth0"]}"#,
        "Duplicate value",
        "is there twice",
    ),
    each(
        L2,
        r#"{"ipAddressPools": ["a", "a"]}"#,
        "Duplicate value",
        "is there twice",
    ),
    each(
        L2,
        r#"{"preferredNodeSelectors": [{"weight": 101, "preference": {}}]}"#,
        "less than or equal to 100",
        "101 is out of range",
    ),
    each(
        BFD,
        r#"{"receiveInterval": 5}"#,
        "greater than or equal to 10",
        "5 is out of range",
    ),
    each(
        BFD,
        r#"{"transmitInterval": 60001}"#,
        "less than or equal to 60000",
        "60001 is out of range",
    ),
    each(
        BFD,
        r#"{"detectMultiplier": 1}"#,
        "greater than or equal to 2",
        "1 is out of range",
    ),
    each(
        BFD,
        r#"{"echoInterval": 9}"#,
        "greater than or equal to 10",
        "9 is out of range",
    ),
    each(
        BFD,
        r#"{"minimumTtl": 255}"#,
        "less than or equal to 254",
        "255 is out of range",
    ),
];

const COMMUNITIES: &[Row] = &[
    both(
        ROUTES,
        r#"{"communities": ["65536:1"]}"#,
        "both numbers are 0 to 65535",
    ),
    both(ROUTES, r#"{"communities": ["1:+2"]}"#, "not a community"),
    both(
        ROUTES,
        r#"{"communities": ["64512:1:2"]}"#,
        "not a community",
    ),
    both(
        ROUTES,
        r#"{"communities": ["large:1:2"]}"#,
        "write large:A:B:C, each 0 to 4294967295",
    ),
    both(
        ROUTES,
        r#"{"communities": ["large:1:2:4294967296"]}"#,
        "write large:A:B:C, each 0 to 4294967295",
    ),
    both(
        ROUTES,
        r#"{"communities": ["large:1:2:99999999999999999999"]}"#,
        "write large:A:B:C, each 0 to 4294967295",
    ),
    both(
        ROUTES,
        r#"{"communities": ["6553600"]}"#,
        "write A:B (0 to 65535 each), large:A:B:C, a well-known name or an alias",
    ),
    both(
        ROUTES,
        r#"{"communities": ["two words"]}"#,
        "write A:B (0 to 65535 each), large:A:B:C, a well-known name or an alias",
    ),
    each(
        ROUTES,
        r#"{"communities": ["64512:1", "64512:1"]}"#,
        "Duplicate value",
        "is there twice",
    ),
    both(
        NAMES,
        r#"{"communities": [{"name": "a:b", "value": "1:1"}]}"#,
        "write a name without colons and spaces",
    ),
    each(
        NAMES,
        r#"{"communities": [{"name": "", "value": "1:1"}]}"#,
        "at least 1 chars long",
        "the text is empty",
    ),
    both(
        NAMES,
        r#"{"communities": [{"name": "a", "value": "65536:1"}]}"#,
        "both numbers are 0 to 65535",
    ),
    both(
        NAMES,
        r#"{"communities": [{"name": "a", "value": "b"}]}"#,
        "not a community",
    ),
    each(
        NAMES,
        r#"{"communities": [{"name": "a"}]}"#,
        "Required value",
        "`value` is missing",
    ),
    each(
        NAMES,
        r#"{"communities": [{"name": "a", "value": "1:1"}, {"name": "a", "value": "1:2"}]}"#,
        "Duplicate value",
        "is there twice",
    ),
];

const SELECTORS: &[Row] = &[
    each(
        PEER,
        r#"{"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]}]}"#,
        "Unsupported value",
        "`in` is not an operator",
    ),
    both(
        PEER,
        r#"{"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]}"#,
        "give at least one, or use Exists or DoesNotExist",
    ),
    both(
        L2,
        r#"{"nodeSelectors": [{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}]}"#,
        "remove them, or use In or NotIn",
    ),
    both(
        ROUTES,
        r#"{"ipAddressPoolSelectors": [{"matchLabels": {"a b": "c"}}]}"#,
        "write NAME or PREFIX/NAME, such as app or example.com/app",
    ),
    each(
        POOL,
        r#"{"serviceAllocation": {"serviceSelectors": [{"matchLabels": {"a": "b c"}}]}}"#,
        "should match",
        "`b c` is not a label's value",
    ),
    each(
        POOL,
        r#"{"serviceAllocation": {"namespaceSelectors": [{"matchLabels": {"a": "b"}}, {"matchLabels": {"a": "b"}}]}}"#,
        "Duplicate value",
        "the selector is there twice",
    ),
    each(
        ROUTES,
        r#"{"nodeSelectors": [{"matchLabel": {"a": "b"}}]}"#,
        "unknown field",
        "did you mean `matchLabels`?",
    ),
];
