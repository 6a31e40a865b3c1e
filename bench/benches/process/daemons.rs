//! The processes that are measured.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::manifests;
use crate::sink::Sink;

/// Memory of a process, KiB.
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// The most that was resident.
    pub peak: u64,
}

/// A running daemon. It ends with the value, and so do its files.
pub struct Daemon {
    child: Child,
    folder: PathBuf,
    /// When it was started.
    pub started: Instant,
}

/// The release build of Herald, made if need be; or what HERALD_BINARY names.
pub fn herald() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("HERALD_BINARY") {
        return Ok(path.into());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--package", "daemon"])
        .status();
    match built {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("cargo build ended with {status}")),
        Err(error) => return Err(format!("cannot run cargo: {error}")),
    }
    // This program is in target/release/deps.
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let release = own.ancestors().nth(2).ok_or("this program has no folder")?;
    let path = release.join("herald");
    match path.is_file() {
        true => Ok(path),
        false => Err(format!(
            "{} is not there: set HERALD_BINARY",
            path.display()
        )),
    }
}

/// BIRD, where it is installed.
pub fn bird() -> Option<PathBuf> {
    ["/usr/sbin/bird", "/usr/local/sbin/bird"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.is_file())
}

impl Daemon {
    /// `herald run` with these peers and that many VIPs.
    pub fn herald(binary: &Path, sink: &Sink, vips: u64) -> Result<Daemon, String> {
        let folder = folder()?;
        let config = folder.join("config");
        fs::create_dir(&config)
            .and_then(|()| manifests::herald(&config, &sink.addresses, vips))
            .map_err(|error| format!("cannot write manifests: {error}"))?;
        let mut command = Command::new(binary);
        command
            .args(["run", "--node", "node-1", "--metrics", "127.0.0.1:0"])
            .arg("--config")
            .arg(&config)
            .arg("--state")
            .arg(folder.join("state"))
            .arg("--socket")
            .arg(folder.join("socket"));
        Daemon::start(command, folder)
    }

    /// BIRD with these peers and that many static routes.
    pub fn bird(binary: &Path, sink: &Sink, routes: u64) -> Result<Daemon, String> {
        let folder = folder()?;
        let free = TcpListener::bind((manifests::local(0), 0)).and_then(|free| free.local_addr());
        let port = free.map_err(|error| error.to_string())?.port();
        let config = folder.join("bird.conf");
        fs::write(&config, manifests::bird(&sink.addresses, port, routes))
            .map_err(|error| format!("cannot write bird.conf: {error}"))?;
        let mut command = Command::new(binary);
        command
            .arg("-f")
            .arg("-c")
            .arg(&config)
            .arg("-s")
            .arg(folder.join("control"))
            .arg("-P")
            .arg(folder.join("pid"));
        Daemon::start(command, folder)
    }

    fn start(mut command: Command, folder: PathBuf) -> Result<Daemon, String> {
        let log = File::create(folder.join("log")).map_err(|error| error.to_string())?;
        let started = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
        Ok(Daemon {
            child,
            folder,
            started,
        })
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// An error if it has ended.
    pub fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("it ended with {status}: {}", self.log())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// VmRSS and VmHWM of proc_pid_status(5).
    pub fn memory(&self) -> Result<Memory, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number
                .and_then(|number| number.parse().ok())
                .ok_or_else(|| format!("{path} has no {name}"))
        };
        Ok(Memory {
            resident: field("VmRSS:")?,
            peak: field("VmHWM:")?,
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A new folder of our own.
fn folder() -> Result<PathBuf, String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("herald-process-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let made = fs::create_dir(&path);
    made.map_err(|error| format!("cannot make {}: {error}", path.display()))?;
    Ok(path)
}
