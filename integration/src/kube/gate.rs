//! A proxy between one client and the API server, which counts requests and answers some itself.
//!
//! What a real server does only under load, or once in a while, a test gets here on request: 429,
//! 5xx, a watch that ends with 410, silence, and broken connections. Everything else goes through.

mod serve;

use std::collections::VecDeque;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ureq::Body;
use ureq::http::Response;

use super::client::Client;
use super::{ADDRESS_V4, ControlPlane, access};

/// How many requests are remembered, the latest.
const REMEMBERED: usize = 100_000;
/// Between two looks for a new connection.
const PAUSE: Duration = Duration::from_millis(5);

/// What the gate does in place of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers with a `Status` of that code and reason, and where given with `Retry-After` in
    /// seconds.
    Status(u16, &'static str, Option<u32>),
    /// Answers a watch with 200 and one ERROR event of that code and reason, then ends it.
    WatchError(u16, &'static str),
    /// Never answers; the connection stays open.
    Silence,
    /// Closes the connection without an answer.
    Cut,
}

/// `410 Gone`, as a watch gets it whose resourceVersion is too old.
pub const EXPIRED: Fault = Fault::WatchError(410, "Expired");

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// GET, PATCH and so on.
    pub method: String,
    /// The path with its query.
    pub path: String,
}

impl Seen {
    /// Whether it asks for changes as they come.
    pub fn is_watch(&self) -> bool {
        self.path.contains("watch=1") || self.path.contains("watch=true")
    }
}

/// Which requests a fault is for.
type Filter = Box<dyn Fn(&Seen) -> bool + Send>;

/// A gate that is open until dropped. It speaks HTTP without TLS, and every request through it is
/// made by the one user that it was opened for.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    state: Arc<State>,
    accepter: Option<JoinHandle<()>>,
}

struct State {
    /// On connections of its own, which end with those that they are for.
    client: Mutex<Client>,
    closed: AtomicBool,
    rules: Mutex<Rules>,
    /// The client's that are open now.
    connections: Mutex<Vec<TcpStream>>,
}

#[derive(Default)]
struct Rules {
    seen: VecDeque<Seen>,
    /// A fault, its requests, and how many more of them.
    faults: Vec<(Fault, Filter, usize)>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl Gate {
    /// Opens one on the nodes' network for the administrator.
    pub fn open(control_plane: &ControlPlane) -> Gate {
        Gate::open_for(control_plane, control_plane.client())
    }

    /// Opens one for a ServiceAccount ([`ControlPlane::client_as`]).
    pub fn open_as(control_plane: &ControlPlane, namespace: &str, account: &str) -> Gate {
        Gate::open_for(control_plane, &control_plane.client_as(namespace, account))
    }

    fn open_for(control_plane: &ControlPlane, client: &Client) -> Gate {
        let listener = control_plane
            .netns()
            .enter(|| TcpListener::bind((ADDRESS_V4, 0)))
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        let listener = listener.unwrap_or_else(|error| panic!("gate: {error}"));
        let address = listener.local_addr();
        let state = Arc::new(State {
            client: Mutex::new(client.on_new_connections()),
            closed: AtomicBool::new(false),
            rules: Mutex::default(),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&state);
        Gate {
            address: address.unwrap_or_else(|error| panic!("gate: {error}")),
            state,
            accepter: Some(std::thread::spawn(move || accept(&listener, &accepting))),
        }
    }

    /// A kubeconfig through the gate. There is no token in it: clients of Go send none without TLS,
    /// so the gate adds it.
    pub fn kubeconfig(&self, control_plane: &ControlPlane) -> PathBuf {
        let user = format!("gate-{}", self.address.port());
        access::write_kubeconfig(control_plane.folder(), &user, &self.server(), None, "")
    }

    /// A client through the gate.
    pub fn client(&self) -> Client {
        self.state.client().through(&self.server())
    }

    fn server(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, a fault for each request that the filter picks, until [`Gate::heal`].
    pub fn fail(&self, fault: Fault, filter: impl Fn(&Seen) -> bool + Send + 'static) {
        self.fail_times(usize::MAX, fault, filter);
    }

    /// As [`Gate::fail`], for that many requests.
    pub fn fail_times(
        &self,
        times: usize,
        fault: Fault,
        filter: impl Fn(&Seen) -> bool + Send + 'static,
    ) {
        self.state
            .rules()
            .faults
            .push((fault, Box::new(filter), times));
    }

    /// All requests go through again. Those that got silence stay without an answer.
    pub fn heal(&self) {
        self.state.rules().faults.clear();
    }

    /// Closes all connections: open watches break. New ones are welcome.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// The requests there have been, oldest first; of very many, the latest.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.rules().seen.iter().cloned().collect()
    }

    /// Forgets the requests there have been.
    pub fn forget(&self) {
        self.state.rules().seen.clear();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::Relaxed);
        if let Some(accepter) = self.accepter.take() {
            // It cannot panic.
            let _ = accepter.join();
        }
        self.state.cut();
    }
}

impl State {
    fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What the API server answers to a request.
    fn upstream(&self, request: &serve::Incoming) -> Result<Response<Body>, ureq::Error> {
        let client = self.client().clone();
        client.pass(
            &request.method,
            &request.path,
            &request.headers,
            &request.body,
        )
    }

    fn cut(&self) {
        let mut client = self.client();
        let new = client.on_new_connections();
        std::mem::replace(&mut *client, new).close();
        drop(client);
        for connection in self.connections().drain(..) {
            // One that is closed already is as wanted.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Remembers a request; what to do about it.
    fn judge(&self, request: Seen) -> Option<Fault> {
        let mut rules = self.rules();
        let found = rules
            .faults
            .iter_mut()
            .find(|(_, filter, times)| *times > 0 && filter(&request));
        let fault = found.map(|(fault, _, times)| {
            *times -= 1;
            *fault
        });
        if rules.seen.len() == REMEMBERED {
            rules.seen.pop_front();
        }
        rules.seen.push_back(request);
        fault
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    while !state.closed.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(PAUSE);
            continue;
        };
        let ready = stream
            .set_nonblocking(false)
            .and_then(|()| stream.try_clone());
        let Ok(copy) = ready else { continue };
        state.connections().push(copy);
        let state = Arc::clone(state);
        std::thread::spawn(move || {
            // An end of either side ends the connection; the client sees it.
            let _ = serve::connection(&stream, &state);
            let _ = stream.shutdown(Shutdown::Both);
            let address = stream.peer_addr().ok();
            state
                .connections()
                .retain(|open| open.peer_addr().ok() != address);
        });
    }
}
