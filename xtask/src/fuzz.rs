//! `cargo xtask fuzz`: grows the corpus of a target, and brings what is worth replaying into it.
//!
//! What cargo-fuzz grows is in `fuzz/grown/TARGET`, which git ignores. Committed is
//! `fuzz/corpus/TARGET`: inputs that people have named, and as many grown ones (their name is their
//! digest) as reach code that no other input reaches.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::{Outcome, command, root, step};

/// Each target, with the features that it needs.
const TARGETS: &[(&str, &str)] = &[
    ("decode", "libfuzzer"),
    ("open", "libfuzzer"),
    ("update", "libfuzzer"),
    ("peer", "libfuzzer"),
    ("arp", "libfuzzer"),
    ("ndp", "libfuzzer"),
    ("manifests", "libfuzzer,controller"),
];

/// Digits of the digest that names a grown input.
const DIGEST: usize = 40;

/// `cargo xtask fuzz TARGET [SECONDS | --merge]`: grows for 60 seconds unless told; or merges.
pub fn fuzz(arguments: &[String]) -> Outcome {
    let wanted = arguments.first().map_or("", String::as_str);
    let Some((target, features)) = TARGETS.iter().find(|(name, _)| *name == wanted) else {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        return Err(format!("which target? one of {}", names.join(", ")));
    };
    let corpus = format!("fuzz/corpus/{target}");
    let grown = format!("fuzz/grown/{target}");
    fs::create_dir_all(root().join(&grown)).map_err(|error| format!("{grown}: {error}"))?;
    let mut run = cargo_fuzz(features, target);
    match arguments.get(1).map_or("60", String::as_str) {
        "--merge" => {
            move_grown(&root().join(&corpus), &root().join(&grown))?;
            // Into the first folder. Two inputs that differ in how often they pass through the
            // same code count as one.
            run.args([&corpus, &grown, "--", "-merge=1", "-use_counters=0"]);
        }
        seconds if seconds.parse::<u32>().is_ok() => {
            let limit = format!("-max_total_time={seconds}");
            // Ten seconds for one input is a hang to a speaker with a hold time.
            run.args([&grown, &corpus, "--", &limit, "-timeout=10"]);
            run.arg("-print_final_stats=1");
        }
        other => return Err(format!("{other:?} is neither seconds nor --merge")),
    }
    step("fuzz", run)
}

fn cargo_fuzz(features: &str, target: &str) -> Command {
    let mut run = command("cargo", &["+nightly", "fuzz", "run"]);
    // Nothing unsafe is under test, so an address sanitizer would only halve the number of runs.
    run.args(["--sanitizer", "none", "--no-default-features"]);
    run.args(["--features", features, target]);
    // Optimising each target across all its crates takes minutes and finds nothing more.
    run.env("CARGO_PROFILE_RELEASE_LTO", "off");
    run
}

/// Grown inputs leave the corpus, so that the merge chooses among all of them.
fn move_grown(corpus: &Path, grown: &Path) -> Outcome {
    let listed = fs::read_dir(corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    for entry in listed.flatten() {
        let name = entry.file_name();
        let digits = name.as_encoded_bytes();
        if digits.len() == DIGEST && digits.iter().all(u8::is_ascii_hexdigit) {
            fs::rename(entry.path(), grown.join(&name))
                .map_err(|error| format!("{}: {error}", entry.path().display()))?;
        }
    }
    Ok(())
}
