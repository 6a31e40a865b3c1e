//! The OPEN we send (RFC 4271 §4.2): the configuration in terms of capabilities.

use super::{PeerAs, PeerConfig};
use crate::Family;
use crate::capability::{Capability, GracefulRestart, LongLivedFamily};
use crate::message::open::Open;

/// AFI of IPv6 as a next hop (RFC 8950 §4).
const AFI_IPV6: u16 = 2;
/// Restart Time has 12 bits (RFC 4724 §3).
const MAX_RESTART_TIME: u16 = 0x0fff;
/// Long-Lived Stale Time has 24 bits (RFC 9494 §3.1).
const MAX_STALE_TIME: u32 = 0x00ff_ffff;

/// The OPEN with every capability that the configuration asks for.
pub(super) fn open(config: &PeerConfig, restarting: bool) -> Open {
    let mut capabilities: Vec<Capability> = config
        .families
        .iter()
        .map(|family| Capability::Multiprotocol(family.afi_safi()))
        .collect();
    capabilities.push(Capability::RouteRefresh);
    if config.families.contains(&Family::Ipv4Unicast) {
        let entry = (Family::Ipv4Unicast.afi_safi(), AFI_IPV6);
        capabilities.push(Capability::ExtendedNextHop(vec![entry]));
    }
    capabilities.push(Capability::ExtendedMessage);
    if let Some((role, _)) = config.role
        && may_be_external(config)
    {
        capabilities.push(Capability::Role(role.code()));
    }
    capabilities.extend(graceful_restart(config, restarting));
    capabilities.push(Capability::FourOctetAs(config.local_as));
    capabilities.push(Capability::EnhancedRouteRefresh);
    capabilities.extend(long_lived(config));
    if let Some((host, domain)) = &config.fqdn {
        capabilities.push(Capability::Fqdn(host.clone(), domain.clone()));
    }
    if let Some(version) = &config.software_version {
        capabilities.push(Capability::SoftwareVersion(version.clone()));
    }
    Open {
        capabilities,
        ..bare(config)
    }
}

/// The OPEN for a peer that answered 2/4, Unsupported Optional Parameter: without any (RFC 5492
/// §3). `None` where that cannot make the session that is wanted: without capabilities there is
/// only IPv4 unicast, and only a 2-octet AS number.
pub(super) fn without_capabilities(config: &PeerConfig) -> Option<Open> {
    let enough = config.families.contains(&Family::Ipv4Unicast)
        && u16::try_from(config.local_as.get()).is_ok();
    enough.then(|| bare(config))
}

fn bare(config: &PeerConfig) -> Open {
    Open {
        my_as: config.local_as.as_two_octets(),
        hold_time: config.hold_time,
        identifier: config.identifier,
        capabilities: Vec::new(),
    }
}

/// RFC 9234 §4.1: roles are for eBGP.
fn may_be_external(config: &PeerConfig) -> bool {
    match config.peer_as {
        PeerAs::Exactly(peer_as) => peer_as != config.local_as,
        PeerAs::Internal => false,
        PeerAs::External => true,
    }
}

/// F is always set: nodes go on forwarding whatever happens to this process.
fn graceful_restart(config: &PeerConfig, restarting: bool) -> Option<Capability> {
    let restart_time = config.graceful_restart_time?.min(MAX_RESTART_TIME);
    Some(Capability::GracefulRestart(GracefulRestart {
        restart_state: restarting,
        notification: true,
        restart_time,
        families: config
            .families
            .iter()
            .map(|family| (family.afi_safi(), true))
            .collect(),
    }))
}

/// RFC 9494 §3.1: only together with the graceful restart capability.
fn long_lived(config: &PeerConfig) -> Option<Capability> {
    config.graceful_restart_time?;
    let stale_time = config.long_lived_stale_time?.min(MAX_STALE_TIME);
    let family = |family: &Family| LongLivedFamily {
        family: family.afi_safi(),
        forwarding: true,
        stale_time,
    };
    Some(Capability::LongLivedGracefulRestart(
        config.families.iter().map(family).collect(),
    ))
}
