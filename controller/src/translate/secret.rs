//! Secret to a password.

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;

use super::Findings;
use crate::object::{Draft, SecretDraft};
use crate::problem::Finding;

/// The type that a BGPPeer's Secret must have.
pub const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
/// The key that holds the password.
pub const PASSWORD_KEY: &str = "password";

/// A Secret's type and password. `stringData` wins over `data`, as in the API server.
pub fn translate(secret: &core::Secret, findings: &mut Findings) -> Option<Draft> {
    let text = secret
        .string_data
        .as_ref()
        .and_then(|data| data.get(PASSWORD_KEY))
        .cloned();
    let bytes = secret.data.as_ref().and_then(|data| data.get(PASSWORD_KEY));
    let password = match (text, bytes) {
        (Some(text), _) => Some(text),
        (None, Some(bytes)) => match String::from_utf8(bytes.0.clone()) {
            Ok(text) => Some(text),
            Err(_) => {
                findings.push(Finding::error(
                    format!("data.{PASSWORD_KEY}"),
                    "the password is not UTF-8 text",
                    "write the base64 of a text",
                ));
                return None;
            }
        },
        (None, None) => None,
    };
    let secret_type = secret.type_.clone().unwrap_or_else(|| "Opaque".into());
    Some(Draft::Secret(Arc::new(SecretDraft {
        secret_type,
        password,
    })))
}
