//! What one test has of the machine: its names, its folders, and whether it can run at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cluster;
use crate::command::exists;
use crate::kube;
use crate::netns::{self, Netns};
use crate::setup;

/// Something of the machine that a test cannot do without; root and `ip` every test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A program, by name or whole path, and the Debian package that it comes in.
    Program(&'static str, &'static str),
    /// GoBGP, which the lab builds: a Go toolchain, or its result of an earlier run.
    Gobgp,
    /// The programs of Kubernetes, which the lab builds too.
    Kubernetes,
}

/// The lab of one test.
#[derive(Debug)]
pub struct Lab {
    test: String,
    logs: PathBuf,
    folder: PathBuf,
}

/// Numbers namespaces, folders and containers of this process.
static NUMBER: AtomicUsize = AtomicUsize::new(0);
/// Folders of running tests: `/tmp/herald-lab-PID`. Short, for the 107 octets of a socket's path,
/// and open to the user that FRR's daemons change to.
const FOLDER: &str = "herald-lab-";

impl Lab {
    /// The lab of the current test; `None`, after a line that says why, where the machine lacks
    /// something: the test then returns.
    ///
    /// # Panics
    ///
    /// If something is missing though `CI` is `true`: there, nothing may be skipped.
    pub fn open(needs: &[Need]) -> Option<Lab> {
        let test = test_name();
        if let Some(reason) = missing(needs) {
            skip(&test, &reason);
            return None;
        }
        static SWEPT: OnceLock<()> = OnceLock::new();
        SWEPT.get_or_init(|| setup::alone("lock", sweep));
        if let Err(reason) = prepare(needs) {
            skip(&test, &reason);
            return None;
        }
        Some(Lab::of(test))
    }

    /// A lab that several tests share, on a machine where one of them has opened its own.
    pub(crate) fn of(test: String) -> Lab {
        let logs = setup::folder().join("log").join(test.replace("::", "/"));
        let folder = std::env::temp_dir()
            .join(format!("{FOLDER}{}", std::process::id()))
            .join(next_number().to_string());
        // There is none on the first run.
        let _ = std::fs::remove_dir_all(&logs);
        for path in [&logs, &folder] {
            make_folder(path);
        }
        Lab { test, logs, folder }
    }

    /// The test's name.
    pub fn test(&self) -> &str {
        &self.test
    }

    /// Makes a namespace; `role` becomes part of its name.
    pub fn netns(&self, role: &str) -> Netns {
        Netns::new(next_number(), role)
    }

    /// A folder of the test's own for sockets and configurations, gone with the test.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        make_folder(&folder);
        folder
    }

    /// A file for a log; it stays until the test's next run.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Only the last test of the process finds the outer folder empty.
        let _ = std::fs::remove_dir_all(&self.folder);
        if let Some(outer) = self.folder.parent() {
            let _ = std::fs::remove_dir(outer);
        }
        if std::thread::panicking() {
            eprintln!("logs: {}", self.logs.display());
        }
    }
}

/// Says that a test did not run: `SKIP name: reason`, on standard error even where the test
/// runner captures it. The one way to skip, so that lines can be counted.
///
/// # Panics
///
/// If `CI` is `true`.
pub fn skip(test: &str, reason: &str) {
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!strict, "may not be skipped in CI: {reason}");
    say(&format!("SKIP {test}: {reason}"));
}

/// Prints a line past the test runner's capture.
pub(crate) fn say(line: &str) {
    // Nobody to tell it to is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A number that this process has not used yet.
pub(crate) fn next_number() -> usize {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// The test runner names a test's thread after it. A program of its own, such as a benchmark, has
/// its number, as several may run at the same time.
fn test_name() -> String {
    let thread = std::thread::current();
    match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        Some(_) | None => format!("main-{}", std::process::id()),
    }
}

fn missing(needs: &[Need]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let always = Need::Program("ip", "iproute2");
    [always].iter().chain(needs).find_map(|need| match need {
        Need::Program(program, _) if exists(program) => None,
        Need::Program(program, package) => {
            Some(format!("no {program}: install the package {package}"))
        }
        Need::Gobgp | Need::Kubernetes => None,
    })
}

fn prepare(needs: &[Need]) -> Result<(), String> {
    if needs.contains(&Need::Gobgp) {
        setup::gobgp()?;
    }
    if needs.contains(&Need::Kubernetes) {
        kube::build::programs()?;
    }
    Ok(())
}

/// Removes what dead runs left.
fn sweep() {
    netns::sweep();
    cluster::cgroup::sweep();
    for entry in std::fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
    {
        let Ok(entry) = entry else { continue };
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(FOLDER).and_then(|pid| pid.parse().ok());
        if owner.is_some_and(|pid| !netns::is_alive(pid)) {
            // Another run may be as far.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn make_folder(path: &Path) {
    std::fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
