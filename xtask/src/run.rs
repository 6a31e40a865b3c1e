//! Running commands, and what a verb returns.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// What went wrong, for the person who typed the verb.
pub type Outcome = Result<(), String>;

/// The top of the checkout.
pub fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or(manifest.clone(), PathBuf::from)
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A command that starts at the top of the checkout.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs to the end, output passed through; says how long it took.
pub fn step(title: &str, mut command: Command) -> Outcome {
    println!("== {title}");
    let started = Instant::now();
    let status = command
        .status()
        .map_err(|error| format!("{title}: cannot start {:?}: {error}", command.get_program()))?;
    println!("== {title}: {} s", started.elapsed().as_secs());
    match status.success() {
        true => Ok(()),
        false => Err(format!("{title} failed ({status})")),
    }
}

/// Standard output of a command that must succeed.
pub fn output(mut command: Command) -> Result<String, String> {
    let program = command.get_program().to_owned();
    let output = command
        .output()
        .map_err(|error| format!("cannot start {program:?}: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program:?} failed: {}", text.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Every file git knows or would add, relative to the top, in order.
pub fn tracked_files() -> Result<Vec<String>, String> {
    let listing = output(command(
        "git",
        &["ls-files", "--cached", "--others", "--exclude-standard"],
    ))?;
    let mut files: Vec<String> = listing.lines().map(str::to_owned).collect();
    files.retain(|file| root().join(file).is_file());
    files.sort();
    Ok(files)
}
