//! `cargo xtask image`: the container image, from the sources alone and without a registry.
//!
//! `target/image/herald.tar` is what `podman load`, `docker load` and `ctr images import` take. What
//! podman needs to make it is in that folder, too, and nowhere else on the machine.

use std::path::{Path, PathBuf};

use crate::run::{Outcome, command, output, root, step, target};

/// The largest that the program may be, in octets: the image has nothing else.
const LARGEST: u64 = 25 << 20;
/// As the manifests in `deploy/kubernetes` name it; the version is the tag.
const NAME: &str = "localhost/herald";
/// Limits that a root without CAP_SYS_RESOURCE may set too.
const LIMITS: [&str; 4] = [
    "--ulimit",
    "nofile=1024:1024",
    "--ulimit",
    "nproc=1000:1000",
];

/// Builds the program and the image, and says what they weigh.
pub fn build() -> Outcome {
    let folder = target().join("image");
    let context = folder.join("context");
    make_folder(&context)?;
    let program = compile()?;
    copy(&program, &context.join("herald"))?;
    copy(
        &root().join("deploy/Containerfile"),
        &context.join("Containerfile"),
    )?;
    let size = std::fs::metadata(&program).map_err(|error| error.to_string())?;
    let size = size.len();
    if size > LARGEST {
        return Err(format!(
            "the program has {size} octets, at most {LARGEST} are allowed"
        ));
    }
    let name = format!("{NAME}:{}", env!("CARGO_PKG_VERSION"));
    let archive = pack(&folder, &context, &name)?;
    let mib = size as f64 / f64::from(1 << 20);
    println!("image: {name}, {mib:.1} MiB, in {}", archive.display());
    Ok(())
}

/// The program, static: glibc is in it, whose allocator it is measured with.
fn compile() -> Result<PathBuf, String> {
    let machine = machine()?;
    let mut build = command("cargo", &["build", "--profile", "dist"]);
    build
        .args(["--package", "daemon", "--bin", "herald"])
        .args(["--target", &machine])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_TERM_PROGRESS_WHEN", "never");
    step("build the program of the image", build)?;
    Ok(target().join(machine).join("dist/herald"))
}

/// This machine's target triple: with a target of its own, the flag is not for build scripts.
fn machine() -> Result<String, String> {
    let text = output(command("rustc", &["--version", "--verbose"]))?;
    let mut lines = text.lines();
    let host = lines.find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "rustc names no host".to_owned())
}

fn pack(folder: &Path, context: &Path, name: &str) -> Result<PathBuf, String> {
    let archive = folder.join("herald.tar");
    let new = folder.join("new.tar");
    // podman adds to what is there.
    let _ = std::fs::remove_file(&new);
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let options = options(folder);
    let podman = |arguments: &[&str]| {
        let mut podman = command("podman", &[]);
        podman.args(&options).args(arguments);
        output(podman)
    };
    let mut build = vec!["build", "--quiet", "--pull=never"];
    build.extend(LIMITS);
    let context = path(context);
    build.extend(["--tag", name, &context]);
    podman(&build)?;
    podman(&["save", "--quiet", "--output", &path(&new), name])?;
    // Whoever reads it meanwhile has the whole of one.
    std::fs::rename(&new, &archive).map_err(|error| format!("{}: {error}", archive.display()))?;
    podman(&["image", "prune", "--force"])?;
    Ok(archive)
}

/// `vfs` works on every file system; the image has one layer.
fn options(folder: &Path) -> Vec<String> {
    let path = |name: &str| folder.join("podman").join(name).display().to_string();
    let pairs = [
        ("--root", path("root")),
        ("--runroot", path("run")),
        ("--tmpdir", path("tmp")),
        ("--storage-driver", "vfs".to_owned()),
        ("--runtime", "runc".to_owned()),
        ("--cgroup-manager", "cgroupfs".to_owned()),
        ("--events-backend", "none".to_owned()),
    ];
    let pairs = pairs.into_iter();
    pairs
        .flat_map(|(option, value)| [option.to_owned(), value])
        .collect()
}

fn make_folder(path: &Path) -> Outcome {
    std::fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Outcome {
    let copied = std::fs::copy(from, to);
    copied
        .map(|_| ())
        .map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}
