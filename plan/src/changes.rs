//! Which Services differ between two Worlds.

use imbl::ordmap::DiffItem;

use crate::world::{ObjectName, World};

/// Services that differ, or whose EndpointSlices do, in order. Takes the time of the difference.
pub fn services<'a>(before: &'a World, now: &'a World) -> Vec<&'a ObjectName> {
    let services = before.services.diff(&now.services);
    let mut changed: Vec<&ObjectName> = services.map(key).collect();
    let slices = before.endpoint_slices.diff(&now.endpoint_slices);
    changed.extend(slices.map(|change| &key(change).0));
    // Two sorted runs.
    changed.sort();
    changed.dedup();
    changed
}

/// The key of what differs.
pub fn key<'a, K, V>(change: DiffItem<'a, 'a, K, V>) -> &'a K {
    match change {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) => key,
        DiffItem::Update { new, .. } => new.0,
    }
}
