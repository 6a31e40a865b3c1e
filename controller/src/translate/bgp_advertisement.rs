//! BGPAdvertisement to an advertisement.

use std::collections::BTreeSet;
use std::sync::Arc;

use plan::world::{BgpAdvertisement, Community, PoolSelection};

use super::{Findings, community, selector};
use crate::crd::BGPAdvertisementSpec;
use crate::object::{AdvertisementDraft, Draft};
use crate::problem::Finding;

/// Communities on one advertisement, at most (MetalLB's bound).
pub const MAX_COMMUNITIES: usize = 63;

/// An advertisement; the names in it are not looked up here.
pub fn translate(
    name: &Arc<str>,
    spec: &BGPAdvertisementSpec,
    findings: &mut Findings,
) -> Option<Draft> {
    let before = findings.len();
    let (communities, aliases) = communities(&spec.communities, findings);
    let pools = pool_selection(
        &spec.ip_address_pools,
        &spec.ip_address_pool_selectors,
        findings,
    );
    let node_selectors =
        selector::label_selectors(&spec.node_selectors, "spec.nodeSelectors", findings);
    let service_selectors =
        selector::label_selectors(&spec.service_selectors, "spec.serviceSelectors", findings);
    let peers = names(&spec.peers, "spec.peers", findings);
    let aggregation = (
        spec.aggregation_length.unwrap_or(32),
        spec.aggregation_length_v6.unwrap_or(128),
    );
    if !spec.service_selectors.is_empty() && aggregation != (32, 128) {
        findings.push(Finding::error(
            "spec.serviceSelectors",
            "serviceSelectors and an aggregation length are both given",
            "remove aggregationLength and aggregationLengthV6: an aggregate is for all Services of \
             the pool, or none",
        ));
    }
    if spec.local_pref == Some(0) {
        findings.push(Finding::warning(
            "spec.localPref",
            "0 means unset, and iBGP peers are sent 100",
            "remove it, or write 1 for the least preferred",
        ));
    }
    super::is_clean(findings, before).then(|| {
        let advertisement = BgpAdvertisement {
            name: Arc::clone(name),
            aggregation_length: aggregation.0,
            aggregation_length_v6: aggregation.1,
            local_pref: spec.local_pref.filter(|local_pref| *local_pref != 0),
            med: spec.med,
            as_path_prepend: spec.as_path_prepend.unwrap_or(0),
            communities,
            pools,
            node_selectors,
            peers,
            service_selectors,
        };
        Draft::BgpAdvertisement(Arc::new(AdvertisementDraft {
            advertisement,
            aliases,
        }))
    })
}

/// Literal communities, sorted, and names with their index.
fn communities(
    entries: &[String],
    findings: &mut Findings,
) -> (Vec<Community>, Vec<(usize, String)>) {
    if entries.len() > MAX_COMMUNITIES {
        findings.push(Finding::error(
            "spec.communities",
            format!("{} communities are too many", entries.len()),
            format!("give at most {MAX_COMMUNITIES}"),
        ));
    }
    let mut literals = BTreeSet::new();
    let mut aliases: Vec<(usize, String)> = Vec::new();
    for (index, text) in entries.iter().enumerate().take(MAX_COMMUNITIES) {
        let field = format!("spec.communities[{index}]");
        let new = match community::parse(text, &field) {
            Ok(community::Entry::Literal(community)) => literals.insert(community),
            Ok(community::Entry::Name(name)) => {
                let new = !aliases.iter().any(|(_, other)| *other == name);
                aliases.push((index, name));
                new
            }
            Err(finding) => {
                findings.push(finding);
                true
            }
        };
        if !new {
            let message = format!("the community `{text}` is there twice");
            findings.push(Finding::error(field, message, "remove one of them"));
        }
    }
    (literals.into_iter().collect(), aliases)
}

/// `ipAddressPools` and `ipAddressPoolSelectors`, of either kind of advertisement.
pub fn pool_selection(
    pools: &[String],
    selectors: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector],
    findings: &mut Findings,
) -> PoolSelection {
    PoolSelection {
        names: names(pools, "spec.ipAddressPools", findings),
        selectors: selector::label_selectors(selectors, "spec.ipAddressPoolSelectors", findings),
    }
}

/// A set of names; none may be there twice.
pub fn names(names: &[String], field: &str, findings: &mut Findings) -> BTreeSet<Arc<str>> {
    let mut set = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        if !set.insert(Arc::from(name.as_str())) {
            let message = format!("`{name}` is there twice");
            findings.push(Finding::error(
                format!("{field}[{index}]"),
                message,
                "remove one of them",
            ));
        }
    }
    set
}
