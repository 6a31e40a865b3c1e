//! Who may talk to the API server: tokens, and files with them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::client::Client;
use super::{ADDRESS_V4, ControlPlane, PORT};
use crate::lab::next_number;

/// How long a ServiceAccount's token lasts, in seconds: longer than any test.
const LIFETIME: u32 = 86_400;

/// The API server's certificate, and after it the one that signs it.
pub(super) const CERTIFICATE: &str = "certificates/apiserver.crt";

/// The API server's address.
pub(super) fn server() -> String {
    format!("https://{ADDRESS_V4}:{PORT}")
}

/// The name of a user's kubeconfig file.
pub(super) fn file_name(user: &str) -> String {
    format!("{}.kubeconfig", user.replace([':', '/'], "-"))
}

/// Writes a kubeconfig, for its owner alone to read: JSON is YAML. An empty token is none.
pub(super) fn write_kubeconfig(
    folder: &Path,
    user: &str,
    server: &str,
    authority: Option<&Path>,
    token: &str,
) -> PathBuf {
    let path = folder.join(file_name(user));
    // Others may read the one that is there meanwhile.
    let new = folder.join(format!("{}.{}", file_name(user), next_number()));
    let mut cluster = json!({"server": server});
    if let Some(authority) = authority {
        cluster["certificate-authority"] = json!(authority);
    }
    let credentials = match token {
        "" => json!({}),
        token => json!({"token": token}),
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
        "current-context": "lab",
    });
    let mut open = OpenOptions::new();
    open.write(true).create(true).truncate(true).mode(0o600);
    let written = open
        .open(&new)
        .and_then(|mut file| file.write_all(format!("{config:#}\n").as_bytes()))
        .and_then(|()| std::fs::rename(&new, &path));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

impl ControlPlane {
    /// The administrator's kubeconfig.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.folder().join(file_name("admin"))
    }

    /// kube-proxy's kubeconfig.
    pub(super) fn proxy_kubeconfig(&self) -> PathBuf {
        self.folder().join(file_name("system:kube-proxy"))
    }

    /// A kubeconfig with a token of a ServiceAccount, which may do what its RBAC says. It works in
    /// every namespace on the nodes' network.
    pub fn kubeconfig(&self, namespace: &str, account: &str) -> PathBuf {
        let token = self.token(namespace, account);
        let user = format!("{namespace}/{account}");
        let authority = self.folder().join(CERTIFICATE);
        write_kubeconfig(self.folder(), &user, &server(), Some(&authority), &token)
    }

    /// A client that acts as a ServiceAccount.
    pub fn client_as(&self, namespace: &str, account: &str) -> Client {
        self.with_token(&self.token(namespace, account))
    }

    /// A token of a ServiceAccount (TokenRequest), which must be there.
    pub fn token(&self, namespace: &str, account: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": LIFETIME},
        });
        let answer = self.request("POST", &path, Some(&request));
        let answer = answer.unwrap_or_else(|failure| panic!("{namespace}/{account}: {failure}"));
        let token = answer["status"]["token"].as_str();
        token
            .unwrap_or_else(|| panic!("no token: {answer}"))
            .to_owned()
    }
}
