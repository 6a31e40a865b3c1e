//! One connection of a gate: HTTP/1.1, a request after the other.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use ureq::Body;
use ureq::http::Response;

use super::{Fault, Seen, State};

/// The longest head of a request, in octets, and the most headers.
const HEAD: usize = 64 << 10;
const HEADERS: usize = 64;
/// The longest body of a request, in octets: more than etcd takes.
const BODY: usize = 4 << 20;
/// Headers that are about one connection, or that either side of the gate writes itself.
const OWN: [&str; 6] = [
    "authorization",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "transfer-encoding",
];

/// A request, read to its end.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) method: String,
    pub(super) path: String,
    /// Headers that are for the API server.
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

/// Serves until the client closes, or a fault does.
pub(super) fn connection(mut stream: &TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut left = Vec::new();
    while let Some(request) = read(stream, &mut left)? {
        let seen = Seen {
            method: request.method.clone(),
            path: request.path.clone(),
        };
        match state.judge(seen) {
            None => match state.upstream(&request) {
                Ok(response) => forward(stream, response)?,
                // As if there were no gate: a connection that breaks.
                Err(error) => return Err(Error::other(error)),
            },
            Some(Fault::Status(code, reason, retry)) => {
                let retry = retry.map(|seconds| format!("retry-after: {seconds}\r\n"));
                answer(
                    stream,
                    code,
                    &retry.unwrap_or_default(),
                    &status(code, reason),
                )?;
            }
            Some(Fault::WatchError(code, reason)) => {
                let event = json!({"type": "ERROR", "object": status(code, reason)});
                answer(stream, 200, "", &event)?;
            }
            // Until the client gives up, or all connections are cut.
            Some(Fault::Silence) => return io::copy(&mut stream, &mut io::sink()).map(|_| ()),
            Some(Fault::Cut) => return Ok(()),
        }
    }
    Ok(())
}

/// A request; `None` where the client has closed after the last one. `left` has what came after it.
fn read(mut stream: impl Read, left: &mut Vec<u8>) -> io::Result<Option<Incoming>> {
    loop {
        if let Some((mut request, head, length)) = parse(left)? {
            if left.len() >= head + length {
                request.body = left[head..head + length].to_vec();
                left.drain(..head + length);
                return Ok(Some(request));
            }
        } else if left.len() > HEAD {
            return Err(Error::new(ErrorKind::InvalidData, "the head is too long"));
        }
        let mut buffer = [0; 8192];
        let count = stream.read(&mut buffer)?;
        match (count, left.is_empty()) {
            (0, true) => return Ok(None),
            (0, false) => return Err(ErrorKind::UnexpectedEof.into()),
            (count, _) => left.extend(&buffer[..count]),
        }
    }
}

/// A request's head, its length in octets, and that of the body after it.
fn parse(octets: &[u8]) -> io::Result<Option<(Incoming, usize, usize)>> {
    let invalid = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(octets);
    let httparse::Status::Complete(head) = parsed.map_err(Error::other)? else {
        return Ok(None);
    };
    let mut incoming = Incoming {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    let mut length = 0;
    for header in request.headers.iter() {
        let name = header.name.to_ascii_lowercase();
        if name == "content-length" {
            let text = String::from_utf8_lossy(header.value);
            length = text.parse().map_err(|_| invalid("content-length"))?;
        } else if name == "transfer-encoding" {
            return Err(invalid("a request in chunks"));
        } else if !OWN.contains(&name.as_str()) {
            incoming.headers.push((name, header.value.to_vec()));
        }
    }
    match length <= BODY {
        true => Ok(Some((incoming, head, length))),
        false => Err(invalid("the body is too long")),
    }
}

/// Passes an answer on, as it comes.
fn forward(mut stream: impl Write, response: Response<Body>) -> io::Result<()> {
    let (parts, body) = response.into_parts();
    let mut head = format!("HTTP/1.1 {} \r\n", parts.status.as_u16()).into_bytes();
    for (name, value) in &parts.headers {
        if !OWN.contains(&name.as_str()) {
            head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    head.extend(b"transfer-encoding: chunked\r\n\r\n");
    stream.write_all(&head)?;
    let mut body = body.into_reader();
    let mut buffer = [0; 16 << 10];
    loop {
        let count = body.read(&mut buffer)?;
        let mut chunk = format!("{count:x}\r\n").into_bytes();
        chunk.extend(&buffer[..count]);
        chunk.extend(b"\r\n");
        stream.write_all(&chunk)?;
        if count == 0 {
            return Ok(());
        }
    }
}

/// Answers by itself; `headers` end with a line's end each.
fn answer(mut stream: impl Write, code: u16, headers: &str, body: &Value) -> io::Result<()> {
    let body = format!("{body}\n");
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {code} \r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n"
    );
    stream.write_all((head + &body).as_bytes())
}

fn status(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "the gate of the test says so",
        "reason": reason,
        "code": code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_on_one_connection_are_read_one_by_one() {
        let text = b"POST /a?b HTTP/1.1\r\nHost: x\r\nAccept: y\r\nContent-Length: 2\r\n\r\nhi\
                     GET /c HTTP/1.1\r\n\r\n";
        let (mut stream, mut left) = (&text[..], Vec::new());
        let first = read(&mut stream, &mut left).expect("whole").expect("one");
        assert_eq!(
            (first.method.as_str(), first.path.as_str()),
            ("POST", "/a?b")
        );
        assert_eq!(first.headers, [("accept".to_owned(), b"y".to_vec())]);
        assert_eq!(first.body, b"hi");
        let second = read(&mut stream, &mut left).expect("whole").expect("one");
        assert_eq!(second.path, "/c");
        assert!(read(&mut stream, &mut left).expect("closed").is_none());
    }

    #[test]
    fn what_is_no_request_is_an_error() {
        for text in [
            "GET /a HTTP/1.1\r\nHo",
            "\0\r\n\r\n",
            "POST /a HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
            "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            read(text.as_bytes(), &mut Vec::new()).expect_err(text);
        }
    }
}
