//! IPAddressPool to a pool.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use plan::labels::Labels;
use plan::world::{AddressRange, Pool, ServiceAllocation};

use super::{Findings, address, selector};
use crate::crd;
use crate::object::Draft;
use crate::problem::Finding;

/// A pool; overlaps with other pools are not looked for here.
pub fn translate(
    name: &Arc<str>,
    labels: Labels,
    spec: &crd::IPAddressPoolSpec,
    findings: &mut Findings,
) -> Option<Draft> {
    let before = findings.len();
    let ranges = ranges(&spec.addresses, findings);
    let service_allocation = spec
        .service_allocation
        .as_ref()
        .map(|allocation| service_allocation(allocation, findings));
    super::is_clean(findings, before).then(|| {
        Draft::IpAddressPool(Arc::new(Pool {
            name: Arc::clone(name),
            labels,
            ranges,
            auto_assign: spec.auto_assign.unwrap_or(true),
            avoid_buggy_ips: spec.avoid_buggy_ips.unwrap_or(false),
            service_allocation,
            share_across_namespaces: spec.allow_sharing_across_namespaces.unwrap_or(false),
        }))
    })
}

fn ranges(entries: &[String], findings: &mut Findings) -> Vec<AddressRange> {
    let mut ranges: Vec<AddressRange> = Vec::with_capacity(entries.len());
    // Disjoint ranges so far, by their first address, with their index.
    let mut taken: BTreeMap<IpAddr, (usize, AddressRange)> = BTreeMap::new();
    for (index, text) in entries.iter().enumerate() {
        let field = format!("spec.addresses[{index}]");
        match address::parse_range(text, &field) {
            Ok((range, warning)) => {
                findings.extend(warning);
                let before = taken
                    .range(..=range.last)
                    .next_back()
                    .map(|(_, entry)| entry);
                match before.filter(|(_, other)| overlap(other, &range)) {
                    Some((other, _)) => findings.push(Finding::error(
                        field,
                        format!(
                            "`{text}` overlaps with spec.addresses[{other}], `{}`",
                            entries[*other]
                        ),
                        "write each address in one entry only",
                    )),
                    None => {
                        taken.insert(range.first, (index, range));
                    }
                }
                ranges.push(range);
            }
            Err(finding) => findings.push(finding),
        }
    }
    ranges
}

/// Whether two ranges share an address. Those of different families never do.
pub fn overlap(a: &AddressRange, b: &AddressRange) -> bool {
    a.first.is_ipv4() == b.first.is_ipv4() && a.first <= b.last && b.first <= a.last
}

fn service_allocation(
    allocation: &crd::ServiceAllocation,
    findings: &mut Findings,
) -> ServiceAllocation {
    let field = "spec.serviceAllocation";
    let priority = match allocation.priority.unwrap_or(0) {
        0 => None,
        given => u32::try_from(given).map(Some).unwrap_or_else(|_| {
            findings.push(Finding::error(
                format!("{field}.priority"),
                format!("{given} is out of range"),
                "write 1 (first) to 4294967295, or 0 for last",
            ));
            None
        }),
    };
    let mut namespaces = BTreeSet::new();
    for (index, namespace) in allocation.namespaces.iter().enumerate() {
        if !namespaces.insert(namespace.clone()) {
            findings.push(Finding::error(
                format!("{field}.namespaces[{index}]"),
                format!("`{namespace}` is there twice"),
                "remove one of them",
            ));
        }
    }
    ServiceAllocation {
        priority,
        namespaces,
        namespace_selectors: selector::label_selectors(
            &allocation.namespace_selectors,
            &format!("{field}.namespaceSelectors"),
            findings,
        ),
        service_selectors: selector::label_selectors(
            &allocation.service_selectors,
            &format!("{field}.serviceSelectors"),
            findings,
        ),
    }
}
