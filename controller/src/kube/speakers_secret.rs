//! The Secret with the keys by which speakers know each other.
//!
//! A controller makes it where there is none; nobody writes it after that but people who change the
//! keys. Speakers read it by name.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};

/// Its name.
pub const NAME: &str = "herald-speakers";
/// The entry that holds the keys, one a line; the first one is used, all are understood.
pub const ENTRY: &str = "keys";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The keys, as they are in the Secret.
///
/// # Errors
/// What is missing, or why it cannot be read, for people.
pub async fn read(client: &Client, namespace: &str) -> Result<Vec<u8>, String> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = tokio::time::timeout(PATIENCE, api.get_opt(NAME)).await;
    let found = found.map_err(|_| no_answer(namespace))?;
    let found = found.map_err(|error| format!("Secret {namespace}/{NAME}: {error}"))?;
    let secret = found.ok_or_else(|| {
        format!("Secret {namespace}/{NAME} is not there yet: a herald controller makes it")
    })?;
    let keys = secret.data.and_then(|mut data| data.remove(ENTRY));
    keys.map(|keys| keys.0)
        .ok_or_else(|| format!("Secret {namespace}/{NAME} has no entry `{ENTRY}`"))
}

/// Makes the Secret with this key, unless there is one. Whether it was made.
///
/// # Errors
/// Why it could not be made, for people.
pub async fn ensure(client: &Client, namespace: &str, key: Vec<u8>) -> Result<bool, String> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(BTreeMap::from([(
                "app.kubernetes.io/name".to_owned(),
                "herald".to_owned(),
            )])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(ENTRY.to_owned(), ByteString(key))])),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    let parameters = PostParams::default();
    let made = tokio::time::timeout(PATIENCE, api.create(&parameters, &secret)).await;
    match made.map_err(|_| no_answer(namespace))? {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
        Err(error) => Err(format!("Secret {namespace}/{NAME}: {error}")),
    }
}

fn no_answer(namespace: &str) -> String {
    format!(
        "Secret {namespace}/{NAME}: no answer within {} s",
        PATIENCE.as_secs()
    )
}
