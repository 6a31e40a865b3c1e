//! Service to a Service of the World.

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use plan::world::{
    Addresses, ExternalTrafficPolicy, Families, IpFamily, IpFamilyPolicy, ObjectName, Ports,
    Protocol, Service,
};

use super::annotation::{self, Annotations};
use super::{Findings, Options, address};
use crate::object::{Draft, OwnStatus, ServiceDraft};
use crate::problem::Finding;
use crate::record::Assignment;

/// A Service. A request (address, pool) that cannot be read is an error, and yet the Service is
/// used: it keeps what it has and is given nothing new.
pub fn translate(
    name: ObjectName,
    service: &core::Service,
    options: &Options,
    findings: &mut Findings,
) -> Option<Draft> {
    let empty = core::ServiceSpec::default();
    let spec = service.spec.as_ref().unwrap_or(&empty);
    let no_annotations = std::collections::BTreeMap::new();
    let map = service
        .metadata
        .annotations
        .as_ref()
        .unwrap_or(&no_annotations);
    let annotations = Annotations::new(map, findings);

    let before = findings.len();
    let is_load_balancer = is_load_balancer(spec, findings);
    let of_cluster_ips = cluster_ips(spec, is_load_balancer, findings);
    let declared = ip_families(spec, findings);
    let ip_family_policy = ip_family_policy(spec, findings);
    let external_traffic_policy = external_traffic_policy(spec, findings);
    let ports = ports(spec, is_load_balancer, findings);
    if !super::is_clean(findings, before) {
        return None;
    }
    let request = requested_addresses(spec, &annotations, findings);
    let wants_address = is_load_balancer && class_is_ours(spec, options);
    // What the status of another class's Service says is another load balancer's: not ours to clear.
    let foreign = is_load_balancer && !wants_address;
    let status = match foreign {
        true => OwnStatus::Nothing,
        false => status(service, &annotations),
    };
    let ip_families = match of_cluster_ips.is_empty() {
        true => declared,
        false => of_cluster_ips,
    };
    let families_unknown = ip_families.is_empty();
    let service = Service {
        name,
        labels: service.metadata.labels.clone().unwrap_or_default().into(),
        wants_address,
        ip_families,
        ip_family_policy,
        external_traffic_policy,
        ports,
        selector: selector(spec, external_traffic_policy),
        requested_pool: non_empty(annotations.get(annotation::ADDRESS_POOL)),
        sharing_key: non_empty(annotations.get(annotation::ALLOW_SHARED_IP)),
        request_error: request.as_ref().err().cloned(),
        requested_addresses: request.unwrap_or_default(),
        assigned: Addresses::new(),
        assigned_pool: None,
    };
    Some(Draft::Service(ServiceDraft {
        service: Arc::new(service),
        families_unknown,
        status,
    }))
}

/// The selector, where the sharing rule asks for it. Services are many: with policy Cluster, which
/// never does, it is not kept.
fn selector(spec: &core::ServiceSpec, policy: ExternalTrafficPolicy) -> plan::labels::Labels {
    match (policy, &spec.selector) {
        (ExternalTrafficPolicy::Local, Some(selector)) => selector.clone().into(),
        (ExternalTrafficPolicy::Local, None) | (ExternalTrafficPolicy::Cluster, _) => {
            plan::labels::Labels::NONE
        }
    }
}

fn non_empty(text: Option<&str>) -> Option<Arc<str>> {
    text.map(str::trim)
        .filter(|text| !text.is_empty())
        .map(Arc::from)
}

fn is_load_balancer(spec: &core::ServiceSpec, findings: &mut Findings) -> bool {
    let given = spec.type_.as_deref().unwrap_or("ClusterIP");
    match given {
        "LoadBalancer" => return true,
        "ClusterIP" | "NodePort" | "ExternalName" => {}
        _ => findings.push(Finding::error(
            "spec.type",
            format!("`{given}` is not a type of Service"),
            "write LoadBalancer for a Service that is to have an address",
        )),
    }
    false
}

/// The rule of MetalLB's `--lb-class`, for any number of classes.
fn class_is_ours(spec: &core::ServiceSpec, options: &Options) -> bool {
    match &spec.load_balancer_class {
        None => options.load_balancer_classes.is_empty(),
        Some(class) => options.load_balancer_classes.contains(class),
    }
}

/// The families of the cluster's own addresses.
fn cluster_ips(
    spec: &core::ServiceSpec,
    is_load_balancer: bool,
    findings: &mut Findings,
) -> Families {
    let single = spec.cluster_ip.iter().cloned().collect();
    let (field, texts) = match &spec.cluster_ips {
        Some(many) if !many.is_empty() => ("spec.clusterIPs", many.clone()),
        Some(_) | None => ("spec.clusterIP", single),
    };
    if is_load_balancer && texts.iter().any(|text| text == "None") {
        findings.push(Finding::error(
            field,
            "a headless Service (None) cannot be of type LoadBalancer",
            "remove it, and a cluster IP is chosen",
        ));
        return Families::default();
    }
    let mut families = Vec::with_capacity(texts.len());
    for text in texts
        .iter()
        .filter(|text| !text.is_empty() && *text != "None")
    {
        match address::parse(text, field) {
            Ok(address) => families.push(address::family(address)),
            Err(finding) => findings.push(finding),
        }
    }
    families.into_iter().collect()
}

fn ip_families(spec: &core::ServiceSpec, findings: &mut Findings) -> Families {
    let mut families = Vec::with_capacity(spec.ip_families.as_ref().map_or(0, Vec::len));
    for (index, text) in spec.ip_families.iter().flatten().enumerate() {
        let field = format!("spec.ipFamilies[{index}]");
        let family = match text.as_str() {
            "IPv4" => IpFamily::IPv4,
            "IPv6" => IpFamily::IPv6,
            _ => {
                let message = format!("`{text}` is not an address family");
                findings.push(Finding::error(field, message, "write IPv4 or IPv6"));
                continue;
            }
        };
        if families.contains(&family) {
            let message = format!("`{text}` is there twice");
            findings.push(Finding::error(field, message, "name each family once"));
        } else {
            families.push(family);
        }
    }
    families.into_iter().collect()
}

fn ip_family_policy(spec: &core::ServiceSpec, findings: &mut Findings) -> IpFamilyPolicy {
    match spec.ip_family_policy.as_deref() {
        // The API server's default: one family, or two where two are named.
        None if spec
            .ip_families
            .as_ref()
            .is_some_and(|families| families.len() > 1) =>
        {
            IpFamilyPolicy::RequireDualStack
        }
        None | Some("SingleStack") => IpFamilyPolicy::SingleStack,
        Some("PreferDualStack") => IpFamilyPolicy::PreferDualStack,
        Some("RequireDualStack") => IpFamilyPolicy::RequireDualStack,
        Some(other) => {
            findings.push(Finding::error(
                "spec.ipFamilyPolicy",
                format!("`{other}` is not a policy"),
                "write SingleStack, PreferDualStack or RequireDualStack",
            ));
            IpFamilyPolicy::SingleStack
        }
    }
}

fn external_traffic_policy(
    spec: &core::ServiceSpec,
    findings: &mut Findings,
) -> ExternalTrafficPolicy {
    match spec.external_traffic_policy.as_deref() {
        None | Some("" | "Cluster") => ExternalTrafficPolicy::Cluster,
        Some("Local") => ExternalTrafficPolicy::Local,
        Some(other) => {
            findings.push(Finding::error(
                "spec.externalTrafficPolicy",
                format!("`{other}` is not a policy"),
                "write Cluster or Local",
            ));
            ExternalTrafficPolicy::Cluster
        }
    }
}

fn ports(spec: &core::ServiceSpec, is_load_balancer: bool, findings: &mut Findings) -> Ports {
    let mut ports = Ports::with_capacity(spec.ports.as_ref().map_or(0, Vec::len));
    for (index, port) in spec.ports.iter().flatten().enumerate() {
        let field = format!("spec.ports[{index}]");
        let protocol = match port.protocol.as_deref() {
            None | Some("" | "TCP") => Protocol::Tcp,
            Some("UDP") => Protocol::Udp,
            Some("SCTP") => Protocol::Sctp,
            Some(other) => {
                let message = format!("`{other}` is not a protocol");
                let hint = "write TCP, UDP or SCTP";
                findings.push(Finding::error(format!("{field}.protocol"), message, hint));
                continue;
            }
        };
        match u16::try_from(port.port) {
            Ok(number) if number > 0 && !ports.contains(&(protocol, number)) => {
                ports.push((protocol, number));
            }
            Ok(number) if number > 0 => {
                let message = format!("port {number} is there twice with the same protocol");
                findings.push(Finding::error(field, message, "remove one of them"));
            }
            Ok(_) | Err(_) => {
                let message = format!("{} is not a port", port.port);
                findings.push(Finding::error(
                    format!("{field}.port"),
                    message,
                    "write 1 to 65535",
                ));
            }
        }
    }
    if is_load_balancer && spec.ports.as_ref().is_none_or(Vec::is_empty) {
        let hint = "add at least one port";
        findings.push(Finding::error(
            "spec.ports",
            "the Service has no ports",
            hint,
        ));
    }
    ports
}

/// The annotation, or `spec.loadBalancerIP`; on an error, why it cannot be read.
fn requested_addresses(
    spec: &core::ServiceSpec,
    annotations: &Annotations<'_>,
    findings: &mut Findings,
) -> Result<Vec<IpAddr>, String> {
    let annotation = annotations
        .get(annotation::LOAD_BALANCER_IPS)
        .filter(|text| !text.is_empty());
    let field_value = spec
        .load_balancer_ip
        .as_deref()
        .filter(|text| !text.is_empty());
    let annotation_field = annotations.field(annotation::LOAD_BALANCER_IPS);
    let parsed = match (annotation, field_value) {
        (None, None) => Ok(Vec::new()),
        (Some(_), Some(_)) => Err(Finding::error(
            annotation_field,
            "both this annotation and spec.loadBalancerIP ask for an address",
            "remove spec.loadBalancerIP",
        )),
        (Some(text), None) => address_list(text, &annotation_field),
        (None, Some(text)) => {
            address::parse(text.trim(), "spec.loadBalancerIP").map(|address| vec![address])
        }
    };
    parsed.map_err(|finding| {
        let reason = format!("{}: {}; {}", finding.field, finding.message, finding.hint);
        findings.push(finding);
        reason
    })
}

fn address_list(text: &str, field: &str) -> Result<Vec<IpAddr>, Finding> {
    let addresses = text
        .split(',')
        .map(|part| address::parse(part.trim(), field))
        .collect::<Result<Vec<_>, _>>()?;
    let v4 = addresses.iter().filter(|address| address.is_ipv4()).count();
    if v4 > 1 || addresses.len() - v4 > 1 {
        let message = format!("`{text}` has two addresses of one family");
        let hint = "ask for one IPv4 and one IPv6 address at most";
        return Err(Finding::error(field, message, hint));
    }
    Ok(addresses)
}

/// Addresses in `status.loadBalancer.ingress`, with the pool noted beside them.
fn status(service: &core::Service, annotations: &Annotations<'_>) -> OwnStatus {
    let status = service.status.as_ref();
    let balancer = status.and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_ref());
    let entries = ingress.into_iter().flatten();
    let addresses: Addresses = entries
        .filter_map(|entry| entry.ip.as_deref()?.parse().ok())
        .collect();
    // The API server clears the addresses of a Service that is no load balancer any more, and
    // leaves the annotation to us.
    let pool = non_empty(annotations.get(annotation::ALLOCATED_FROM_POOL));
    match addresses.is_empty() && pool.is_none() {
        true => OwnStatus::Nothing,
        false => OwnStatus::This(Box::new(Assignment { addresses, pool })),
    }
}
