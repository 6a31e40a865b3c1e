//! Routes of `plan` as routes of `bgp`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp::community::{Community, LargeCommunity};
use bgp::peer::PeerAs;
use bgp::{Asn, PeerConfig, RouteAttributes, RouteSet};
use imbl::ordmap::DiffItem;
use plan::announce::{Attributes, Routes};

/// The set of each peer, by name, from round to round: a set is made out of the one before by what
/// differs. Peers that share a table, and of which our AS is the same, share a set.
#[derive(Debug, Default)]
pub struct Sets {
    before: BTreeMap<Arc<str>, Made>,
    now: BTreeMap<Arc<str>, Made>,
}

/// A set, and what it was made of.
#[derive(Clone, Debug, Default)]
struct Made {
    table: Routes,
    prepended: Option<Asn>,
    set: Arc<RouteSet>,
}

impl Sets {
    /// A round begins: of a peer that is not asked for in it nothing is kept.
    pub fn begin(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// The table as a set for the peer of this name and configuration.
    pub fn of(&mut self, peer: &Arc<str>, table: &Routes, config: &PeerConfig) -> Arc<RouteSet> {
        // RFC 4271 §5.1.2: AS_PATH grows at the border of an AS only.
        let prepended = is_external(config).then_some(config.local_as);
        let same = |made: &&Made| made.prepended == prepended && made.table.ptr_eq(table);
        let twin = self.before.get(peer).filter(same);
        let made = match twin.or_else(|| self.now.values().find(same)) {
            Some(twin) => twin.clone(),
            None => {
                let before = self.before.remove(peer);
                let before = before.filter(|made| made.prepended == prepended);
                before.unwrap_or_default().follow(table, prepended)
            }
        };
        let set = Arc::clone(&made.set);
        self.now.insert(Arc::clone(peer), made);
        set
    }
}

impl Made {
    /// What it becomes for this table.
    fn follow(self, table: &Routes, prepended: Option<Asn>) -> Made {
        let mut set = self.set;
        let mut made: BTreeMap<&Arc<Attributes>, Arc<RouteAttributes>> = BTreeMap::new();
        let changes = self.table.diff(table);
        for change in changes {
            let set = Arc::make_mut(&mut set);
            let (prefix, plain) = match change {
                DiffItem::Add(prefix, plain) => (prefix, plain),
                DiffItem::Update { new, .. } => new,
                DiffItem::Remove(prefix, _) => {
                    set.remove(prefix);
                    continue;
                }
            };
            let shared = made.entry(plain);
            let shared = shared.or_insert_with(|| Arc::new(attributes(plain, prepended)));
            set.insert(*prefix, Arc::clone(shared));
        }
        Made {
            table: table.clone(),
            prepended,
            set,
        }
    }
}

/// Whether the peer is in another AS, as configured.
pub fn is_external(config: &PeerConfig) -> bool {
    match config.peer_as {
        PeerAs::Exactly(asn) => asn != config.local_as,
        PeerAs::Internal => false,
        PeerAs::External => true,
    }
}

fn attributes(plain: &Attributes, prepended: Option<Asn>) -> RouteAttributes {
    let Attributes {
        local_pref,
        med,
        as_path_prepend,
        communities,
    } = plain;
    let mut standard = Vec::new();
    let mut large = Vec::new();
    for community in communities {
        match *community {
            plan::world::Community::Standard(value) => standard.push(Community(value)),
            plan::world::Community::Large(global_administrator, local_data_1, local_data_2) => {
                large.push(LargeCommunity {
                    global_administrator,
                    local_data_1,
                    local_data_2,
                });
            }
        }
    }
    RouteAttributes {
        next_hop: None,
        med: *med,
        local_pref: *local_pref,
        as_path: prepended
            .into_iter()
            .flat_map(|asn| std::iter::repeat_n(asn, usize::from(*as_path_prepend)))
            .collect(),
        communities: standard,
        large_communities: large,
    }
}
