//! What each role may do in a cluster: one table, of which `deploy/rbac` is made.
//!
//! Least privilege: each row is something that the code does. Nobody may list Secrets, nobody has
//! a `*`, and of Services only the controller writes the status.

use serde_json::{Value, json};

use crate::crd;

/// The namespace of the accounts, of the configuration and of the Lease.
pub const NAMESPACE: &str = "herald-system";

const READ: &[&str] = &["get", "list", "watch"];
const GET: &[&str] = &["get"];
const WRITE_STATUS: &[&str] = &["update", "patch"];
const RECORD: &[&str] = &["create", "patch"];
const LEASE: &[&str] = &["get", "watch", "create", "patch"];
const OWN: &[&str] = &[
    "get", "list", "watch", "create", "update", "patch", "delete",
];

/// A row: API group, resources, verbs.
type Rule = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// What runs under a ServiceAccount, and what it may do.
struct Role {
    /// The name of its ServiceAccount and of all that grants it something.
    name: &'static str,
    /// In every namespace, and on what has none.
    cluster: &'static [Rule],
    /// In its own namespace.
    namespaced: &'static [Rule],
}

/// Kinds of `metallb.io` that people write.
const CONFIGURATION: &[&str] = &[
    "bfdprofiles",
    "bgpadvertisements",
    "bgppeers",
    "communities",
    "ipaddresspools",
    "l2advertisements",
];

const ROLES: [Role; 2] = [
    Role {
        name: "herald-controller",
        cluster: &[
            ("", &["services", "namespaces", "nodes"], READ),
            ("", &["services/status"], WRITE_STATUS),
            ("events.k8s.io", &["events"], RECORD),
        ],
        namespaced: &[
            (crd::GROUP, CONFIGURATION, READ),
            (crd::GROUP, &["ipaddresspools/status"], WRITE_STATUS),
            // Which addresses a stranger has.
            (crd::GROUP, &["servicel2statuses"], READ),
            (crd::GROUP, &["configurationstates"], OWN),
            (crd::GROUP, &["configurationstates/status"], WRITE_STATUS),
            ("coordination.k8s.io", &["leases"], LEASE),
            // The one with the key of speakers, where there is none; never read.
            ("", &["secrets"], &["create"]),
        ],
    },
    Role {
        name: "herald-speaker",
        cluster: &[
            ("", &["services", "namespaces", "nodes"], READ),
            ("discovery.k8s.io", &["endpointslices"], READ),
            ("events.k8s.io", &["events"], RECORD),
        ],
        namespaced: &[
            (crd::GROUP, CONFIGURATION, READ),
            (
                crd::GROUP,
                &[
                    "configurationstates",
                    "servicebgpstatuses",
                    "servicel2statuses",
                ],
                OWN,
            ),
            (
                crd::GROUP,
                &[
                    "configurationstates/status",
                    "servicebgpstatuses/status",
                    "servicel2statuses/status",
                ],
                WRITE_STATUS,
            ),
            // BGPPeer.spec.passwordSecret and the key of speakers: by name, never a list.
            ("", &["secrets"], GET),
        ],
    },
];

/// Each role's name, and the objects that grant it what it may do.
pub fn manifests() -> Vec<(&'static str, Vec<Value>)> {
    ROLES
        .iter()
        .map(|role| (role.name, objects(role)))
        .collect()
}

fn objects(role: &Role) -> Vec<Value> {
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(role.name, true),
    });
    vec![
        account,
        grant("ClusterRole", role.name, role.cluster),
        bind("ClusterRole", role.name),
        grant("Role", role.name, role.namespaced),
        bind("Role", role.name),
    ]
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// A Role or ClusterRole.
fn grant(kind: &str, name: &str, rules: &[Rule]) -> Value {
    let rules: Vec<Value> = rules
        .iter()
        .map(|(group, resources, verbs)| {
            json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
        })
        .collect();
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": kind,
        "metadata": metadata(name, kind == "Role"),
        "rules": rules,
    })
}

/// Its binding to the account of the same name.
fn bind(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": format!("{kind}Binding"),
        "metadata": metadata(name, kind == "Role"),
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    })
}

fn metadata(name: &str, namespaced: bool) -> Value {
    let mut metadata = json!({
        "name": name,
        "labels": {"app.kubernetes.io/name": "herald", "app.kubernetes.io/component": name.trim_start_matches("herald-")},
    });
    if namespaced {
        metadata["namespace"] = json!(NAMESPACE);
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_of_ours_is_one_of_a_definition() {
        let definitions = crd::definitions().expect("defined");
        let plurals: Vec<&str> = definitions
            .iter()
            .map(|definition| definition.spec.names.plural.as_str())
            .collect();
        let rules = ROLES.iter().flat_map(|role| role.namespaced);
        for resource in rules
            .filter(|(group, ..)| *group == crd::GROUP)
            .flat_map(|(_, resources, _)| *resources)
        {
            let plural = resource.trim_end_matches("/status");
            assert!(plurals.contains(&plural), "{resource}");
        }
    }

    #[test]
    fn nobody_may_do_everything_or_list_secrets() {
        let rules = ROLES
            .iter()
            .flat_map(|role| role.cluster.iter().chain(role.namespaced));
        for (group, resources, verbs) in rules {
            let all = resources.iter().chain(*verbs).chain([group]);
            assert!(all.copied().all(|word| word != "*"));
            if resources.contains(&"secrets") {
                assert!(matches!(*verbs, ["get"] | ["create"]));
            }
            if resources.contains(&"services") {
                assert_eq!(*verbs, READ);
            }
        }
    }
}
