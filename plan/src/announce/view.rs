//! What one node would say of each address, but for the Services themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::better;
use super::reason::PeerNames;
use super::routes::{Saying, Tables};
use super::{NotAnnounced, Verdict, labels_of, peers_of};
use crate::endpoints::Usable;
use crate::health::{self, Class, Health};
use crate::labels::{Labels, any_or_all};
use crate::pools::{RangeIndex, family_of};
use crate::world::{BgpAdvertisement, ExternalTrafficPolicy, IpFamily, Pool, Service, World};

/// Of each address of a Service, what would be said of it, or why nothing can be.
type Selected = SmallVec<[(IpAddr, Result<Saying, NotAnnounced>); 2]>;

/// A pool's advertisements, as this node needs them.
#[derive(Debug)]
struct PoolView {
    /// Those that select this node.
    here: Vec<Arc<BgpAdvertisement>>,
    /// What they say of an address of each family, where they are for every Service: then it need
    /// not be asked again for each.
    of_every_service: Option<BTreeMap<IpFamily, Result<Saying, NotAnnounced>>>,
    /// Those by which a node of a better class has a peer to announce the family to. Looked for
    /// only from a node that is out.
    by_better: Vec<(Arc<BgpAdvertisement>, IpFamily)>,
}

/// Of each address of a Service, what is said of it.
pub type Said = SmallVec<[(IpAddr, Saying); 2]>;

/// All of a World but its Services and EndpointSlices, as one node sees it.
#[derive(Debug)]
pub struct View {
    pub health: Health,
    /// Leads to the position in `pools`.
    index: RangeIndex<usize>,
    pools: Vec<PoolView>,
    pub tables: Tables,
}

impl View {
    pub fn new(me: &str, world: &World, options: health::Options) -> View {
        let health = health::judge(me, world, options);
        let by_better = better::advertisements(health.class, world, options);
        let peers = peers_of(me, world).into_iter().cloned();
        let mut tables = Tables::new(peers.collect(), health.class == Class::Leaving);
        let labels = labels_of(me, world);
        let pools = world.pools.values();
        let pools: Vec<_> = pools
            .map(|pool| PoolView::new(pool, labels, world, &by_better, &mut tables))
            .collect();
        let positions = world.pools.values().map(Arc::as_ref).zip(0..);
        View {
            health,
            index: RangeIndex::new(positions),
            pools,
            tables,
        }
    }

    /// The verdict on a Service, and what is said of its addresses where it is announced. The
    /// reasons come in MetalLB's order. `usable` says which endpoints are usable, and where policy
    /// Local makes it matter, whether one of them is here.
    pub fn judge(
        &mut self,
        service: &Service,
        usable: impl FnOnce(bool) -> Usable,
    ) -> (Verdict, Said) {
        match self.announced_to(service, usable) {
            Ok((peers, said)) => (Verdict::Announced { peers }, said),
            Err(reason) => (Verdict::NotAnnounced(reason), Said::new()),
        }
    }

    /// What is said of the addresses of a Service that is announced.
    pub fn said(&mut self, service: &Service) -> Said {
        let selected = self.advertisements(service).map(|(selected, _)| selected);
        let selected = selected.unwrap_or_default().into_iter();
        selected
            .filter_map(|(address, saying)| Some((address, saying.ok()?)))
            .collect()
    }

    fn announced_to(
        &mut self,
        service: &Service,
        usable: impl FnOnce(bool) -> Usable,
    ) -> Result<(PeerNames, Said), NotAnnounced> {
        let (selected, better_node) = self.advertisements(service)?;
        let said: Result<Said, NotAnnounced> = selected
            .into_iter()
            .map(|(address, saying)| Ok((address, saying?)))
            .collect();
        let said = said?;
        self.gate(service, usable, better_node)?;
        let peers = self.tables.reached_by(&said)?;
        Ok((peers, said))
    }

    /// For each address of the Service, what the advertisements say that announce it from this
    /// node; and whether a better node announces one of them.
    fn advertisements(&mut self, service: &Service) -> Result<(Selected, bool), NotAnnounced> {
        if !service.wants_address {
            return Err(NotAnnounced::NotLoadBalancer);
        }
        if service.assigned.is_empty() {
            return Err(NotAnnounced::NoIpAllocated);
        }
        let mut selected = Selected::new();
        let mut better_node = false;
        let mut of_node = false;
        for address in &service.assigned {
            let pool = self.index.find(*address);
            let pool = pool.and_then(|position| self.pools.get(position));
            let pool = pool.ok_or(NotAnnounced::IpNotAllowed)?;
            of_node |= !pool.here.is_empty();
            let family = family_of(*address);
            better_node |= pool.better_node(family, service);
            let saying = match &pool.of_every_service {
                Some(known) => known.get(&family).copied(),
                None => {
                    let of_service = pool.here.iter().filter(|ad| ad.is_for(service));
                    let of_service: Vec<_> = of_service.collect();
                    let any = !of_service.is_empty();
                    any.then(|| self.tables.saying(family, &of_service))
                }
            };
            selected.extend(saying.map(|saying| (*address, saying)));
        }
        match (of_node, selected.is_empty()) {
            (false, _) => Err(NotAnnounced::NotOwner),
            (true, true) => Err(NotAnnounced::NoMatchingAdvertisement),
            (true, false) => Ok((selected, better_node)),
        }
    }

    /// The node's health and the Service's endpoints.
    fn gate(
        &self,
        service: &Service,
        usable: impl FnOnce(bool) -> Usable,
        better_node: bool,
    ) -> Result<(), NotAnnounced> {
        let local = service.external_traffic_policy == ExternalTrafficPolicy::Local;
        match self.health.class {
            Class::Excluded => return Err(NotAnnounced::Node(self.health.why)),
            // Traffic for a Local Service would end on this very node.
            Class::Out if local || better_node => return Err(NotAnnounced::Node(self.health.why)),
            Class::InService | Class::Leaving | Class::Out => {}
        }
        let usable = usable(local);
        match (local && !usable.here, usable.anywhere) {
            (true, _) => Err(NotAnnounced::NoLocalEndpoints),
            (false, false) => Err(NotAnnounced::NoEndpoints),
            (false, true) => Ok(()),
        }
    }
}

impl PoolView {
    fn new(
        pool: &Pool,
        labels: &Labels,
        world: &World,
        by_better: &[(&Arc<BgpAdvertisement>, IpFamily)],
        tables: &mut Tables,
    ) -> PoolView {
        let here = |ad: &&Arc<BgpAdvertisement>| {
            ad.pools.selects(pool) && any_or_all(&ad.node_selectors, labels)
        };
        let here = world.bgp_advertisements.values().filter(here);
        let here: Vec<Arc<BgpAdvertisement>> = here.cloned().collect();
        let mut known = BTreeMap::new();
        if !here.is_empty() {
            for family in [IpFamily::IPv4, IpFamily::IPv6] {
                let all: Vec<_> = here.iter().collect();
                known.insert(family, tables.saying(family, &all));
            }
        }
        let of_every_service = here.iter().all(|ad| ad.service_selectors.is_empty());
        let by_better = by_better.iter().filter(|(ad, _)| ad.pools.selects(pool));
        PoolView {
            by_better: by_better.map(|(ad, of)| (Arc::clone(ad), *of)).collect(),
            of_every_service: of_every_service.then_some(known),
            here,
        }
    }

    fn better_node(&self, family: IpFamily, service: &Service) -> bool {
        let mut by_better = self.by_better.iter();
        by_better.any(|(ad, of)| *of == family && ad.is_for(service))
    }
}
