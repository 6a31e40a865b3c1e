//! The generated definitions at a real API server: what they take, and what they refuse.

mod agree;
mod refused;

use std::path::{Path, PathBuf};
use std::process::Command;

use integration::Lab;
use integration::herald::binary;
use integration::kube::client::Patch;
use integration::kube::failure::Failure;
use integration::kube::shared::Shared;
use integration::kube::{ControlPlane, NEEDS, Options};
use refused::{ROWS, Row};
use serde_json::{Value, json};

/// A folder of the checkout.
pub fn folder(path: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.join("..").join(path)
}

/// A control plane with our definitions.
fn join() -> Option<Shared> {
    let cluster = Shared::join()?;
    cluster.apply_files(&folder("deploy/crds"));
    Some(cluster)
}

/// Sends an object to be created, as if; the API server keeps none.
fn try_out(cluster: &ControlPlane, namespace: &str, object: &Value) -> Result<Value, Failure> {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let plural = match object["kind"].as_str().unwrap_or_default() {
        "Community" => "communities".to_owned(),
        "ServiceBGPStatus" => "servicebgpstatuses".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let path = format!(
        "/apis/{version}/namespaces/{namespace}/{plural}?dryRun=All&fieldValidation=Strict"
    );
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(namespace);
    cluster.request("POST", &path, Some(&object))
}

/// An object of a kind whose spec is right, with changes merged into it.
fn object(kind: &str, name: &str, changes: &Value) -> Value {
    let (version, mut spec) = match kind {
        "IPAddressPool" => ("v1beta1", json!({"addresses": ["203.0.113.0/28"]})),
        "BGPPeer" => (
            "v1beta2",
            json!({"myASN": 64512, "peerASN": 64513, "peerAddress": "198.51.100.1"}),
        ),
        _ => ("v1beta1", json!({})),
    };
    for (field, value) in changes.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|_, value| !value.is_null());
    }
    let version = format!("metallb.io/{version}");
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// The table's rows, each with its object.
fn rows() -> Vec<(Value, &'static Row)> {
    let rows = ROWS.iter().copied().flatten().enumerate();
    rows.map(|(number, row)| {
        let changes = serde_json::from_str(row.spec).expect("JSON");
        (object(row.kind, &format!("row-{number}"), &changes), row)
    })
    .collect()
}

/// What `herald check` says of a directory.
fn check(directory: &Path) -> Vec<Value> {
    let output = Command::new(binary())
        .arg("check")
        .arg("--json")
        .arg(directory)
        .output()
        .expect("herald check runs");
    serde_json::from_slice(&output.stdout).expect("an array of problems")
}

/// What `herald check` says of objects, each in the file `NAME.json`.
fn checked(name: &str, objects: &[Value]) -> Vec<Value> {
    let directory = std::env::temp_dir().join(format!("herald-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let file = directory.join(format!("{name}.json"));
        std::fs::write(file, object.to_string()).expect("written");
    }
    let problems = check(&directory);
    std::fs::remove_dir_all(&directory).expect("removed");
    problems
}

#[test]
fn every_definition_is_accepted_and_established() {
    let Some(cluster) = join() else {
        return;
    };
    let found = cluster
        .list("CustomResourceDefinition", "")
        .expect("a list");
    let ours = found
        .iter()
        .filter(|definition| definition["spec"]["group"] == "metallb.io");
    for definition in ours.clone() {
        let conditions = definition["status"]["conditions"].as_array().expect("some");
        let holds = |name: &str| {
            conditions
                .iter()
                .any(|condition| condition["type"] == name && condition["status"] == "True")
        };
        assert!(
            holds("Established") && holds("NamesAccepted"),
            "{definition:#}"
        );
        assert!(!holds("NonStructuralSchema"), "{definition:#}");
    }
    assert_eq!(ours.count(), 9);
}

#[test]
fn the_api_server_refuses_what_cannot_be_and_says_why() {
    let Some(cluster) = join() else {
        return;
    };
    let namespace = cluster.namespace("refused");
    let mut wrong = Vec::new();
    for (object, row) in rows() {
        match try_out(&cluster, &namespace, &object) {
            Ok(_) => wrong.push(format!("{} {} is accepted", row.kind, row.spec)),
            Err(failure) if !failure.message.contains(row.server) => {
                wrong.push(format!("{} {}: {failure}", row.kind, row.spec));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn herald_check_refuses_what_the_api_server_refuses() {
    let objects: Vec<Value> = rows().into_iter().map(|(object, _)| object).collect();
    let problems = checked("refused", &objects);
    let mut wrong = Vec::new();
    for (object, row) in rows() {
        let file = format!(
            "{}.json",
            object["metadata"]["name"].as_str().unwrap_or_default()
        );
        let mut errors = problems
            .iter()
            .filter(|problem| problem["file"] == file.as_str() && problem["severity"] == "error");
        let told = |problem: &Value| format!("{}; {}", problem["message"], problem["hint"]);
        if !errors
            .clone()
            .any(|problem| told(problem).contains(row.check))
        {
            let said: Vec<String> = errors.by_ref().map(told).collect();
            wrong.push(format!("{} {}: {said:?}", row.kind, row.spec));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn both_give_the_same_verdict_on_any_text() {
    let Some(cluster) = join() else {
        return;
    };
    let namespace = cluster.namespace("agree");
    let mut objects = Vec::new();
    for (kind, spec, texts) in agree::ROWS {
        for text in *texts {
            let spec = spec.replace("\"TEXT\"", &Value::from(*text).to_string());
            let changes = serde_json::from_str(&spec).expect("JSON");
            let name = format!("text-{}", objects.len());
            objects.push(object(kind, &name, &changes));
        }
    }
    let problems = checked("agree", &objects);
    let mut wrong = Vec::new();
    for object in objects {
        let server = try_out(&cluster, &namespace, &object).map(drop);
        let file = format!(
            "{}.json",
            object["metadata"]["name"].as_str().unwrap_or_default()
        );
        let alone = |problem: &&Value| {
            // What is wrong among objects is not the API server's business.
            let message = problem["message"].as_str().unwrap_or_default();
            let among = [
                "overlaps with",
                "has the same address",
                "defined already",
                "neither an alias",
                "gives the same routes",
            ];
            problem["file"] == file.as_str()
                && problem["severity"] == "error"
                && !among.iter().any(|words| message.contains(words))
        };
        let check = problems.iter().find(alone);
        if server.is_ok() != check.is_none() {
            wrong.push(format!(
                "{} {}: {server:?}; {check:?}",
                object["kind"], object["spec"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The objects of `metallb.io` in a folder's files.
fn manifests(cluster: &ControlPlane, path: &Path) -> Vec<Value> {
    let path = path.canonicalize().expect("it is there");
    let read = [
        "create",
        "--dry-run=client",
        "--validate=false",
        "-o",
        "json",
        "-f",
    ];
    let text = cluster.kubectl(&[&read[..], &[&path.to_string_lossy()]].concat(), "");
    let text = text.unwrap_or_else(|error| panic!("{error}"));
    let objects = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let objects = objects.map(|object| object.expect("JSON"));
    let mut all = Vec::new();
    for mut object in objects {
        match object.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => all.extend(items),
            _ => all.push(object),
        }
    }
    let ours = |object: &Value| {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        version.starts_with("metallb.io/")
    };
    all.retain(ours);
    all
}

#[test]
fn manifests_that_people_have_are_accepted_as_they_are() {
    let Some(cluster) = join() else {
        return;
    };
    let namespace = cluster.namespace("accepted");
    let folders = [
        "deploy/demo",
        "deploy/standalone",
        "integration/tests/kube/examples",
    ];
    let mut wrong = Vec::new();
    for path in folders.map(folder) {
        let manifests = manifests(&cluster, &path);
        assert!(!manifests.is_empty(), "{}", path.display());
        for manifest in manifests {
            if let Err(failure) = try_out(&cluster, &namespace, &manifest) {
                wrong.push(format!("{manifest}: {failure}"));
            }
        }
        let problems = check(&path);
        let errors = problems
            .iter()
            .filter(|problem| problem["severity"] == "error");
        wrong.extend(errors.map(|problem| format!("{}: {problem:#}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_largest_objects_within_the_bounds_are_accepted() {
    let Some(cluster) = join() else {
        return;
    };
    let namespace = cluster.namespace("large");
    let list =
        |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>();
    let (high, low) = (|n: usize| n / 250, |n: usize| n % 250);
    let selectors: Vec<Value> = (0..1_000)
        .map(|n| json!({"matchLabels": {"kubernetes.io/hostname": format!("node-{n}")}}))
        .collect();
    let hosts = json!([{"key": "kubernetes.io/hostname", "operator": "In", "values": list(1_000, &|n| format!("node-{n}"))}]);
    let of_prefixes = list(500, &|n| format!("203.{}.{}.0/24", high(n), low(n)));
    let of_ranges = list(500, &|n| {
        format!("10.{}.{}.10-10.{}.{}.20", high(n), low(n), high(n), low(n))
    });
    let of_ipv6 = list(500, &|n| {
        format!("2001:db8:1234:5678:9abc:def0:{n:x}:1000-2001:db8:1234:5678:9abc:def0:{n:x}:ffff")
    });
    let communities = list(63, &|n| {
        format!("large:4200000000:4200000000:42000000{n:02}")
    });
    let aliases: Vec<Value> = (0..1_000)
        .map(|n| json!({"name": format!("alias-{n}"), "value": format!("64512:{n}")}))
        .collect();
    let rows = [
        ("IPAddressPool", json!({"addresses": of_prefixes})),
        ("IPAddressPool", json!({"addresses": of_prefixes[..200]})),
        ("IPAddressPool", json!({"addresses": of_ranges})),
        ("IPAddressPool", json!({"addresses": of_ipv6})),
        (
            "IPAddressPool",
            json!({"serviceAllocation": {"namespaceSelectors": selectors, "serviceSelectors": selectors}}),
        ),
        ("BGPPeer", json!({"nodeSelectors": selectors})),
        (
            "BGPPeer",
            json!({"nodeSelectors": [{"matchExpressions": hosts}]}),
        ),
        (
            "BGPAdvertisement",
            json!({"communities": communities, "nodeSelectors": selectors, "ipAddressPoolSelectors": selectors}),
        ),
        ("Community", json!({"communities": aliases})),
    ];
    for (kind, changes) in rows {
        if let Err(failure) = try_out(&cluster, &namespace, &object(kind, "large", &changes)) {
            panic!("{kind}: {failure}");
        }
    }
}

#[test]
fn what_is_not_said_has_metallbs_defaults() {
    let Some(cluster) = join() else {
        return;
    };
    let namespace = cluster.namespace("defaults");
    let spec = |kind: &str| {
        let object = object(kind, "a", &json!({}));
        try_out(&cluster, &namespace, &object).expect("accepted")["spec"].clone()
    };
    let pool = spec("IPAddressPool");
    assert_eq!([&pool["autoAssign"], &pool["avoidBuggyIPs"]], [true, false]);
    assert_eq!(pool["allowSharingAcrossNamespaces"], false);
    assert_eq!(spec("BGPPeer")["peerPort"], 179);
    let routes = spec("BGPAdvertisement");
    assert_eq!(
        [&routes["aggregationLength"], &routes["aggregationLengthV6"]],
        [32, 128]
    );
    let bare = json!({"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": {"name": "a"}});
    let made = try_out(&cluster, &namespace, &bare).expect("accepted");
    assert_eq!(made["spec"], json!({}));
}

#[test]
fn nothing_of_a_peer_is_lost_between_its_two_versions() {
    let Some(cluster) = join() else {
        return;
    };
    let namespace = cluster.namespace("versions");
    let spec = json!({
        "myASN": 64512, "peerASN": 64513, "peerAddress": "198.51.100.1", "peerPort": 1179,
        "sourceAddress": "198.51.100.2", "holdTime": "9s", "keepaliveTime": "3s",
        "routerID": "198.51.100.2", "password": "secret", "ebgpMultiHop": true,
        "nodeSelectors": [{"matchExpressions": [{"key": "rack", "operator": "In", "values": ["1"]}]}],
    });
    let metadata = json!({"name": "old", "namespace": namespace});
    let old = json!({"apiVersion": "metallb.io/v1beta1", "kind": "BGPPeer", "metadata": metadata, "spec": spec});
    cluster.create(&old).expect("created as v1beta1");
    let get = |version: &str| {
        let kind = format!("metallb.io/{version}/BGPPeer");
        cluster.get(&kind, &namespace, "old").expect("there")["spec"].clone()
    };
    for (field, value) in spec.as_object().expect("fields") {
        assert_eq!(&get("v1beta2")[field], value, "{field}");
    }
    let newer = json!({"spec": {"passive": true, "connectTime": "5s"}});
    cluster
        .patch(
            "metallb.io/v1beta2/BGPPeer",
            &namespace,
            "old",
            Patch::Merge,
            &newer,
        )
        .expect("changed as v1beta2");
    let touched = json!({"spec": {"holdTime": "12s"}});
    cluster
        .patch(
            "metallb.io/v1beta1/BGPPeer",
            &namespace,
            "old",
            Patch::Merge,
            &touched,
        )
        .expect("changed as v1beta1");
    assert_eq!(get("v1beta2")["connectTime"], "5s");
    assert_eq!(get("v1beta1"), get("v1beta2"));
}

#[test]
fn what_must_not_change_does_not() {
    let Some(cluster) = join() else {
        return;
    };
    let namespace = cluster.namespace("immutable");
    let mut peer = object("BGPPeer", "router", &json!({}));
    peer["metadata"]["namespace"] = json!(namespace);
    cluster.create(&peer).expect("created");
    let change = json!({"spec": {"enableGracefulRestart": true}});
    let refused = cluster.patch("BGPPeer", &namespace, "router", Patch::Merge, &change);
    let refused = refused.expect_err("graceful restart stays as it was");
    assert!(refused.message.contains("cannot be changed"), "{refused}");
    let metadata = json!({"name": "bgp-1", "namespace": namespace});
    let status = json!({"apiVersion": "metallb.io/v1beta1", "kind": "ServiceBGPStatus", "metadata": metadata});
    cluster.create(&status).expect("created");
    let set = |node: &str| {
        let status = json!({"node": node, "peers": ["router"], "sessions": [{"peer": "router", "state": "Idle"}]});
        cluster.patch_status("ServiceBGPStatus", &namespace, "bgp-1", &status)
    };
    set("node-1").expect("written once");
    let refused = set("node-2").expect_err("the node stays");
    assert!(refused.message.contains("cannot be changed"), "{refused}");
}

/// A definition with two versions and a webhook between them, as MetalLB installs it.
const WITH_WEBHOOK: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: bgppeers.metallb.io}
spec:
  group: metallb.io
  names: {kind: BGPPeer, listKind: BGPPeerList, plural: bgppeers, singular: bgppeer}
  scope: Namespaced
  conversion:
    strategy: Webhook
    webhook:
      conversionReviewVersions: [v1beta1, v1beta2]
      clientConfig:
        service: {namespace: metallb-system, name: metallb-webhook-service, path: /convert}
  versions:
  - &version
    name: v1beta2
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
  - {<<: *version, name: v1beta1, storage: false}
";

#[test]
fn our_definitions_replace_those_of_metallb_and_its_webhook() {
    let Some(lab) = Lab::open(NEEDS) else {
        return;
    };
    let cluster = ControlPlane::start_with(
        &lab,
        Options {
            controllers: None,
            ..Options::default()
        },
    );
    // By whatever installer: it leaves none of kubectl's notes.
    let kubectl = |arguments: &[&str], input| cluster.kubectl(arguments, input).expect("applied");
    kubectl(&["create", "-f", "-"], WITH_WEBHOOK);
    let mut peer = object("BGPPeer", "router", &json!({"disableMP": false}));
    peer["metadata"]["namespace"] = json!("default");
    cluster.create(&peer).expect("created");
    let ours = folder("deploy/crds").canonicalize().expect("there");
    kubectl(&["apply", "-f", &ours.to_string_lossy()], "");
    let get = |version: &str| {
        let kind = format!("metallb.io/{version}/BGPPeer");
        cluster.get(&kind, "default", "router")
    };
    let spec = |version: &str| get(version).map(|peer| peer["spec"]["peerAddress"].clone());
    assert_eq!(spec("v1beta2"), Ok(json!("198.51.100.1")));
    assert_eq!(spec("v1beta1"), Ok(json!("198.51.100.1")));
}
