//! Names that many objects bear, each text kept once.
//!
//! A Service's name is in its own key, in its EndpointSlices and in its assignment; a Node's in
//! every endpoint on it, a pool's in every Service that has an address of it. Shared, they take less room, and comparing them reads a pointer.

use std::collections::BTreeSet;
use std::sync::Arc;

use plan::world::ObjectName;

use crate::object::{Draft, Object, OwnStatus};

/// Names not in use any more are let go when there are this many, or twice as many as after the
/// last time.
const SWEEP_AT_LEAST: usize = 4_096;

/// Names in use.
#[derive(Debug)]
pub struct Names {
    known: BTreeSet<Arc<str>>,
    sweep_at: usize,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            known: BTreeSet::new(),
            sweep_at: SWEEP_AT_LEAST,
        }
    }
}

impl Names {
    /// Makes the names in the object those that other objects have, where they are equal.
    pub fn share(&mut self, object: &mut Object) {
        self.one(&mut object.key.namespace);
        self.one(&mut object.namespace);
        match &mut object.draft {
            Some(Draft::Service(draft)) => {
                self.one(&mut object.key.name);
                if let Some(service) = Arc::get_mut(&mut draft.service) {
                    self.object_name(&mut service.name);
                    self.maybe(&mut service.assigned_pool);
                }
                if let OwnStatus::This(status) = &mut draft.status {
                    self.maybe(&mut status.pool);
                }
            }
            Some(Draft::EndpointSlice(slice)) => {
                if let Some(slice) = Arc::get_mut(slice) {
                    slice.name = Arc::clone(&object.key.name);
                    self.object_name(&mut slice.service);
                    let endpoints = slice.endpoints.iter_mut();
                    endpoints.for_each(|endpoint| self.maybe(&mut endpoint.node));
                }
            }
            Some(Draft::Node(node)) => {
                self.one(&mut object.key.name);
                if let Some(node) = Arc::get_mut(node) {
                    self.one(&mut node.name);
                }
            }
            Some(
                Draft::IpAddressPool(_)
                | Draft::BgpPeer(_)
                | Draft::BgpAdvertisement(_)
                | Draft::L2Advertisement(_)
                | Draft::Community(_)
                | Draft::BfdProfile
                | Draft::Namespace(_)
                | Draft::Secret(_),
            )
            | None => {}
        }
    }

    /// As [`Names::share`], of one name.
    pub fn object_name(&mut self, name: &mut ObjectName) {
        self.one(&mut name.namespace);
        self.one(&mut name.name);
    }

    fn maybe(&mut self, name: &mut Option<Arc<str>>) {
        if let Some(name) = name {
            self.one(name);
        }
    }

    fn one(&mut self, name: &mut Arc<str>) {
        if let Some(known) = self.known.get(name) {
            *name = Arc::clone(known);
            return;
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|name| Arc::strong_count(name) > 1);
            self.sweep_at = SWEEP_AT_LEAST.max(2 * self.known.len());
        }
        self.known.insert(Arc::clone(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_bears_are_let_go() {
        let mut names = Names::default();
        for number in 0..10 * SWEEP_AT_LEAST {
            names.one(&mut Arc::from(format!("name-{number}")));
        }
        assert!(names.known.len() <= SWEEP_AT_LEAST, "{}", names.known.len());
    }

    #[test]
    fn equal_names_become_one() {
        let mut names = Names::default();
        let (mut one, mut other) = (Arc::from("web"), Arc::from("web"));
        names.one(&mut one);
        names.one(&mut other);
        assert!(Arc::ptr_eq(&one, &other));
    }
}
