//! BGPPeer to a peer.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use plan::world::{BgpPeer, IpFamily, Password, PeerAsn};

use super::{Findings, address, duration, selector};
use crate::crd::{BGPPeerSpec, DynamicAsn};
use crate::object::{Draft, PeerDraft};
use crate::problem::Finding;

/// BGP's port (RFC 4271 §8.2.2). An API server fills it in where a peer names none.
const DEFAULT_PORT: u16 = 179;
/// Restart Time where the peer names none (RFC 4724 §3), seconds.
const DEFAULT_RESTART_TIME: u16 = 120;
/// Hold time where the peer names none (RFC 4271 §10), seconds.
const DEFAULT_HOLD_TIME: u16 = 90;
/// Most octets of a TCP MD5 key that Linux takes.
const MAX_PASSWORD: usize = 80;
/// What the AS number of RFC 6793 §9 is for.
const AS_TRANS: u32 = 23_456;

/// A peer; its Secret is not looked up here. `namespace` is the object's own.
pub fn translate(
    name: &Arc<str>,
    namespace: &Arc<str>,
    spec: &BGPPeerSpec,
    findings: &mut Findings,
) -> Option<Draft> {
    let before = findings.len();
    refuse_unsupported(spec, findings);
    let my_asn = asn(spec.my_asn, "spec.myASN", findings);
    let peer_asn = peer_asn(spec, findings);
    let endpoint = peer_address(spec, findings);
    let source_address = source_address(
        spec,
        endpoint.as_ref().map(|(address, _)| *address),
        findings,
    );
    let timers = timers(spec, findings);
    let router_id = router_id(spec, findings);
    let password_secret = password(spec, namespace, findings);
    hops(spec, peer_asn, findings);
    let other_port = spec.peer_port.is_some_and(|port| port != DEFAULT_PORT);
    if spec.passive == Some(true) && other_port {
        findings.push(Finding::warning(
            "spec.peerPort",
            "peerPort has no effect: with passive: true only the peer connects",
            "remove it; herald's own port is set by --listen",
        ));
    }
    let restart = restart(spec, findings);
    let node_selectors =
        selector::label_selectors(&spec.node_selectors, "spec.nodeSelectors", findings);
    let (address, zone) = endpoint?;
    if !super::is_clean(findings, before) {
        return None;
    }
    let peer = BgpPeer {
        name: Arc::clone(name),
        my_asn: my_asn?,
        peer_asn: peer_asn?,
        address,
        zone,
        port: spec.peer_port.unwrap_or(DEFAULT_PORT),
        source_address,
        hold_time: timers.hold,
        keepalive_time: timers.keepalive,
        connect_time: timers.connect,
        router_id,
        node_selectors,
        password: spec
            .password
            .clone()
            .filter(|password| !password.is_empty())
            .map(Password),
        ebgp_multihop: spec.ebgp_multi_hop.unwrap_or(false),
        ttl_security: spec.ttl_security,
        passive: spec.passive.unwrap_or(false),
        families: families(spec, address),
        graceful_restart: spec.enable_graceful_restart.unwrap_or(false),
        graceful_restart_time: restart.0,
        long_lived_stale_time: restart.1,
    };
    Some(Draft::BgpPeer(Arc::new(PeerDraft {
        peer,
        password_secret,
    })))
}

/// Fields of MetalLB's that this build cannot honour: refused, since to ignore them would give
/// another session than the one asked for.
fn refuse_unsupported(spec: &BGPPeerSpec, findings: &mut Findings) {
    let given = |field: &Option<String>| field.as_deref().is_some_and(|text| !text.is_empty());
    let mut refuse = |field: &str, message: &str, hint: &str| {
        findings.push(Finding::error(format!("spec.{field}"), message, hint));
    };
    if given(&spec.interface) {
        refuse(
            "interface",
            "unnumbered peering is not supported by this build",
            "name the peer with peerAddress; a link-local one takes its zone, such as fe80::1%eth0",
        );
    }
    if given(&spec.vrf) {
        refuse(
            "vrf",
            "VRFs are not supported by this build",
            "remove it, and peer in the default VRF",
        );
    }
    if given(&spec.bfd_profile) {
        refuse(
            "bfdProfile",
            "BFD is not supported by this build",
            "remove it; a lower holdTime also finds a dead peer sooner",
        );
    }
    if spec.local_asn.is_some() {
        refuse(
            "localASN",
            "a second AS number is not supported by this build",
            "remove it, and put the AS number that this peer expects into myASN",
        );
    }
    if spec.disable_mp == Some(true) {
        findings.push(Finding::warning(
            "spec.disableMP",
            "disableMP has no effect",
            "remove it: a session carries only the family of its peerAddress unless \
             dualStackAddressFamily is true",
        ));
    }
}

fn asn(asn: u32, field: &str, findings: &mut Findings) -> Option<u32> {
    let reason = match asn {
        0 => "0 is reserved (RFC 7607)",
        AS_TRANS => "23456 is AS_TRANS, which nobody may be (RFC 6793)",
        65_535 | u32::MAX => {
            findings.push(Finding::warning(
                field,
                format!("{asn} is reserved (RFC 7300)"),
                "use your own AS number, or a private one: 64512 to 65534, 4200000000 to 4294967294",
            ));
            return Some(asn);
        }
        _ => return Some(asn),
    };
    findings.push(Finding::error(
        field,
        reason,
        "write an AS number, 1 to 4294967294; private ones are 64512 to 65534 and 4200000000 to \
         4294967294",
    ));
    None
}

fn peer_asn(spec: &BGPPeerSpec, findings: &mut Findings) -> Option<PeerAsn> {
    match (spec.peer_asn, spec.dynamic_asn) {
        // 0 beside dynamicASN is how some tools write "unset".
        (Some(0) | None, Some(DynamicAsn::Internal)) => Some(PeerAsn::Internal),
        (Some(0) | None, Some(DynamicAsn::External)) => Some(PeerAsn::External),
        (Some(given), None) => asn(given, "spec.peerASN", findings).map(PeerAsn::Exactly),
        (Some(_), Some(_)) => {
            findings.push(Finding::error(
                "spec.dynamicASN",
                "both peerASN and dynamicASN are given",
                "keep peerASN to expect that AS number, or dynamicASN to accept what the peer names",
            ));
            None
        }
        (None, None) => {
            findings.push(Finding::error(
                "spec.peerASN",
                "the peer's AS number is missing",
                "add peerASN, or dynamicASN: internal or external",
            ));
            None
        }
    }
}

/// `peerAddress`: the address, and its zone.
fn peer_address(spec: &BGPPeerSpec, findings: &mut Findings) -> Option<(IpAddr, Option<String>)> {
    let field = "spec.peerAddress";
    let Some(text) = spec.peer_address.as_deref().filter(|text| !text.is_empty()) else {
        if spec.interface.is_none() {
            let hint = "write the router's IP address";
            findings.push(Finding::error(field, "the peer's address is missing", hint));
        }
        return None;
    };
    match parse_peer_address(text, field) {
        Ok(endpoint) => Some(endpoint),
        Err(finding) => {
            findings.push(finding);
            None
        }
    }
}

fn parse_peer_address(text: &str, field: &str) -> Result<(IpAddr, Option<String>), Finding> {
    let (bare, zone) = match text.split_once('%') {
        Some((bare, zone)) => (bare, Some(zone.to_owned())),
        None => (text, None),
    };
    let address = address::parse(bare, field)?;
    let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if address.is_unspecified() || address.is_multicast() {
        let message = format!("`{text}` is not the address of one router");
        return Err(Finding::error(
            field,
            message,
            "write the router's unicast address",
        ));
    }
    match (link_local, &zone) {
        (true, None) => Err(Finding::error(
            field,
            format!("`{text}` is link-local and has no zone"),
            format!("name the interface, such as {address}%eth0"),
        )),
        (true, Some(zone)) if !is_interface_name(zone) => Err(Finding::error(
            field,
            format!("`{zone}` is not an interface's name"),
            format!("name the interface, such as {address}%eth0"),
        )),
        (false, Some(_)) => Err(Finding::error(
            field,
            format!("`{text}` has a zone, which only link-local addresses take"),
            format!("write {address}"),
        )),
        (true, Some(_)) | (false, None) => Ok((address, zone)),
    }
}

/// What Linux takes: 1 to 15 octets, no slash, no space.
fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_graphic() && c != '/' && c != '%')
}

fn source_address(
    spec: &BGPPeerSpec,
    peer: Option<IpAddr>,
    findings: &mut Findings,
) -> Option<IpAddr> {
    let field = "spec.sourceAddress";
    let text = spec
        .source_address
        .as_deref()
        .filter(|text| !text.is_empty())?;
    match (address::parse(text, field), peer) {
        (Err(finding), _) => {
            findings.push(finding);
            None
        }
        (Ok(source), Some(peer)) if source.is_ipv4() != peer.is_ipv4() => {
            findings.push(Finding::error(
                field,
                format!("{source} and the peerAddress {peer} are of different families"),
                format!(
                    "write an {:?} address of the node, or remove it",
                    address::family(peer)
                ),
            ));
            None
        }
        (Ok(source), _) => Some(source),
    }
}

#[derive(Default)]
struct Timers {
    hold: Option<u16>,
    keepalive: Option<u16>,
    connect: Option<u16>,
}

fn timers(spec: &BGPPeerSpec, findings: &mut Findings) -> Timers {
    let mut read = |text: &Option<String>, field: &str, least, or_zero| {
        let text = text.as_deref()?;
        match duration::whole_seconds(text, field, least, 65_535, or_zero) {
            Ok(seconds) => u16::try_from(seconds).ok(),
            Err(finding) => {
                findings.push(finding);
                None
            }
        }
    };
    // RFC 4271 §4.2: "MUST be either zero or at least three seconds".
    let hold = read(&spec.hold_time, "spec.holdTime", 3, true);
    let keepalive = read(&spec.keepalive_time, "spec.keepaliveTime", 1, true);
    let connect = read(&spec.connect_time, "spec.connectTime", 1, false);
    if let (Some(hold), Some(keepalive)) = (hold, keepalive)
        && keepalive > hold
    {
        findings.push(Finding::error(
            "spec.keepaliveTime",
            format!("{keepalive} s is more than the holdTime of {hold} s"),
            format!(
                "write at most {}s, a third of the holdTime",
                (hold / 3).max(u16::from(hold > 0))
            ),
        ));
    }
    if keepalive == Some(0) && hold != Some(0) {
        findings.push(Finding::error(
            "spec.keepaliveTime",
            "without KEEPALIVEs the peer's hold timer ends the session",
            "remove it, or write holdTime: 0s too, which turns both timers off",
        ));
    }
    // MetalLB: with only keepaliveTime given, the hold time is three times that.
    let hold = match (spec.hold_time.is_some(), keepalive) {
        (false, Some(keepalive)) if keepalive > 0 => Some(keepalive.saturating_mul(3)),
        (true | false, _) => hold,
    };
    keepalive_too_rare(hold.unwrap_or(DEFAULT_HOLD_TIME), keepalive, findings);
    Timers {
        hold,
        keepalive,
        connect,
    }
}

/// RFC 4271 §4.4: a third of the hold time is the most that is used.
fn keepalive_too_rare(hold: u16, keepalive: Option<u16>, findings: &mut Findings) {
    let Some(keepalive) = keepalive.filter(|keepalive| *keepalive <= hold) else {
        return;
    };
    if keepalive > hold / 3 {
        findings.push(Finding::warning(
            "spec.keepaliveTime",
            format!(
                "{keepalive} s is more than a third of the holdTime of {hold} s, so a KEEPALIVE \
                 is sent every {} s",
                hold / 3
            ),
            format!("write at most {}s, or a longer holdTime", hold / 3),
        ));
    }
}

fn router_id(spec: &BGPPeerSpec, findings: &mut Findings) -> Option<Ipv4Addr> {
    let text = spec.router_id.as_deref().filter(|text| !text.is_empty())?;
    match text.parse::<Ipv4Addr>() {
        Ok(id) if !id.is_unspecified() => Some(id),
        Ok(_) | Err(_) => {
            findings.push(Finding::error(
                "spec.routerID",
                format!("`{text}` is not a BGP Identifier"),
                "write it as an IPv4 address other than 0.0.0.0 (RFC 6286), also on IPv6 sessions",
            ));
            None
        }
    }
}

/// Checks `password`, and gives namespace and name of `passwordSecret`.
fn password(
    spec: &BGPPeerSpec,
    namespace: &Arc<str>,
    findings: &mut Findings,
) -> Option<(Arc<str>, Arc<str>)> {
    let literal = spec
        .password
        .as_deref()
        .filter(|password| !password.is_empty());
    if literal.is_some_and(|password| password.len() > MAX_PASSWORD) {
        let message = format!("the password is longer than {MAX_PASSWORD} octets");
        findings.push(Finding::error(
            "spec.password",
            message,
            "choose a shorter one",
        ));
    }
    let reference = spec.password_secret.as_ref()?;
    let name = reference.name.as_deref().filter(|name| !name.is_empty());
    if literal.is_some() && name.is_some() {
        findings.push(Finding::error(
            "spec.passwordSecret",
            "both password and passwordSecret are given",
            "keep passwordSecret, and remove password",
        ));
        return None;
    }
    let namespace = reference
        .namespace
        .as_deref()
        .filter(|namespace| !namespace.is_empty())
        .map_or_else(|| Arc::clone(namespace), Arc::from);
    name.map(|name| (namespace, Arc::from(name)))
}

fn hops(spec: &BGPPeerSpec, peer_asn: Option<PeerAsn>, findings: &mut Findings) {
    let ibgp = match peer_asn {
        Some(PeerAsn::Exactly(asn)) => asn == spec.my_asn,
        Some(PeerAsn::Internal) => true,
        Some(PeerAsn::External) | None => false,
    };
    if spec.ebgp_multi_hop == Some(true) && ibgp {
        findings.push(Finding::error(
            "spec.ebgpMultiHop",
            "the session is iBGP, which is multihop anyway",
            "remove it, or give peerASN the other router's AS number",
        ));
    }
    if spec.ebgp_multi_hop == Some(true) && spec.ttl_security.is_some() {
        findings.push(Finding::error(
            "spec.ttlSecurity",
            "both ebgpMultiHop and ttlSecurity are given",
            "keep ttlSecurity: it says how many hops away the peer may be",
        ));
    }
}

/// Restart Time and Long-Lived Stale Time, seconds.
fn restart(spec: &BGPPeerSpec, findings: &mut Findings) -> (u16, u32) {
    let mut read = |text: &Option<String>, field: &str, most| {
        let text = text.as_deref()?;
        duration::whole_seconds(text, field, 0, most, true)
            .map_err(|finding| findings.push(finding))
            .ok()
    };
    // RFC 4724 §3: 12 bits. RFC 9494 §3.1: 24 bits.
    let restart = read(
        &spec.graceful_restart_time,
        "spec.gracefulRestartTime",
        4_095,
    );
    let stale = read(
        &spec.long_lived_stale_time,
        "spec.longLivedStaleTime",
        16_777_215,
    );
    let enabled = spec.enable_graceful_restart == Some(true);
    let given = [
        (
            "spec.gracefulRestartTime",
            spec.graceful_restart_time.is_some(),
        ),
        (
            "spec.longLivedStaleTime",
            stale.is_some_and(|seconds| seconds > 0),
        ),
    ];
    for (field, _) in given.into_iter().filter(|(_, given)| *given && !enabled) {
        findings.push(Finding::error(
            field,
            "graceful restart is off for this peer",
            "add enableGracefulRestart: true, or remove this",
        ));
    }
    let restart = restart.and_then(|seconds| u16::try_from(seconds).ok());
    (restart.unwrap_or(DEFAULT_RESTART_TIME), stale.unwrap_or(0))
}

fn families(spec: &BGPPeerSpec, address: IpAddr) -> BTreeSet<IpFamily> {
    if spec.dual_stack_address_family == Some(true) {
        BTreeSet::from([IpFamily::IPv4, IpFamily::IPv6])
    } else {
        BTreeSet::from([address::family(address)])
    }
}
