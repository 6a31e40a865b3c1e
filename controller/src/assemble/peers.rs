//! Peers, their passwords looked up, none twice on a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::world::{BgpPeer, Node, Password};

use super::Store;
use super::selection::share_a_node;
use crate::object::{Draft, Kind, ObjectKey, PeerDraft, SecretDraft};
use crate::problem::{Finding, Problem};
use crate::translate::secret::{BASIC_AUTH, PASSWORD_KEY};

/// Most octets of a TCP MD5 key that Linux takes.
const MAX_PASSWORD: usize = 80;

/// Peers by name.
pub fn peers(
    store: &mut Store,
    nodes: &BTreeMap<Arc<str>, Arc<Node>>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Arc<str>, Arc<BgpPeer>> {
    let secrets = store.leaves(Kind::Secret, |key, draft| {
        let Draft::Secret(secret) = draft else {
            return None;
        };
        Some((key.clone(), Arc::clone(secret)))
    });
    let secrets = (!store.without_passwords).then_some(secrets);
    let mut peers: BTreeMap<Arc<str>, Arc<BgpPeer>> = BTreeMap::new();
    let mut places: BTreeMap<Arc<str>, String> = BTreeMap::new();
    store.accept(Kind::BgpPeer, problems, |draft, entry| {
        let Draft::BgpPeer(draft) = draft else {
            return Ok(());
        };
        let twin = peers
            .values()
            .find(|other| is_same_session(&draft.peer, other, nodes));
        if let Some(twin) = twin {
            let place = places.get(&twin.name).map_or("", String::as_str);
            return Err(vec![duplicate(&draft.peer, twin, place)]);
        }
        let peer = match &secrets {
            Some(secrets) => with_password(draft, secrets).map_err(|finding| vec![finding])?,
            None => draft.peer.clone(),
        };
        places.insert(Arc::clone(&peer.name), entry.place());
        peers.insert(Arc::clone(&peer.name), Arc::new(peer));
        Ok(())
    });
    peers
}

fn is_same_session(a: &BgpPeer, b: &BgpPeer, nodes: &BTreeMap<Arc<str>, Arc<Node>>) -> bool {
    (a.address, &a.zone, a.port) == (b.address, &b.zone, b.port)
        && share_a_node(&a.node_selectors, &b.node_selectors, nodes)
}

fn duplicate(peer: &BgpPeer, twin: &BgpPeer, place: &str) -> Finding {
    Finding::error(
        "spec.peerAddress",
        format!(
            "BGPPeer {} ({place}) has the same address {} and port {} on the same nodes",
            twin.name, peer.address, peer.port
        ),
        "remove one of them, or give them nodeSelectors with no node in common",
    )
}

/// The peer with its Secret's password, if it names one.
fn with_password(
    draft: &PeerDraft,
    secrets: &BTreeMap<ObjectKey, Arc<SecretDraft>>,
) -> Result<BgpPeer, Finding> {
    let mut peer = draft.peer.clone();
    let Some((namespace, name)) = &draft.password_secret else {
        return Ok(peer);
    };
    let error = |message: String, hint: &str| Finding::error("spec.passwordSecret", message, hint);
    let key = ObjectKey {
        kind: Kind::Secret,
        namespace: Arc::clone(namespace),
        name: Arc::clone(name),
    };
    let Some(secret) = secrets.get(&key) else {
        return Err(error(
            format!("there is no Secret {namespace}/{name}"),
            "add it, of type kubernetes.io/basic-auth, with the key password",
        ));
    };
    if secret.secret_type != BASIC_AUTH {
        return Err(error(
            format!(
                "the Secret {namespace}/{name} is of type `{}`",
                secret.secret_type
            ),
            "make its type kubernetes.io/basic-auth",
        ));
    }
    match secret.password.as_deref() {
        None | Some("") => Err(error(
            format!("the Secret {namespace}/{name} has no key `{PASSWORD_KEY}`"),
            "add it under data (base64) or stringData",
        )),
        Some(password) if password.len() > MAX_PASSWORD => Err(error(
            format!("the password in Secret {namespace}/{name} is over {MAX_PASSWORD} octets"),
            "choose a shorter one",
        )),
        Some(password) => {
            peer.password = Some(Password(password.to_owned()));
            Ok(peer)
        }
    }
}
