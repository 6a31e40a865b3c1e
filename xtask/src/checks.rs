//! The verbs that run cargo: `test`, `ci`, `crds`, `bench`.

use crate::run::{Outcome, command, step};
use crate::{docs, image, layers, packages, tidy};

/// `cargo xtask test`: installs what the lab needs, then runs every test of the workspace. With
/// `cluster` as the first argument: only those with kubelets, which run the image.
pub fn test(arguments: &[String]) -> Outcome {
    setup()?;
    if let [name, rest @ ..] = arguments
        && name == "cluster"
    {
        return cluster("--include-ignored", rest);
    }
    let mut build = command("cargo", &["build", "--package", "daemon"]);
    build.env("CARGO_TERM_PROGRESS_WHEN", "never");
    step("build", build)?;
    let mut tests = command("cargo", &["test", "--workspace", "--no-fail-fast"]);
    tests.args(arguments);
    step("test", tests)
}

/// Builds the image, then runs tests with kubelets: with `--ignored`, only those that need it.
fn cluster(which: &str, arguments: &[String]) -> Outcome {
    if packages::is_root() {
        image::build()?;
    }
    let cluster = ["test", "--package", "integration", "--test", "cluster"];
    let mut tests = command("cargo", &cluster);
    tests.args(["--", which]).args(arguments);
    step("test cluster", tests)
}

/// `cargo xtask setup`: all that the lab's tests would else do first: Debian packages, Go, and with
/// it GoBGP and Kubernetes.
pub fn setup() -> Outcome {
    packages::install()?;
    if !packages::is_root() {
        return Ok(());
    }
    let run = ["run", "--package", "integration", "--bin", "lab-setup"];
    let mut lab = command("cargo", &run);
    lab.env("CARGO_TERM_PROGRESS_WHEN", "never");
    step("lab", lab)
}

/// `cargo xtask ci`: everything that must hold before a merge; stops at the first that does not.
pub fn ci() -> Outcome {
    step("fmt", command("cargo", &["fmt", "--all", "--check"]))?;
    layers::check()?;
    tidy::check()?;
    docs::claims()?;
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    step("clippy", command("cargo", &clippy))?;
    let mut doc = command(
        "cargo",
        &[
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ],
    );
    // Private items have pages too, so links to them resolve.
    let flags = "-D warnings -A rustdoc::private_intra_doc_links";
    doc.env("RUSTDOCFLAGS", flags);
    step("doc", doc)?;
    test(&[])?;
    cluster("--ignored", &[])?;
    docs::check()
}

/// `cargo xtask sim [arguments]`: schedules at full size, as the CI runs only some small ones.
pub fn sim(arguments: &[String]) -> Outcome {
    let mut all = vec!["run", "--release", "--package", "sim", "--"];
    all.extend(["--count", "10000", "--full-every", "500"]);
    all.extend(arguments.iter().map(String::as_str));
    step("sim", command("cargo", &all))
}

/// `cargo xtask crds [--check]`: writes the generated manifests of `deploy/`, or says which differ.
pub fn crds(arguments: &[String]) -> Outcome {
    let mut test = command(
        "cargo",
        &[
            "test",
            "--quiet",
            "--package",
            "controller",
            "--test",
            "deploy",
        ],
    );
    match arguments {
        [] => {
            test.env("UPDATE_GOLDEN", "1");
        }
        [check] if check == "--check" => {
            test.env_remove("UPDATE_GOLDEN");
        }
        _ => return Err("--check is the only argument".to_owned()),
    }
    step("crds", test)
}

/// `cargo xtask bench [NAME [ARGUMENTS]]`: arguments go to the benchmark, with or without `--`
/// before them. Without a name: all but `kube` and those of
/// the lab of L2 mode, which take half an hour each.
pub fn bench(arguments: &[String]) -> Outcome {
    let mut bench = command("cargo", &["bench", "--package", "bench"]);
    match arguments {
        [] => {
            bench.args(
                ["codec", "adj_out", "plan", "l2", "process"].map(|name| format!("--bench={name}")),
            );
        }
        [name, rest @ ..] => {
            let rest = rest.iter().filter(|argument| *argument != "--");
            bench.args(["--bench", name, "--"]).args(rest);
        }
    }
    step("bench", bench)
}
