//! What a speaker last knew of the cluster, on disk: so that it goes on announcing when it is started
//! anew while the API server is away.
//!
//! The file is JSON with a version. Passwords of BGPPeers are in it, so only its owner may read it.
//! The keys of speakers are in a [file of their own](keys) beside it.

pub mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use plan::World;
use plan::labels::Labels;
use plan::world::{
    BgpAdvertisement, BgpPeer, EndpointSlice, L2Advertisement, Node, ObjectName, Password, Pool,
    Service,
};
use serde::{Deserialize, Serialize};

use crate::kube::speakers::Speakers;
use crate::record::{RecordError, write};

/// The version that is written and read.
const VERSION: u64 = 1;

/// What a speaker knows of the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LastKnown {
    /// All objects, but what each speaker finds out for itself.
    pub world: World,
    /// Which nodes have a speaker, and who answers for what. Of strangers nothing is kept: each
    /// speaker hears them itself.
    pub speakers: Arc<Speakers>,
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// All as lists: a JSON map has texts for keys.
#[derive(Serialize, Deserialize)]
struct Content {
    version: u64,
    services: Vec<Arc<Service>>,
    endpoint_slices: Vec<Arc<EndpointSlice>>,
    nodes: Vec<Arc<Node>>,
    namespaces: BTreeMap<Arc<str>, Arc<Labels>>,
    pools: Vec<Arc<Pool>>,
    peers: Vec<Arc<BgpPeer>>,
    bgp_advertisements: Vec<Arc<BgpAdvertisement>>,
    l2_advertisements: Vec<Arc<L2Advertisement>>,
    /// By BGPPeer.
    passwords: BTreeMap<Arc<str>, String>,
    /// The nodes that have a speaker.
    #[serde(default)]
    speakers: Option<BTreeSet<Arc<str>>>,
    /// Who answers for a Service.
    #[serde(default)]
    owners: Option<Vec<(ObjectName, Arc<str>)>>,
}

/// Replaces the file at `path`; a crash at any moment leaves the old one or the new one.
///
/// # Errors
/// It cannot be written.
pub fn save(path: &Path, known: &LastKnown) -> Result<(), RecordError> {
    let World {
        services,
        endpoint_slices,
        nodes,
        namespaces,
        pools,
        peers,
        bgp_advertisements,
        l2_advertisements,
        // It is what each speaker finds out for itself.
        liveness: _,
        links: _,
        conflicts: _,
    } = &known.world;
    let owners = known.speakers.owners.as_ref();
    let password = |peer: &Arc<BgpPeer>| {
        let Password(text) = peer.password.clone()?;
        Some((Arc::clone(&peer.name), text))
    };
    let content = Content {
        version: VERSION,
        services: services.values().cloned().collect(),
        endpoint_slices: endpoint_slices.values().cloned().collect(),
        nodes: nodes.values().cloned().collect(),
        namespaces: namespaces.as_ref().clone(),
        pools: pools.values().cloned().collect(),
        peers: peers.values().cloned().collect(),
        bgp_advertisements: bgp_advertisements.values().cloned().collect(),
        l2_advertisements: l2_advertisements.values().cloned().collect(),
        passwords: peers.values().filter_map(password).collect(),
        speakers: known.speakers.nodes.clone(),
        owners: owners.map(|owners| owners.clone().into_iter().collect()),
    };
    let bytes = serde_json::to_vec(&content).map_err(|error| damaged(path, error.to_string()))?;
    write::replace(path, &bytes, &mut |_| Ok(()))
}

/// What is in the file; `None` where there is no file.
///
/// # Errors
/// It cannot be read, is damaged, or is of another version.
pub fn load(path: &Path) -> Result<Option<LastKnown>, RecordError> {
    let Some(bytes) = write::read(path)? else {
        return Ok(None);
    };
    let wrong = |error: serde_json::Error| damaged(path, error.to_string());
    let Versioned { version } = serde_json::from_slice(&bytes).map_err(wrong)?;
    if version != VERSION {
        return Err(RecordError::UnknownVersion {
            path: path.to_owned(),
            version,
        });
    }
    let mut content: Content = serde_json::from_slice(&bytes).map_err(wrong)?;
    let speakers = Speakers {
        nodes: content.speakers.take(),
        owners: content.owners.take().map(BTreeMap::from_iter),
        conflicts: BTreeMap::new(),
    };
    Ok(Some(LastKnown {
        speakers: Arc::new(speakers),
        world: content.into_world(),
    }))
}

fn damaged(path: &Path, reason: String) -> RecordError {
    RecordError::Damaged {
        path: path.to_owned(),
        reason,
    }
}

impl Content {
    fn into_world(self) -> World {
        let passwords = self.passwords;
        let with_password = |mut peer: Arc<BgpPeer>| {
            if let Some(password) = passwords.get(&peer.name) {
                Arc::make_mut(&mut peer).password = Some(Password(password.clone()));
            }
            peer
        };
        let services = self.services.into_iter();
        let slices = self.endpoint_slices.into_iter();
        World {
            services: services.map(|one| (one.name.clone(), one)).collect(),
            endpoint_slices: slices
                .map(|one| ((one.service.clone(), Arc::clone(&one.name)), one))
                .collect(),
            nodes: by_name(self.nodes, |node| &node.name),
            namespaces: Arc::new(self.namespaces),
            pools: by_name(self.pools, |pool| &pool.name),
            peers: by_name(
                self.peers.into_iter().map(with_password).collect(),
                |peer| &peer.name,
            ),
            bgp_advertisements: by_name(self.bgp_advertisements, |one| &one.name),
            l2_advertisements: by_name(self.l2_advertisements, |one| &one.name),
            ..World::default()
        }
    }
}

fn by_name<T>(all: Vec<Arc<T>>, name: impl Fn(&T) -> &Arc<str>) -> Arc<BTreeMap<Arc<str>, Arc<T>>> {
    let all = all.into_iter();
    Arc::new(all.map(|one| (Arc::clone(name(&one)), one)).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::record::Assignments;
    use crate::{Options, file};

    #[test]
    fn a_world_comes_back_as_it_was_with_its_passwords_and_nobody_else_may_read_it() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("speaker.json");
        assert!(load(&path).expect("no file is no error").is_none());
        let files = [("all.yaml", MANIFESTS)];
        let snapshot = file::from_texts(&files, &Options::default(), &Assignments::new());
        assert!(!snapshot.problems.iter().any(crate::Problem::is_error));
        let web = ObjectName {
            namespace: "x".into(),
            name: "web".into(),
        };
        let speakers = Speakers {
            nodes: Some(["node-1".into(), "node-2".into()].into()),
            owners: Some([(web, "node-2".into())].into()),
            conflicts: BTreeMap::new(),
        };
        let known = LastKnown {
            world: snapshot.world,
            speakers: Arc::new(speakers),
        };
        save(&path, &known).expect("saved");
        assert_eq!(load(&path).expect("read"), Some(known));
        let mode = std::fs::metadata(&path)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_from_before_speakers_were_kept_is_read() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("speaker.json");
        save(&path, &LastKnown::default()).expect("saved");
        let text = std::fs::read_to_string(&path).expect("read");
        let old = text.replace(",\"speakers\":null,\"owners\":null", "");
        assert_ne!(old, text);
        std::fs::write(&path, old).expect("written");
        assert_eq!(load(&path).expect("read"), Some(LastKnown::default()));
    }

    #[test]
    fn half_a_file_and_another_version_are_errors() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("speaker.json");
        for text in ["{\"version\":1,\"services\":[", "{\"version\":2}", ""] {
            std::fs::write(&path, text).expect("written");
            assert!(load(&path).is_err(), "{text}");
        }
    }

    const MANIFESTS: &str = "
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool, labels: {a: b}}
spec: {addresses: [203.0.113.0/24, '2001:db8::/64'], serviceAllocation: {priority: 3, namespaces: [x]}}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: tor}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 10.0.0.1, password: secret, nodeSelectors: [{matchLabels: {rack: a}}]}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: all}
spec: {communities: ['64512:1', 'large:1:2:3'], ipAddressPools: [pool]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: l2}
spec: {interfaces: [eth0]}
---
apiVersion: v1
kind: Namespace
metadata: {name: x, labels: {team: y}}
---
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {rack: a}}
spec: {unschedulable: true}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: x, annotations: {metallb.io/allow-shared-ip: k}}
spec: {type: LoadBalancer, externalTrafficPolicy: Local, selector: {a: b}, ports: [{port: 80}], ipFamilies: [IPv6, IPv4], ipFamilyPolicy: PreferDualStack}
status: {loadBalancer: {ingress: [{ip: 203.0.113.1}, {ip: '2001:db8::1'}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: x, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], nodeName: node-1, conditions: {ready: false, serving: true}}]
";
}
