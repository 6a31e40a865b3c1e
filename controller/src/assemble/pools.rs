//! Pools that share no address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use plan::world::{AddressRange, Pool};

use super::Store;
use crate::object::{Draft, Kind};
use crate::problem::{Finding, Problem};

/// Pools by name. One that shares an address with another is refused.
pub fn pools(store: &mut Store, problems: &mut Vec<Problem>) -> BTreeMap<Arc<str>, Arc<Pool>> {
    let mut pools = BTreeMap::new();
    let mut taken = Taken::default();
    store.accept(Kind::IpAddressPool, problems, |draft, entry| {
        let Draft::IpAddressPool(pool) = draft else {
            return Ok(());
        };
        let findings: Vec<Finding> = pool
            .ranges
            .iter()
            .enumerate()
            .filter_map(|(index, range)| Some(overlap(index, range, taken.overlapping(range)?)))
            .collect();
        if !findings.is_empty() {
            return Err(findings);
        }
        for (index, range) in pool.ranges.iter().enumerate() {
            let owner = format!(
                "spec.addresses[{index}] of IPAddressPool {} ({})",
                pool.name,
                entry.place()
            );
            taken.0.insert(range.first, (*range, owner));
        }
        pools.insert(Arc::clone(&pool.name), Arc::clone(pool));
        Ok(())
    });
    pools
}

/// Ranges of accepted pools by their first address, with whose they are.
#[derive(Default)]
struct Taken(BTreeMap<IpAddr, (AddressRange, String)>);

impl Taken {
    /// The accepted range that shares an address with `range`, if there is one. Since accepted
    /// ranges are disjoint, it is the last that begins no later than `range` ends.
    fn overlapping(&self, range: &AddressRange) -> Option<&(AddressRange, String)> {
        let (_, last) = self.0.range(..=range.last).next_back()?;
        crate::translate::ip_address_pool::overlap(&last.0, range).then_some(last)
    }
}

fn overlap(index: usize, range: &AddressRange, taken: &(AddressRange, String)) -> Finding {
    let (other, owner) = taken;
    Finding::error(
        format!("spec.addresses[{index}]"),
        format!("{} overlaps with {}, {owner}", show(range), show(other)),
        "write each address in one pool only",
    )
}

/// `FIRST-LAST`, or the prefix where it is one.
fn show(range: &AddressRange) -> String {
    for length in 0..=128 {
        if let Ok(net) = ipnet::IpNet::new(range.first, length)
            && net.network() == range.first
            && net.broadcast() == range.last
        {
            return net.to_string();
        }
    }
    format!("{}-{}", range.first, range.last)
}
