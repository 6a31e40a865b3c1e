//! The programs that are measured.

use std::process::Command;

/// Makes the release build of Herald, unless HERALD_BIN names another: where the lab looks for it.
pub fn build() -> Result<(), String> {
    if std::env::var_os("HERALD_BIN").is_some() {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--package", "daemon"])
        .status();
    match built {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo build ended with {status}")),
        Err(error) => Err(format!("cannot run cargo: {error}")),
    }
}

/// What is said of MetalLB where it is not run.
pub const METALLB: &str = "\
Measured of its native mode on such a machine earlier (2 cores, 2 speakers, \
BIRD; July 2026): one Service to kernel route p50 11-16 ms, p99 17-22 ms; 1,000 Services posted in \
13.8 s routed after 22.1 s; 2,000 posted in 36 s routed after 54.6 s, with 9.1 s of CPU of the \
controller and 30.5 s of both speakers; a restarted controller serves a new Service after 6.0 s with \
1,000 and 8.2 s with 2,000; RSS of controller and speaker 54 + 60 MiB idle, 90 + 126 MiB with 2,000.
";
