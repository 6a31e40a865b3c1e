//! L2Advertisement to an advertisement.

use std::sync::Arc;

use plan::world::{L2Advertisement, PreferredNodes};

use super::bgp_advertisement::{names, pool_selection};
use super::{Findings, selector};
use crate::crd::L2AdvertisementSpec;
use crate::object::Draft;
use crate::problem::Finding;

/// An advertisement. As this build announces by BGP only, each is warned of.
pub fn translate(
    name: &Arc<str>,
    spec: &L2AdvertisementSpec,
    findings: &mut Findings,
) -> Option<Draft> {
    let before = findings.len();
    if !spec.preferred_node_selectors.is_empty() {
        findings.push(Finding::error(
            "spec.preferredNodeSelectors",
            "preferences among nodes are not supported by this build",
            "remove it, or narrow nodeSelectors",
        ));
    }
    let interfaces = names(&spec.interfaces, "spec.interfaces", findings)
        .iter()
        .map(|name| name.to_string())
        .collect();
    let preferred = spec.preferred_node_selectors.iter().enumerate();
    let preferred_nodes = preferred.map(|(index, preferred)| {
        let field = format!("spec.preferredNodeSelectors[{index}].preference");
        PreferredNodes {
            weight: preferred.weight,
            preference: selector::label_selector(&preferred.preference, &field, findings),
        }
    });
    let preferred_nodes = preferred_nodes.collect();
    let advertisement = L2Advertisement {
        name: Arc::clone(name),
        pools: pool_selection(
            &spec.ip_address_pools,
            &spec.ip_address_pool_selectors,
            findings,
        ),
        node_selectors: selector::label_selectors(
            &spec.node_selectors,
            "spec.nodeSelectors",
            findings,
        ),
        preferred_nodes,
        interfaces,
        service_selectors: selector::label_selectors(
            &spec.service_selectors,
            "spec.serviceSelectors",
            findings,
        ),
    };
    let clean = super::is_clean(findings, before);
    findings.push(Finding::warning(
        "",
        "this build announces by BGP only, so its pools are not announced by ARP or NDP",
        "add a BGPAdvertisement for them",
    ));
    clean.then(|| Draft::L2Advertisement(Arc::new(advertisement)))
}
