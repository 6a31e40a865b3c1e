//! The tasks of L2 mode: the member among speakers, the Responder, and what is between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use controller::kube::speakers::{self, Heard, Hearings, Speakers};
use l2::MacAddr;
use l2::responder::{AddressSet, Fence};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::keys::Keys;
use super::{Cluster, LinksView, Options, neighbors};
use crate::clock::now;
use crate::link_io::interfaces::{self, EXCLUDED, Interfaces};
use crate::link_io::{self, LinkHandle, LinkView};
use crate::membership::{
    Addresses, Config, Facts, Keyring, Live, Membership, MembershipHandle, Standing,
};

/// Running tasks; they end with it.
pub struct Mode {
    link: LinkHandle,
    membership: MembershipHandle,
    peers: watch::Sender<Option<Arc<Addresses>>>,
    interfaces: watch::Receiver<Option<Arc<Interfaces>>>,
    live: watch::Receiver<Option<Arc<Live>>>,
    standing: watch::Receiver<Standing>,
    fence: watch::Receiver<Fence>,
    view: watch::Receiver<LinkView>,
    speakers: watch::Receiver<Arc<Speakers>>,
    hearings: Option<watch::Receiver<Hearings>>,
    liveness: bool,
    /// What was last told to the others.
    told: Facts,
    /// What ends with it.
    tasks: Vec<JoinHandle<()>>,
}

impl Mode {
    /// Begins. `speakers` is what these last said of themselves.
    pub fn begin(
        me: &str,
        options: &Options,
        mut keys: watch::Receiver<Keys>,
        cluster: Option<&Cluster>,
        speakers: Arc<Speakers>,
    ) -> Result<Mode, String> {
        let (peers, of_peers) = watch::channel(None);
        let membership = match options.liveness {
            true => {
                let known = keys.borrow_and_update().clone()?;
                let (newest, of_keys) = watch::channel(known);
                tokio::spawn(follow(keys, newest));
                let member = Membership::bind(Config::default(), me, options.membership);
                let member = member.map_err(|error| {
                    format!(
                        "cannot hear other speakers at UDP {}: {error}; free the port, or set \
                         --membership",
                        options.membership
                    )
                })?;
                member.spawn(of_peers, of_keys).0
            }
            false => MembershipHandle::off(),
        };
        let interfaces = interfaces::spawn(EXCLUDED);
        let (link, _) = link_io::spawn(options.responder.clone(), interfaces.clone());
        let mut tasks = vec![tokio::spawn(hand_on(membership.fence(), link.clone()))];
        if options.liveness {
            let (standing, peers) = (membership.standing(), peers.subscribe());
            let asks = neighbors::ask(Arc::from(me), standing, interfaces.clone(), peers);
            tasks.push(tokio::spawn(asks));
        }
        info!(liveness = options.liveness, "pools are in L2 mode");
        let (speakers, hearings) = match cluster {
            Some(cluster) => {
                let Heard { speakers, hearings } =
                    speakers::hear(&cluster.client, &cluster.namespace, speakers);
                (speakers, Some(hearings))
            }
            None => (watch::channel(speakers).1, None),
        };
        Ok(Mode {
            speakers,
            hearings,
            view: link.view(),
            live: membership.live(),
            standing: membership.standing(),
            fence: membership.fence(),
            liveness: options.liveness,
            told: Facts::default(),
            link,
            membership,
            peers,
            interfaces,
            tasks,
        })
    }

    /// All that is known now; not the elections.
    pub fn see(&mut self) -> LinksView {
        let interfaces = self.interfaces.borrow_and_update().clone();
        if let Some(interfaces) = &interfaces {
            self.tell(interfaces);
        }
        let link = self.view.borrow_and_update().clone();
        self.fence.borrow_and_update();
        LinksView {
            trouble: link.trouble.clone(),
            task: Some(self.link.clone()),
            hearings: self.hearings.clone(),
            link,
            interfaces,
            live: self.live.borrow_and_update().clone(),
            standing: self.liveness.then(|| *self.standing.borrow_and_update()),
            ..LinksView::default()
        }
    }

    /// Tells the others of this node's interfaces.
    fn tell(&mut self, interfaces: &Interfaces) {
        let usable = interfaces
            .usable()
            .map(|one| (Arc::clone(&one.name), one.mac));
        let (facts, left_out) = Facts::new(usable);
        if facts == self.told {
            return;
        }
        if left_out > 0 {
            warn!(left_out, "other speakers are not told of all interfaces");
        }
        self.membership.publish(facts.clone());
        self.told = facts;
    }

    /// Waits for any change of what [`Mode::see`] returns, or of whether the fence is open.
    /// Cancel-safe.
    pub async fn changed(&mut self) {
        let was_open = self.fence.borrow().is_open(now());
        let fence = self
            .fence
            .wait_for(|fence| fence.is_open(now()) != was_open);
        // A sender that is gone says nothing new; the others do.
        tokio::select! {
            Ok(()) = self.interfaces.changed() => self.interfaces.mark_changed(),
            Ok(()) = self.live.changed() => self.live.mark_changed(),
            Ok(()) = self.standing.changed() => self.standing.mark_changed(),
            Ok(()) = self.speakers.changed() => self.speakers.mark_changed(),
            Ok(()) = self.view.changed() => self.view.mark_changed(),
            Ok(_) = fence => {}
            else => std::future::pending().await,
        }
    }

    /// What speakers say of themselves.
    pub fn speakers(&mut self) -> Arc<Speakers> {
        Arc::clone(&self.speakers.borrow_and_update())
    }

    /// How every address is.
    pub fn view(&self) -> LinkView {
        self.view.borrow().clone()
    }

    /// Until when this node may answer.
    pub fn fence(&self) -> Fence {
        *self.fence.borrow()
    }

    /// Who may speak to this one.
    pub fn set_peers(&self, peers: Addresses) {
        self.peers.send_if_modified(|known| {
            let is_news = known.as_deref() != Some(&peers);
            if is_news {
                *known = Some(Arc::new(peers));
            }
            is_news
        });
    }

    /// Hands what is to be answered for to the task, and who is no stranger.
    pub fn hold(
        &self,
        addresses: Arc<AddressSet>,
        announce: &[IpAddr],
        macs: &BTreeMap<Arc<str>, BTreeSet<MacAddr>>,
    ) {
        let speakers: BTreeSet<MacAddr> = macs.values().flatten().copied().collect();
        self.link.set_speakers(Arc::new(speakers));
        self.link.set_addresses(addresses);
        for address in announce {
            if !self.link.announce(*address) {
                warn!(%address, "another speaker claims it; there was no room to announce it anew");
            }
        }
    }

    /// Tells the others that this node is in service again.
    pub fn is_back_in_service(&self) {
        self.membership.is_back_in_service();
    }

    /// Tells the others that this node goes.
    pub async fn leave(&self) {
        self.membership.leave().await;
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Hands on the keys as they change.
async fn follow(mut keys: watch::Receiver<Keys>, newest: watch::Sender<Keyring>) {
    let changed = async {
        while keys.changed().await.is_ok() {
            if let Ok(known) = &*keys.borrow_and_update() {
                newest.send_replace(known.clone());
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        () = newest.closed() => {}
        () = changed => {}
    }
}

/// The fence takes effect without a round between.
async fn hand_on(mut fence: watch::Receiver<Fence>, link: LinkHandle) {
    loop {
        let now = *fence.borrow_and_update();
        link.set_fence(now);
        if fence.changed().await.is_err() {
            // Its last word holds.
            return std::future::pending().await;
        }
    }
}
