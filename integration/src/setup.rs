//! What the lab builds once per checkout and keeps under `target/lab`: GoBGP and its image.
//! [`crate::kube::build`] does the same for Kubernetes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::container::Engine;
use crate::lab::say;

/// GoBGP, built, and how it is run here.
#[derive(Debug)]
pub struct Gobgp {
    /// Its client, for the lab to ask with.
    pub client: PathBuf,
    /// The daemon, for where no container engine runs.
    pub daemon: PathBuf,
    /// What runs it.
    pub engine: Engine,
}

const PACKAGES: [&str; 2] = [
    "github.com/osrg/gobgp/v4/cmd/gobgp",
    "github.com/osrg/gobgp/v4/cmd/gobgpd",
];

/// `target/lab`, beside the profile's folder that the test runs from.
pub fn folder() -> PathBuf {
    target().join("lab")
}

/// The profile's folder of this build, such as `target/debug`.
pub fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("own path: {error}"));
    let deps = test.ancestors().find(|path| path.ends_with("deps"));
    // The lab's own program is in the profile's folder itself.
    let profile = deps.unwrap_or(&test).parent();
    profile
        .unwrap_or_else(|| panic!("{} is not below a target folder", test.display()))
        .to_path_buf()
}

fn target() -> PathBuf {
    let profile = profile_folder();
    profile.parent().unwrap_or(&profile).to_path_buf()
}

/// Runs `work` while no other process of this checkout runs any under the same name.
pub(crate) fn alone<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let path = folder().join(name);
    let made = std::fs::create_dir_all(folder());
    let lock = made.and_then(|()| File::create(&path));
    let lock = lock.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    lock.lock()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    work()
}

/// GoBGP, built at the first call of the checkout; why not, where it cannot be.
pub fn gobgp() -> Result<&'static Gobgp, String> {
    static GOBGP: OnceLock<Result<Gobgp, String>> = OnceLock::new();
    let result = GOBGP.get_or_init(|| alone("lock", build_gobgp));
    result.as_ref().map_err(Clone::clone)
}

fn build_gobgp() -> Result<Gobgp, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("gobgp");
    let built = folder().join("gobgp");
    let stamp = built.join("stamp");
    let wanted = ["go.mod", "go.sum", "Containerfile"]
        .map(|name| std::fs::read_to_string(source.join(name)).unwrap_or_default())
        .concat();
    let up_to_date = std::fs::read_to_string(&stamp).is_ok_and(|text| text == wanted);
    if !up_to_date {
        say(&format!("lab: building GoBGP into {}", built.display()));
        compile("GoBGP", &source, &built, &PACKAGES)?;
    }
    let engine = Engine::find(&folder(), &built, !up_to_date);
    say(&format!("LAB_ENGINE {engine}"));
    std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(Gobgp {
        client: built.join("gobgp"),
        daemon: built.join("gobgpd"),
        engine,
    })
}

/// Programs of Go packages, and the Containerfile of their image beside them. `what` is for people.
pub(crate) fn compile(
    what: &str,
    source: &Path,
    built: &Path,
    packages: &[&str],
) -> Result<(), String> {
    go_build(what, source, built, packages, "")?;
    let copied = std::fs::copy(source.join("Containerfile"), built.join("Containerfile"));
    copied.map_err(|error| format!("Containerfile: {error}"))?;
    Ok(())
}

/// Static programs of Go packages, so that they run in an image with nothing else, with these
/// variables (`-X PACKAGE.NAME=VALUE …`). Two jobs at the lowest priority: whoever builds also works
/// on that machine.
pub(crate) fn go_build(
    what: &str,
    source: &Path,
    built: &Path,
    packages: &[&str],
    variables: &str,
) -> Result<(), String> {
    std::fs::create_dir_all(built).map_err(|error| format!("{}: {error}", built.display()))?;
    let mut go = Command::new("nice");
    go.current_dir(source)
        .env("CGO_ENABLED", "0")
        .args(["go", "build", "-p", "2", "-trimpath"])
        .args(["-ldflags", format!("-s -w {variables}").trim_end(), "-o"])
        .arg(built.join(""))
        .args(packages);
    let result = go
        .output()
        .map_err(|error| format!("{what}: Go is needed to build it: {error}"))?;
    match result.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&result.stderr);
            Err(format!("cannot build {what}: {}", said.trim()))
        }
    }
}
