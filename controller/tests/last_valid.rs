//! A bad edit of an object stops neither the others nor the object's last valid version.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use controller::file::{Snapshot, Source};
use controller::record::{Assignment, Assignments};
use controller::{Options, Problem, Severity};
use plan::world::ObjectName;
use tempfile::TempDir;

/// How long a change may take to be seen: liveness only.
const LIVENESS: Duration = Duration::from_secs(20);

#[test]
fn an_invalid_edit_keeps_the_last_valid_version_until_it_is_repaired() {
    let watched = Watched::new(&[("pool.yaml", &pool("a", "203.0.113.0/28"))]);
    watched.write("pool.yaml", &pool("a", "203.0.113.0/33"));
    let snapshot = watched.until(|snapshot| errors(snapshot) == 1);
    assert_eq!(first(&snapshot, "a"), "203.0.113.0");
    assert!(
        snapshot
            .problems
            .iter()
            .any(|problem| problem.last_valid_in_use)
    );
    watched.write("pool.yaml", &pool("a", "198.51.100.0/28"));
    let snapshot = watched.until(|snapshot| errors(snapshot) == 0);
    assert_eq!(first(&snapshot, "a"), "198.51.100.0");
}

#[test]
fn the_pool_that_was_edited_to_overlap_is_refused_and_not_the_other() {
    let watched = Watched::new(&[
        ("a.yaml", &pool("a", "203.0.113.0/28")),
        ("b.yaml", &pool("b", "198.51.100.0/28")),
    ]);
    watched.write("a.yaml", &pool("a", "198.51.100.8-198.51.100.20"));
    let snapshot = watched.until(|snapshot| errors(snapshot) == 1);
    assert_eq!(
        first(&snapshot, "a"),
        "203.0.113.0",
        "the last accepted version"
    );
    assert_eq!(first(&snapshot, "b"), "198.51.100.0");
    let problem = snapshot
        .problems
        .iter()
        .find(|problem| problem.is_error())
        .expect("one");
    assert_eq!(problem.object.as_deref(), Some("IPAddressPool default/a"));
}

#[test]
fn a_syntax_error_keeps_the_files_objects_and_a_deleted_file_does_not() {
    let watched = Watched::new(&[
        ("a.yaml", &pool("a", "203.0.113.0/28")),
        ("b.yaml", &pool("b", "198.51.100.0/28")),
    ]);
    watched.write("a.yaml", "kind: [\n");
    let snapshot = watched.until(|snapshot| errors(snapshot) == 1);
    assert_eq!(snapshot.world.pools.len(), 2);
    fs::remove_file(watched.path("b.yaml")).expect("removed");
    let snapshot = watched.until(|snapshot| snapshot.world.pools.len() == 1);
    assert!(snapshot.world.pools.contains_key("a"));
    fs::remove_file(watched.path("a.yaml")).expect("removed");
    watched.until(|snapshot| snapshot.world.pools.is_empty() && errors(snapshot) == 0);
}

#[test]
fn an_object_defined_twice_is_the_first_ones_until_that_is_gone() {
    let watched = Watched::new(&[
        ("a.yaml", &pool("a", "203.0.113.0/28")),
        ("b.yaml", &pool("a", "198.51.100.0/28")),
    ]);
    let snapshot = watched.until(|snapshot| errors(snapshot) == 1);
    assert_eq!(first(&snapshot, "a"), "203.0.113.0");
    fs::remove_file(watched.path("a.yaml")).expect("removed");
    let snapshot = watched.until(|snapshot| errors(snapshot) == 0);
    assert_eq!(first(&snapshot, "a"), "198.51.100.0");
}

#[test]
fn an_editors_write_and_rename_is_seen() {
    let watched = Watched::new(&[("a.yaml", &pool("a", "203.0.113.0/28"))]);
    watched.write(".a.yaml.swp", "not: [yaml");
    fs::write(watched.path("a.yaml.new"), pool("a", "198.51.100.0/28")).expect("written");
    fs::rename(watched.path("a.yaml.new"), watched.path("a.yaml")).expect("renamed");
    watched.until(|snapshot| first(snapshot, "a") == "198.51.100.0" && errors(snapshot) == 0);
}

#[test]
fn a_config_map_mount_is_read_through_its_links_and_its_swap_is_seen() {
    let watched = Watched::new(&[]);
    let version = |name: &str, prefix: &str| {
        fs::create_dir(watched.path(name)).expect("made");
        fs::write(watched.path(name).join("pool.yaml"), pool("a", prefix)).expect("written");
    };
    let link = |to: &str, from: &str| {
        std::os::unix::fs::symlink(to, watched.path(from)).expect("linked");
    };
    version("..2026_1", "203.0.113.0/28");
    link("..2026_1", "..data");
    link("..data/pool.yaml", "pool.yaml");
    watched.until(|snapshot| snapshot.world.pools.len() == 1);
    version("..2026_2", "198.51.100.0/28");
    link("..2026_2", "..data_tmp");
    fs::rename(watched.path("..data_tmp"), watched.path("..data")).expect("swapped");
    watched.until(|snapshot| first(snapshot, "a") == "198.51.100.0" && errors(snapshot) == 0);
}

#[test]
fn a_directory_that_goes_away_keeps_its_world_and_is_read_when_it_comes_back() {
    let watched = Watched::new(&[("a.yaml", &pool("a", "203.0.113.0/28"))]);
    let aside = watched.home.path().join("aside");
    fs::rename(&watched.directory, &aside).expect("moved");
    let snapshot = watched.until(|snapshot| errors(snapshot) == 1);
    assert_eq!(
        snapshot.world.pools.len(),
        1,
        "the last valid configuration stays"
    );
    fs::create_dir(&watched.directory).expect("made");
    watched.write("b.yaml", &pool("b", "198.51.100.0/28"));
    watched.until(|snapshot| {
        snapshot.world.pools.contains_key("b") && !snapshot.world.pools.contains_key("a")
    });
    watched.write("b.yaml", &pool("b", "198.51.100.64/28"));
    watched.until(|snapshot| first(snapshot, "b") == "198.51.100.64");
}

#[test]
fn a_new_subdirectory_is_read_and_watched() {
    let watched = Watched::new(&[]);
    fs::create_dir_all(watched.path("team/edge")).expect("made");
    watched.write("team/edge/pool.yml", &pool("a", "203.0.113.0/28"));
    watched.until(|snapshot| snapshot.world.pools.len() == 1);
    watched.write("team/edge/pool.yml", &pool("a", "198.51.100.0/28"));
    watched.until(|snapshot| first(snapshot, "a") == "198.51.100.0");
}

#[test]
fn assignments_come_back_in_the_world_and_outlast_an_unreadable_manifest() {
    let watched = Watched::new(&[
        ("a.yaml", &pool("a", "203.0.113.0/28")),
        ("s.yaml", SERVICE),
    ]);
    let address: IpAddr = "203.0.113.7".parse().expect("an address");
    let name = ObjectName {
        namespace: Arc::from("default"),
        name: Arc::from("web"),
    };
    let assignment = Assignment {
        addresses: [address].into_iter().collect(),
        pool: Some(Arc::from("a")),
    };
    let assignments = Arc::new(Assignments::from([(name.clone(), assignment)]));
    watched.source.set_assignments(Arc::clone(&assignments));
    let assigned = |snapshot: &Snapshot| {
        snapshot
            .world
            .services
            .get(&name)
            .is_some_and(|service| service.assigned.as_slice() == [address])
    };
    let snapshot = watched.until(assigned);
    assert!(
        Arc::ptr_eq(&snapshot.assignments, &assignments),
        "and it says that it has them"
    );
    watched.write("s.yaml", "kind: [");
    let snapshot = watched.until(|snapshot| errors(snapshot) == 1);
    assert!(assigned(&snapshot));
}

#[test]
fn a_directory_that_is_not_there_is_an_error_from_the_start() {
    let home = tempfile::tempdir().expect("a directory");
    let opened = Source::open(
        &home.path().join("none"),
        Options::default(),
        Arc::default(),
    );
    let problem = opened.expect_err("nothing to read");
    assert_eq!(problem.severity, Severity::Error);
}

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  type: \
                       LoadBalancer\n  ports:\n    - port: 80\n";

struct Watched {
    home: TempDir,
    directory: std::path::PathBuf,
    source: Source,
}

impl Watched {
    fn new(files: &[(&str, &str)]) -> Watched {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("manifests");
        fs::create_dir(&directory).expect("made");
        for (name, text) in files {
            fs::write(directory.join(name), text).expect("written");
        }
        let source = Source::open(&directory, Options::default(), Arc::default());
        Watched {
            home,
            directory,
            source: source.expect("readable"),
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.join(Path::new(name))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn until(&self, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let deadline = Instant::now() + LIVENESS;
        let snapshots = self.source.snapshots();
        loop {
            let snapshot = Arc::clone(&snapshots.borrow());
            if wanted(&snapshot) {
                return snapshot;
            }
            let said: Vec<String> = snapshot.problems.iter().map(Problem::to_string).collect();
            assert!(
                Instant::now() < deadline,
                "not seen in time; problems: {said:#?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn errors(snapshot: &Snapshot) -> usize {
    snapshot
        .problems
        .iter()
        .filter(|problem| problem.is_error())
        .count()
}

fn first(snapshot: &Snapshot, pool: &str) -> String {
    snapshot
        .world
        .pools
        .get(pool)
        .map_or("none".into(), |pool| pool.ranges[0].first.to_string())
}

fn pool(name: &str, addresses: &str) -> String {
    format!(
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata:\n  name: {name}\nspec:\n  \
         addresses:\n    - {addresses}\n"
    )
}
