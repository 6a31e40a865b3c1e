//! Where the daemon is asked: a unix socket and, unless switched off, a TCP port.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::info;

use super::{Observed, connection};
use crate::net::tcp;

/// Connections at a time, on both sockets together. More wait.
const MAX_CONNECTIONS: usize = 32;
/// Wait after the system could not give a connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// The unix socket and, if there is an address, the TCP port: taken, and not answered yet.
#[derive(Debug)]
pub struct Listeners {
    unix: UnixListener,
    socket: SocketFile,
    tcp: Option<(SocketAddr, TcpListener)>,
}

/// A unix socket's file, which goes with this.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already, and is replaced at the next start otherwise.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Serving, until dropped. The unix socket's file goes with it.
#[derive(Debug)]
pub struct Servers {
    tasks: Vec<JoinHandle<()>>,
    _socket: SocketFile,
}

impl Drop for Servers {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Listeners {
    /// Takes both, before anything is done that others could notice: a second daemon where one runs
    /// already must not disturb anybody. Who connects before [`Listeners::serve`] waits.
    ///
    /// # Errors
    /// A text for people: which of the two is not possible, and what to do.
    pub async fn open(socket: &Path, metrics: Option<SocketAddr>) -> Result<Listeners, String> {
        let tcp = metrics.map(|address| Ok::<_, String>((address, bind_tcp(address)?)));
        let tcp = tcp.transpose()?;
        let unix = bind_unix(socket).await?;
        let socket = SocketFile(socket.to_owned());
        Ok(Listeners { unix, socket, tcp })
    }

    /// Begins to serve.
    pub fn serve(self, observed: Observed) -> Servers {
        let Listeners { unix, socket, tcp } = self;
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut servers = Servers {
            tasks: Vec::new(),
            _socket: socket,
        };
        if let Some((address, listener)) = tcp {
            info!(%address, "serving /metrics, /healthz and /readyz");
            let (observed, slots) = (observed.clone(), Arc::clone(&slots));
            servers.tasks.push(tokio::spawn(async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => connection(stream, false, &observed, &slots).await,
                        Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
                    }
                }
            }));
        }
        servers.tasks.push(tokio::spawn(async move {
            loop {
                match unix.accept().await {
                    Ok((stream, _)) => connection(stream, true, &observed, &slots).await,
                    Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
                }
            }
        }));
        servers
    }
}

fn bind_tcp(address: SocketAddr) -> Result<TcpListener, String> {
    tcp::serve(address).map_err(|error| {
        format!("cannot serve metrics at {address}: {error}; choose another --metrics, or off")
    })
}

/// Binds the unix socket for this user only. A file that an earlier process left is replaced; one
/// that a process answers at is not.
async fn bind_unix(path: &Path) -> Result<UnixListener, String> {
    let failed = |error: std::io::Error| {
        format!(
            "cannot open the socket {}: {error}; choose another --socket",
            path.display()
        )
    };
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    if tokio::net::UnixStream::connect(path).await.is_ok() {
        return Err(format!(
            "another herald answers at the socket {}: stop it, or choose another --socket",
            path.display()
        ));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Err(_) | Ok(()) => {}
    }
    // Its permissions are set before it has its name, so nobody else can be in between.
    let hidden = path.with_extension(format!("{}.new", std::process::id()));
    let listener = UnixListener::bind(&hidden).map_err(failed)?;
    std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    std::fs::rename(&hidden, path).map_err(failed)?;
    Ok(listener)
}
