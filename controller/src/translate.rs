//! Kubernetes objects to [drafts](crate::object::Draft), one file a kind: what an object says,
//! checked as far as it can be without looking at others. Pure.
//!
//! Each function takes a typed object, adds what is wrong with it to a list of [`Finding`]s, and
//! gives a draft unless the object cannot be used. [`assemble`](crate::assemble) then puts the
//! drafts together.

pub mod address;
pub mod annotation;
pub mod bfd_profile;
pub mod bgp_advertisement;
pub mod bgp_peer;
pub mod community;
pub mod duration;
pub mod endpoint_slice;
pub mod ip_address_pool;
pub mod l2_advertisement;
pub mod node;
pub mod secret;
pub mod selector;
pub mod service;

use std::sync::Arc;

use plan::world::ObjectName;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::crd;
use crate::object::{Draft, Kind, Object};
use crate::problem::{Finding, Severity};

/// What is wrong with an object.
pub type Findings = Vec<Finding>;

/// What translation depends on besides the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The `loadBalancerClass`es that are ours. With none, Services without a class are; with some,
    /// only Services of one of them are.
    pub load_balancer_classes: Vec<String>,
}

/// Whether no error has been added to `findings` since it had `before` entries.
fn is_clean(findings: &[Finding], before: usize) -> bool {
    findings
        .iter()
        .skip(before)
        .all(|finding| finding.severity != Severity::Error)
}

/// The draft of an object that is there as JSON, whatever its kind. Its schema has been checked,
/// here or by the API server.
pub fn json(
    object: &Object,
    json: Value,
    options: &Options,
    findings: &mut Findings,
) -> Option<Draft> {
    let name = &object.key.name;
    let namespaced = ObjectName {
        namespace: Arc::clone(&object.namespace),
        name: Arc::clone(name),
    };
    match object.kind() {
        Kind::IpAddressPool => {
            let labels = labels(&json);
            let spec = spec::<crd::IPAddressPoolSpec>(json, findings)?;
            ip_address_pool::translate(name, labels, &spec, findings)
        }
        Kind::BgpPeer => {
            let spec = spec::<crd::BGPPeerSpec>(json, findings)?;
            bgp_peer::translate(name, &object.namespace, &spec, findings)
        }
        Kind::BgpAdvertisement => {
            let spec = spec::<crd::BGPAdvertisementSpec>(json, findings)?;
            bgp_advertisement::translate(name, &spec, findings)
        }
        Kind::L2Advertisement => {
            let spec = spec::<crd::L2AdvertisementSpec>(json, findings)?;
            l2_advertisement::translate(name, &spec, findings)
        }
        Kind::Community => {
            let spec = spec::<crd::CommunitySpec>(json, findings)?;
            community::translate(&spec, findings)
        }
        Kind::BfdProfile => {
            let spec = spec::<crd::BFDProfileSpec>(json, findings)?;
            bfd_profile::translate(&spec, findings)
        }
        Kind::Service => {
            let service = typed(json, findings)?;
            service::translate(namespaced, &service, options, findings)
        }
        Kind::EndpointSlice => {
            endpoint_slice::translate(&namespaced, &typed(json, findings)?, findings)
        }
        Kind::Node => node::translate(name, &typed(json, findings)?, findings),
        Kind::Namespace => Some(Draft::Namespace(Arc::new(labels(&json)))),
        Kind::Secret => secret::translate(&typed(json, findings)?, findings),
    }
}

/// `spec` of a `metallb.io` object; an absent one is empty.
fn spec<T: DeserializeOwned>(mut json: Value, findings: &mut Findings) -> Option<T> {
    let spec = json.get_mut("spec").map(Value::take);
    typed(spec.unwrap_or_else(|| serde_json::json!({})), findings)
}

/// The typed value. The schema has been checked, so this fails only where a type is narrower than
/// its schema (a time, a base64 text).
fn typed<T: DeserializeOwned>(json: Value, findings: &mut Findings) -> Option<T> {
    serde_json::from_value(json)
        .map_err(|error| {
            let hint = "correct the value that is named";
            findings.push(Finding::error("", format!("cannot be read: {error}"), hint));
        })
        .ok()
}

fn labels(json: &Value) -> plan::labels::Labels {
    let labels = json
        .get("metadata")
        .and_then(|metadata| metadata.get("labels"));
    let labels = labels.and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
