//! The demonstration itself: what is done when, and what is seen of it.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bgp::fsm::StateName;
use bgp::peer::StopReason;
use bgp::{Asn, RouteSet};
use plan::World;
use plan::alloc::allocate;
use plan::world::{ObjectName, PeerAsn};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;

use super::event::{Change, Event, SeenAt, Timed};
use super::held::{self, Rib};
use super::router::Router;
use super::screen::Screen;
use super::speaker::NextHop;
use super::{Args, manifests, speaker};
use crate::clock::sleep_until;
use crate::peer_io::{self, Notice, PeerHandle};

/// Between two scenes, so that a person can follow. Less where there is little time.
const PAUSE: Duration = Duration::from_secs(2);
/// Between two pictures of a table where nothing happens.
const REDRAW: Duration = Duration::from_millis(250);
/// Between two looks at our own Adj-RIB-Out, which gives no notice.
const LOOK: Duration = Duration::from_millis(1);
/// The sessions have so long to say goodbye.
const GOODBYE: Duration = Duration::from_millis(1_500);

/// Plays until the time is over or somebody ends it. Gives whether that is a success: the session
/// came up, or the user did not wait for it.
///
/// # Errors
/// The output is closed, or there is no socket to be had.
pub(super) async fn play<W: Write>(args: &Args, screen: &mut Screen<W>) -> io::Result<bool> {
    let began = Instant::now();
    let world = manifests::world().map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        io::Error::other(texts.join("\n"))
    })?;
    let (world, router) = with_router(world, args).await?;
    let allocation = allocate(&world);
    let mut show = Show { screen, began };
    show.pools(&world)?;
    show.assignments(&world, &allocation)?;
    let world = world.with(&allocation);
    let peer = world.peers.get(manifests::PEER).ok_or_else(unusable)?;
    show.router(peer, router.is_some())?;
    show.session(StateName::Idle, None)?;
    let next_hop = match router {
        Some(_) => NextHop::Node,
        None => NextHop::Session,
    };
    let desired = speaker::desired(&world, next_hop).ok_or_else(unusable)?;
    let (session, notices, task) = peer_io::spawn_with_notices(desired.spec);
    let pause = args.time.map_or(PAUSE, |time| PAUSE.min(time / 5));
    let mut stage = Stage {
        notices,
        session: session.clone(),
        router,
        routes: desired.routes,
        next_hop,
        world,
        failing: manifests::failing_service(),
        rib: Rib::new(),
        state: StateName::Idle,
        down: None,
        established: false,
        scene: Scene::Waiting,
        changed: None,
        failovers: 0,
        pause,
        show,
    };
    session.set_routes(Arc::clone(&stage.routes), Instant::now().into_std());
    let ended = stage.run(args.time.map(|time| began + time)).await;
    let success = stage.established || matches!(ended, Ok(End::ByUser));
    let router = stage.router.take();
    let goodbye = async {
        let text = "herald demo ends".to_owned();
        session.stop(StopReason::AdministrativeShutdown(text)).await;
        // A task that has failed has logged so.
        let _ = task.await;
        if let Some(router) = router {
            router.stop().await;
        }
    };
    // What does not end in time ends with the process.
    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    ended.map(|_| success)
}

fn unusable() -> io::Error {
    io::Error::other("the sample BGPPeer cannot be used")
}

/// The World with a router at the BGPPeer's address: the user's, or one that is started here.
async fn with_router(world: World, args: &Args) -> io::Result<(World, Option<Router>)> {
    if let Some(address) = args.router {
        return Ok((
            manifests::with_router(world, address, args.router_asn),
            None,
        ));
    }
    let peer = world.peers.get(manifests::PEER).ok_or_else(unusable)?;
    let asn = match (args.router_asn, peer.peer_asn) {
        (Some(asn), _) | (None, PeerAsn::Exactly(asn)) => Asn::new(asn),
        (None, PeerAsn::Internal | PeerAsn::External) => Asn::new(peer.my_asn),
    };
    let (Some(asn), Some(own)) = (asn, Asn::new(peer.my_asn)) else {
        return Err(unusable());
    };
    let (router, address) = Router::start(asn, own).await?;
    Ok((
        manifests::with_router(world, address, Some(asn.get())),
        Some(router),
    ))
}

/// Who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    ByTime,
    ByUser,
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// The session is not Established.
    Waiting,
    /// All is well until then.
    Steady(Instant),
    /// The endpoint is gone until then.
    Gone(Instant),
}

/// Everything that takes part.
struct Stage<'a, W: Write> {
    session: PeerHandle,
    notices: broadcast::Receiver<Notice>,
    router: Option<Router>,
    /// With every Service's endpoints and addresses.
    world: World,
    failing: ObjectName,
    /// What is to be advertised now.
    routes: Arc<RouteSet>,
    next_hop: NextHop,
    /// What was seen last.
    rib: Rib,
    state: StateName,
    /// Why the session went down, until its state is shown.
    down: Option<String>,
    /// It was, once.
    established: bool,
    scene: Scene,
    /// When the endpoints changed, until that is seen.
    changed: Option<Instant>,
    failovers: u32,
    pause: Duration,
    show: Show<'a, W>,
}

/// Why the stage wakes up.
enum Wake {
    Session(Result<Notice, RecvError>),
    Router,
    Scene,
    Look,
    Redraw,
    End(End),
}

impl<W: Write> Stage<'_, W> {
    async fn run(&mut self, deadline: Option<Instant>) -> io::Result<End> {
        let mut end = std::pin::pin!(end(deadline));
        self.show.draw()?;
        loop {
            let (looks_often, scene_ends) = (self.looks_often(), self.scene.ends());
            let redraws = self.show.screen.is_table();
            // What the session says comes before what it leads to at the router.
            let wake = tokio::select! {
                biased;
                ended = end.as_mut() => Wake::End(ended?),
                notice = self.notices.recv() => Wake::Session(notice),
                () = router_notice(&mut self.router) => Wake::Router,
                () = sleep_until(scene_ends.map(Instant::into_std)) => Wake::Scene,
                () = tokio::time::sleep(LOOK), if looks_often => Wake::Look,
                () = tokio::time::sleep(REDRAW), if redraws => Wake::Redraw,
            };
            match wake {
                Wake::Session(notice) => {
                    self.session_notice(notice)?;
                    self.look().await?;
                }
                Wake::Router | Wake::Look => self.look().await?,
                Wake::Scene => self.next_scene()?,
                Wake::Redraw => {}
                Wake::End(ended) => {
                    let established = self.state == StateName::Established;
                    let (routes, failovers) = (self.rib.len(), self.failovers);
                    self.show.event(Event::End {
                        established,
                        routes,
                        failovers,
                    })?;
                    self.show.draw()?;
                    return Ok(ended);
                }
            }
            self.show.draw()?;
        }
    }

    /// Whether our Adj-RIB-Out has to be asked, as no router of ours gives notice.
    fn looks_often(&self) -> bool {
        let same = self.routes.len() == self.rib.len() && self.changed.is_none();
        self.router.is_none() && self.state == StateName::Established && !same
    }

    fn session_notice(&mut self, notice: Result<Notice, RecvError>) -> io::Result<()> {
        match notice {
            Ok(Notice::State(state)) => {
                self.state = state;
                self.show.session(state, self.down.take())?;
                match (state, self.scene) {
                    (StateName::Established, Scene::Waiting) => {
                        self.established = true;
                        self.scene = Scene::Steady(Instant::now() + self.pause);
                    }
                    (StateName::Established, Scene::Steady(_) | Scene::Gone(_)) => {}
                    (_, scene) => {
                        self.scene = Scene::Waiting;
                        if let Scene::Gone(_) = scene {
                            self.set_usable(true)?;
                        }
                    }
                }
            }
            Ok(Notice::Down(reason)) => self.down = Some(reason),
            // Each says something newer that is asked for anyway.
            Ok(Notice::Up | Notice::Received) | Err(RecvError::Lagged(_) | RecvError::Closed) => {}
        }
        Ok(())
    }

    fn next_scene(&mut self) -> io::Result<()> {
        let until = Instant::now() + self.pause;
        match self.scene {
            Scene::Waiting => return Ok(()),
            Scene::Steady(_) => {
                self.set_usable(false)?;
                self.scene = Scene::Gone(until);
            }
            Scene::Gone(_) => {
                self.set_usable(true)?;
                self.scene = Scene::Steady(until);
            }
        }
        Ok(())
    }

    /// The endpoint of the failing Service goes away or comes back: a round of the plan.
    fn set_usable(&mut self, usable: bool) -> io::Result<()> {
        let service = self.failing.to_string();
        self.show.event(Event::Endpoints { service, usable })?;
        self.changed = Some(Instant::now());
        let world = match usable {
            true => self.world.clone(),
            false => manifests::without_endpoints(self.world.clone(), &self.failing),
        };
        let desired = speaker::desired(&world, self.next_hop);
        self.routes = desired.map(|desired| desired.routes).unwrap_or_default();
        self.session
            .set_routes(Arc::clone(&self.routes), Instant::now().into_std());
        Ok(())
    }

    /// Looks at what is held, and shows what is new.
    async fn look(&mut self) -> io::Result<()> {
        let (seen_at, rib) = match &self.router {
            Some(router) => (SeenAt::Router, router.rib().await),
            None => {
                let report = self.session.status().await;
                let rib = report.and_then(|report| held::adj_rib_out(&self.routes, &report.status));
                (SeenAt::AdjRibOut, rib)
            }
        };
        let Some(rib) = rib else {
            return Ok(());
        };
        let seen = Instant::now();
        let before = std::mem::replace(&mut self.rib, rib);
        for prefix in before
            .keys()
            .filter(|prefix| !self.rib.contains_key(prefix))
        {
            let services = speaker::services_of(prefix, &self.world);
            let after_ms = after(&mut self.changed, seen, &services, &self.failing);
            let prefix = *prefix;
            let change = Change {
                prefix,
                services,
                seen_at,
                after_ms,
            };
            self.show.event(Event::Withdrawn(change))?;
        }
        for (prefix, held) in &self.rib {
            let known = before.get(prefix);
            if known.is_none() {
                let services = speaker::services_of(prefix, &self.world);
                let after_ms = after(&mut self.changed, seen, &services, &self.failing);
                self.failovers += u32::from(after_ms.is_some());
                let prefix = *prefix;
                let change = Change {
                    prefix,
                    services,
                    seen_at,
                    after_ms,
                };
                self.show.event(Event::Announced(change))?;
            }
            if known != Some(held) {
                self.show.event(Event::Route(held.clone()))?;
            }
        }
        Ok(())
    }
}

/// How long ago the endpoints changed, where the failing Service is behind the prefix and that has
/// not been seen before.
fn after(
    changed: &mut Option<Instant>,
    seen: Instant,
    services: &[String],
    failing: &ObjectName,
) -> Option<f64> {
    let failing = failing.to_string();
    let changed = services
        .contains(&failing)
        .then(|| changed.take())
        .flatten()?;
    let microseconds = seen.saturating_duration_since(changed).as_micros();
    // Whole microseconds of a demonstration fit a float exactly.
    Some(microseconds as f64 / 1_000.0)
}

impl Scene {
    fn ends(self) -> Option<Instant> {
        match self {
            Scene::Waiting => None,
            Scene::Steady(until) | Scene::Gone(until) => Some(until),
        }
    }
}

/// Something may have changed at the embedded router. Never, where there is none.
async fn router_notice(router: &mut Option<Router>) {
    let Some(router) = router else {
        return std::future::pending().await;
    };
    if let Err(RecvError::Closed) = router.notices.recv().await {
        std::future::pending().await
    }
}

/// The deadline, Ctrl-C, or a request to terminate.
async fn end(deadline: Option<Instant>) -> io::Result<End> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        () = sleep_until(deadline.map(Instant::into_std)) => Ok(End::ByTime),
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| End::ByUser),
        _ = terminate.recv() => Ok(End::ByUser),
        _ = hang_up.recv() => Ok(End::ByUser),
    }
}

/// The screen, with the time.
struct Show<'a, W: Write> {
    screen: &'a mut Screen<W>,
    began: Instant,
}

impl<W: Write> Show<'_, W> {
    fn at_ms(&self) -> u64 {
        // Half a billion years.
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn event(&mut self, event: Event) -> io::Result<()> {
        let at_ms = self.at_ms();
        self.screen.event(&Timed { event, at_ms })
    }

    fn draw(&mut self) -> io::Result<()> {
        let at_ms = self.at_ms();
        self.screen.draw(at_ms, super::size())
    }

    fn pools(&mut self, world: &World) -> io::Result<()> {
        for pool in world.pools.values() {
            self.event(Event::Pool {
                name: pool.name.to_string(),
                addresses: pool.ranges.iter().map(manifests::range).collect(),
                auto_assign: pool.auto_assign,
            })?;
        }
        Ok(())
    }

    fn assignments(&mut self, world: &World, allocation: &plan::Allocation) -> io::Result<()> {
        for service in world.services.values() {
            let held = allocation.of(service);
            let service = service.name.to_string();
            let event = match held.pool {
                Some(pool) => {
                    let addresses = held.addresses.to_vec();
                    Event::Assigned {
                        service,
                        addresses,
                        pool: pool.to_string(),
                    }
                }
                None => Event::Unassigned {
                    service,
                    reason: held.outcome.to_string(),
                },
            };
            self.event(event)?;
        }
        Ok(())
    }

    fn router(&mut self, peer: &plan::world::BgpPeer, embedded: bool) -> io::Result<()> {
        let asn = match peer.peer_asn {
            PeerAsn::Exactly(asn) => asn,
            PeerAsn::Internal | PeerAsn::External => peer.my_asn,
        };
        let address = (peer.address, peer.port).into();
        self.event(Event::Router {
            address,
            asn,
            embedded,
        })
    }

    fn session(&mut self, state: StateName, reason: Option<String>) -> io::Result<()> {
        let peer = manifests::PEER.to_owned();
        self.event(Event::Session {
            peer,
            state,
            reason,
        })
    }
}
