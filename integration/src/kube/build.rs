//! Builds the programs of Kubernetes once per checkout, into `target/lab/kube`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::lab::say;
use crate::setup::{alone, folder, go_build};

/// What is built: a folder each in `integration/kube`.
const NAMES: [&str; 6] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
];

/// The programs of Kubernetes, built.
#[derive(Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Where a program is, such as `kube-proxy`.
    ///
    /// # Panics
    ///
    /// If none of that name is built.
    pub fn path(&self, name: &str) -> PathBuf {
        assert!(NAMES.contains(&name), "{name} is not built by the lab");
        self.folder.join(name)
    }
}

/// The programs, built at the first call of the checkout; why not, where they cannot be. On two
/// cores that takes five minutes with nothing in Go's caches, and two GiB of memory.
pub fn programs() -> Result<&'static Programs, String> {
    static PROGRAMS: OnceLock<Result<Programs, String>> = OnceLock::new();
    let result = PROGRAMS.get_or_init(|| alone("kube.lock", build));
    result.as_ref().map_err(Clone::clone)
}

fn build() -> Result<Programs, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("kube");
    let built = folder().join("kube");
    let stamp = built.join("stamp");
    let wanted = sources(&source)?;
    let is_there = NAMES.iter().all(|name| built.join(name).exists());
    if !is_there
        || std::fs::read_to_string(&stamp).is_ok_and(|text| text != wanted)
        || !stamp.exists()
    {
        say(&format!(
            "lab: building Kubernetes into {}; the first time takes minutes",
            built.display()
        ));
        let variables = variables(&version(&wanted)?);
        go_build("Kubernetes", &source, &built, &["./..."], &variables)?;
        std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    }
    Ok(Programs { folder: built })
}

/// All that decides what is built, as one text.
fn sources(source: &Path) -> Result<String, String> {
    let mut text = String::new();
    let modules = ["go.mod", "go.sum"].map(|name| source.join(name));
    let programs = NAMES.map(|name| source.join(name).join("main.go"));
    for path in modules.iter().chain(&programs) {
        let read = std::fs::read_to_string(path);
        text += &read.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(text)
}

/// The version of Kubernetes that go.mod requires, such as `v1.36.3`.
fn version(sources: &str) -> Result<String, String> {
    let mut lines = sources.lines().map(str::trim);
    let found = lines.find_map(|line| line.strip_prefix("k8s.io/kubernetes "));
    let version = found.and_then(|rest| rest.split_whitespace().next());
    version
        .map(str::to_owned)
        .ok_or_else(|| "go.mod requires no k8s.io/kubernetes".to_owned())
}

/// Go variables that say which release this is: without them clients would take the programs for
/// another.
fn variables(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let mut variables = format!("-X {VERSION}.gitVersion={version}");
    for name in ["gitMajor", "gitMinor"] {
        let number = numbers.next().unwrap_or_default();
        variables += &format!(" -X {VERSION}.{name}={number}");
    }
    variables
}

/// The package whose variables hold the version.
const VERSION: &str = "k8s.io/component-base/version";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_go_mod_requires() {
        let text = "require (\n\tk8s.io/kubectl v0.0.0\n\tk8s.io/kubernetes v1.36.3 // why\n)";
        assert_eq!(version(text), Ok("v1.36.3".to_owned()));
        assert!(version("module x").is_err());
        let expected = format!(
            "-X {VERSION}.gitVersion=v1.36.3 -X {VERSION}.gitMajor=1 -X {VERSION}.gitMinor=36"
        );
        assert_eq!(variables("v1.36.3"), expected);
    }
}
