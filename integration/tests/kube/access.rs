//! Who may do what.

use integration::kube::ControlPlane;
use integration::kube::shared::Shared;
use serde_json::{Value, json};

/// An account that may read Services of its namespace.
fn reader(cluster: &ControlPlane) -> String {
    let namespace = cluster.namespace("access");
    let object = |kind: &str, version: &str, fields: Value| {
        let mut object = json!({
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": "reader", "namespace": namespace},
        });
        if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
            object.extend(fields);
        }
        cluster.apply(&object).expect("applied");
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    object("ServiceAccount", "v1", json!({}));
    let verbs = ["get", "list", "watch"];
    let rule = json!({"apiGroups": [""], "resources": ["services"], "verbs": verbs});
    object("Role", rbac, json!({"rules": [rule]}));
    let group = "rbac.authorization.k8s.io";
    let role = json!({"apiGroup": group, "kind": "Role", "name": "reader"});
    let subject = json!({"kind": "ServiceAccount", "name": "reader", "namespace": namespace});
    object(
        "RoleBinding",
        rbac,
        json!({"roleRef": role, "subjects": [subject]}),
    );
    namespace
}

#[test]
fn an_account_is_refused_what_its_rbac_does_not_grant() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let namespace = reader(&cluster);
    let account = cluster.client_as(&namespace, "reader");
    assert_eq!(account.list("Service", &namespace), Ok(Vec::new()));
    let refused = [
        account.list("Secret", &namespace).map(drop),
        account.list("Service", "default").map(drop),
        account.delete("Service", &namespace, "any").map(drop),
        account.get("Node", "", "any").map(drop),
    ];
    for answer in refused {
        let refused = answer.expect_err("not granted");
        assert!(refused.is_forbidden(), "{refused}");
    }
}

#[test]
fn a_kubeconfig_of_an_account_is_that_account() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let namespace = reader(&cluster);
    let kubeconfig = cluster.kubeconfig(&namespace, "reader");
    let option = format!("--kubeconfig={}", kubeconfig.display());
    let who = [
        "auth",
        "whoami",
        "-o",
        "jsonpath={.status.userInfo.username}",
    ];
    let ask = |options: &[&str]| cluster.kubectl(&[options, &who].concat(), "");
    assert_eq!(ask(&[]).as_deref(), Ok("admin"));
    let name = format!("system:serviceaccount:{namespace}:reader");
    assert_eq!(ask(&[&option]), Ok(name));
}

#[test]
fn a_token_that_nobody_gave_is_nobody() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let stranger = ["--token=made-up", "get", "--raw", "/api/v1/namespaces"];
    // The administrator's file has a token, too; the one on the command line wins.
    let said = cluster.kubectl(&stranger, "").expect_err("no access");
    assert!(
        said.contains("Unauthorized") || said.contains("logged in"),
        "{said}"
    );
}
