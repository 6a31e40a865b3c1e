//! Advertisements, the names in them looked up.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::World;
use plan::world::{BgpAdvertisement, BgpPeer, L2Advertisement, Node, Pool, PoolSelection};

use super::Store;
use super::communities::Aliases;
use super::selection::share_a_node;
use crate::manifest::schema::MAX_FINDINGS;
use crate::manifest::suggest;
use crate::object::{AdvertisementDraft, Draft, Kind};
use crate::problem::{Finding, Problem};
use crate::translate::address::shortest_prefix;
use crate::translate::community::well_known;

/// What advertisements name.
pub struct Context {
    pub aliases: Aliases,
    pub pools: BTreeMap<Arc<str>, Arc<Pool>>,
    pub peers: BTreeMap<Arc<str>, Arc<BgpPeer>>,
    pub nodes: BTreeMap<Arc<str>, Arc<Node>>,
}

impl Context {
    /// BGPAdvertisements by name. One whose communities or lengths do not fit is refused; a pool
    /// or peer that does not exist is an error too, yet the rest of the advertisement is used.
    pub fn bgp(
        &self,
        store: &mut Store,
        problems: &mut Vec<Problem>,
    ) -> BTreeMap<Arc<str>, Arc<BgpAdvertisement>> {
        let mut accepted: BTreeMap<Arc<str>, Arc<BgpAdvertisement>> = BTreeMap::new();
        store.accept(Kind::BgpAdvertisement, problems, |draft, _| {
            let Draft::BgpAdvertisement(draft) = draft else {
                return Ok(());
            };
            let mut findings = Vec::new();
            let advertisement = self.with_aliases(draft, &mut findings);
            self.aggregation(&advertisement, &mut findings);
            let conflict = accepted
                .values()
                .find_map(|other| self.conflict(&advertisement, other));
            findings.extend(conflict);
            if !findings.is_empty() {
                return Err(findings);
            }
            accepted.insert(Arc::clone(&advertisement.name), Arc::new(advertisement));
            Ok(())
        });
        for (key, entry) in store.of_kind(Kind::BgpAdvertisement) {
            let Some(advertisement) = accepted.get(&key.name) else {
                continue;
            };
            let mut findings = self.missing_pools(&advertisement.pools);
            let peers = self.peers.keys().map(AsRef::as_ref);
            findings.extend(missing(
                advertisement.peers.iter().map(AsRef::as_ref),
                &peers.collect::<Vec<_>>(),
                "spec.peers",
                "BGPPeer",
            ));
            let findings = findings.into_iter();
            problems.extend(findings.map(|finding| entry.text.problem(key, finding)));
        }
        accepted
    }

    /// L2Advertisements by name.
    pub fn l2(
        &self,
        store: &Store,
        problems: &mut Vec<Problem>,
    ) -> BTreeMap<Arc<str>, Arc<L2Advertisement>> {
        let mut accepted = BTreeMap::new();
        for (key, entry) in store.of_kind(Kind::L2Advertisement) {
            let Some(Draft::L2Advertisement(advertisement)) = &entry.draft else {
                continue;
            };
            let findings = self.missing_pools(&advertisement.pools).into_iter();
            problems.extend(findings.map(|finding| entry.text.problem(key, finding)));
            accepted.insert(Arc::clone(&key.name), Arc::clone(advertisement));
        }
        accepted
    }

    fn with_aliases(
        &self,
        draft: &AdvertisementDraft,
        findings: &mut Vec<Finding>,
    ) -> BgpAdvertisement {
        let mut advertisement = draft.advertisement.clone();
        for (index, name) in &draft.aliases {
            match self.aliases.get(name).copied().or_else(|| well_known(name)) {
                Some(community) => advertisement.communities.push(community),
                None => findings.push(self.unknown_alias(*index, name)),
            }
        }
        advertisement.communities.sort();
        advertisement.communities.dedup();
        advertisement
    }

    fn unknown_alias(&self, index: usize, name: &str) -> Finding {
        let known = self.aliases.keys().map(String::as_str).chain(
            crate::translate::community::WELL_KNOWN
                .iter()
                .map(|(name, _)| *name),
        );
        let hint = match suggest::nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "define it in a Community, or write A:B or large:A:B:C".into(),
        };
        let message = format!("`{name}` is neither an alias nor a well-known community");
        Finding::error(format!("spec.communities[{index}]"), message, hint)
    }

    /// MetalLB's rule: an aggregate must not be larger than the pool's own prefixes.
    fn aggregation(&self, advertisement: &BgpAdvertisement, findings: &mut Vec<Finding>) {
        let selected = self
            .pools
            .values()
            .filter(|pool| advertisement.pools.selects(pool));
        for (pool, (index, range)) in selected.flat_map(|pool| {
            pool.ranges
                .iter()
                .enumerate()
                .map(move |entry| (pool, entry))
        }) {
            let (field, length) = if range.first.is_ipv4() {
                ("aggregationLength", advertisement.aggregation_length)
            } else {
                ("aggregationLengthV6", advertisement.aggregation_length_v6)
            };
            let own = shortest_prefix(range);
            if length < own {
                findings.push(Finding::error(
                    format!("spec.{field}"),
                    format!(
                        "/{length} is larger than spec.addresses[{index}] of IPAddressPool {}, whose \
                         largest prefix is a /{own}",
                        pool.name
                    ),
                    format!("write at least {own}, or leave that pool out"),
                ));
                return;
            }
        }
    }

    /// Two advertisements that give the same route different LOCAL_PREF or MED.
    fn conflict(&self, new: &BgpAdvertisement, other: &BgpAdvertisement) -> Option<Finding> {
        let field = match (new.local_pref == other.local_pref, new.med == other.med) {
            (false, _) => "spec.localPref",
            (true, false) => "spec.med",
            (true, true) => return None,
        };
        // With serviceSelectors it depends on the Service: plan judges that then.
        if !new.service_selectors.is_empty() || !other.service_selectors.is_empty() {
            return None;
        }
        let peers =
            new.peers.is_empty() || other.peers.is_empty() || !new.peers.is_disjoint(&other.peers);
        let nodes = share_a_node(&new.node_selectors, &other.node_selectors, &self.nodes);
        let pool = self.pools.values().find(|pool| {
            new.pools.selects(pool) && other.pools.selects(pool) && same_route(new, other, pool)
        })?;
        (peers && nodes).then(|| {
            Finding::error(
                field,
                format!(
                    "BGPAdvertisement {} gives the same routes of IPAddressPool {} another value",
                    other.name, pool.name
                ),
                "give both the same value, or pools, peers or nodes with none in common",
            )
        })
    }

    fn missing_pools(&self, selection: &PoolSelection) -> Vec<Finding> {
        let known: Vec<&str> = self.pools.keys().map(AsRef::as_ref).collect();
        let names = selection.names.iter().map(AsRef::as_ref);
        missing(names, &known, "spec.ipAddressPools", "IPAddressPool")
    }
}

/// Whether both announce an address of the pool with the same prefix length.
fn same_route(a: &BgpAdvertisement, b: &BgpAdvertisement, pool: &Pool) -> bool {
    pool.ranges.iter().any(|range| {
        if range.first.is_ipv4() {
            a.aggregation_length == b.aggregation_length
        } else {
            a.aggregation_length_v6 == b.aggregation_length_v6
        }
    })
}

fn missing<'a>(
    names: impl Iterator<Item = &'a str>,
    known: &[&str],
    field: &str,
    kind: &str,
) -> Vec<Finding> {
    names
        .filter(|name| !known.contains(name))
        .take(MAX_FINDINGS)
        .map(|name| {
            let message = format!("there is no valid {kind} `{name}`");
            Finding::error(field, message, missing_hint(name, known, kind))
        })
        .collect()
}

/// What to do about a name that is not among those known.
pub fn missing_hint(name: &str, known: &[&str], kind: &str) -> String {
    match suggest::nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("add it; there is no valid {kind} at all"),
        None if known.len() <= 10 => format!("add it, or name one of: {}", known.join(", ")),
        None => "add it, or remove the name".into(),
    }
}

/// Warnings for what is given out and yet announced to nobody.
pub fn unannounced(store: &Store, world: &World, problems: &mut Vec<Problem>) {
    for (key, entry) in store.of_kind(Kind::IpAddressPool) {
        let Some(pool) = world.pools.get(&key.name) else {
            continue;
        };
        let bgp = world
            .bgp_advertisements
            .values()
            .any(|ad| ad.pools.selects(pool));
        let l2 = world
            .l2_advertisements
            .values()
            .any(|ad| ad.pools.selects(pool));
        if !bgp && !l2 {
            let finding = Finding::warning(
                "",
                "no advertisement selects this pool: its addresses are given out, not announced",
                "add a BGPAdvertisement (one with an empty spec selects every pool)",
            );
            problems.push(entry.text.problem(key, finding));
        }
    }
    if world.peers.is_empty() && !world.bgp_advertisements.is_empty() {
        problems.push(Problem::of_directory(
            crate::Severity::Warning,
            "there is no valid BGPPeer: nothing is announced",
            "add a BGPPeer with myASN, peerASN and peerAddress",
        ));
    }
}
