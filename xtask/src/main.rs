//! Development tasks, one verb each: `cargo xtask help`.

mod checks;
mod compatibility;
mod docs;
mod fuzz;
mod image;
mod layers;
mod packages;
mod paths;
mod run;
mod tidy;

use std::process::ExitCode;

use run::Outcome;

/// What a verb does, and its line in the help text.
struct Verb {
    name: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Outcome,
}

const VERBS: &[Verb] = &[
    Verb {
        name: "test",
        help: "install what the lab needs, build once, run every test; arguments go to `cargo test`; \
               `test cluster` runs only the one with kubelets",
        run: checks::test,
    },
    Verb {
        name: "ci",
        help: "fmt, layers, tidy, crds, clippy, doc, test, test cluster, docs: what must be green before a merge",
        run: |_| checks::ci(),
    },
    Verb {
        name: "layers",
        help: "check the direction of dependencies between crates, and what pure crates may use",
        run: |_| layers::check(),
    },
    Verb {
        name: "tidy",
        help: "check file lengths, orphan modules, where unsafe code lives, and words that do not belong here",
        run: |_| tidy::check(),
    },
    Verb {
        name: "crds",
        help: "write deploy/crds and deploy/rbac out of the code; --check says what differs",
        run: checks::crds,
    },
    Verb {
        name: "sim",
        help: "run 10,000 schedules of the simulation of L2 mode in release, one in 500 with 50 nodes \
               and 1,000 addresses; arguments go to it",
        run: checks::sim,
    },
    Verb {
        name: "docs",
        help: "claims, and run the commands of the documents that are marked to be run",
        run: |_| docs::check(),
    },
    Verb {
        name: "claims",
        help: "check that the tests and files which documents name exist",
        run: |_| docs::claims(),
    },
    Verb {
        name: "bench",
        help: "run the benchmarks, optionally one: codec, adj_out, plan, l2, process; `bench kube`, `bench l2failover`, `bench l2outage`, `bench l2partitions` and `bench l2load` only by their names",
        run: checks::bench,
    },
    Verb {
        name: "fuzz",
        help: "fuzz TARGET [SECONDS | --merge]: grow a corpus with cargo-fuzz on the nightly toolchain",
        run: fuzz::fuzz,
    },
    Verb {
        name: "image",
        help: "build the container image, static and without a registry, into target/image",
        run: |_| image::build(),
    },
    Verb {
        name: "setup",
        help: "only install and build what the lab needs",
        run: |_| checks::setup(),
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((verb, rest)) = arguments.split_first() else {
        help();
        return ExitCode::from(2);
    };
    let Some(verb) = VERBS.iter().find(|known| known.name == verb) else {
        help();
        return ExitCode::from(if verb == "help" { 0 } else { 2 });
    };
    match (verb.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {}: {error}", verb.name);
            ExitCode::FAILURE
        }
    }
}

fn help() {
    println!("cargo xtask VERB");
    for verb in VERBS {
        println!("  {:8} {}", verb.name, verb.help);
    }
}
