//! A typed object on its way into the World: what it is, where it came from, what it says.

use std::fmt;
use std::sync::Arc;

use plan::labels::Labels;
use plan::world;

use crate::problem::{Finding, Severity};
use crate::record::Assignment;

/// The kinds that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `metallb.io` IPAddressPool.
    IpAddressPool,
    /// `metallb.io` BGPPeer.
    BgpPeer,
    /// `metallb.io` BGPAdvertisement.
    BgpAdvertisement,
    /// `metallb.io` L2Advertisement.
    L2Advertisement,
    /// `metallb.io` Community.
    Community,
    /// `metallb.io` BFDProfile.
    BfdProfile,
    /// Service.
    Service,
    /// EndpointSlice.
    EndpointSlice,
    /// Node.
    Node,
    /// Namespace.
    Namespace,
    /// Secret.
    Secret,
}

impl Kind {
    /// Every kind that is read.
    pub const ALL: [Kind; 11] = [
        Kind::IpAddressPool,
        Kind::BgpPeer,
        Kind::BgpAdvertisement,
        Kind::L2Advertisement,
        Kind::Community,
        Kind::BfdProfile,
        Kind::Service,
        Kind::EndpointSlice,
        Kind::Node,
        Kind::Namespace,
        Kind::Secret,
    ];

    /// The name in a manifest's `kind`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::IpAddressPool => "IPAddressPool",
            Kind::BgpPeer => "BGPPeer",
            Kind::BgpAdvertisement => "BGPAdvertisement",
            Kind::L2Advertisement => "L2Advertisement",
            Kind::Community => "Community",
            Kind::BfdProfile => "BFDProfile",
            Kind::Service => "Service",
            Kind::EndpointSlice => "EndpointSlice",
            Kind::Node => "Node",
            Kind::Namespace => "Namespace",
            Kind::Secret => "Secret",
        }
    }

    /// The values of `apiVersion` that are read; the first is the current one.
    pub fn api_versions(self) -> &'static [&'static str] {
        match self {
            Kind::BgpPeer => &["metallb.io/v1beta2", "metallb.io/v1beta1"],
            Kind::IpAddressPool
            | Kind::BgpAdvertisement
            | Kind::L2Advertisement
            | Kind::Community
            | Kind::BfdProfile => &["metallb.io/v1beta1"],
            Kind::EndpointSlice => &["discovery.k8s.io/v1"],
            Kind::Service | Kind::Node | Kind::Namespace | Kind::Secret => &["v1"],
        }
    }

    /// Whether it is one of the `metallb.io` kinds. Their names are unique whatever the namespace.
    pub fn is_configuration(self) -> bool {
        match self {
            Kind::IpAddressPool
            | Kind::BgpPeer
            | Kind::BgpAdvertisement
            | Kind::L2Advertisement
            | Kind::Community
            | Kind::BfdProfile => true,
            Kind::Service | Kind::EndpointSlice | Kind::Node | Kind::Namespace | Kind::Secret => {
                false
            }
        }
    }

    /// Whether objects of this kind have no namespace.
    pub fn is_cluster_scoped(self) -> bool {
        matches!(self, Kind::Node | Kind::Namespace)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What makes an object the same object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for cluster-scoped kinds and for the `metallb.io` kinds.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// Where an object was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file, relative to the directory; `None` in a cluster.
    pub file: Option<Arc<str>>,
    /// The document within the file, from 1.
    pub document: Option<u32>,
    /// The document's first line, from 1.
    pub line: Option<u32>,
    /// In a cluster, `metadata.uid` of a `metallb.io` object.
    pub uid: Option<Arc<str>>,
}

/// An object as read.
#[derive(Clone, Debug)]
pub struct Object {
    /// Which object it is.
    pub key: ObjectKey,
    /// `metadata.namespace`, or the default.
    pub namespace: Arc<str>,
    /// Where it came from.
    pub origin: Origin,
    /// What it says; `None` where a finding is an error.
    pub draft: Option<Draft>,
    /// What is wrong with it, seen alone.
    pub findings: Vec<Finding>,
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.key.kind
    }

    /// Whether some finding is an error.
    pub fn is_invalid(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }
}

/// What a valid object says, in terms of `plan`, before other objects are looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum Draft {
    /// A pool; overlaps are not yet looked for.
    IpAddressPool(Arc<world::Pool>),
    /// A peer; its Secret is not yet looked up.
    BgpPeer(Arc<PeerDraft>),
    /// An advertisement; its aliases and names are not yet looked up.
    BgpAdvertisement(Arc<AdvertisementDraft>),
    /// An L2 advertisement.
    L2Advertisement(Arc<world::L2Advertisement>),
    /// Aliases.
    Community(Arc<Vec<(String, world::Community)>>),
    /// Nothing that is used yet.
    BfdProfile,
    /// A Service; its families and its assigned addresses may yet be filled in.
    Service(ServiceDraft),
    /// An EndpointSlice.
    EndpointSlice(Arc<world::EndpointSlice>),
    /// A Node.
    Node(Arc<world::Node>),
    /// A Namespace's labels.
    Namespace(Arc<Labels>),
    /// A Secret's type and its password.
    Secret(Arc<SecretDraft>),
}

/// A [`world::BgpPeer`] whose Secret is not yet looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerDraft {
    /// The peer, without the Secret's password.
    pub peer: world::BgpPeer,
    /// Namespace and name of the Secret.
    pub password_secret: Option<(Arc<str>, Arc<str>)>,
}

/// A [`world::BgpAdvertisement`] whose aliases are not yet looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct AdvertisementDraft {
    /// The advertisement, with those communities that are no alias.
    pub advertisement: world::BgpAdvertisement,
    /// Index in `spec.communities`, and the alias.
    pub aliases: Vec<(usize, String)>,
}

/// A [`world::Service`] and what else must be known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDraft {
    /// The Service. Assembling writes `ip_families` where they are defaulted, and `assigned`.
    pub service: Arc<world::Service>,
    /// Neither `clusterIPs` nor `ipFamilies` say which families it has.
    pub families_unknown: bool,
    /// What its status says.
    pub status: OwnStatus,
}

/// A Service's own `status.loadBalancer.ingress`, and the pool beside it.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnStatus {
    /// Neither addresses nor a pool.
    Nothing,
    /// What the Service is assigned. In a cluster that is so of all, so it is not kept twice.
    Assigned,
    /// This, whatever is assigned.
    This(Box<Assignment>),
}

impl ServiceDraft {
    /// What its status says; `None` is neither addresses nor a pool.
    pub fn own_status(&self) -> Option<Assignment> {
        match &self.status {
            OwnStatus::Nothing => None,
            OwnStatus::Assigned => Some(self.assigned()),
            OwnStatus::This(status) => Some(Assignment::clone(status)),
        }
    }

    /// What it is assigned.
    fn assigned(&self) -> Assignment {
        Assignment {
            addresses: self.service.assigned.clone(),
            pool: self.service.assigned_pool.clone(),
        }
    }

    /// Assigns this, and keeps what its status says.
    pub fn assign(&mut self, assignment: Assignment) {
        let status = self.own_status();
        if self.assigned() != assignment {
            let Assignment { addresses, pool } = assignment;
            let service = Arc::make_mut(&mut self.service);
            service.assigned = addresses;
            service.assigned_pool = pool;
        }
        self.status = match status {
            None => OwnStatus::Nothing,
            Some(status) if status == self.assigned() => OwnStatus::Assigned,
            Some(status) => OwnStatus::This(Box::new(status)),
        };
    }

    /// Whether a later draft says what this one said before assembling wrote into it.
    pub fn says_the_same(&self, later: &ServiceDraft) -> bool {
        let known = |draft: &ServiceDraft| (draft.families_unknown, draft.own_status());
        if known(self) != known(later) {
            return false;
        }
        let mut service = world::Service::clone(&later.service);
        service.assigned.clone_from(&self.service.assigned);
        service
            .assigned_pool
            .clone_from(&self.service.assigned_pool);
        if self.families_unknown {
            service.ip_families = self.service.ip_families;
        }
        service == *self.service
    }
}

/// What matters of a Secret.
#[derive(Clone, PartialEq)]
pub struct SecretDraft {
    /// `type`.
    pub secret_type: String,
    /// The key `password`, if it is there and text.
    pub password: Option<String>,
}

impl fmt::Debug for SecretDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretDraft")
            .field("secret_type", &self.secret_type)
            .finish_non_exhaustive()
    }
}
