//! Asking the daemon, over its unix socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::runtime;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Octets of an answer, at most: the World of 100,000 Services fits.
const MAX_ANSWER: usize = 512 * 1024 * 1024;

/// Asks for a path. Whether it was found, and the answer's text.
///
/// # Errors
/// A text for people: no daemon answers at the socket, or not as it should.
pub fn get(socket: &Path, path: &str) -> Result<(bool, String), String> {
    let runtime = runtime::client().map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(async {
        let asked = tokio::time::timeout(ANSWER_WITHIN, ask(socket, path)).await;
        asked.map_err(|_| {
            let seconds = ANSWER_WITHIN.as_secs();
            format!("no answer at {} within {seconds} s", socket.display())
        })?
    })
}

async fn ask(socket: &Path, path: &str) -> Result<(bool, String), String> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| not_there(socket, &error))?;
    let broken = |error: hyper::Error| format!("the answer broke off: {error}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let driver = tokio::spawn(connection);
    let request = Request::get(path)
        .header(hyper::header::HOST, "herald")
        .body(Empty::<Bytes>::new())
        .map_err(|_| format!("not a name: {path}"))?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await;
    let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
    driver.abort();
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    match status {
        StatusCode::OK => Ok((true, text)),
        StatusCode::NOT_FOUND => Ok((false, text)),
        other => Err(format!("the daemon answers {other}: {}", text.trim())),
    }
}

fn not_there(socket: &Path, error: &io::Error) -> String {
    let path = socket.display();
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound || kind == io::ErrorKind::ConnectionRefused {
        return format!(
            "no herald runs behind {path}: start `herald run`, or say --socket as it was told there"
        );
    }
    if kind == io::ErrorKind::PermissionDenied {
        return format!("no permission for {path}: only the user that runs herald may ask it");
    }
    format!("cannot ask at {path}: {error}")
}
