//! `cargo xtask docs`: a command in a document is run, so that it cannot go stale.
//!
//! A fenced block whose info string is `sh run` is one shell script; it runs at the top of the
//! checkout and must succeed within [`LIMIT`]. `herald` there is the release build, and what would
//! run until somebody ends it (`herald demo`) ends after [`RUN_FOR`].

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::run::{Outcome, command, root, target, tracked_files};
use crate::{compatibility, paths};

/// The longest that one block may take; a release build may be in it.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// In `HERALD_FOR`.
const RUN_FOR: &str = "10s";
const OPENING: &str = "```sh run";
const CLOSING: &str = "```";

/// Runs every block of every Markdown file, once their claims have been looked at.
pub fn check() -> Outcome {
    claims()?;
    let mut count = 0;
    for file in tracked_files()?.iter().filter(|file| file.ends_with(".md")) {
        let text = std::fs::read_to_string(root().join(file))
            .map_err(|error| format!("{file}: {error}"))?;
        for (line, script) in blocks(&text) {
            run(file, line, &script)?;
            count += 1;
        }
    }
    println!("docs: {count} blocks ran");
    Ok(())
}

/// What documents say is there, is there.
pub fn claims() -> Outcome {
    compatibility::check()?;
    paths::check()
}

/// Blocks to run: the line each begins at, and its script.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        open = match open {
            None => (line == OPENING).then(|| (index + 1, String::new())),
            Some(block) if line == CLOSING => {
                found.push(block);
                None
            }
            Some((start, script)) => Some((start, script + line + "\n")),
        };
    }
    found
}

fn run(file: &str, line: usize, script: &str) -> Outcome {
    println!("== {file}:{line}\n{}", script.trim_end());
    let own = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{own}", target().join("release").display());
    let mut child = command("bash", &["-euo", "pipefail", "-c", script])
        .env("PATH", path)
        .env("HERALD_FOR", RUN_FOR)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start bash: {error}"))?;
    let started = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{file}:{line} failed ({status})")),
            None if started.elapsed() > LIMIT => {
                child.kill().map_err(|error| error.to_string())?;
                return Err(format!("{file}:{line} ran over {} s", LIMIT.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_marked_to_be_run_are_found() {
        let text = "a\n```sh run\necho 1\necho 2\n```\n```sh\nrm x\n```\n";
        assert_eq!(blocks(text), [(2, "echo 1\necho 2\n".to_owned())]);
    }
}
