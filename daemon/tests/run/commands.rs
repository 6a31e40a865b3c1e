//! Commands around it.

use tempfile::TempDir;

use crate::herald::{POOL, herald};

#[test]
fn check_tells_what_is_wrong_by_its_exit_code() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pool.yaml");
    let check = || {
        let output = herald(&["check", &folder.path().to_string_lossy()]);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    std::fs::write(&file, POOL).unwrap();
    assert_eq!(check().0, Some(0));
    std::fs::write(&file, POOL.replace("/24", "/33")).unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(1));
    assert!(
        text.contains("pool.yaml") && text.contains("spec.addresses"),
        "{text}"
    );
    assert_eq!(herald(&["check"]).status.code(), Some(2));
}

#[test]
fn nobody_to_ask_is_said_with_what_to_do() {
    let output = herald(&["status", "--socket", "/nowhere/herald.sock"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("start `herald run`"), "{text}");
}
