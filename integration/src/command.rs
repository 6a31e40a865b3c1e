//! Runs a program to its end and reads what it printed.

use std::process::{Command, Stdio};

/// The longest that a program may take, in seconds, before `timeout` ends it.
const LIMIT: &str = "60";

/// Runs a program; its standard output, or its standard error where it failed.
pub fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let result = Command::new("timeout")
        .args(["--kill-after=1", LIMIT, program])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    if result.status.success() {
        return Ok(text(&result.stdout));
    }
    let said = text(&result.stderr) + &text(&result.stdout);
    let line = arguments.join(" ");
    Err(format!(
        "`{program} {line}`: {}: {}",
        result.status,
        said.trim()
    ))
}

/// Runs a program that must succeed.
///
/// # Panics
///
/// If it fails, with what it said.
pub fn run(program: &str, arguments: &[&str]) -> String {
    output(program, arguments).unwrap_or_else(|error| panic!("{error}"))
}

/// Whether a program of that name is on PATH, or in the folders that Debian keeps for root.
pub fn exists(program: &str) -> bool {
    if program.starts_with('/') {
        return std::path::Path::new(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).exists())
}
