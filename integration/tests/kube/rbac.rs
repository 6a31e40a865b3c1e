//! The generated RBAC: what each account may do, and what it may not.

use integration::kube::client::Client;
use integration::kube::shared::Shared;
use serde_json::{Value, json};

use crate::crds::folder;

/// Where the accounts are.
pub const HOME: &str = "herald-system";
/// Any other namespace.
const AWAY: &str = "default";

pub const CONTROLLER: &str = "herald-controller";
pub const SPEAKER: &str = "herald-speaker";

/// A control plane with the generated RBAC.
pub fn join() -> Option<Shared> {
    let cluster = Shared::join()?;
    let home = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}});
    cluster.apply(&home).expect("a namespace");
    cluster.apply_files(&folder("deploy/crds"));
    cluster.apply_files(&folder("deploy/rbac"));
    Some(cluster)
}

/// Verbs, resources as `GROUP/RESOURCE` with or without a subresource, and where.
type Row = (&'static str, &'static str, &'static str);

const READ: &str = "get list watch";
const WRITE: &str = "create update patch delete deletecollection";
const OWN: &str = "get list watch create update patch delete";
const CONFIGURATION: &str = "metallb.io/ipaddresspools metallb.io/bgppeers \
    metallb.io/bgpadvertisements metallb.io/l2advertisements metallb.io/communities \
    metallb.io/bfdprofiles";

const CONTROLLER_MAY: &[Row] = &[
    (READ, "/services /namespaces /nodes", AWAY),
    ("update patch", "/services/status", AWAY),
    ("create patch", "events.k8s.io/events", AWAY),
    (READ, CONFIGURATION, HOME),
    (
        "update patch",
        "metallb.io/ipaddresspools/status metallb.io/configurationstates/status",
        HOME,
    ),
    (OWN, "metallb.io/configurationstates", HOME),
    ("get watch create patch", "coordination.k8s.io/leases", HOME),
    (READ, "metallb.io/servicel2statuses", HOME),
    ("create", "/secrets", HOME),
];

const CONTROLLER_MAY_NOT: &[Row] = &[
    (WRITE, "/services /namespaces /nodes", AWAY),
    (WRITE, "/services /nodes", HOME),
    ("get list watch update patch delete", "/secrets", HOME),
    ("create", "/secrets", AWAY),
    (READ, "/secrets /configmaps /pods", AWAY),
    (READ, "discovery.k8s.io/endpointslices", AWAY),
    (WRITE, CONFIGURATION, HOME),
    (READ, CONFIGURATION, AWAY),
    (
        "update patch",
        "metallb.io/bgppeers/status /nodes/status",
        HOME,
    ),
    (OWN, "metallb.io/servicebgpstatuses", HOME),
    (WRITE, "metallb.io/servicel2statuses", HOME),
    (
        "get create update patch",
        "coordination.k8s.io/leases",
        AWAY,
    ),
    ("list update delete", "coordination.k8s.io/leases", HOME),
    ("get list watch delete", "events.k8s.io/events", AWAY),
    ("create", "/pods/exec /serviceaccounts/token", HOME),
];

const SPEAKER_MAY: &[Row] = &[
    (READ, "/services /namespaces /nodes", AWAY),
    (READ, "discovery.k8s.io/endpointslices", AWAY),
    ("create patch", "events.k8s.io/events", AWAY),
    (READ, CONFIGURATION, HOME),
    (
        OWN,
        "metallb.io/configurationstates metallb.io/servicebgpstatuses \
         metallb.io/servicel2statuses",
        HOME,
    ),
    (
        "update patch",
        "metallb.io/configurationstates/status metallb.io/servicebgpstatuses/status \
         metallb.io/servicel2statuses/status",
        HOME,
    ),
    ("get", "/secrets", HOME),
];

const SPEAKER_MAY_NOT: &[Row] = &[
    (
        WRITE,
        "/services /services/status /nodes /nodes/status",
        AWAY,
    ),
    (WRITE, "/services /services/status", HOME),
    ("list watch create update patch delete", "/secrets", HOME),
    (READ, "/secrets /configmaps /pods", AWAY),
    (WRITE, CONFIGURATION, HOME),
    (READ, CONFIGURATION, AWAY),
    ("update patch", "metallb.io/ipaddresspools/status", HOME),
    (WRITE, "discovery.k8s.io/endpointslices", AWAY),
    (
        "get create update patch",
        "coordination.k8s.io/leases",
        HOME,
    ),
    ("create", "/pods/exec /serviceaccounts/token", HOME),
];

/// What `kubectl auth can-i` asks.
fn may(account: &Client, verb: &str, resource: &str, namespace: &str) -> bool {
    let mut parts = resource.splitn(3, '/');
    let mut part = || parts.next().unwrap_or_default();
    let (group, resource, subresource) = (part(), part(), part());
    let attributes = json!({
        "verb": verb, "group": group, "resource": resource, "subresource": subresource,
        "namespace": namespace,
    });
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = account
        .request("POST", path, Some(&review))
        .expect("an answer");
    answer["status"]["allowed"] == true
}

/// The rows, verb by verb, where the answer is another one.
fn others(account: &Client, rows: &[Row], expected: bool) -> Vec<String> {
    let mut others = Vec::new();
    for (verbs, resources, namespace) in rows {
        for resource in resources.split_whitespace() {
            let verbs = verbs.split_whitespace();
            let wrong = verbs.filter(|verb| may(account, verb, resource, namespace) != expected);
            others.extend(wrong.map(|verb| format!("{verb} {resource} in {namespace}")));
        }
    }
    others
}

#[test]
fn each_account_may_do_what_it_needs_and_no_more() {
    let Some(cluster) = join() else {
        return;
    };
    let accounts = [
        (CONTROLLER, CONTROLLER_MAY, CONTROLLER_MAY_NOT),
        (SPEAKER, SPEAKER_MAY, SPEAKER_MAY_NOT),
    ];
    for (name, granted, refused) in accounts {
        let account = cluster.client_as(HOME, name);
        let none = Vec::<String>::new();
        assert_eq!(others(&account, granted, true), none, "{name} may not");
        assert_eq!(others(&account, refused, false), none, "{name} may");
    }
}

/// All rules that hold for an account in a namespace.
fn rules(account: &Client, namespace: &str) -> Vec<Value> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let answer = account
        .request("POST", path, Some(&review))
        .expect("an answer");
    assert_eq!(answer["status"]["incomplete"], false, "{answer:#}");
    answer["status"]["resourceRules"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[test]
fn no_rule_of_an_account_has_a_star_or_lists_secrets() {
    let Some(cluster) = join() else {
        return;
    };
    for name in [CONTROLLER, SPEAKER] {
        let account = cluster.client_as(HOME, name);
        for namespace in [HOME, AWAY, "kube-system"] {
            let rules = rules(&account, namespace);
            assert!(!rules.is_empty(), "{name} has rules");
            for rule in rules {
                assert!(!rule.to_string().contains("\"*\""), "{name}: {rule}");
                if rule["resources"].to_string().contains("secrets") {
                    let verb = if name == SPEAKER { "get" } else { "create" };
                    assert_eq!(namespace, HOME, "{name}: {rule}");
                    assert_eq!(rule["verbs"], json!([verb]), "{name}: {rule}");
                }
            }
        }
    }
}

#[test]
fn a_speaker_reads_the_secret_that_a_peer_names_and_no_other_way() {
    let Some(cluster) = join() else {
        return;
    };
    let account = cluster.client_as(HOME, SPEAKER);
    let absent = account.get("Secret", HOME, "not-there").expect_err("none");
    assert!(absent.is_not_found(), "{absent}");
    let listed = account.list("Secret", HOME).expect_err("no list");
    assert!(listed.is_forbidden(), "{listed}");
    let elsewhere = account.get("Secret", AWAY, "not-there").expect_err("none");
    assert!(elsewhere.is_forbidden(), "{elsewhere}");
}
