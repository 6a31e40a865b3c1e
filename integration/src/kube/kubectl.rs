//! kubectl, where a test is about files that people give to it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ControlPlane;
use crate::documents::checkout;

/// The longest that one call may take, in seconds, before `timeout` ends it.
const LIMIT: &str = "60";
/// The longest that a script may take, in seconds.
const SCRIPT_LIMIT: &str = "300";

impl ControlPlane {
    /// `kubectl ARGUMENTS` as the administrator, with a text on its standard input; what it prints,
    /// or what it says where it fails.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=1", LIMIT])
            .arg(self.place.programs.path("kubectl"))
            .args(arguments)
            .current_dir(self.folder());
        self.run(command, input)
    }

    /// A script of bash, at the top of the checkout, with kubectl as the administrator: what it
    /// prints, or what it says where a command of it fails.
    pub fn script(&self, text: &str) -> Result<String, String> {
        let kubectl = self.place.programs.path("kubectl");
        let own = std::env::var_os("PATH").unwrap_or_default();
        let folders = kubectl.parent().map(Path::to_path_buf).into_iter();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&own)));
        let path = path.map_err(|error| format!("PATH: {error}"))?;
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=1", SCRIPT_LIMIT])
            .args(["bash", "-euxo", "pipefail", "-c", text])
            .env("PATH", path)
            .current_dir(checkout());
        self.run(command, "")
    }

    fn run(&self, mut command: Command, input: &str) -> Result<String, String> {
        command
            .env("KUBECONFIG", self.admin_kubeconfig())
            // Its caches are below the home folder.
            .env("HOME", self.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let result = self.netns.enter(|| {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // One that does not read its input says why on its own.
                let _ = stdin.write_all(input.as_bytes());
            }
            child.wait_with_output()
        });
        let result = result.map_err(|error| format!("cannot run kubectl: {error}"))?;
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        match result.status.success() {
            true => Ok(text(&result.stdout)),
            false => Err(text(&result.stderr)),
        }
    }

    /// `kubectl apply --server-side` of a YAML text with any number of objects, then waits until
    /// the CustomResourceDefinitions there are can be used.
    ///
    /// # Panics
    ///
    /// If the API server refuses one of them.
    pub fn apply_yaml(&self, text: &str) {
        self.apply_from("-", text);
    }

    /// As [`ControlPlane::apply_yaml`], for a file, or all files of a folder.
    pub fn apply_files(&self, path: &Path) {
        let path = std::fs::canonicalize(path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.apply_from(&path.to_string_lossy(), "");
    }

    fn apply_from(&self, source: &str, text: &str) {
        let apply = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=lab",
            "--output=name",
            "--filename",
            source,
        ];
        let printed = self.kubectl(&apply, text);
        let printed = printed.unwrap_or_else(|error| panic!("{source}: {error}"));
        let mut wait = vec!["wait", "--for=condition=Established", "--timeout=30s"];
        let start = "customresourcedefinition.apiextensions.k8s.io/";
        let definitions = printed.lines().filter(|line| line.starts_with(start));
        wait.extend(definitions);
        if wait.len() > 3 {
            self.kubectl(&wait, "")
                .unwrap_or_else(|error| panic!("{source}: {error}"));
        }
    }
}
