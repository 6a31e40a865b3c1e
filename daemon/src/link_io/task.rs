//! The loop: wait for anything, give it to the Responder, do what the Responder wants.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use l2::Responder;
use l2::responder::{Action, AddressState, Config, Event, Fence, Received};
use tracing::{debug, info, trace, warn};

use super::groups::Groups;
use super::interfaces::Interfaces;
use super::sockets::Sockets;
use super::view::{IoCounters, LinkReport, LinkView, OtherOwner};
use super::{Command, Inbox};
use crate::clock::{now, sleep_until};
use crate::net::filter::{Protocol, SNAP_LENGTH};

/// Frames that are read before anything else is looked at.
pub const MAX_BATCH: usize = 64;

/// The Responder at work.
pub struct LinkTask {
    responder: Responder,
    sockets: Sockets,
    groups: Groups,
    /// As it was last handed to the Responder.
    interfaces: Arc<Interfaces>,
    view: LinkView,
    /// Something in the view is not told yet.
    is_news: bool,
    io: IoCounters,
    buffer: Vec<u8>,
}

/// Why the task wakes up.
enum Wake {
    Timer,
    Changed,
    Command(Option<Command>),
    Frames(Protocol),
}

impl LinkTask {
    /// A task that has not begun.
    pub fn new(config: Config) -> LinkTask {
        // Seeds the jitter only; the keys of a RandomState are random.
        let entropy = RandomState::new().build_hasher().finish();
        LinkTask {
            responder: Responder::new(config, entropy),
            sockets: Sockets::default(),
            groups: Groups::default(),
            interfaces: Arc::default(),
            view: LinkView::default(),
            is_news: false,
            io: IoCounters::default(),
            buffer: vec![0; SNAP_LENGTH],
        }
    }

    /// Runs until nobody is left to ask for it.
    pub async fn run(mut self, inbox: &mut Inbox) {
        inbox.mark_changed();
        loop {
            let wake = self.wait(inbox).await;
            // What was handed in together is taken together, whatever woke the task.
            self.take_inputs(inbox);
            match wake {
                Wake::Timer => self.timeout(inbox),
                Wake::Changed => {}
                Wake::Command(None) => break,
                Wake::Command(Some(command)) => self.command(command),
                Wake::Frames(protocol) => self.receive(protocol),
            }
            self.settle();
            self.tell(inbox);
        }
    }

    /// Waits for whatever comes first. Cancel-safe, as what loses the race takes nothing with it.
    async fn wait(&self, inbox: &mut Inbox) -> Wake {
        let due = [
            self.responder.poll_timeout(),
            self.sockets.due(),
            self.groups.due(),
        ];
        let deadline = due.into_iter().flatten().min();
        tokio::select! {
            () = sleep_until(deadline) => Wake::Timer,
            Ok(()) = inbox.addresses.changed() => { inbox.addresses.mark_changed(); Wake::Changed }
            Ok(()) = inbox.speakers.changed() => { inbox.speakers.mark_changed(); Wake::Changed }
            Ok(()) = inbox.fence.changed() => { inbox.fence.mark_changed(); Wake::Changed }
            Ok(()) = inbox.interfaces.changed() => { inbox.interfaces.mark_changed(); Wake::Changed }
            command = inbox.commands.recv() => Wake::Command(command),
            protocol = self.sockets.readable() => Wake::Frames(protocol),
        }
    }

    /// Takes all inputs that are news. The fence is the last: what opens must hold what is so now.
    fn take_inputs(&mut self, inbox: &mut Inbox) {
        // The sender of an input that will never change again may be gone.
        if inbox.interfaces.has_changed().unwrap_or(false) {
            let interfaces = inbox.interfaces.borrow_and_update().clone();
            self.set_interfaces(interfaces.unwrap_or_default());
        }
        if inbox.speakers.has_changed().unwrap_or(false) {
            let speakers = Arc::clone(&inbox.speakers.borrow_and_update());
            self.responder.set_speakers(now(), &speakers);
        }
        if inbox.addresses.has_changed().unwrap_or(false) {
            let addresses = Arc::clone(&inbox.addresses.borrow_and_update());
            self.sockets.listen_to(now(), addresses.keys());
            self.view.refused = self.responder.set_addresses(now(), &addresses).into();
            self.forget();
            self.set_fence(inbox);
        }
        if inbox.fence.has_changed().unwrap_or(false) {
            self.set_fence(inbox);
        }
    }

    /// Without its sockets the Responder may not claim anything.
    fn set_fence(&mut self, inbox: &mut Inbox) {
        let fence = *inbox.fence.borrow_and_update();
        let fence = match self.sockets.are_open() {
            true => fence,
            false => Fence::Closed,
        };
        self.responder.answers_until(now(), fence);
    }

    fn set_interfaces(&mut self, interfaces: Arc<Interfaces>) {
        let by_index = |interfaces: &Interfaces| -> BTreeMap<u32, u64> {
            let all = interfaces.list.iter().map(|one| one.index);
            let moves = |index| interfaces.moves.get(&index).copied().unwrap_or(0);
            all.map(|index| (index, moves(index))).collect()
        };
        let (before, after) = (by_index(&self.interfaces), by_index(&interfaces));
        self.groups.retain(|index| after.contains_key(&index));
        self.view.interfaces_left_out = self.responder.set_interfaces(now(), &interfaces.list);
        for (interface, moves) in &after {
            if before.get(interface).is_some_and(|before| before != moves) {
                info!(
                    interface,
                    "the link has moved: addresses are announced anew"
                );
                let event = Event::NotifyPeers {
                    interface: *interface,
                };
                self.responder.handle(now(), event);
            }
        }
        self.interfaces = interfaces;
        self.forget();
    }

    /// Drops from the view what the Responder no longer has.
    fn forget(&mut self) {
        let gone = |(address, interface): &(IpAddr, u32)| {
            self.responder.state(*interface, *address).is_none()
        };
        self.is_news = true;
        let states: Vec<_> = self
            .view
            .states
            .keys()
            .filter(|at| gone(at))
            .copied()
            .collect();
        for at in states {
            self.view.states.remove(&at);
            self.view.other_owners.remove(&at);
        }
    }

    fn timeout(&mut self, inbox: &mut Inbox) {
        let now = now();
        self.groups.retry(now);
        if self.sockets.due().is_some() {
            self.sockets.retry(now);
            self.set_fence(inbox);
        }
        self.responder.handle_timeout(now);
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Announce(address) => self.responder.handle(now(), Event::Announce(address)),
            Command::Report(reply) => {
                let report = LinkReport {
                    addresses: self.responder.addresses().collect(),
                    counters: self.responder.counters(),
                    io: IoCounters {
                        dropped: self.sockets.dropped(),
                        groups_missing: self.groups.missing() as u64,
                        ..self.io
                    },
                    sockets: self.sockets.count(),
                };
                // Whoever asked may have gone.
                let _ = reply.send(report);
            }
        }
    }

    fn receive(&mut self, protocol: Protocol) {
        self.io.wakes += 1;
        for _ in 0..MAX_BATCH {
            let received = match self.sockets.receive(protocol, &mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // An interface went down, or the kernel has no memory for this frame.
                    debug!(%error, "a frame could not be read");
                    continue;
                }
            };
            self.io.received += 1;
            let frame = self.buffer.get(..received.length).unwrap_or_default();
            trace!(
                interface = received.interface,
                vlan = received.vlan,
                ?frame,
                "received"
            );
            let received = Received {
                interface: received.interface,
                vlan: received.vlan,
                frame,
            };
            self.responder.receive(now(), received);
        }
    }

    /// Does all that the Responder wants done: groups first, then frames.
    fn settle(&mut self) {
        while let Some(action) = self.responder.poll_action() {
            self.act(action);
        }
        // The time is asked for each frame: the process may be frozen between any two, and the
        // fence must hold for what comes after. At most MAX_QUEUE.
        while let Some(transmit) = self.responder.poll_transmit(now()) {
            trace!(interface = transmit.interface, frame = ?transmit.frame, "sent");
            match self.sockets.send(transmit.interface, &transmit.frame) {
                Ok(()) => self.io.sent += 1,
                // Whoever asked does so again, and an announcement is repeated.
                Err(error) => {
                    self.io.unsent += 1;
                    debug!(interface = transmit.interface, %error, "a frame could not be sent");
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        self.is_news = true;
        match action {
            Action::JoinGroup { interface, group } => self.groups.join(now(), interface, group),
            Action::LeaveGroup { interface, group } => self.groups.leave(interface, group),
            Action::State {
                address,
                interface,
                state,
            } => {
                log(address, interface, state);
                self.view.states.insert((address, interface), state);
            }
            Action::OtherOwner {
                address,
                interface,
                by,
            } => {
                debug!(%address, interface, %by, "another speaker claims the address");
                let owner = OtherOwner { by, at: now() };
                self.view.other_owners.insert((address, interface), owner);
            }
        }
    }

    fn tell(&mut self, inbox: &Inbox) {
        let trouble = self.sockets.trouble();
        if self.view.trouble.as_deref() != trouble {
            self.view.trouble = trouble.map(Arc::from);
            self.is_news = true;
        }
        if mem::take(&mut self.is_news) {
            inbox.view.send_replace(self.view.clone());
        }
    }
}

fn log(address: IpAddr, interface: u32, state: AddressState) {
    match state {
        AddressState::Contested { by } => {
            warn!(%address, interface, %by, "a stranger claims the address; it is defended");
        }
        AddressState::Quarantined { by } => {
            warn!(%address, interface, %by, "a stranger has the address; it is not answered for");
        }
        AddressState::OwnAddress => {
            warn!(%address, interface, "an interface of this node has the address itself");
        }
        AddressState::Fenced
        | AddressState::InterfaceDown
        | AddressState::Probing
        | AddressState::Claimed => debug!(%address, interface, ?state, "address"),
    }
}
