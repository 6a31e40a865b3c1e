//! The state file: what was stored is there after any crash, and nothing is reset in silence.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use controller::record::{Assignment, Assignments, Record, RecordError};
use controller::{Options, file};
use plan::world::ObjectName;

/// Tells this test binary, started again, to write until it is killed.
const WRITER: &str = "HERALD_TEST_RECORD";

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("state.json");
    let mut record = Record::open(&path).expect("a new one");
    assert!(record.store(assignments(3)).expect("stored"));
    assert!(
        !record.store(assignments(3)).expect("nothing to do"),
        "equal ones are not written"
    );
    drop(record);
    let record = Record::open(&path).expect("there");
    assert_eq!(*record.assignments(), assignments(3));
}

#[test]
fn a_service_that_is_no_longer_stored_is_dropped_from_the_file() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("state.json");
    let mut record = Record::open(&path).expect("a new one");
    record.store(assignments(2)).expect("stored");
    record.store(assignments(1)).expect("stored");
    assert!(
        !fs::read_to_string(&path)
            .expect("readable")
            .contains("service-1")
    );
}

#[test]
fn two_processes_cannot_share_a_file() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("state.json");
    let _first = Record::open(&path).expect("a new one");
    let second = Record::open(&path).expect_err("in use");
    assert!(matches!(second, RecordError::InUse { .. }), "{second}");
}

#[test]
fn a_file_that_cannot_be_understood_is_an_error_that_says_what_to_do_and_stays_as_it_is() {
    let rows = [
        ("", "it is empty"),
        ("{\"version\":1,\"assignments\":[", "EOF while parsing"),
        ("not json", "expected ident"),
        ("{\"version\":1}", "missing field `assignments`"),
        ("{\"version\":2,\"assignments\":[]}", "is of version 2"),
        (
            "{\"version\":1,\"assignments\":[],\"more\":1}",
            "unknown field `more`",
        ),
        (
            "{\"version\":1,\"assignments\":[{\"namespace\":\"a\",\"service\":\"b\",\"addresses\":[]}]}",
            "a/b has not one address a family",
        ),
    ];
    for (text, expected) in rows {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("state.json");
        fs::write(&path, text).expect("written");
        let said = Record::open(&path).expect_err(text).to_string();
        assert!(
            said.contains(expected) && said.contains("move it away"),
            "{text}: {said}"
        );
        assert_eq!(fs::read_to_string(&path).expect("readable"), text);
    }
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_record_as_it_was() {
    let home = tempfile::tempdir().expect("a directory");
    let inner = home.path().join("gone");
    fs::create_dir(&inner).expect("made");
    let mut record = Record::open(&inner.join("state.json")).expect("a new one");
    record.store(assignments(1)).expect("stored");
    fs::remove_dir_all(&inner).expect("removed");
    let error = record.store(assignments(2)).expect_err("no directory");
    assert!(matches!(error, RecordError::Io { .. }), "{error}");
    assert_eq!(*record.assignments(), assignments(1));
}

#[test]
fn after_a_kill_at_any_moment_the_file_holds_all_that_was_acknowledged() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("state.json");
    for round in 0_u64..12 {
        let acknowledged = write_and_kill(&path, round * 1_700);
        let record = Record::open(&path).expect("whole, and not locked by the dead");
        let held = record.assignments().len();
        assert!(
            held >= acknowledged,
            "acknowledged {acknowledged}, held {held}"
        );
        assert_eq!(
            *record.assignments(),
            assignments(held),
            "all of one version"
        );
    }
}

/// Not a test by itself: the process that the test above kills.
#[test]
fn writer() {
    let Some(path) = std::env::var_os(WRITER) else {
        return;
    };
    let mut record = Record::open(Path::new(&path)).expect("usable");
    let mut out = std::io::stdout();
    // Ends by being killed; the bound is for a test that died before that.
    for count in record.assignments().len() + 1..10_000 {
        record.store(assignments(count)).expect("stored");
        writeln!(out, "acknowledged {count}")
            .and_then(|()| out.flush())
            .expect("heard");
    }
}

#[test]
fn merging_gives_the_world_the_recorded_addresses_and_leaves_others_alone() {
    let manifests = "apiVersion: v1\nkind: List\nitems:\n".to_owned()
        + &service("service-0", "")
        + &service(
            "other",
            "  status: {loadBalancer: {ingress: [{ip: 198.51.100.9}]}}\n",
        );
    let read = |assignments: &Assignments| {
        file::from_texts(
            &[("all.yaml", manifests.as_str())],
            &Options::default(),
            assignments,
        )
    };
    let mut record = Record::in_memory();
    record.store(assignments(1)).expect("kept");
    let world = record.merge(&read(&Assignments::new()).world);
    let assigned: Vec<_> = world
        .services
        .values()
        .map(|service| service.assigned.to_vec())
        .collect();
    assert_eq!(
        assigned,
        [
            vec![IpAddr::from([198, 51, 100, 9])],
            vec![IpAddr::from([10, 0, 0, 0])]
        ]
    );
    assert_eq!(record.merge(&world), world);
    assert_eq!(
        read(&record.assignments()).world,
        world,
        "the same by either way"
    );
}

fn service(name: &str, rest: &str) -> String {
    format!(
        "- apiVersion: v1\n  kind: Service\n  metadata: {{name: {name}, namespace: demo}}\n  spec: \
         {{type: LoadBalancer, ports: [{{port: 80}}]}}\n{rest}"
    )
}

fn assignments(count: usize) -> Assignments {
    (0..count)
        .map(|index| {
            let name = format!("service-{index}");
            let name = ObjectName {
                namespace: Arc::from("demo"),
                name: Arc::from(name),
            };
            let address = Ipv4Addr::from(0x0a00_0000 + u32::try_from(index).expect("small"));
            (
                name,
                Assignment {
                    addresses: [address.into()].into_iter().collect(),
                    pool: Some(Arc::from("a")),
                },
            )
        })
        .collect()
}

/// Starts the writer, kills it `micros` after its first word, and says what it acknowledged last.
fn write_and_kill(path: &Path, micros: u64) -> usize {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "writer", "--nocapture"])
        .env(WRITER, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut heard = String::new();
    while !heard.contains("acknowledged") {
        assert_ne!(
            out.read_line(&mut heard).expect("readable"),
            0,
            "the writer died: {heard}"
        );
    }
    std::thread::sleep(std::time::Duration::from_micros(micros));
    child.kill().expect("killed");
    child.wait().expect("gone");
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).expect("readable");
    heard.push_str(&String::from_utf8_lossy(&rest));
    heard
        .lines()
        .rev()
        .find_map(|line| line.rsplit_once("acknowledged ")?.1.parse().ok())
        .expect("a whole line")
}
