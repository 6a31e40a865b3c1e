//! Peers that are refused, and what no version supports yet.

use super::{BFD, PEER, Row, both, each};

/// AS numbers and ports.
pub const NUMBERS: &[Row] = &[
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
    each(
        PEER,
        r#"{"dynamicASN": "external"}"#,
        "spec.dynamicASN: Invalid value: both peerASN and dynamicASN are given",
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

/// Addresses.
pub const ADDRESSES: &[Row] = &[
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

/// Timers.
pub const TIMERS: &[Row] = &[
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

/// What a session cannot be.
pub const SESSIONS: &[Row] = &[
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

/// Fields that come with a later version.
pub const UNSUPPORTED: &[Row] = &[
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
];
