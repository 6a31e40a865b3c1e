//! `herald run` as a user meets it: two of them on loopback, one connects and one listens.

#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A limit of patience, not of speed.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn an_address_is_assigned_announced_and_explained() {
    let pair = Pair::start("127.0.10", json!({}));
    pair.node
        .await_peer("router", "is Established", is_established);
    pair.node.await_peer("router", "has the route", |peer| {
        peer["advertisedPrefixes"] == 1
    });
    let text = pair.node.ask(&["explain", "web"]);
    assert!(text.contains("203.0.113.0/32 to router"), "{text}");
    let text = pair.node.ask(&["status"]);
    assert!(
        text.contains("default/web") && text.contains("Established"),
        "{text}"
    );
    let world: Value = serde_json::from_str(&pair.node.ask(&["status", "--world"])).unwrap();
    assert_eq!(world["services"][0]["assigned"], json!(["203.0.113.0"]));
}

#[test]
fn a_wrong_as_is_shown_with_both_numbers_and_its_repair_is_picked_up() {
    let pair = Pair::start("127.0.11", json!({"peerASN": 64999}));
    pair.node.await_peer("router", "says why", |peer| {
        error_of(peer).contains("peer is AS 64513, configured 64999")
    });
    pair.router
        .await_peer("node", "has it from the other side", |peer| {
            error_of(peer).contains("AS 64513 (myASN)")
        });
    pair.write_peer(json!({}));
    pair.node
        .await_peer("router", "is Established", is_established);
}

#[test]
fn a_wrong_password_is_shown_as_one() {
    let pair = Pair::start("127.0.12", json!({"password": "wrong"}));
    let peer = pair.node.await_peer("router", "says why", |peer| {
        let text = error_of(peer);
        text.contains("wrong TCP MD5 password") || text.contains("no TCP MD5")
    });
    assert_ne!(peer["state"], "Established");
    assert!(!pair.node.ask(&["status", "--world"]).contains("wrong"));
}

#[test]
fn a_route_that_changes_keeps_the_session_and_a_hold_time_does_not() {
    let pair = Pair::start("127.0.13", json!({}));
    pair.node.await_peer("router", "has the route", |peer| {
        peer["advertisedPrefixes"] == 1
    });
    pair.node.write("shop.yaml", &service("shop"));
    pair.node
        .await_peer("router", "has both", |peer| peer["advertisedPrefixes"] == 2);
    let peer = pair.router.peer("node").unwrap();
    assert_eq!(peer["messages"]["established"], 1);
    pair.write_peer(json!({"holdTime": "30s"}));
    pair.router.await_peer("node", "was told", |peer| {
        error_of(peer).contains("Other Configuration Change (6/6)")
    });
    pair.node.await_peer("router", "has both again", |peer| {
        peer["advertisedPrefixes"] == 2
    });
}

#[test]
fn a_broken_manifest_is_shown_and_stops_nothing() {
    let pair = Pair::start("127.0.14", json!({}));
    pair.node.await_peer("router", "has the route", |peer| {
        peer["advertisedPrefixes"] == 1
    });
    pair.node.write("web.yaml", "kind: [");
    eventually("the problem is shown", || {
        let text = pair.node.ask(&["status"]);
        text.contains("web.yaml:1").then_some(()).ok_or(text)
    });
    assert_eq!(pair.node.peer("router").unwrap()["advertisedPrefixes"], 1);
    std::fs::remove_file(pair.node.folder.path().join("config/web.yaml")).unwrap();
    pair.node.await_peer("router", "has nothing", |peer| {
        peer["advertisedPrefixes"] == 0
    });
}

#[test]
fn assignments_survive_sigkill_and_sigterm_tells_the_peer() {
    let mut pair = Pair::start("127.0.15", json!({}));
    pair.node.write("another.yaml", &service("another"));
    let addresses = |herald: &Herald| herald.status("services")["services"].clone();
    let have_both = |herald: &Herald| {
        eventually("both have an address", || {
            let services = addresses(herald);
            let held = services.as_array().into_iter().flatten();
            let held = held.filter(|service| service["pool"] == "default").count();
            (held == 2).then_some(()).ok_or(services.to_string())
        });
    };
    have_both(&pair.node);
    let before: Vec<Value> = of_each(&addresses(&pair.node), "addresses");
    pair.node.kill();
    pair.node.launch();
    have_both(&pair.node);
    assert_eq!(of_each(&addresses(&pair.node), "addresses"), before);
    pair.node
        .await_peer("router", "is Established", is_established);
    assert_eq!(pair.node.terminate(), Some(0));
    pair.router.await_peer("node", "was told", |peer| {
        error_of(peer).contains("herald stopping")
    });
}

#[test]
fn check_tells_what_is_wrong_by_its_exit_code() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pool.yaml");
    let check = || {
        let output = herald(&["check", &folder.path().to_string_lossy()]);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    std::fs::write(&file, POOL).unwrap();
    assert_eq!(check().0, Some(0));
    std::fs::write(&file, POOL.replace("/24", "/33")).unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(1));
    assert!(
        text.contains("pool.yaml") && text.contains("spec.addresses"),
        "{text}"
    );
    assert_eq!(herald(&["check"]).status.code(), Some(2));
}

#[test]
fn nobody_to_ask_is_said_with_what_to_do() {
    let output = herald(&["status", "--socket", "/nowhere/herald.sock"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("start `herald run`"), "{text}");
}

const POOL: &str = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n\
    metadata: {name: default}\nspec: {addresses: [203.0.113.0/24]}\n";

const ADVERTISEMENT: &str = "apiVersion: metallb.io/v1beta1\nkind: BGPAdvertisement\n\
    metadata: {name: default}\nspec: {}\n";

/// A Service with an endpoint on the node.
fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{type: LoadBalancer, ports: [{{port: 80}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         addressType: IPv4\nendpoints: [{{addresses: [10.0.0.10], nodeName: node, \
         conditions: {{ready: true}}}}]\nports: [{{port: 80}}]\n"
    )
}

fn peer(name: &str, spec: Value, more: Value) -> String {
    let mut object = json!({
        "apiVersion": "metallb.io/v1beta2",
        "kind": "BGPPeer",
        "metadata": {"name": name},
        "spec": {"holdTime": "9s", "connectTime": "1s"},
    });
    let parts = [spec, more].map(|part| part.as_object().unwrap().clone());
    for (name, value) in parts.into_iter().flatten() {
        object["spec"][name] = value;
    }
    object.to_string()
}

/// A node that connects, and a router that listens.
struct Pair {
    node: Herald,
    router: Herald,
    network: &'static str,
    port: u16,
}

impl Pair {
    /// On addresses of this /24 of loopback. `more` has fields of the node's BGPPeer.
    fn start(network: &'static str, more: Value) -> Pair {
        let free = TcpListener::bind((format!("{network}.2"), 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut router = Herald::new("router");
        let node_address = json!({"myASN": 64513, "peerASN": 64512, "passive": true,
            "peerAddress": format!("{network}.1"), "sourceAddress": format!("{network}.2")});
        router.write("peer.yaml", &peer("node", node_address, json!({})));
        router.arguments = vec!["--listen".into(), format!("{network}.2:{port}")];
        router.launch();
        let node = Herald::new("node");
        let mut pair = Pair {
            node,
            router,
            network,
            port,
        };
        pair.node.write("pool.yaml", POOL);
        pair.node.write("advertisement.yaml", ADVERTISEMENT);
        pair.node.write("web.yaml", &service("web"));
        pair.write_peer(more);
        pair.node.launch();
        pair
    }

    fn write_peer(&self, more: Value) {
        let Pair { network, port, .. } = self;
        let spec = json!({"myASN": 64512, "peerASN": 64513, "peerPort": port,
            "peerAddress": format!("{network}.2"), "sourceAddress": format!("{network}.1")});
        self.node.write("peer.yaml", &peer("router", spec, more));
    }
}

/// A `herald run` and its files.
struct Herald {
    name: &'static str,
    folder: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Herald {
    fn new(name: &'static str) -> Herald {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("config")).unwrap();
        Herald {
            name,
            folder,
            arguments: Vec::new(),
            child: None,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("herald.sock")
    }

    fn launch(&mut self) {
        let folder = self.folder.path();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_herald"));
        command
            .arg("run")
            .arg("--config")
            .arg(folder.join("config"));
        command.arg("--state").arg(folder.join("state.json"));
        command.arg("--socket").arg(self.socket());
        command
            .args(["--metrics", "off", "--node", self.name])
            .args(&self.arguments);
        self.child = Some(command.stderr(log).stdin(Stdio::null()).spawn().unwrap());
        eventually("it answers", || {
            let output = herald(&["status", "--socket", &self.socket().to_string_lossy()]);
            match output.status.success() {
                true => Ok(()),
                false => Err(std::fs::read_to_string(folder.join("log")).unwrap()),
            }
        });
    }

    /// Writes a file of the directory, at once as a whole.
    fn write(&self, name: &str, text: &str) {
        let half = self.folder.path().join("half");
        std::fs::write(&half, text).unwrap();
        std::fs::rename(half, self.folder.path().join("config").join(name)).unwrap();
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let socket = self.socket();
        let output = herald(&[arguments, &["--socket", &socket.to_string_lossy()]].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn status(&self, subject: &str) -> Value {
        serde_json::from_str(&self.ask(&["status", subject, "-o", "json"])).unwrap()
    }

    fn peer(&self, name: &str) -> Option<Value> {
        let status = self.status("peers");
        let peers = status["peers"].as_array()?;
        peers.iter().find(|peer| peer["name"] == name).cloned()
    }

    fn await_peer(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{name} {what}"), || match self.peer(name) {
            Some(peer) if holds(&peer) => Ok(peer),
            other => Err(format!("{other:#?}")),
        })
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM; its exit code.
    fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        child.wait().unwrap().code()
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        self.kill();
    }
}

fn herald(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_herald"))
        .args(arguments)
        .output()
        .unwrap()
}

fn is_established(peer: &Value) -> bool {
    peer["state"] == "Established"
}

fn error_of(peer: &Value) -> String {
    peer["lastError"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn of_each(entries: &Value, field: &str) -> Vec<Value> {
    let entries = entries.as_array().into_iter().flatten();
    entries.map(|entry| entry[field].clone()).collect()
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > SOON => panic!("not so: {what}; last seen: {seen}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
