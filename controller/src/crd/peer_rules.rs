//! What the API server refuses of a BGPPeer.

use super::duration::{is_duration, whole_seconds};
use super::rule::{Placed, about, forbidden, if_given, invalid, required};

/// All of it.
pub fn rules() -> Vec<Placed> {
    let mut rules = not_supported();
    rules.extend(as_numbers());
    rules.extend(addresses());
    rules.extend(timers());
    rules.extend(session());
    rules
}

/// Fields of MetalLB's that this build cannot honour.
fn not_supported() -> Vec<Placed> {
    let refused = |at, message: &str| forbidden(at, "self == ''", message);
    vec![
        refused(
            "spec.interface",
            "unnumbered peering is not supported by this build; name the peer with peerAddress; a \
             link-local one takes its zone, such as fe80::1%eth0",
        ),
        refused(
            "spec.vrf",
            "VRFs are not supported by this build; remove it, and peer in the default VRF",
        ),
        refused(
            "spec.bfdProfile",
            "BFD is not supported by this build; remove it; a lower holdTime also finds a dead peer \
             sooner",
        ),
        forbidden(
            "spec.localASN",
            "false",
            "a second AS number is not supported by this build; remove it, and put the AS number \
             that this peer expects into myASN",
        ),
    ]
}

fn as_numbers() -> Vec<Placed> {
    let as_trans = |at| {
        invalid(
            at,
            "self != 23456",
            "23456 is AS_TRANS, which nobody may be (RFC 6793); write an AS number, 1 to 4294967294",
        )
    };
    let peer_asn = "(has(self.peerASN) && self.peerASN != 0)";
    vec![
        as_trans("spec.myASN"),
        as_trans("spec.peerASN"),
        about(
            "peerASN",
            required(
                "spec",
                format!("{peer_asn} || has(self.dynamicASN)"),
                "the peer's AS number is missing; add peerASN, or dynamicASN: internal or external",
            ),
        ),
        about(
            "dynamicASN",
            invalid(
                "spec",
                format!("!{peer_asn} || !has(self.dynamicASN)"),
                "both peerASN and dynamicASN are given; keep peerASN to expect that AS number, or \
             dynamicASN to accept what the peer names",
            ),
        ),
    ]
}

fn addresses() -> Vec<Placed> {
    let bare = "self.split('%')[0]";
    let link_local = format!("(ip({bare}).family() == 6 && ip({bare}).isLinkLocalUnicast())");
    let source = "(has(self.sourceAddress) && isIP(self.sourceAddress))";
    let peer = "(has(self.peerAddress) && isIP(self.peerAddress.split('%')[0]))";
    vec![
        about(
            "peerAddress",
            required(
                "spec",
                "(has(self.peerAddress) && self.peerAddress != '') \
             || (has(self.interface) && self.interface != '')",
                "the peer's address is missing; write the router's IP address as peerAddress",
            ),
        ),
        invalid(
            "spec.peerAddress",
            format!("self == '' || isIP({bare})"),
            "not an IP address; write an IPv4 or IPv6 address, such as 203.0.113.1 or 2001:db8::1",
        ),
        invalid(
            "spec.peerAddress",
            format!(
                "!isIP({bare}) || !(ip({bare}).isUnspecified() \
                 || cidr('224.0.0.0/4').containsIP({bare}) || cidr('ff00::/8').containsIP({bare}))"
            ),
            "not the address of one router; write the router's unicast address",
        ),
        invalid(
            "spec.peerAddress",
            format!(
                "!isIP({bare}) || !{link_local} || self.matches('^[^%]+%[!-$&-.0-~]{{1,15}}$')"
            ),
            "link-local and has no zone; name the interface, such as fe80::1%eth0",
        ),
        invalid(
            "spec.peerAddress",
            format!("!isIP({bare}) || {link_local} || !self.contains('%')"),
            "has a zone, which only link-local addresses take; remove it",
        ),
        invalid(
            "spec.sourceAddress",
            "self == '' || isIP(self)",
            "not an IP address; write an IPv4 or IPv6 address, such as 203.0.113.1 or 2001:db8::1",
        ),
        about(
            "sourceAddress",
            invalid(
                "spec",
                format!(
                    "!{source} || !{peer} || ip(self.sourceAddress).family() \
                 == ip(self.peerAddress.split('%')[0]).family()"
                ),
                "sourceAddress and peerAddress are of different families; write an address of the \
             peer's family, or remove sourceAddress",
            ),
        ),
        invalid(
            "spec.routerID",
            "self == '' || (isIP(self) && ip(self).family() == 4 && !ip(self).isUnspecified())",
            "not a BGP Identifier; write it as an IPv4 address other than 0.0.0.0 (RFC 6286), also \
             on IPv6 sessions",
        ),
    ]
}

fn timers() -> Vec<Placed> {
    let mut rules = Vec::new();
    rules.extend(whole_seconds("spec.holdTime", 3, 65_535, true));
    rules.extend(whole_seconds("spec.keepaliveTime", 1, 65_535, true));
    rules.extend(whole_seconds("spec.connectTime", 1, 65_535, false));
    rules.extend(whole_seconds("spec.gracefulRestartTime", 0, 4_095, true));
    rules.extend(whole_seconds(
        "spec.longLivedStaleTime",
        0,
        16_777_215,
        true,
    ));
    let given = |field: &str| format!("has({field}) && {}", is_duration(field));
    let (hold, keepalive) = ("self.holdTime", "self.keepaliveTime");
    let both = format!("{} && {}", given(hold), given(keepalive));
    rules.push(about(
        "keepaliveTime",
        invalid(
            "spec",
            format!("!({both}) || duration({keepalive}) <= duration({hold})"),
            "keepaliveTime is more than holdTime; write at most a third of the holdTime",
        ),
    ));
    rules.push(about("keepaliveTime", invalid(
        "spec",
        format!(
            "!({}) || duration({keepalive}) > duration('0s') \
             || ({} && duration({hold}) == duration('0s'))",
            given(keepalive),
            given(hold)
        ),
        "without KEEPALIVEs the peer's hold timer ends the session; remove keepaliveTime, or write \
         holdTime: 0s too, which turns both timers off",
    )));
    rules
}

fn session() -> Vec<Placed> {
    let on = |field: &str| format!("(has(self.{field}) && self.{field})");
    let restart = on("enableGracefulRestart");
    let multihop = on("ebgpMultiHop");
    let stale = "self.longLivedStaleTime";
    let no_stale = format!(
        "!has({stale}) || ({} && duration({stale}) == duration('0s'))",
        is_duration(stale)
    );
    let restart_is_off = "graceful restart is off for this peer; add enableGracefulRestart: true, \
                          or remove gracefulRestartTime and longLivedStaleTime";
    vec![
        about(
            "passwordSecret",
            invalid(
                "spec",
                if_given(
                    "password",
                    "!has(self.passwordSecret) || !has(self.passwordSecret.name) \
                 || self.passwordSecret.name == ''",
                ),
                "both password and passwordSecret are given; keep passwordSecret, and remove password",
            ),
        ),
        about(
            "ebgpMultiHop",
            invalid(
                "spec",
                format!(
                    "!{multihop} || !((has(self.peerASN) && self.peerASN == self.myASN) \
                 || (has(self.dynamicASN) && self.dynamicASN == 'internal'))"
                ),
                "the session is iBGP, which is multihop anyway; remove it, or give peerASN \
             the other router's AS number",
            ),
        ),
        about(
            "ttlSecurity",
            invalid(
                "spec",
                format!("!{multihop} || !has(self.ttlSecurity)"),
                "both ebgpMultiHop and ttlSecurity are given; keep ttlSecurity: it says how many hops \
             away the peer may be",
            ),
        ),
        about(
            "gracefulRestartTime",
            invalid(
                "spec",
                format!("{restart} || (!has(self.gracefulRestartTime) && ({no_stale}))"),
                restart_is_off,
            ),
        ),
        about(
            "enableGracefulRestart",
            forbidden(
                "spec",
                "(has(self.enableGracefulRestart) && self.enableGracefulRestart) \
             == (has(oldSelf.enableGracefulRestart) && oldSelf.enableGracefulRestart)",
                "enableGracefulRestart cannot be changed: it takes a new session, and the routes would \
             be gone meanwhile; delete the BGPPeer and create it anew",
            ),
        ),
    ]
}
