//! API objects as [`Object`]s: the kinds of Kubernetes typed, those of `metallb.io` as JSON, since one
//! that an older schema let in must not hide the others.

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use plan::world::ObjectName;

use super::service_status::Condition;
use super::{Role, service_status};
use crate::object::{Draft, Kind, Object, ObjectKey, Origin, OwnStatus};
use crate::problem::Finding;
use crate::snapshot::Version;
use crate::translate::{self, Findings, Options};

/// The `metallb.io` kinds that are read, with the versions they are read in.
pub const CONFIGURATION: [(Kind, &str, &str); 6] = [
    (Kind::IpAddressPool, "v1beta1", "ipaddresspools"),
    (Kind::BgpPeer, "v1beta2", "bgppeers"),
    (Kind::BgpAdvertisement, "v1beta1", "bgpadvertisements"),
    (Kind::L2Advertisement, "v1beta1", "l2advertisements"),
    (Kind::Community, "v1beta1", "communities"),
    (Kind::BfdProfile, "v1beta1", "bfdprofiles"),
];

/// How the API server names a `metallb.io` kind.
pub fn resource(kind: Kind, version: &str, plural: &str) -> ApiResource {
    let gvk = GroupVersionKind::gvk("metallb.io", version, kind.name());
    ApiResource::from_gvk_with_plural(&gvk, plural)
}

/// What makes the API object of this kind the same object.
pub fn key(kind: Kind, metadata: &ObjectMeta) -> ObjectKey {
    let namespace = match kind.is_cluster_scoped() || kind.is_configuration() {
        true => "",
        false => metadata.namespace.as_deref().unwrap_or(""),
    };
    ObjectKey {
        kind,
        namespace: namespace.into(),
        name: metadata.name.as_deref().unwrap_or("").into(),
    }
}

/// Which Service it is, and how new; `None` where the API server does not say. The controller, which
/// writes conditions, is told the one that is there.
pub fn version(service: &core::Service, role: Role) -> Option<Version> {
    let metadata = &service.metadata;
    let condition = match role {
        Role::Controller => service_status::Status::of(service).condition,
        Role::Speaker => None,
    };
    // What a Service has says the same as its sentence, and Services that lack nothing are many.
    let condition = condition.map(|condition| match condition.is_well() {
        true => Condition {
            message: String::new(),
            ..condition
        },
        false => condition,
    });
    Some(Version {
        uid: metadata.uid.as_deref()?.into(),
        resource_version: metadata.resource_version.as_deref()?.parse().ok()?,
        condition: condition.map(Arc::new),
    })
}

/// A Service. One that wants no address from us and holds none is nothing to us.
pub fn service(service: &core::Service, options: &Options) -> Option<Object> {
    let object = object(Kind::Service, &service.metadata, |name, findings| {
        let name = name.clone();
        translate::service::translate(name, service, options, findings)
    });
    let foreign = match &object.draft {
        Some(Draft::Service(draft)) => {
            !draft.service.wants_address && draft.status == OwnStatus::Nothing
        }
        Some(_) | None => false,
    };
    (!foreign).then_some(object)
}

/// An EndpointSlice. One without a Service, which others use for purposes of their own, is nothing
/// to us.
pub fn endpoint_slice(slice: &discovery::EndpointSlice) -> Option<Object> {
    let labels = slice.metadata.labels.as_ref()?;
    labels.get(translate::endpoint_slice::SERVICE_NAME_LABEL)?;
    let kind = Kind::EndpointSlice;
    Some(object(kind, &slice.metadata, |name, findings| {
        translate::endpoint_slice::translate(name, slice, findings)
    }))
}

/// A Node.
pub fn node(node: &core::Node) -> Option<Object> {
    Some(object(Kind::Node, &node.metadata, |name, findings| {
        translate::node::translate(&name.name, node, findings)
    }))
}

/// A Namespace.
pub fn namespace(namespace: &core::Namespace) -> Option<Object> {
    let labels = namespace.metadata.labels.clone().unwrap_or_default();
    Some(object(Kind::Namespace, &namespace.metadata, |_, _| {
        Some(Draft::Namespace(Arc::new(labels.into())))
    }))
}

/// A Secret.
pub fn secret(secret: &core::Secret) -> Object {
    object(Kind::Secret, &secret.metadata, |_, findings| {
        translate::secret::translate(secret, findings)
    })
}

/// An object of a `metallb.io` kind.
pub fn configuration(kind: Kind, dynamic: DynamicObject, options: &Options) -> Object {
    let mut object = object(kind, &dynamic.metadata, |_, _| None);
    object.origin.uid = dynamic.metadata.uid.map(Arc::from);
    let mut json = dynamic.data;
    if let (Some(json), Some(labels)) = (json.as_object_mut(), dynamic.metadata.labels) {
        json.insert("metadata".into(), serde_json::json!({ "labels": labels }));
    }
    let mut findings = Findings::new();
    object.draft = translate::json(&object, json, options, &mut findings);
    object.findings = bounded(findings);
    object
}

fn object(
    kind: Kind,
    metadata: &ObjectMeta,
    translate: impl FnOnce(&ObjectName, &mut Findings) -> Option<Draft>,
) -> Object {
    let key = key(kind, metadata);
    let namespace: Arc<str> = metadata.namespace.as_deref().unwrap_or("").into();
    let name = ObjectName {
        namespace: Arc::clone(&key.namespace),
        name: Arc::clone(&key.name),
    };
    let mut findings = Findings::new();
    let draft = translate(&name, &mut findings);
    Object {
        key,
        namespace,
        origin: Origin::default(),
        draft,
        findings: bounded(findings),
    }
}

fn bounded(mut findings: Findings) -> Vec<Finding> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.truncate(crate::manifest::schema::MAX_FINDINGS);
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::service_status::{ADDRESS_ASSIGNED, Status};
    use super::*;

    #[test]
    fn what_a_service_was_told_is_known_to_a_leader_that_would_say_the_same() {
        let rows = [
            ("True", "Assigned", "10.0.0.1 from IPAddressPool gold"),
            ("False", "NoAvailableIPs", "no pool has one"),
        ];
        for (status, reason, message) in rows {
            let service = json!({
                "metadata": {"name": "web", "uid": "1", "resourceVersion": "7"},
                "status": {"conditions": [{
                    "type": ADDRESS_ASSIGNED, "status": status, "reason": reason,
                    "message": message, "lastTransitionTime": "2020-01-01T00:00:00Z",
                }]},
            });
            let service: core::Service = serde_json::from_value(service).expect("a Service");
            let version = version(&service, Role::Controller).expect("a version");
            let there = Status {
                condition: version.condition.as_deref().cloned(),
                ..Status::default()
            };
            assert!(Status::of(&service).says_the_same(&there), "{reason}");
        }
    }
}
