//! L2Advertisement to an advertisement.

use std::sync::Arc;

use plan::world::{Failback, L2Advertisement, PreferredNodes};

use super::bgp_advertisement::{names, pool_selection};
use super::{Findings, selector};
use crate::crd::{self, L2AdvertisementSpec};
use crate::object::Draft;

/// An advertisement.
pub fn translate(
    name: &Arc<str>,
    spec: &L2AdvertisementSpec,
    findings: &mut Findings,
) -> Option<Draft> {
    let before = findings.len();
    let interfaces = names(&spec.interfaces, "spec.interfaces", findings);
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
        failback: match spec.failback {
            Some(crd::Failback::Immediate) => Failback::Immediate,
            Some(crd::Failback::Delayed) | None => Failback::Delayed,
            Some(crd::Failback::Never) => Failback::Never,
        },
    };
    super::is_clean(findings, before).then(|| Draft::L2Advertisement(Arc::new(advertisement)))
}
