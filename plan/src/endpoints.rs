//! Usable endpoints of a Service, and the nodes that have them.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::world::{Endpoint, EndpointSlice, ObjectName, World};

impl Endpoint {
    /// Whether traffic may go to it: `ready` is true or unset, or `serving` is true (Kubernetes API
    /// reference: EndpointConditions). A terminating endpoint that still serves is usable; so is
    /// one that is published before it is ready.
    pub fn is_usable(&self) -> bool {
        self.ready.unwrap_or(true) || self.serving.unwrap_or(false)
    }
}

/// What the endpoints of a Service say about who may announce it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usable {
    /// Some endpoint, wherever it is, is usable.
    pub anywhere: bool,
    /// One on the node in question is; false where no node is.
    pub here: bool,
}

impl Usable {
    fn add(&mut self, slice: &EndpointSlice, node: Option<&str>) {
        for endpoint in slice.endpoints.iter().filter(|e| e.is_usable()) {
            self.anywhere = true;
            let Some(node) = node else {
                return;
            };
            self.here |= endpoint.node.as_deref() == Some(node);
        }
    }
}

/// Walks the slices of Services that are asked for in name order: one walk over all of them.
pub struct Walk<'a, I: Iterator<Item = (&'a ObjectName, &'a EndpointSlice)>> {
    slices: std::iter::Peekable<I>,
}

/// A walk from the first slice of the World.
pub fn walk(world: &World) -> Walk<'_, impl Iterator<Item = (&ObjectName, &EndpointSlice)>> {
    let slices = world.endpoint_slices.iter();
    Walk {
        slices: slices
            .map(|((service, _), slice)| (service, slice.as_ref()))
            .peekable(),
    }
}

impl<'a, I: Iterator<Item = (&'a ObjectName, &'a EndpointSlice)>> Walk<'a, I> {
    /// What is usable of this Service, seen from `node` if that matters. Each call must name a
    /// later Service.
    pub fn usable(&mut self, service: &ObjectName, node: Option<&str>) -> Usable {
        let mut usable = Usable::default();
        while let Some((name, slice)) = self.slices.peek() {
            match (*name).cmp(service) {
                Ordering::Less => {}
                Ordering::Equal if usable.anywhere && node.is_none() => {}
                Ordering::Equal => usable.add(slice, node),
                Ordering::Greater => break,
            }
            self.slices.next();
        }
        usable
    }
}

/// What is usable of this Service, seen from `node` if that matters.
pub fn usable(world: &World, service: &ObjectName, node: Option<&str>) -> Usable {
    let mut usable = Usable::default();
    for slice in slices(world, service) {
        usable.add(slice, node);
    }
    usable
}

/// The Service's slices.
fn slices<'a>(
    world: &'a World,
    service: &'a ObjectName,
) -> impl Iterator<Item = &'a EndpointSlice> {
    let first = (service.clone(), Arc::from(""));
    let slices = world.endpoint_slices.range(first..);
    let own = slices.take_while(move |((name, _), _)| name == service);
    own.map(|(_, slice)| slice.as_ref())
}

/// Every node that an endpoint of the Service is on, usable or not.
pub fn nodes(world: &World, service: &ObjectName) -> BTreeSet<Arc<str>> {
    slices(world, service)
        .flat_map(|slice| &slice.endpoints)
        .filter_map(|e| e.node.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_usable_when_ready_is_not_false_or_it_still_serves() {
        let (yes, no) = (Some(true), Some(false));
        let table = [
            (None, None, true),
            (None, yes, true),
            (None, no, true),
            (yes, None, true),
            (yes, yes, true),
            (yes, no, true),
            (no, yes, true),
            (no, no, false),
            (no, None, false),
        ];
        for (ready, serving, expected) in table {
            let endpoint = Endpoint {
                node: None,
                ready,
                serving,
            };
            assert_eq!(
                endpoint.is_usable(),
                expected,
                "ready {ready:?}, serving {serving:?}"
            );
        }
    }
}
