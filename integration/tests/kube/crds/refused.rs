//! What is refused, by the API server and by `herald check`.

mod peers;

use peers::{ADDRESSES, NUMBERS, SESSIONS, TIMERS, UNSUPPORTED};

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
        L2,
        r#"{"failback": "sometimes"}"#,
        "Unsupported value",
        "sometimes",
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
        ROUTES,
        r#"{"nodeSelectors": [{"matchLabel": {"a": "b"}}]}"#,
        "unknown field",
        "did you mean `matchLabels`?",
    ),
];
