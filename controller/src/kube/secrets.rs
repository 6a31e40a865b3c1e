//! The Secrets that BGPPeers name, and no other: each is read by name, so that nobody has to let us
//! list Secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::sync::{mpsc, watch};

use super::backoff::Retry;
use super::object;
use super::watch::Change;
use crate::object::{Kind, ObjectKey};

/// How often a Secret is read again: a new password is used after so long at most.
const AGAIN: Duration = Duration::from_secs(30);
/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Secrets that are read, at most; BGPPeers are not many.
const MOST: usize = 1_000;

/// Namespace and name of the Secrets that are wanted.
pub type Wanted = BTreeSet<(Arc<str>, Arc<str>)>;

/// Reads the wanted Secrets, again and again, and tells what they are.
pub async fn read(
    client: Client,
    mut wanted: watch::Receiver<Arc<Wanted>>,
    out: mpsc::Sender<Change>,
) {
    let mut retry = Retry::default();
    let mut known: BTreeMap<ObjectKey, Option<String>> = BTreeMap::new();
    loop {
        let names = Arc::clone(&wanted.borrow_and_update());
        let keys: BTreeSet<ObjectKey> = names.iter().take(MOST).map(key).collect();
        known.retain(|key, _| keys.contains(key));
        let mut failed = None;
        for key in keys {
            match get(&client, &key).await {
                // It is sent only where it is another version: an unchanged one changes nothing.
                Ok(found) => {
                    let version = found
                        .as_ref()
                        .and_then(|s| s.metadata.resource_version.clone());
                    if known.get(&key) == Some(&version) {
                        continue;
                    }
                    let change = match found {
                        Some(secret) => Change::Apply(Box::new(object::secret(&secret)), None),
                        None => Change::Remove(key.clone(), None),
                    };
                    known.insert(key, version);
                    if out.send(change).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let name = format!("{}/{}", key.namespace, key.name);
                    failed = Some(format!("Secret {name}: {error}"));
                }
            }
        }
        let wait = match &failed {
            None => AGAIN,
            Some(_) => retry.after_failure(),
        };
        let told = match failed {
            None => {
                retry.reset();
                Change::ListEnds(Kind::Secret)
            }
            Some(reason) => Change::Failing(Kind::Secret, reason.into()),
        };
        if out.send(told).await.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            changed = wanted.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

fn key((namespace, name): &(Arc<str>, Arc<str>)) -> ObjectKey {
    ObjectKey {
        kind: Kind::Secret,
        namespace: Arc::clone(namespace),
        name: Arc::clone(name),
    }
}

async fn get(client: &Client, key: &ObjectKey) -> Result<Option<Secret>, String> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &key.namespace);
    match tokio::time::timeout(PATIENCE, api.get_opt(&key.name)).await {
        Ok(found) => found.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
