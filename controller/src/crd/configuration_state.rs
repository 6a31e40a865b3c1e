//! ConfigurationState: what a controller or a speaker makes of the configuration.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::Placed;

/// `controller` or `speaker`: the label of whose state this is.
pub const COMPONENT_TYPE_LABEL: &str = "metallb.io/component-type";
/// The speaker's node: its label.
pub const NODE_NAME_LABEL: &str = "metallb.io/node-name";

/// Problems in one object, at most; `errorSummary` says how many there are.
pub const MAX_PROBLEMS: usize = 100;

/// Nothing: the object is all status.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "ConfigurationState",
    namespaced,
    doc = "Whether the configuration is valid, as the controller or the speaker of a node sees it. Written by these.",
    status = "ConfigurationStateStatus",
    printcolumn = r#"{"name":"Result","type":"string","jsonPath":".status.result"}"#,
    printcolumn = r#"{"name":"ErrorSummary","type":"string","jsonPath":".status.errorSummary"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
pub struct ConfigurationStateSpec {}

/// What is wrong with the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationStateStatus {
    /// Whether all objects are used as they are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ConfigurationResult>,
    /// What is wrong, in one text; empty if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32_768))]
    pub error_summary: Option<String>,
    /// Conditions, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// Herald: what is wrong, object by object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub problems: Vec<ConfigurationProblem>,
}

/// Whether a configuration is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConfigurationResult {
    /// Every object is used as it is written.
    Valid,
    /// Some object is not.
    Invalid,
    /// Not yet seen, or not readable.
    Unknown,
}

/// Something wrong with an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationProblem {
    /// `error`: the object is not used as written; `warning`: it is, though perhaps not as meant.
    #[schemars(extend("enum" = ["error", "warning"]))]
    pub severity: String,
    /// The object: `Kind namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The field, such as `spec.addresses[1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong.
    #[schemars(length(max = 1_024))]
    pub message: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_024))]
    pub hint: Option<String>,
    /// An earlier, valid version of the object stays in use meanwhile.
    #[serde(default)]
    pub last_valid_in_use: bool,
}

/// What the API server refuses beyond types and bounds: nothing.
pub fn rules() -> Vec<Placed> {
    Vec::new()
}
