//! The writer of ConfigurationState.

use std::time::Duration;

use controller::kube::configuration_state::{Component, ConfigurationStateWriter};
use controller::kube::fence::Fence;
use controller::{Problem, Severity};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::fake::{Fake, Fault};

const SECOND: Duration = Duration::from_secs(1);
const STATE: &str =
    "/apis/metallb.io/v1beta1/namespaces/herald-system/configurationstates/speaker-node-1";

fn start(fake: &Fake) -> ConfigurationStateWriter {
    let component = Component::Speaker("node-1".to_owned());
    ConfigurationStateWriter::start(fake.client(), Fence::open(), "herald-system", component)
}

fn problem(severity: Severity, message: &str) -> Problem {
    Problem::of_directory(severity, message, "repair it")
}

async fn state(fake: &Fake) -> Value {
    sleep(5 * SECOND).await;
    fake.object(STATE).expect("a ConfigurationState")
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_something_is_known() {
    let fake = Fake::new();
    let _writer = start(&fake);
    sleep(60 * SECOND).await;
    assert!(fake.writes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_says_valid_and_invalid_and_unknown_with_the_reason() {
    let fake = Fake::new();
    let writer = start(&fake);
    writer.set(&[problem(Severity::Warning, "odd")]);
    let valid = state(&fake).await;
    let labels = json!({"metallb.io/component-type": "speaker", "metallb.io/node-name": "node-1"});
    assert_eq!(valid["metadata"]["labels"], labels);
    assert_eq!(
        (&valid["status"]["result"], &valid["status"]["errorSummary"]),
        (&json!("Valid"), &json!(""))
    );
    assert_eq!(valid["status"]["problems"][0]["message"], "odd");
    let condition = |state: &Value| {
        let condition = &state["status"]["conditions"][0];
        ["type", "status", "reason"]
            .map(|word| condition[word].as_str().expect("a word").to_owned())
    };
    assert_eq!(
        condition(&valid),
        ["configReconcilerValid", "True", "Reconciled"]
    );
    writer.set(&[
        problem(Severity::Warning, "odd"),
        problem(Severity::Error, "wrong"),
    ]);
    let invalid = state(&fake).await;
    assert_eq!(invalid["status"]["result"], "Invalid");
    assert_eq!(invalid["status"]["errorSummary"], "error: wrong; repair it");
    assert_eq!(invalid["status"]["problems"][0]["message"], "wrong");
    assert_eq!(condition(&invalid)[1..], ["False", "ConfigurationError"]);
    writer.set_unknown("the API server does not answer");
    let unknown = state(&fake).await;
    assert_eq!(unknown["status"]["result"], "Unknown");
    assert_eq!(condition(&unknown)[1..], ["Unknown", "InfraError"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_is_written_once() {
    let fake = Fake::new();
    let writer = start(&fake);
    for _ in 0..10 {
        writer.set(&[problem(Severity::Error, "wrong")]);
        sleep(SECOND).await;
    }
    assert_eq!(
        fake.writes().len(),
        2,
        "the object and its status: {:?}",
        fake.writes()
    );
}

#[tokio::test(start_paused = true)]
async fn what_others_delete_or_edit_is_put_right() {
    let fake = Fake::new();
    let writer = start(&fake);
    writer.set(&[]);
    let first = state(&fake).await;
    fake.delete(STATE);
    assert_eq!(state(&fake).await["status"], first["status"]);
    let mut edited = first.clone();
    edited["status"]["result"] = json!("Invalid");
    fake.put(STATE, edited);
    assert_eq!(state(&fake).await["status"], first["status"]);
}

#[tokio::test(start_paused = true)]
async fn very_much_that_is_wrong_is_cut_and_counted() {
    let fake = Fake::new();
    let writer = start(&fake);
    let problems = (0..1_000).map(|number| problem(Severity::Error, &format!("wrong {number}")));
    writer.set(&problems.collect::<Vec<_>>());
    let state = state(&fake).await;
    let summary = state["status"]["errorSummary"].as_str().expect("a text");
    assert!(
        summary.len() < 4_200 && summary.ends_with(" more"),
        "{summary}"
    );
    assert_eq!(
        state["status"]["problems"].as_array().map(Vec::len),
        Some(100)
    );
}

#[tokio::test(start_paused = true)]
async fn it_gets_through_when_the_api_server_is_back() {
    for fault in [
        Fault::Hang,
        Fault::Status(503, Some(1)),
        Fault::DoneInSilence,
        Fault::Status(403, None),
    ] {
        let fake = Fake::new();
        fake.judge(move |_| Some(fault));
        let writer = start(&fake);
        writer.set(&[]);
        sleep(20 * SECOND).await;
        fake.heal();
        sleep(400 * SECOND).await;
        let state = fake
            .object(STATE)
            .unwrap_or_else(|| panic!("{fault:?}: none"));
        assert_eq!(state["status"]["result"], "Valid", "{fault:?}");
    }
}
