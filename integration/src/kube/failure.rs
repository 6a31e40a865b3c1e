//! What the API server answers where it refuses.

use std::fmt;

use serde_json::Value;

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status; `None` where no answer came.
    pub code: Option<u16>,
    /// `Status.reason`, such as `NotFound`, or `NoAnswer`.
    pub reason: String,
    /// What the server, or the connection, says.
    pub message: String,
}

impl Failure {
    /// A request that got no answer, or none that can be read.
    pub(super) fn no_answer(error: impl fmt::Display) -> Failure {
        Failure {
            code: None,
            reason: "NoAnswer".to_owned(),
            message: error.to_string(),
        }
    }

    /// An answer: most often a `Status`, else plain text.
    pub(super) fn of(code: u16, body: &str) -> Failure {
        let status: Value = serde_json::from_str(body).unwrap_or_default();
        let word = |name: &str| status[name].as_str().map(str::to_owned);
        Failure {
            code: Some(code),
            reason: word("reason").unwrap_or_default(),
            message: word("message").unwrap_or_else(|| body.trim().to_owned()),
        }
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        self.code == Some(404)
    }

    /// Whether the user may not do that.
    pub fn is_forbidden(&self) -> bool {
        self.code == Some(403)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code {
            write!(f, "{code} ")?;
        }
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_code_reason_and_message() {
        let refused = Failure::of(403, r#"{"reason":"Forbidden","message":"may not"}"#);
        assert_eq!(refused.to_string(), "403 Forbidden: may not");
        assert_eq!(Failure::of(500, "oops\n").message, "oops");
        assert!(Failure::of(404, "").is_not_found());
    }
}
