//! Objects of the API without what nobody here reads, `managedFields` above all: the larger half of
//! most objects, and as JSON values many times as large in memory. What is left out is skipped in the
//! text and never allocated. That matters for lists, of which a page at a time is in memory, among
//! what stays.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An object of a kind, read leanly: other fields than those of [`Read::Fields`] are not set.
#[derive(Clone, Debug)]
pub struct Lean<K>(pub K);

/// A kind that can be read leanly.
pub trait Read: Sized {
    /// What is read of it.
    type Fields: DeserializeOwned + Into<Self>;
}

impl<'de, K: Read> Deserialize<'de> for Lean<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Lean<K>, D::Error> {
        K::Fields::deserialize(deserializer).map(|fields| Lean(fields.into()))
    }
}

impl<K: Resource> Resource for Lean<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(kind: &K::DynamicType) -> Cow<'_, str> {
        K::kind(kind)
    }

    fn group(kind: &K::DynamicType) -> Cow<'_, str> {
        K::group(kind)
    }

    fn version(kind: &K::DynamicType) -> Cow<'_, str> {
        K::version(kind)
    }

    fn api_version(kind: &K::DynamicType) -> Cow<'_, str> {
        K::api_version(kind)
    }

    fn plural(kind: &K::DynamicType) -> Cow<'_, str> {
        K::plural(kind)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

/// What is read of `metadata`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let Metadata {
        name,
        namespace,
        uid,
        resource_version,
        labels,
        annotations,
        owner_references,
    } = Metadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name,
        namespace,
        uid,
        resource_version,
        labels,
        annotations,
        owner_references,
        ..ObjectMeta::default()
    })
}

/// What is read of a Service.
#[derive(Debug, Deserialize)]
pub struct ServiceFields {
    #[serde(default, deserialize_with = "metadata")]
    metadata: ObjectMeta,
    spec: Option<core::ServiceSpec>,
    status: Option<core::ServiceStatus>,
}

impl Read for core::Service {
    type Fields = ServiceFields;
}

impl From<ServiceFields> for core::Service {
    fn from(fields: ServiceFields) -> core::Service {
        core::Service {
            metadata: fields.metadata,
            spec: fields.spec,
            status: fields.status,
        }
    }
}

/// What is read of an EndpointSlice.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSliceFields {
    #[serde(default, deserialize_with = "metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    address_type: String,
    /// It may be null.
    endpoints: Option<Vec<EndpointFields>>,
}

/// What is read of an endpoint.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointFields {
    addresses: Option<Vec<String>>,
    node_name: Option<String>,
    conditions: Option<discovery::EndpointConditions>,
}

impl Read for discovery::EndpointSlice {
    type Fields = EndpointSliceFields;
}

impl From<EndpointSliceFields> for discovery::EndpointSlice {
    fn from(fields: EndpointSliceFields) -> discovery::EndpointSlice {
        let endpoint = |endpoint: EndpointFields| discovery::Endpoint {
            addresses: endpoint.addresses.unwrap_or_default(),
            node_name: endpoint.node_name,
            conditions: endpoint.conditions,
            ..discovery::Endpoint::default()
        };
        let endpoints = fields.endpoints;
        discovery::EndpointSlice {
            metadata: fields.metadata,
            address_type: fields.address_type,
            endpoints: endpoints.map(|all| all.into_iter().map(endpoint).collect()),
            ..discovery::EndpointSlice::default()
        }
    }
}

/// What is read of a Node: not its images, of which there may be hundreds.
#[derive(Debug, Deserialize)]
pub struct NodeFields {
    #[serde(default, deserialize_with = "metadata")]
    metadata: ObjectMeta,
    spec: Option<NodeSpecFields>,
    status: Option<NodeStatusFields>,
}

/// What is read of a Node's `spec`.
#[derive(Debug, Deserialize)]
pub struct NodeSpecFields {
    taints: Option<Vec<core::Taint>>,
    unschedulable: Option<bool>,
}

/// What is read of a Node's `status`.
#[derive(Debug, Deserialize)]
pub struct NodeStatusFields {
    addresses: Option<Vec<core::NodeAddress>>,
    conditions: Option<Vec<core::NodeCondition>>,
}

impl Read for core::Node {
    type Fields = NodeFields;
}

impl From<NodeFields> for core::Node {
    fn from(fields: NodeFields) -> core::Node {
        core::Node {
            metadata: fields.metadata,
            spec: fields.spec.map(|spec| core::NodeSpec {
                taints: spec.taints,
                unschedulable: spec.unschedulable,
                ..core::NodeSpec::default()
            }),
            status: fields.status.map(|status| core::NodeStatus {
                addresses: status.addresses,
                conditions: status.conditions,
                ..core::NodeStatus::default()
            }),
        }
    }
}

/// What is read of a Namespace.
#[derive(Debug, Deserialize)]
pub struct NamespaceFields {
    #[serde(default, deserialize_with = "metadata")]
    metadata: ObjectMeta,
}

impl Read for core::Namespace {
    type Fields = NamespaceFields;
}

impl From<NamespaceFields> for core::Namespace {
    fn from(fields: NamespaceFields) -> core::Namespace {
        core::Namespace {
            metadata: fields.metadata,
            ..core::Namespace::default()
        }
    }
}

/// An object of any kind, read for its status: whatever that is, the object has a name.
#[derive(Clone, Debug, Deserialize)]
pub struct Reported {
    /// Of `metadata`, what is read of any object.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// `status`.
    #[serde(default)]
    pub status: Value,
}

impl Resource for Reported {
    type DynamicType = <kube::api::DynamicObject as Resource>::DynamicType;
    type Scope = <kube::api::DynamicObject as Resource>::Scope;

    fn kind(kind: &Self::DynamicType) -> Cow<'_, str> {
        kube::api::DynamicObject::kind(kind)
    }

    fn group(kind: &Self::DynamicType) -> Cow<'_, str> {
        kube::api::DynamicObject::group(kind)
    }

    fn version(kind: &Self::DynamicType) -> Cow<'_, str> {
        kube::api::DynamicObject::version(kind)
    }

    fn api_version(kind: &Self::DynamicType) -> Cow<'_, str> {
        kube::api::DynamicObject::api_version(kind)
    }

    fn plural(kind: &Self::DynamicType) -> Cow<'_, str> {
        kube::api::DynamicObject::plural(kind)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::api::{ObjectList, WatchEvent};
    use serde_json::json;

    use super::*;
    use crate::kube::object;
    use crate::translate::Options;

    const METADATA: &str = r#"{"name": "a", "namespace": "web", "uid": "u", "resourceVersion": "7",
        "generation": 3, "labels": {"app": "a"}, "annotations": {"metallb.io/allow-shared-ip": "k"},
        "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {".": {}}}}]}"#;

    #[test]
    fn an_object_read_leanly_means_what_the_whole_one_means() {
        let service = with_metadata(json!({
            "spec": {"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"], "selector": {"app": "a"},
                "ports": [{"port": 80, "nodePort": 30_000}], "externalTrafficPolicy": "Local"},
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
        }));
        let options = Options::default();
        same(&service, |one| object::service(one, &options));
        let slice = with_metadata(json!({
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["10.1.0.1"], "nodeName": "n", "zone": "z", "targetRef": {"kind": "Pod"},
                    "conditions": {"ready": false, "serving": true}},
                {"addresses": ["10.1.0.2"]},
            ],
            "ports": [{"port": 8_080}],
        }));
        let mut slice = slice;
        slice["metadata"]["labels"]["kubernetes.io/service-name"] = json!("a");
        same(&slice, object::endpoint_slice);
        let node = with_metadata(json!({
            "spec": {"unschedulable": true, "podCIDR": "10.2.0.0/24", "taints": [
                {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]},
            "status": {"images": [{"names": ["x"]}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.9"}],
                "conditions": [{"type": "Ready", "status": "False"}]},
        }));
        same(&node, object::node);
        same(
            &with_metadata(json!({"status": {"phase": "Active"}})),
            object::namespace,
        );
    }

    #[test]
    fn lists_and_watches_read_leanly_and_a_list_of_null_is_empty() {
        let slice = with_metadata(json!({"addressType": "IPv4", "endpoints": null}));
        let list = json!({"metadata": {"resourceVersion": "9"}, "items": [slice]});
        let list: ObjectList<Lean<discovery::EndpointSlice>> =
            serde_json::from_value(list).expect("a list");
        assert_eq!(list.items[0].meta().resource_version.as_deref(), Some("7"));
        let event = json!({"type": "MODIFIED", "object": with_metadata(json!({}))});
        let event: WatchEvent<Lean<core::Service>> =
            serde_json::from_str(&event.to_string()).expect("an event");
        let WatchEvent::Modified(Lean(service)) = event else {
            panic!("{event:?}");
        };
        assert!(service.metadata.managed_fields.is_none());
        assert_eq!(service.metadata.labels.map(|labels| labels.len()), Some(1));
    }

    #[test]
    fn a_report_that_cannot_be_right_has_a_name_and_its_status() {
        let odd = with_metadata(json!({"status": [1, "x"]}));
        let odd: Reported = serde_json::from_value(odd).expect("any object");
        assert_eq!(
            (odd.meta().name.as_deref(), &odd.status),
            (Some("a"), &json!([1, "x"]))
        );
    }

    fn with_metadata(mut object: Value) -> Value {
        object["metadata"] = serde_json::from_str(METADATA).expect("JSON");
        object
    }

    fn same<K: Read + DeserializeOwned>(
        object: &Value,
        read: impl Fn(&K) -> Option<crate::object::Object>,
    ) {
        let text = object.to_string();
        let whole: K = serde_json::from_str(&text).expect("a whole object");
        let Lean(lean): Lean<K> = serde_json::from_str(&text).expect("a lean object");
        let [whole, lean] = [whole, lean].map(|one| read(&one).expect("something to us"));
        assert!(whole.findings.is_empty(), "{:?}", whole.findings);
        assert_eq!((&whole.key, &whole.draft), (&lean.key, &lean.draft));
    }
}
