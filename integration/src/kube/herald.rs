//! Herald in a cluster: its definitions, accounts and configuration, and its daemons.
//!
//! An [`Installation`] is as `deploy/` makes it, but in a Kubernetes namespace of its own and for a
//! loadBalancerClass of its own, so that several can be in one cluster and leave each other's
//! Services alone. Its daemons act as their ServiceAccounts, with the generated RBAC and no more.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::ControlPlane;
use super::client::{Client, Patch};
use super::gate::Gate;
use crate::command::output;
use crate::herald::binary;
use crate::http;
use crate::lab::{Lab, next_number};
use crate::netns::Handle;
use crate::process::{Process, await_file};
use crate::wait;

/// The ServiceAccount of `herald speaker`.
pub const SPEAKER: &str = "herald-speaker";
/// The ServiceAccount of `herald controller`.
pub const CONTROLLER: &str = "herald-controller";

/// The namespace that the manifests of `deploy/` name.
const HOME: &str = "herald-system";
/// The first port of metrics; daemons in one network namespace have one each.
const METRICS: u16 = 20_000;
/// How many of them there are, before the first is used again.
const PORTS: usize = 10_000;

/// Herald's objects in a cluster.
#[derive(Clone, Debug)]
pub struct Installation {
    client: Client,
    namespace: String,
    class: Option<String>,
}

impl Installation {
    /// Installs it in a namespace of its own, for a loadBalancerClass of its own.
    pub fn add(control_plane: &ControlPlane) -> Installation {
        let namespace = control_plane.namespace("herald");
        let class = Some(format!("herald.test/{namespace}"));
        Installation::in_namespace(control_plane, namespace, class)
    }

    /// As [`Installation::add`], for Services without a class: it acts on the whole cluster.
    pub fn for_all(control_plane: &ControlPlane) -> Installation {
        let namespace = control_plane.namespace("herald");
        Installation::in_namespace(control_plane, namespace, None)
    }

    fn in_namespace(
        control_plane: &ControlPlane,
        namespace: String,
        class: Option<String>,
    ) -> Installation {
        define(control_plane);
        for account in [SPEAKER, CONTROLLER] {
            let path = deploy(&format!("rbac/{account}.yaml"));
            let text = std::fs::read_to_string(&path);
            let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            control_plane.apply_yaml(&moved(&text, &namespace));
        }
        Installation {
            client: control_plane.client().clone(),
            namespace,
            class,
        }
    }

    /// The namespace of its configuration.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its loadBalancerClass.
    pub fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// Applies an object of the configuration, in its namespace.
    pub fn put(&self, mut object: Value) {
        object["metadata"]["namespace"] = json!(self.namespace);
        self.client
            .apply(&object)
            .unwrap_or_else(|failure| panic!("{object}: {failure}"));
    }

    /// Merges fields into the spec of an object of the configuration.
    pub fn change(&self, kind: &str, name: &str, spec: &Value) {
        let change = json!({ "spec": spec });
        self.client
            .patch(kind, &self.namespace, name, Patch::Merge, &change)
            .unwrap_or_else(|failure| panic!("{kind} {name}: {failure}"));
    }

    /// Deletes an object of the configuration.
    pub fn delete(&self, kind: &str, name: &str) {
        self.client
            .delete(kind, &self.namespace, name)
            .unwrap_or_else(|failure| panic!("{kind} {name}: {failure}"));
    }

    /// `herald speaker` for a node, not yet running. Its sessions are recorded.
    pub fn speaker(&self, control_plane: &ControlPlane, lab: &Lab, node: &str) -> Daemon {
        let mut daemon = self.speaker_unrecorded(control_plane, lab, node);
        let recordings = daemon.log.with_extension("record");
        daemon
            .arguments
            .extend(["--record".into(), recordings.into()]);
        daemon
    }

    /// As [`Installation::speaker`], with the arguments that a node's has and no more.
    pub fn speaker_unrecorded(
        &self,
        control_plane: &ControlPlane,
        lab: &Lab,
        node: &str,
    ) -> Daemon {
        let mut daemon = self.daemon(control_plane, lab, SPEAKER, &format!("speaker-{node}"));
        daemon.arguments.extend(["--node".into(), node.into()]);
        let state = daemon.state();
        daemon.arguments.extend(["--state".into(), state.into()]);
        daemon
    }

    /// `herald controller`, not yet running; `name` is in the name of its log.
    pub fn controller(&self, control_plane: &ControlPlane, lab: &Lab, name: &str) -> Daemon {
        self.daemon(control_plane, lab, CONTROLLER, name)
    }

    fn daemon(
        &self,
        control_plane: &ControlPlane,
        lab: &Lab,
        account: &'static str,
        name: &str,
    ) -> Daemon {
        let number = next_number();
        let port = METRICS + u16::try_from(number % PORTS).unwrap_or(0);
        let command = account.trim_start_matches("herald-");
        let classes = self
            .class
            .iter()
            .flat_map(|class| ["--lb-class".into(), class.into()]);
        let arguments: Vec<OsString> = [command.into(), "--namespace".into()]
            .into_iter()
            .chain([OsString::from(&self.namespace)])
            .chain(classes)
            .collect();
        Daemon {
            arguments,
            account,
            namespace: self.namespace.clone(),
            kubeconfig: control_plane.kubeconfig(&self.namespace, account),
            // Short, for the 107 octets of a socket's path.
            folder: lab.folder(&format!("herald-{number}")),
            log: lab.log(name),
            metrics: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            running: None,
        }
    }
}

/// `herald speaker` or `herald controller`. It is killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    arguments: Vec<OsString>,
    account: &'static str,
    namespace: String,
    kubeconfig: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    metrics: SocketAddr,
    running: Option<(Process, Handle)>,
}

impl Daemon {
    /// Adds arguments.
    pub fn with(mut self, arguments: &[&str]) -> Daemon {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// From its next start on, it talks to the API server through a gate, as its ServiceAccount.
    pub fn through_gate(&mut self, control_plane: &ControlPlane) -> Gate {
        let gate = Gate::open_as(control_plane, &self.namespace, self.account);
        self.kubeconfig = gate.kubeconfig(control_plane);
        gate
    }

    /// Starts it, or starts it again, in a network namespace, and waits until it answers on its
    /// socket.
    pub fn launch(&mut self, netns: &Handle) {
        let socket = self.socket();
        // There is none at the first start.
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new(binary());
        command.args(self.all_arguments());
        let mut process = Process::spawn_bounded(netns, &self.log, command);
        await_file(&socket, &mut process);
        self.running = Some((process, netns.clone()));
    }

    /// As [`Daemon::launch`], of one that ends by itself within half a minute: its exit code, and
    /// what it says.
    pub fn fail_to_launch(&self, netns: &Handle) -> (Option<i32>, String) {
        let mut command = Command::new("timeout");
        command.arg("30").arg(binary()).args(self.all_arguments());
        let ended = netns.enter(|| command.output());
        let ended = ended.unwrap_or_else(|error| panic!("timeout: {error}"));
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        (ended.status.code(), said)
    }

    fn all_arguments(&self) -> Vec<OsString> {
        let socket = self.socket();
        let more: [OsString; 6] = [
            "--kubeconfig".into(),
            self.kubeconfig.clone().into(),
            "--socket".into(),
            socket.into(),
            "--metrics".into(),
            self.metrics.to_string().into(),
        ];
        self.arguments.iter().cloned().chain(more).collect()
    }

    /// Where its HTTP server is.
    pub fn metrics(&self) -> SocketAddr {
        self.metrics
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("herald.sock")
    }

    /// A speaker's state file.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    /// Where a speaker keeps the keys of speakers.
    pub fn kept_keys(&self) -> PathBuf {
        self.state().with_added_extension("keys")
    }

    /// `herald status SUBJECT -o json`.
    pub fn status(&self, subject: &str) -> Result<Value, String> {
        self.ask(&["status", subject, "-o", "json"])
    }

    /// `herald status -o json`: everything in short.
    pub fn overview(&self) -> Result<Value, String> {
        self.ask(&["status", "-o", "json"])
    }

    /// `herald status`, as people see it.
    pub fn overview_text(&self) -> Result<String, String> {
        let socket = self.socket();
        let arguments = ["status", "--socket", &socket.to_string_lossy()];
        output(&binary().to_string_lossy(), &arguments)
    }

    /// `herald explain NAMESPACE/NAME --json`.
    pub fn explain(&self, service: &str) -> Result<Value, String> {
        self.ask(&["explain", service, "--json"])
    }

    fn ask(&self, arguments: &[&str]) -> Result<Value, String> {
        let socket = self.socket();
        let socket = socket.to_string_lossy();
        let more = ["--socket", &socket];
        let text = output(&binary().to_string_lossy(), &[arguments, &more].concat())?;
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
    }

    /// The entry of that name in `herald status SUBJECT`.
    pub fn entry(&self, subject: &str, name: &str) -> Result<Value, String> {
        let status = self.status(subject)?;
        let mut entries = status[subject].as_array().into_iter().flatten();
        let found = entries.find(|entry| entry["name"] == name);
        found.cloned().ok_or_else(|| format!("no {name}: {status}"))
    }

    /// A page of its HTTP server, such as `/readyz`: the status and the body.
    pub fn page(&self, path: &str) -> Result<(u16, String), String> {
        let (_, netns) = self.running();
        http::get(netns, self.metrics, path)
    }

    /// The value of a metric, named with its labels as `/metrics` has them; `None` where there is
    /// none.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.page("/metrics").ok()?;
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits until `/readyz` says yes.
    pub fn await_ready(&self) {
        wait::eventually("herald is ready", wait::SOON, || {
            match self.page("/readyz") {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}\n{}", crate::process::tail(&self.log()))),
            }
        });
    }

    /// SIGTERM, and waits for its end.
    pub fn terminate(&mut self) {
        if let Some((mut process, _)) = self.running.take() {
            process.terminate();
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Whether it runs, neither stopped nor crashed.
    pub fn is_running(&mut self) -> bool {
        let running = self.running.as_mut();
        running.is_some_and(|(process, _)| process.is_running())
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        &self.running().0
    }

    /// Its log.
    pub fn log(&self) -> String {
        crate::process::read_log(&self.log)
    }

    fn running(&self) -> &(Process, Handle) {
        let running = self.running.as_ref();
        running.unwrap_or_else(|| panic!("herald is stopped"))
    }
}

/// Applies the definitions, unless the cluster has them.
fn define(control_plane: &ControlPlane) {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // The last that there is by name: files of a folder are applied in order.
    let last = "servicel2statuses.metallb.io";
    let known = control_plane.get("CustomResourceDefinition", "", last);
    if known.is_err_and(|failure| failure.is_not_found()) {
        control_plane.apply_files(&deploy("crds"));
    }
}

/// The manifests of an account, for another namespace: what a kustomization would do.
fn moved(text: &str, namespace: &str) -> String {
    let documents = text.split("---\n").map(|document| {
        let document = document.replace(HOME, namespace);
        match document.contains("kind: ClusterRoleBinding\n") {
            // The cluster has one for each namespace.
            true => document.replacen("\n  name: ", &format!("\n  name: {namespace}-"), 1),
            false => document,
        }
    });
    documents.collect::<Vec<_>>().join("---\n")
}

/// A file or folder of `deploy/`.
fn deploy(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("deploy").join(path)
}
