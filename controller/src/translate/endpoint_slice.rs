//! EndpointSlice to an EndpointSlice of the World.

use std::sync::Arc;

use k8s_openapi::api::discovery::v1 as discovery;
use plan::world::{Endpoint, EndpointSlice, ObjectName};

use super::{Findings, address};
use crate::object::Draft;
use crate::problem::Finding;

/// The label that says which Service a slice belongs to.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// A slice.
pub fn translate(
    name: &ObjectName,
    slice: &discovery::EndpointSlice,
    findings: &mut Findings,
) -> Option<Draft> {
    let before = findings.len();
    let service = slice
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(SERVICE_NAME_LABEL))
        .filter(|service| !service.is_empty());
    if service.is_none() {
        findings.push(Finding::error(
            "metadata.labels",
            format!("the label {SERVICE_NAME_LABEL} is missing"),
            "add it with the name of the Service that the endpoints belong to",
        ));
    }
    // Kubernetes: "FQDN" slices are deprecated and nothing routes to them.
    let fqdn = slice.address_type == "FQDN";
    if !fqdn && !["IPv4", "IPv6"].contains(&slice.address_type.as_str()) {
        let message = format!("`{}` is not an address type", slice.address_type);
        findings.push(Finding::error("addressType", message, "write IPv4 or IPv6"));
    }
    let mut endpoints: Vec<Endpoint> = slice
        .endpoints
        .iter()
        .flatten()
        .enumerate()
        .filter(|_| !fqdn)
        .map(|(index, endpoint)| self::endpoint(endpoint, index, findings))
        .collect();
    // Slices are many and live long: no room to spare.
    endpoints.shrink_to_fit();
    if !super::is_clean(findings, before) {
        return None;
    }
    Some(Draft::EndpointSlice(Arc::new(EndpointSlice {
        service: ObjectName {
            namespace: Arc::clone(&name.namespace),
            name: Arc::from(service?.as_str()),
        },
        name: Arc::clone(&name.name),
        endpoints,
    })))
}

fn endpoint(endpoint: &discovery::Endpoint, index: usize, findings: &mut Findings) -> Endpoint {
    for (position, text) in endpoint.addresses.iter().enumerate() {
        // Endpoints are many, and their fields are named only where something is wrong.
        let of_field = |finding| Finding {
            field: format!("endpoints[{index}].addresses[{position}]"),
            ..finding
        };
        findings.extend(address::parse(text, "").err().map(of_field));
    }
    let conditions = endpoint.conditions.as_ref();
    Endpoint {
        node: endpoint.node_name.as_deref().map(Arc::from),
        ready: conditions.and_then(|conditions| conditions.ready),
        serving: conditions.and_then(|conditions| conditions.serving),
    }
}
