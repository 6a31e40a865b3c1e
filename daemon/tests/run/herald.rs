//! A `herald run` of its own, and its files.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A limit of patience, not of speed.
const SOON: Duration = Duration::from_secs(30);

pub const POOL: &str = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n\
    metadata: {name: default}\nspec: {addresses: [203.0.113.0/24]}\n";

pub const ADVERTISEMENT: &str = "apiVersion: metallb.io/v1beta1\nkind: BGPAdvertisement\n\
    metadata: {name: default}\nspec: {}\n";

/// A Service with an endpoint on the node.
pub fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{type: LoadBalancer, ports: [{{port: 80}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}\n\
         addressType: IPv4\nendpoints: [{{addresses: [10.0.0.10], nodeName: node, \
         conditions: {{ready: true}}}}]\nports: [{{port: 80}}]\n"
    )
}

pub fn peer(name: &str, spec: Value, more: Value) -> String {
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

/// A `herald run` and its files.
pub struct Herald {
    name: &'static str,
    pub folder: TempDir,
    /// More of the command line.
    pub arguments: Vec<String>,
    /// `--metrics`.
    pub metrics: String,
    /// Root may not pass over the modes of files.
    pub without_override: bool,
    child: Option<Child>,
}

impl Herald {
    pub fn new(name: &'static str) -> Herald {
        let folder = TempDir::new().unwrap();
        for name in ["config", "state"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Herald {
            name,
            folder,
            arguments: Vec::new(),
            metrics: "off".to_owned(),
            without_override: false,
            child: None,
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("herald.sock")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state/state.json")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub fn launch(&mut self) {
        let folder = self.folder.path();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        let mut command = self.command();
        command
            .arg("run")
            .arg("--config")
            .arg(folder.join("config"));
        command.arg("--state").arg(self.state());
        command.arg("--socket").arg(self.socket());
        command
            .args(["--metrics", &self.metrics, "--node", self.name])
            .args(&self.arguments);
        self.child = Some(command.stderr(log).stdin(Stdio::null()).spawn().unwrap());
        eventually("it answers", || {
            let output = herald(&["status", "--socket", &self.socket().to_string_lossy()]);
            match output.status.success() {
                true => Ok(()),
                false => Err(self.log()),
            }
        });
    }

    fn command(&self) -> Command {
        if !self.without_override {
            return Command::new(env!("CARGO_BIN_EXE_herald"));
        }
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-dac_override,-dac_read_search", "--"]);
        command.arg(env!("CARGO_BIN_EXE_herald"));
        command
    }

    /// Writes a file of the directory, at once as a whole.
    pub fn write(&self, name: &str, text: &str) {
        let half = self.folder.path().join("half");
        std::fs::write(&half, text).unwrap();
        std::fs::rename(half, self.folder.path().join("config").join(name)).unwrap();
    }

    pub fn ask(&self, arguments: &[&str]) -> String {
        let socket = self.socket();
        let output = herald(&[arguments, &["--socket", &socket.to_string_lossy()]].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn status(&self, subject: &str) -> Value {
        serde_json::from_str(&self.ask(&["status", subject, "-o", "json"])).unwrap()
    }

    pub fn peer(&self, name: &str) -> Option<Value> {
        let status = self.status("peers");
        let peers = status["peers"].as_array()?;
        peers.iter().find(|peer| peer["name"] == name).cloned()
    }

    pub fn await_peer(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{name} {what}"), || match self.peer(name) {
            Some(peer) if holds(&peer) => Ok(peer),
            other => Err(format!("{other:#?}")),
        })
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM; its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.take()?.wait().unwrap().code()
    }

    /// Sends a signal, by its name for `kill`.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn herald(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_herald"))
        .args(arguments)
        .output()
        .unwrap()
}

pub fn is_established(peer: &Value) -> bool {
    peer["state"] == "Established"
}

pub fn error_of(peer: &Value) -> String {
    peer["lastError"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

pub fn of_each(entries: &Value, field: &str) -> Vec<Value> {
    let entries = entries.as_array().into_iter().flatten();
    entries.map(|entry| entry[field].clone()).collect()
}

pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > SOON => panic!("not so: {what}; last seen: {seen}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
