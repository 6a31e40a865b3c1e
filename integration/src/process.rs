//! A program running in a namespace.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Pid, Signal, kill_process};

use crate::netns::Handle;
use crate::wait;

/// The size of a bounded log's file, in octets.
const LOG_LIMIT: usize = 4 << 20;

/// How many lines of a log are shown when a test fails.
const TAIL: usize = 20;

/// A program that runs until it is dropped; then it is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program in a namespace; both its outputs are added to the file `log`.
    pub fn spawn(netns: &Handle, log: &Path, mut command: Command) -> Process {
        command
            .stdin(Stdio::null())
            .stdout(log_file(log))
            .stderr(log_file(log));
        let child = netns.enter(|| command.spawn());
        let child = child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Process {
            child,
            log: log.to_path_buf(),
        }
    }

    /// As [`Process::spawn`] for a talkative program: of its log, the last 4 to 8 MiB stay; the
    /// older half is in `FILE.old`.
    pub fn spawn_bounded(netns: &Handle, log: &Path, mut command: Command) -> Process {
        let (reader, writer) = std::io::pipe().unwrap_or_else(|error| panic!("pipe: {error}"));
        let other = writer.try_clone();
        let other = other.unwrap_or_else(|error| panic!("pipe: {error}"));
        command.stdin(Stdio::null()).stdout(writer).stderr(other);
        let child = netns.enter(|| command.spawn());
        let child = child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        // It holds the ends of the pipe that the program has, and would keep the log open.
        drop(command);
        let path = log.to_path_buf();
        std::thread::spawn(move || keep_log(reader, &path));
        Process {
            child,
            log: log.to_path_buf(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed until now.
    pub fn log(&self) -> String {
        read_log(&self.log)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it has used until now; nothing where it has ended.
    pub fn usage(&self) -> Usage {
        usage(self.pid())
    }

    /// SIGSTOP: its sockets stay open, and nobody answers on them.
    pub fn pause(&self) {
        signal(self.pid(), Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        signal(self.pid(), Signal::CONT);
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        signal(self.pid(), Signal::HUP);
    }

    /// SIGTERM, without waiting.
    pub fn interrupt(&self) {
        signal(self.pid(), Signal::TERM);
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end within [`wait::SOON`].
    pub fn terminate(&mut self) {
        signal(self.pid(), Signal::TERM);
        let log = self.log.clone();
        wait::eventually("the process ends after SIGTERM", wait::SOON, || match self
            .child
            .try_wait()
        {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(format!("it runs; its log: {}", tail(&read_log(&log)))),
            Err(error) => Err(error.to_string()),
        });
    }

    /// Waits for its end, whoever brings that about.
    pub(crate) fn wait(&mut self) {
        // An error means that it was waited for.
        let _ = self.child.wait();
    }

    /// SIGKILL: no last word.
    pub fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory that is resident now, in octets.
    pub resident: u64,
    /// The most that has been resident (VmHWM), in octets.
    pub peak: u64,
    /// CPU time, its own and the kernel's for it.
    pub cpu: Duration,
}

/// Reads `/proc/PID/stat` (proc_pid_stat(5)), and of `/proc/PID/status` what that lacks.
fn usage(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name is in parentheses and may have any; after it, the state is field 3.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields: Vec<u64> = rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    let ticks = field(14) + field(15);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| {
        let kibibytes = line.strip_prefix("VmHWM:")?.split_whitespace().next()?;
        kibibytes.parse::<u64>().ok()
    });
    Usage {
        resident: field(24) * page_size() as u64,
        peak: peak.unwrap_or(0) * 1024,
        cpu: Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64),
    }
}

/// Sends a signal to a process that the lab started.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(process) = process
        && let Err(error) = kill_process(process, signal)
    {
        panic!("cannot signal process {pid}: {error}");
    }
}

/// Waits until a file appears, such as a daemon's socket.
pub(crate) fn await_file(path: &Path, process: &mut Process) {
    let limit = Duration::from_secs(30);
    wait::eventually(&format!("{} is there", path.display()), limit, || {
        match (path.exists(), process.is_running()) {
            (true, _) => Ok(()),
            (false, true) => Err(format!("log: {}", process.log())),
            (false, false) => panic!("it ended: {}", process.log()),
        }
    });
}

/// A log as text; empty where there is none yet.
pub(crate) fn read_log(log: &Path) -> String {
    let octets = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&octets).into_owned()
}

/// The last lines of a log, for whoever looks at a failed test.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// Writes what a program prints until it ends; starts a new file every [`LOG_LIMIT`] octets.
fn keep_log(mut reader: impl Read, log: &Path) {
    let mut file = log_file(log);
    let mut size = 0;
    let mut buffer = [0; 8192];
    while let Ok(count) = reader.read(&mut buffer)
        && count > 0
    {
        if size > LOG_LIMIT {
            // A log that cannot be moved away goes on: it is no reason to block the program.
            let _ = std::fs::rename(log, log.with_extension("log.old"));
            file = log_file(log);
            size = 0;
        }
        size += count;
        let _ = file.write_all(&buffer[..count]);
    }
}

fn log_file(log: &Path) -> File {
    let file = OpenOptions::new().create(true).append(true).open(log);
    file.unwrap_or_else(|error| panic!("{}: {error}", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_that_of_the_process() {
        let filled = vec![1_u8; 32 << 20];
        let started = std::time::Instant::now();
        while usage(std::process::id()).cpu < Duration::from_millis(50) {
            let spent = started.elapsed();
            assert!(spent < wait::SOON, "no CPU time in {spent:?}");
        }
        let used = usage(std::process::id());
        assert!(used.resident > filled.len() as u64, "{used:?}");
        assert!(used.peak > filled.len() as u64, "{used:?}");
        assert_eq!(usage(u32::MAX), Usage::default());
    }

    #[test]
    fn of_a_long_log_the_last_part_stays() {
        let folder = std::env::temp_dir().join(format!("herald-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let log = folder.join("a.log");
        let text = std::io::repeat(b'x')
            .take(11 * LOG_LIMIT as u64)
            .chain(&b"the end"[..]);
        keep_log(text, &log);
        let size = |name: &str| std::fs::metadata(folder.join(name)).map(|file| file.len());
        let sizes = [size("a.log"), size("a.log.old")].map(|size| size.expect("a file"));
        let kept = read_log(&log);
        std::fs::remove_dir_all(&folder).expect("gone");
        assert!(kept.ends_with("the end"));
        let limit = LOG_LIMIT as u64;
        assert!(
            (limit..=3 * limit).contains(&sizes.iter().sum()),
            "{sizes:?}"
        );
    }
}
