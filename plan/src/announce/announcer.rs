//! What one node announces, from World to World.

use std::sync::Arc;

use super::view::{Said, View};
use super::{Announcements, Verdict, Verdicts};
use crate::changes;
use crate::endpoints::{self, Usable};
use crate::health;
use crate::world::{ObjectName, World};

/// With more Services to look at than one in so many, all EndpointSlices are walked through, instead
/// of looked up for each.
const FEW: usize = 16;

/// Knows what a node announces of one World, and comes from there to the next: where nothing but
/// Services and EndpointSlices differ, it takes the time of the difference.
#[derive(Debug)]
pub struct Announcer {
    me: Arc<str>,
    options: health::Options,
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    /// What it was computed of.
    world: World,
    view: View,
    verdicts: Verdicts,
}

impl Announcer {
    /// One for the node of this name that has seen no World yet.
    pub fn new(me: &str, options: health::Options) -> Announcer {
        Announcer {
            me: me.into(),
            options,
            known: None,
        }
    }

    /// What the node announces of this World; the same as [`super::announce`] says.
    pub fn next(&mut self, world: &World) -> Announcements {
        let known = self.known.take();
        let known = known.filter(|known| differ_in_services_only(&known.world, world));
        let mut known = known.unwrap_or_else(|| Known {
            world: World {
                services: Default::default(),
                endpoint_slices: Default::default(),
                ..world.clone()
            },
            view: View::new(&self.me, world, self.options),
            verdicts: Verdicts::new(),
        });
        known.follow(world, &self.me);
        let announcements = Announcements {
            health: known.view.health,
            peers: known.view.tables.peers(),
            verdicts: known.verdicts.clone(),
        };
        self.known = Some(known);
        announcements
    }
}

/// Whether two Worlds have all in common, by memory, but Services and EndpointSlices.
fn differ_in_services_only(one: &World, other: &World) -> bool {
    let World {
        services: _,
        endpoint_slices: _,
        nodes,
        // No matter to announcing.
        namespaces: _,
        pools,
        peers,
        bgp_advertisements,
        l2_advertisements: _,
        liveness,
        links: _,
        conflicts: _,
    } = one;
    Arc::ptr_eq(nodes, &other.nodes)
        && Arc::ptr_eq(pools, &other.pools)
        && Arc::ptr_eq(peers, &other.peers)
        && Arc::ptr_eq(bgp_advertisements, &other.bgp_advertisements)
        && *liveness == other.liveness
}

impl Known {
    fn follow(&mut self, world: &World, me: &str) {
        let before = std::mem::replace(&mut self.world, world.clone());
        let changed = changes::services(&before, world);
        let few = changed.len().saturating_mul(FEW) < world.endpoint_slices.len();
        let mut walk = endpoints::walk(world);
        for name in changed {
            let usable = |local: bool| {
                let node = local.then_some(me);
                match few {
                    true => endpoints::usable(world, name, node),
                    false => walk.usable(name, node),
                }
            };
            self.judge(name, &before, world, usable);
        }
        self.view.tables.settle();
    }

    /// Looks at a Service that is another one now, or that is new, or gone.
    fn judge(
        &mut self,
        name: &ObjectName,
        before: &World,
        world: &World,
        usable: impl FnOnce(bool) -> Usable,
    ) {
        let old = self.verdicts.get(name);
        let was_said = match (old, before.services.get(name)) {
            (Some(Verdict::Announced { .. }), Some(service)) => self.view.said(service),
            (Some(Verdict::Announced { .. }), None)
            | (Some(Verdict::NotAnnounced(_)) | None, _) => Said::new(),
        };
        let Some(service) = world.services.get(name) else {
            self.verdicts.remove(name);
            self.view.tables.replace(&was_said, &Said::new());
            return;
        };
        let (verdict, said) = self.view.judge(service, usable);
        self.view.tables.replace(&was_said, &said);
        if self.verdicts.get(name) != Some(&verdict) {
            self.verdicts.insert(name.clone(), verdict);
        }
    }
}
