//! Runs GoBGP in a container, in a namespace of the lab.
//!
//! podman keeps everything below `target/lab/podman`: its images, its state and its locks. It
//! takes a namespace by its path, which docker cannot. Where podman cannot run a container, the
//! same binary runs in the namespace as it is, and the lab says so.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::command::{exists, output};
use crate::lab::next_number;
use crate::netns::{Netns, is_alive};
use crate::process::{Process, read_log, signal};
use crate::setup::Gobgp;

const IMAGE: &str = "localhost/herald-lab/gobgp";
/// All names of containers begin so: `herald-lab-PID-NUMBER`.
const PREFIX: &str = "herald-lab-";
/// Limits that a root without CAP_SYS_RESOURCE may set too.
const LIMITS: [&str; 4] = [
    "--ulimit",
    "nofile=1024:1024",
    "--ulimit",
    "nproc=1000:1000",
];

/// What runs GoBGP.
#[derive(Clone, Debug)]
pub enum Engine {
    /// podman, with these options before each verb.
    Podman(Vec<String>),
    /// No container: why not.
    Netns(String),
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Engine::Podman(options) => {
                let value = |option: &str| {
                    let index = options.iter().position(|known| known == option)?;
                    options.get(index + 1).map(String::as_str)
                };
                let driver = value("--storage-driver").unwrap_or("?");
                let runtime = value("--runtime").unwrap_or("?");
                write!(f, "podman, {driver}, {runtime}")
            }
            Engine::Netns(reason) => write!(f, "netns, not a container: {reason}"),
        }
    }
}

impl Engine {
    /// Finds options with which podman runs the image; builds it where it is not there, or anew.
    /// `LAB_ENGINE=netns` goes without.
    pub(crate) fn find(lab: &Path, built: &Path, anew: bool) -> Engine {
        if std::env::var("LAB_ENGINE").is_ok_and(|value| value == "netns") {
            return Engine::Netns("LAB_ENGINE says so".to_owned());
        }
        if !exists("podman") {
            return Engine::Netns("no podman".to_owned());
        }
        let folder = lab.join("podman");
        let choices: Vec<Engine> = ["overlay", "vfs"]
            .iter()
            .flat_map(|driver| ["runc", "crun"].map(|runtime| (*driver, runtime)))
            .filter(|(_, runtime)| exists(runtime))
            .map(|(driver, runtime)| Engine::Podman(options(&folder.join(driver), driver, runtime)))
            .collect();
        if !anew && let Some(engine) = choices.iter().find(|engine| engine.try_image().is_ok()) {
            engine.sweep();
            return engine.clone();
        }
        // What is there is of another image, or of a podman that lost its state.
        let _ = std::fs::remove_dir_all(&folder);
        let mut reason = "no OCI runtime".to_owned();
        for engine in choices {
            match engine.build_image(built).and_then(|()| engine.try_image()) {
                Ok(()) => return engine,
                Err(error) => reason = error,
            }
        }
        Engine::Netns(reason)
    }

    /// Takes podman's own mount of its storage away. A podman that finds its container removed by
    /// another ends without that; each that ends well makes up for it.
    pub fn unmount(&self) {
        if let Engine::Podman(_) = self {
            // What it cannot unmount is seen by who looks for it.
            let _ = self.podman(&["ps"]);
        }
    }

    fn podman(&self, arguments: &[&str]) -> Result<String, String> {
        let Engine::Podman(options) = self else {
            return Err("no podman here".to_owned());
        };
        let mut all: Vec<&str> = options.iter().map(String::as_str).collect();
        all.extend(arguments);
        output("podman", &all)
    }

    /// Builds an image from a folder with a Containerfile, and saves it as a file.
    pub(crate) fn archive(&self, built: &Path, name: &str, archive: &Path) -> Result<(), String> {
        // podman adds to what is there.
        let _ = std::fs::remove_file(archive);
        let (folder, archive) = (built.to_string_lossy(), archive.to_string_lossy());
        let mut build = vec!["build", "--quiet", "--pull=never"];
        build.extend(LIMITS);
        build.extend(["--tag", name, &folder]);
        self.podman(&build)?;
        self.podman(&["save", "--quiet", "--output", &archive, name])
            .map(|_| ())
    }

    fn build_image(&self, built: &Path) -> Result<(), String> {
        let folder = built.to_string_lossy();
        self.podman(&["build", "--quiet", "--tag", IMAGE, &folder])
            .map(|_| ())
    }

    fn try_image(&self) -> Result<(), String> {
        let mut arguments = vec!["run", "--rm", "--network", "none", "--pull", "never"];
        arguments.extend(LIMITS);
        arguments.extend([IMAGE, "--version"]);
        self.podman(&arguments).map(|_| ())
    }

    /// Removes containers of dead runs.
    fn sweep(&self) {
        let names = self.podman(&["ps", "--all", "--format", "{{.Names}}"]);
        for name in names.unwrap_or_default().lines() {
            let owner = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split('-').next());
            let owner = owner.and_then(|pid| pid.parse().ok());
            if owner.is_some_and(|pid| !is_alive(pid)) {
                let _ = self.podman(&["rm", "--force", "--time", "0", name]);
            }
        }
    }
}

/// Everything of podman's in one folder, nothing of the machine's.
fn options(folder: &Path, driver: &str, runtime: &str) -> Vec<String> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    [
        ("--root", path("root")),
        ("--runroot", path("run")),
        ("--tmpdir", path("tmp")),
        ("--storage-driver", driver.to_owned()),
        ("--runtime", runtime.to_owned()),
        ("--cgroup-manager", "cgroupfs".to_owned()),
        ("--events-backend", "none".to_owned()),
    ]
    .into_iter()
    .flat_map(|(option, value)| [option.to_owned(), value])
    .collect()
}

/// `gobgpd`, running: in a container wherever that is possible.
#[derive(Debug)]
pub enum Daemon {
    /// In a container.
    Container {
        /// What runs it.
        engine: Engine,
        /// Its name there.
        name: String,
        /// Its process.
        pid: u32,
        /// Its log.
        log: PathBuf,
    },
    /// As a plain process.
    Process(Process),
}

impl Daemon {
    /// Starts `gobgpd` in a namespace. `folder` is at the same place inside and outside.
    pub(crate) fn start(
        gobgp: &Gobgp,
        netns: &Netns,
        folder: &Path,
        log: &Path,
        arguments: &[&str],
    ) -> Daemon {
        if let Engine::Netns(_) = gobgp.engine {
            let mut command = Command::new(&gobgp.daemon);
            command.args(arguments);
            return Daemon::Process(Process::spawn(netns, log, command));
        }
        let name = format!("{PREFIX}{}-{}", std::process::id(), next_number());
        let network = format!("ns:{}", netns.path().display());
        let volume = format!("{0}:{0}", folder.display());
        let path = format!("path={}", log.display());
        let mut run = vec!["run", "--detach", "--rm", "--pull", "never"];
        run.extend(["--name", &name, "--network", &network, "--volume", &volume]);
        run.extend(["--log-driver", "k8s-file", "--log-opt", &path]);
        run.extend(LIMITS);
        run.push(IMAGE);
        run.extend(arguments);
        let started = gobgp.engine.podman(&run).and_then(|_| {
            let pid = ["inspect", "--format", "{{.State.Pid}}", &name];
            let pid = gobgp.engine.podman(&pid)?;
            pid.trim().parse().map_err(|_| format!("no pid: {pid}"))
        });
        let pid = started.unwrap_or_else(|error| panic!("{error}\n{}", read_log(log)));
        Daemon::Container {
            engine: gobgp.engine.clone(),
            name,
            pid,
            log: log.to_path_buf(),
        }
    }

    fn pid(&self) -> u32 {
        match self {
            Daemon::Container { pid, .. } => *pid,
            Daemon::Process(process) => process.pid(),
        }
    }

    /// What it has logged until now.
    pub fn log(&self) -> String {
        match self {
            Daemon::Container { log, .. } => read_log(log),
            Daemon::Process(process) => process.log(),
        }
    }

    /// SIGSTOP.
    pub fn pause(&self) {
        signal(self.pid(), Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        signal(self.pid(), Signal::CONT);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Daemon::Container { engine, name, .. } = self else {
            return;
        };
        if let Err(error) = engine.podman(&["rm", "--force", "--time", "0", name]) {
            eprintln!("{error}");
        }
    }
}
