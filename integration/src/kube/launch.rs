//! How the programs of the control plane are started.

use std::path::Path;
use std::process::Command;

use super::client::Client;
use super::{ADDRESS_V4, PORT, Place, access};
use crate::command::run;
use crate::netns::Netns;
use crate::process::{Process, await_file, read_log, tail};

/// Users of the API server besides ServiceAccounts: token, name, and group.
pub(super) const ADMIN: &str = "token-of-admin";
pub(super) const MANAGER: &str = "token-of-controller-manager";
pub(super) const PROXY: &str = "token-of-kube-proxy";
const USERS: [[&str; 3]; 3] = [
    [ADMIN, "admin", "system:masters"],
    // Its controllers act as it does, not by an account each: start is faster by seconds.
    [MANAGER, "system:kube-controller-manager", "system:masters"],
    [PROXY, "system:kube-proxy", ""],
];

const ETCD: &str = "http://127.0.0.1:2379";
/// Addresses of ClusterIPs. The lab uses these prefixes nowhere else.
const SERVICES: &str = "10.96.0.0/16,fd00:96::/112";

/// The ends of all logs in a folder.
pub(super) fn tails(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    files.sort();
    let shown = files
        .iter()
        .map(|path| format!("-- {}\n{}\n", path.display(), tail(&read_log(path))));
    shown.collect()
}

impl Place {
    fn spawn(&self, netns: &Netns, program: &str, arguments: &[String]) -> Process {
        let path = match program {
            "etcd" => program.into(),
            other => self.programs.path(other),
        };
        let mut command = Command::new(path);
        command.args(arguments).current_dir(&self.folder);
        Process::spawn_bounded(netns, &self.logs.join(format!("{program}.log")), command)
    }

    /// A path of its folder, as text.
    fn file(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    pub(super) fn etcd(&self, netns: &Netns) -> Process {
        let arguments = [
            format!("--data-dir={}", self.file("etcd")),
            format!("--listen-client-urls={ETCD}"),
            format!("--advertise-client-urls={ETCD}"),
            "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
            // Nothing here outlives a crash of the machine.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
            "--logger=zap".to_owned(),
        ];
        self.spawn(netns, "etcd", &arguments)
    }

    /// The key that signs tokens of ServiceAccounts, and the users.
    pub(super) fn write_keys(&self) {
        let key = self.file("accounts.key");
        run(
            "openssl",
            &[
                "ecparam",
                "-genkey",
                "-name",
                "prime256v1",
                "-noout",
                "-out",
                &key,
            ],
        );
        let users = USERS.map(|[token, name, group]| format!("{token},{name},{name},{group}\n"));
        let path = self.file("users.csv");
        std::fs::write(&path, users.concat()).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    pub(super) fn apiserver(&self, netns: &Netns) -> Process {
        let key = self.file("accounts.key");
        let mut arguments = vec![
            format!("--etcd-servers={ETCD}"),
            format!("--advertise-address={ADDRESS_V4}"),
            "--bind-address=::".to_owned(),
            format!("--secure-port={PORT}"),
            // It makes its own certificate there, once.
            format!("--cert-dir={}", self.file("certificates")),
            format!("--token-auth-file={}", self.file("users.csv")),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-signing-key-file={key}"),
            format!("--service-account-key-file={key}"),
            format!("--service-cluster-ip-range={SERVICES}"),
            "--endpoint-reconciler-type=none".to_owned(),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--allow-privileged=true".to_owned(),
            // Else it waits a minute for its watches to end by themselves.
            "--shutdown-watch-termination-grace-period=2s".to_owned(),
            "--profiling=false".to_owned(),
        ];
        arguments.extend(self.options.apiserver.iter().cloned());
        self.spawn(netns, "kube-apiserver", &arguments)
    }

    /// The administrator's client, once the API server has made its certificate.
    pub(super) fn client(&self, netns: &Netns, apiserver: &mut Process) -> Client {
        let certificate = self.folder.join(access::CERTIFICATE);
        // The key is written after the certificate, which is whole by then.
        await_file(&certificate.with_extension("key"), apiserver);
        let (server, authority) = (access::server(), Some(certificate.as_path()));
        for [token, name, _] in USERS {
            access::write_kubeconfig(&self.folder, name, &server, authority, token);
        }
        Client::new(netns.handle(), &server, &read_log(&certificate), ADMIN)
    }

    pub(super) fn manager(&self, netns: &Netns, controllers: &str) -> Process {
        let grace = self.options.node_monitor_grace_period.as_millis();
        let kubeconfig = self.file(&access::file_name("system:kube-controller-manager"));
        let arguments = [
            format!("--kubeconfig={kubeconfig}"),
            format!("--controllers={controllers}"),
            format!(
                "--service-account-private-key-file={}",
                self.file("accounts.key")
            ),
            format!("--root-ca-file={}", self.file(access::CERTIFICATE)),
            format!("--node-monitor-grace-period={grace}ms"),
            "--node-monitor-period=1s".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            // The usual 20 a second make a test with many objects wait for nothing.
            "--kube-api-qps=1000".to_owned(),
            "--kube-api-burst=2000".to_owned(),
            "--profiling=false".to_owned(),
        ];
        self.spawn(netns, "kube-controller-manager", &arguments)
    }
}
