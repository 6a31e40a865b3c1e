//! CustomResourceDefinitions: the derived ones made into what an API server takes, with the rules.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::rule::Placed;
use super::{
    BFDProfile, BGPAdvertisement, BGPPeer, Community, ConfigurationState, IPAddressPool,
    L2Advertisement, ServiceBGPStatus, ServiceL2Status, bfd_profile, bgp_advertisement, community,
    configuration_state, ip_address_pool, peer_rules, selector, service_bgp_status,
    service_l2_status,
};

/// Every kind of `metallb.io`, in the order of their names.
///
/// # Errors
///
/// If a rule stands where its kind has no field, or is not one: a mistake in this crate.
pub fn definitions() -> Result<Vec<CustomResourceDefinition>, String> {
    let definitions = vec![
        definition::<BFDProfile>(&bfd_profile::rules(), Spec::Optional)?,
        definition::<BGPAdvertisement>(&bgp_advertisement::rules(), Spec::Optional)?,
        two_versions(definition::<BGPPeer>(&peer_rules::rules(), Spec::Required)?),
        definition::<Community>(&community::rules(), Spec::Optional)?,
        definition::<ConfigurationState>(&configuration_state::rules(), Spec::Optional)?,
        definition::<IPAddressPool>(&ip_address_pool::rules(), Spec::Required)?,
        definition::<L2Advertisement>(&[], Spec::Optional)?,
        definition::<ServiceBGPStatus>(&service_bgp_status::rules(), Spec::Optional)?,
        definition::<ServiceL2Status>(&service_l2_status::rules(), Spec::Optional)?,
    ];
    Ok(definitions)
}

/// Whether an object must have a `spec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// It must.
    Required,
    /// Without one it has an empty one.
    Optional,
}

/// The definition of one kind.
fn definition<K: CustomResourceExt>(
    rules: &[Placed],
    spec: Spec,
) -> Result<CustomResourceDefinition, String> {
    let mut definition = K::crd();
    let kind = definition.spec.names.kind.clone();
    definition.spec.names.list_kind = Some(format!("{kind}List"));
    for version in &mut definition.spec.versions {
        let subresources = version.subresources.get_or_insert_default();
        if subresources.status.is_none() {
            subresources.status = Some(typed(json!({}))?);
        }
        let Some(validation) = &mut version.schema else {
            continue;
        };
        let mut schema = untyped(&validation.open_api_v3_schema)?;
        for (at, rule) in rules {
            let fields = find(&mut schema, at).ok_or_else(|| format!("{kind} has no {at}"))?;
            add_rule(fields, untyped(rule)?);
        }
        finish(&mut schema, spec);
        validation.open_api_v3_schema = Some(typed(schema)?);
    }
    Ok(definition)
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn untyped(value: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

/// v1beta1 beside v1beta2, with the very same schema: what MetalLB has in v1beta1 is a part of it,
/// with the same names and shapes. So no field is lost by reading or writing an object in the other
/// version, and no conversion webhook is needed.
fn two_versions(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    let old = definition.spec.versions.first().cloned().map(|mut old| {
        old.name = "v1beta1".to_owned();
        old.storage = false;
        old.deprecated = Some(true);
        old.deprecation_warning = Some(
            "metallb.io/v1beta1 of BGPPeer is deprecated; write metallb.io/v1beta2".to_owned(),
        );
        old
    });
    definition.spec.versions.splice(0..0, old);
    // Said, since it takes away the webhook of a cluster that has MetalLB's.
    definition.spec.conversion = serde_json::from_value(json!({"strategy": "None"})).ok();
    definition
}

/// Adds a rule to those of a schema.
fn add_rule(schema: &mut Map<String, Value>, rule: Value) {
    let rules = schema.entry("x-kubernetes-validations");
    if let Value::Array(rules) = rules.or_insert_with(|| json!([])) {
        rules.push(rule);
    }
}

/// The schema at a path such as `spec.addresses[]`; the root itself for an empty one.
fn find<'s>(schema: &'s mut Value, at: &str) -> Option<&'s mut Map<String, Value>> {
    let mut schema = schema;
    for part in at.split('.').filter(|part| !part.is_empty()) {
        let name = part.trim_end_matches("[]");
        schema = schema.get_mut("properties")?.get_mut(name)?;
        if part.ends_with("[]") {
            schema = schema.get_mut("items")?;
        }
    }
    schema.as_object_mut()
}

/// What holds for every kind's schema.
fn finish(schema: &mut Value, spec: Spec) {
    walk(schema);
    let Some(root) = schema.as_object_mut() else {
        return;
    };
    root.remove("title");
    if spec == Spec::Optional {
        // With the default, whoever reads an object finds a spec.
        root.remove("required");
        if let Some(spec) = root
            .get_mut("properties")
            .and_then(|all| all.get_mut("spec"))
        {
            spec["default"] = json!({});
        }
    }
    let status = json!({"type": "object", "description": "Nothing yet."});
    if let Some(Value::Object(properties)) = root.get_mut("properties") {
        properties.entry("status").or_insert(status);
    }
}

/// Makes each part of a schema what Kubernetes means by it.
fn walk(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    // Null is then the same as absent, for rules too.
    object.remove("nullable");
    // The formats that Kubernetes knows of Go's numbers; the bounds are there beside.
    let format = match object.get("format").and_then(Value::as_str) {
        Some("uint8" | "uint16") => Some("int32"),
        Some("uint32") => Some("int64"),
        Some(_) | None => None,
    };
    if let Some(format) = format {
        object.insert("format".to_owned(), json!(format));
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(walk);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(name) {
            walk(inner);
        }
    }
    if selector::is_label_selector(object) {
        selector::bound(object);
    }
    let is_list = object.get("type").and_then(Value::as_str) == Some("array");
    if is_list {
        object
            .entry("x-kubernetes-list-type")
            .or_insert(json!("atomic"));
    }
}
