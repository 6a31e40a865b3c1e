//! ARP and NDP: one task owns the [`l2::Responder`], its raw sockets, and gives it time and frames.
//!
//! Nothing here decides anything about the protocol. A raw socket is open for ARP while there are
//! IPv4 addresses to answer for, and for NDP while there are IPv6 ones; without any there is none.
//! While a socket that is needed cannot be opened, the Responder is told that its fence is closed:
//! what cannot be defended is not claimed.
//!
//! Bounds: a queue of [`MAX_COMMANDS`]; the latest value of every input only; one frame of input; a
//! batch of [`task::MAX_BATCH`] frames between two looks at the other inputs; what the Responder
//! holds itself ([`l2::responder::MAX_ADDRESSES`] and its siblings); [`groups::MAX_SOCKETS`].

mod groups;
pub mod interfaces;
mod sockets;
mod task;
#[cfg(test)]
mod tests;
pub mod view;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use l2::MacAddr;
use l2::responder::{AddressSet, Config, Fence};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::error;

use crate::panics::{self, Restarts};
use interfaces::Interfaces;
pub use view::{LinkReport, LinkView, OtherOwner};

/// Commands that wait for the task, at most; more are refused.
const MAX_COMMANDS: usize = 64;
/// How long the task may take to answer a question.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What is asked of the task.
enum Command {
    /// [`l2::responder::Event::Announce`].
    Announce(IpAddr),
    Report(oneshot::Sender<LinkReport>),
}

/// The running task. Clones are the same one; it ends with the last.
#[derive(Clone, Debug)]
pub struct LinkHandle {
    commands: mpsc::Sender<Command>,
    addresses: Arc<watch::Sender<Arc<AddressSet>>>,
    speakers: Arc<watch::Sender<Arc<BTreeSet<MacAddr>>>>,
    fence: Arc<watch::Sender<Fence>>,
    view: watch::Receiver<LinkView>,
}

/// The task's end of a [`LinkHandle`].
struct Inbox {
    commands: mpsc::Receiver<Command>,
    addresses: watch::Receiver<Arc<AddressSet>>,
    speakers: watch::Receiver<Arc<BTreeSet<MacAddr>>>,
    fence: watch::Receiver<Fence>,
    interfaces: watch::Receiver<Option<Arc<Interfaces>>>,
    view: watch::Sender<LinkView>,
}

/// Starts the task, with no addresses and a closed fence. It answers on `interfaces`
/// ([`interfaces::spawn`]).
///
/// # Panics
/// Outside of a tokio runtime.
pub fn spawn(
    config: Config,
    interfaces: watch::Receiver<Option<Arc<Interfaces>>>,
) -> (LinkHandle, JoinHandle<()>) {
    let (commands, command_inbox) = mpsc::channel(MAX_COMMANDS);
    let (addresses, address_inbox) = watch::channel(Arc::default());
    let (speakers, speaker_inbox) = watch::channel(Arc::default());
    let (fence, fence_inbox) = watch::channel(Fence::Closed);
    let (told, view) = watch::channel(LinkView::default());
    let inbox = Inbox {
        commands: command_inbox,
        addresses: address_inbox,
        speakers: speaker_inbox,
        fence: fence_inbox,
        interfaces,
        view: told,
    };
    let handle = LinkHandle {
        commands,
        addresses: Arc::new(addresses),
        speakers: Arc::new(speakers),
        fence: Arc::new(fence),
        view,
    };
    (handle, tokio::spawn(supervise(config, inbox)))
}

impl LinkHandle {
    /// Replaces the whole set of addresses to be answered for
    /// ([`l2::Responder::set_addresses`]).
    pub fn set_addresses(&self, addresses: Arc<AddressSet>) {
        replace(&self.addresses, addresses);
    }

    /// Replaces the link-layer addresses of the other speakers
    /// ([`l2::Responder::set_speakers`]).
    pub fn set_speakers(&self, speakers: Arc<BTreeSet<MacAddr>>) {
        replace(&self.speakers, speakers);
    }

    /// Replaces the fence ([`l2::Responder::answers_until`]). What was set before by this handle is
    /// taken before it. To close it takes effect when the task comes to it; its own end, which the
    /// task looks at before every frame, at once.
    pub fn set_fence(&self, fence: Fence) {
        replace(&self.fence, fence);
    }

    /// Announces an address anew ([`l2::responder::Event::Announce`]). Whether there was room for
    /// the command.
    pub fn announce(&self, address: IpAddr) -> bool {
        self.commands.try_send(Command::Announce(address)).is_ok()
    }

    /// How every address is, as it changes.
    pub fn view(&self) -> watch::Receiver<LinkView> {
        self.view.clone()
    }

    /// What the task says of itself; `None` if it does not answer within two seconds.
    pub async fn report(&self) -> Option<LinkReport> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.commands.send(Command::Report(reply)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWER_WITHIN, asked).await.ok()?
    }
}

/// Sets a value, and wakes its receiver only where it is a new one.
fn replace<T: PartialEq>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|current| {
        let new = *current != value;
        if new {
            *current = value;
        }
        new
    });
}

/// Runs the task; if it panics, logs that and runs it anew, ever later. Until then nothing is
/// answered, as its sockets are gone.
async fn supervise(config: Config, mut inbox: Inbox) {
    let mut restarts = Restarts::default();
    loop {
        let run = task::LinkTask::new(config.clone()).run(&mut inbox);
        let Err(panic) = panics::caught(run).await else {
            return;
        };
        let wait = restarts.wait();
        error!(
            panic,
            retry_in_s = wait.as_secs(),
            "the task for ARP and NDP failed, which is a defect; it begins again"
        );
        inbox.view.send_replace(LinkView::default());
        if inbox.ended_within(wait).await {
            return;
        }
    }
}

impl Inbox {
    /// Lets time pass; whether the last handle went meanwhile. Questions stay unanswered.
    async fn ended_within(&mut self, wait: Duration) -> bool {
        let ended = async { while self.commands.recv().await.is_some() {} };
        tokio::time::timeout(wait, ended).await.is_ok()
    }

    /// Makes everything that was handed in news.
    fn mark_changed(&mut self) {
        self.addresses.mark_changed();
        self.speakers.mark_changed();
        self.fence.mark_changed();
        self.interfaces.mark_changed();
    }
}
