//! Builds what the lab builds once per checkout, ahead of the tests that need it.

use integration::{kube, setup};

fn main() {
    // Tests that need what is missing name it and are skipped, or fail in CI.
    if let Err(error) = setup::gobgp() {
        eprintln!("lab: {error}");
    }
    if let Err(error) = kube::build::programs() {
        eprintln!("lab: {error}");
    }
}
