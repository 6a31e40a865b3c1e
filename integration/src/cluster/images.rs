//! Images without a registry: archives that each node's containerd reads.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::lab::say;
use crate::setup::{self, alone, folder};

/// The lab's own image: `/pause` holds a Pod's namespaces, `/web` answers with its node's name.
pub const NAME: &str = "localhost/herald-lab/pods:1";
const SOURCES: [&str; 4] = ["go.mod", "Containerfile", "pause/main.go", "web/main.go"];

/// The archives.
#[derive(Debug)]
pub struct Images {
    archive: PathBuf,
}

impl Images {
    /// The archive with the image [`NAME`].
    pub fn archive(&self) -> &Path {
        &self.archive
    }
}

/// The lab's own images, built at the first call of the checkout; why not, where they cannot be.
pub fn images() -> Result<&'static Images, String> {
    static IMAGES: OnceLock<Result<Images, String>> = OnceLock::new();
    let result = IMAGES.get_or_init(|| {
        let gobgp = setup::gobgp()?;
        alone("lock", || build(gobgp))
    });
    result.as_ref().map_err(Clone::clone)
}

/// The archive with herald's image, which `cargo xtask image` makes.
pub fn herald() -> Result<PathBuf, String> {
    let lab = folder();
    let target = lab.parent().unwrap_or(&lab);
    let archive = target.join("image/herald.tar");
    match archive.exists() {
        true => Ok(archive),
        false => Err("no image of herald: run `cargo xtask image`".to_owned()),
    }
}

fn build(gobgp: &setup::Gobgp) -> Result<Images, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster");
    let built = folder().join("cluster");
    let (archive, stamp) = (built.join("pods.tar"), built.join("stamp"));
    let wanted = SOURCES
        .map(|name| std::fs::read_to_string(source.join(name)).unwrap_or_default())
        .concat();
    let is_there = std::fs::read_to_string(&stamp).is_ok_and(|text| text == wanted);
    if !is_there || !archive.exists() {
        say("lab: building the image of the cluster's Pods");
        // From Go's own library alone.
        setup::compile("the cluster's Pods", &source, &built, &["./..."])?;
        gobgp.engine.archive(&built, NAME, &archive)?;
        std::fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    }
    Ok(Images { archive })
}
