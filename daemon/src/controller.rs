//! `herald controller`: assigns addresses in a cluster. Of several replicas one leads, by a Lease,
//! and only it writes.

mod reporter;
mod rounds;
mod untold;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use controller::kube::events::{self, About, Event, EventWriter};
use controller::kube::leadership::Leadership;
use controller::kube::lease::{self, Election};
use controller::kube::service_status::{
    self, Outcome, Outcomes, ServiceStatusWriter, Status, Wanted,
};
use controller::kube::speakers;
use controller::kube::{Role, Source, client};
use controller::record::Assignment;
use controller::snapshot::Snapshot;
use futures::future::OptionFuture;
use plan::alloc;
use plan::world::ObjectName;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::clock::{self, Clock};
use crate::histogram::Histogram;
use crate::links::conflicts::Conflicts;
use crate::links::{LinksView, keys};
use crate::observe::Observed;
use crate::options::{self, ClusterArgs, DaemonArgs, SharingArgs};
use crate::pace::{Pace, after};
use crate::runtime;
use crate::signals::{Heard, Signals};
use crate::view::{ProblemLog, View};
use reporter::Reporter;
use rounds::{Rounds, Write};
use untold::Untold;

/// Before a Service whose status could not be written is decided on anew.
const WRITE_AGAIN: Duration = Duration::from_secs(5);
/// How long the first list of Services waits for the election.
const ELECTED_WITHIN: Duration = Duration::from_secs(1);
/// How long a stop waits for writes that are on their way.
const SETTLE: Duration = Duration::from_secs(3);

/// Assigns addresses to the Services of a cluster. Run two or more: one leads.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// This replica's name in the Lease; the host's name (in a Pod: the Pod's) by default.
    #[arg(long, value_name = "NAME", env = "HERALD_IDENTITY")]
    identity: Option<String>,
    /// After so long without a sign of the leader another takes over; whole seconds.
    #[arg(
        long,
        value_name = "DURATION",
        env = "HERALD_LEASE_DURATION",
        default_value = "15s",
        value_parser = options::duration
    )]
    lease_duration: Duration,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    sharing: SharingArgs,
    #[command(flatten)]
    daemon: DaemonArgs,
}

/// Runs the command, until SIGTERM or SIGINT.
pub fn main(args: Args) -> ExitCode {
    runtime::run(&args.daemon.log.clone(), run(args))
}

async fn run(args: Args) -> Result<(), String> {
    // Before anything is asked of the API server: who cannot be probed must not lead.
    let listeners = args.daemon.listeners().await?;
    let identity = args.identity.map_or_else(options::host_name, Ok)?;
    let client = client::connect(args.cluster.kubeconfig.as_deref()).await?;
    let namespace = &args.cluster.namespace;
    let node: Arc<str> = identity.as_str().into();
    let (views, view) = watch::channel(Arc::new(View::empty(Arc::clone(&node))));
    let reports = view.clone();
    let config = lease::Config::new(namespace, &identity).with_lease_duration(args.lease_duration);
    let election = Election::start(client.clone(), config).map_err(|error| error.to_string())?;
    let source = Source::start(
        &client,
        Role::Controller,
        namespace,
        args.daemon.classes.options(),
        elected(election.leadership()),
    );
    let settings = service_status::Config::default();
    let writer = ServiceStatusWriter::start(client.clone(), election.fence(), settings);
    let reporter = events::Reporter {
        controller: "herald-controller",
        instance: identity,
    };
    let limits = events::Config::default();
    let events = EventWriter::start(client.clone(), election.fence(), reporter, limits);
    let events = Arc::new(events);
    let fence = election.fence();
    let reporter = Reporter::new(
        &client,
        &fence,
        namespace,
        Arc::clone(&events),
        election.leadership(),
        reports,
    );
    let mut writers = reporter.counts();
    writers.push(("Service", writer.counts().clone()));
    writers.push(("Event", events.counts().clone()));
    let until_status = Histogram::default();
    let observed = Observed::of_controller(view, election.leadership())
        .with_source(source.hearings())
        .with_writers(writers)
        .with_status_times(until_status.clone());
    let servers = listeners.serve(observed);
    let reports = tokio::spawn(reporter.run());
    tokio::spawn(keys::ensure(client.clone(), namespace.clone()));
    info!(identity = %election.identity(), %namespace, version = env!("CARGO_PKG_VERSION"), "herald assigns addresses");
    let controller = Controller {
        node,
        options: args.sharing.options(),
        clock: Clock::start(),
        writer,
        events,
        untold: Untold::default(),
        until_status,
        views,
        problems: ProblemLog::default(),
        heard: speakers::hear(&client, namespace, Arc::default()),
        conflicts: Conflicts::default(),
        rounds: None,
        done: 0,
    };
    controller.serve(&source, election).await?;
    reports.abort();
    drop(servers);
    Ok(())
}

/// Ends when it is known who leads, or soon. Where it is us, the first list of Services knows what
/// earlier leaders wrote, and no other is needed.
async fn elected(mut leadership: watch::Receiver<Leadership>) {
    let known = leadership.wait_for(|leadership| leadership.holder.is_some());
    let _ = tokio::time::timeout(ELECTED_WITHIN, known).await;
}

struct Controller {
    node: Arc<str>,
    options: alloc::Options,
    clock: Clock,
    writer: ServiceStatusWriter,
    events: Arc<EventWriter>,
    untold: Untold,
    /// From a change until it is in a Service's status.
    until_status: Histogram,
    views: watch::Sender<Arc<View>>,
    problems: ProblemLog,
    /// What speakers say of strangers on their links.
    heard: speakers::Heard,
    conflicts: Conflicts,
    /// While we lead, and know what earlier leaders wrote.
    rounds: Option<Rounds>,
    done: u64,
}

impl Controller {
    /// One round for each snapshot. What changes meanwhile is the next one.
    async fn serve(mut self, source: &Source, election: Election) -> Result<(), String> {
        let mut signals = Signals::new()?;
        let mut snapshots = source.snapshots();
        let mut leadership = election.leadership();
        leadership.mark_changed();
        // What earlier leaders wrote may not have been told yet; until it has, nothing is decided.
        let mut refreshing = None;
        let mut pace = Pace::new();
        let mut due: Option<Instant> = None;
        loop {
            tokio::select! {
                changed = after(pace.next(), snapshots.changed()) => {
                    changed.map_err(|_| "the cluster is no longer watched".to_owned())?;
                }
                changed = leadership.changed() => {
                    changed.map_err(|_| "the election has ended".to_owned())?;
                    let acquired = self.follow(&leadership.borrow_and_update());
                    refreshing = acquired.map(|acquired| Box::pin(source.refresh(acquired)));
                    continue;
                }
                Some(refreshed) = OptionFuture::from(refreshing.as_mut()) => {
                    refreshed.map_err(|_| "the cluster is no longer watched".to_owned())?;
                    refreshing = None;
                    info!("every Service is known as the API server has it: assigning");
                    self.rounds = Some(Rounds::new(self.options));
                }
                outcomes = self.writer.outcomes() => {
                    let Some(again) = self.learn(outcomes) else { continue };
                    due = due.into_iter().chain([again]).min();
                    continue;
                }
                Ok(()) = self.heard.speakers.changed() => {}
                Some(()) = OptionFuture::from(due.map(sleep_until)) => {}
                heard = signals.next() => match heard {
                    // There is nothing to read again: the API server tells of every change.
                    Heard::Reread => continue,
                    Heard::Stop => break,
                }
            }
            due = None;
            let snapshot = snapshots.borrow_and_update().clone();
            if let Some(snapshot) = snapshot {
                let since = source.changed_since();
                due = tokio::task::block_in_place(|| pace.round(|| self.round(&snapshot, since)));
            }
        }
        info!("stopping");
        // First nothing more is sent, then what is on its way ends, then another may begin.
        let resignation = election.resign().await;
        let settled = tokio::time::timeout(SETTLE, self.writer.settled()).await;
        match settled {
            Ok(()) => resignation.give_back().await,
            Err(_) => warn!("writes are still on their way: the Lease is left to run out"),
        }
        Ok(())
    }

    /// Since when we lead, if we do.
    fn follow(&mut self, leadership: &Leadership) -> Option<Instant> {
        let holder = leadership.holder.as_deref().unwrap_or("nobody");
        match leadership.is_ours() {
            true => info!("this replica leads"),
            false => info!(%holder, "this replica does not lead"),
        }
        self.rounds = None;
        leadership.acquired
    }

    /// When the next round has to be although nothing changes.
    fn round(&mut self, snapshot: &Snapshot, since: Instant) -> Option<Instant> {
        self.problems.log(&snapshot.problems);
        self.done += 1;
        let now = self.clock.now();
        let speakers = Arc::clone(&self.heard.speakers.borrow());
        let (conflicts, until) = self.conflicts.next(clock::now(), &speakers.conflicts);
        let round = self.rounds.as_mut().map(|rounds| {
            rounds.set_conflicts(conflicts);
            rounds.next(snapshot, now, self.done)
        });
        let (world, allocation) = match round {
            None => (snapshot.world.clone(), plan::Allocation::default()),
            Some(round) => {
                let writes = round.writes.into_iter();
                let wanted: BTreeMap<_, _> = writes
                    .map(|(name, write)| self.wanted(snapshot, name, write, since))
                    .collect();
                self.writer.submit(wanted);
                (round.world, round.allocation)
            }
        };
        let deadline = allocation.deadline;
        self.views.send_replace(Arc::new(View {
            links: LinksView {
                hearings: Some(self.heard.hearings.clone()),
                ..LinksView::default()
            },
            node: Arc::clone(&self.node),
            problems: snapshot.problems.clone(),
            versions: snapshot.versions.clone(),
            rounds: self.done,
            state_error: None,
            announcements: None,
            allocation,
            world,
        }));
        let deadline = deadline.map(|deadline| Instant::now() + self.clock.until(deadline));
        let until = until.map(Instant::from_std);
        deadline.into_iter().chain(until).min()
    }

    fn wanted(
        &mut self,
        snapshot: &Snapshot,
        name: ObjectName,
        write: Write,
        since: Instant,
    ) -> (ObjectName, Wanted) {
        let held = snapshot.world.services.get(&name);
        let there = held.map_or_else(Status::default, |service| Status {
            addresses: service.assigned.clone(),
            pool: service.assigned_pool.clone(),
            condition: write.version.condition.as_deref().cloned(),
        });
        let assignment = Assignment {
            addresses: write.addresses,
            pool: write.pool,
        };
        info!(service = %name, addresses = ?assignment.addresses, "{}", write.outcome);
        let about = About::service(&name, Arc::clone(&write.version.uid));
        if let Some(event) = Event::of_round(about, &write.outcome, Some(&assignment)) {
            self.untold.put(name.clone(), write.round, event);
        }
        let wanted = Wanted {
            uid: write.version.uid,
            // What it asks for may change meanwhile; that is the next round's. The address is given
            // to this Service either way.
            resource_version: None,
            status: Status::new(Some(&assignment), &write.outcome),
            there,
            round: write.round,
            since,
        };
        (name, wanted)
    }

    /// Takes note of what became of writes. Gives when there has to be another round.
    fn learn(&mut self, outcomes: Outcomes) -> Option<Instant> {
        let mut again = None;
        for (name, finished) in outcomes {
            let told = self.untold.take(&name, &finished);
            told.into_iter().for_each(|event| self.events.tell(event));
            let wait = match &finished.outcome {
                Outcome::Written { resource_version } => {
                    self.until_status.observe(finished.since.elapsed());
                    if !self.is_overwritten(&name, finished.round, resource_version) {
                        continue;
                    }
                    Duration::ZERO
                }
                Outcome::Unchanged => continue,
                // A Service that is gone is told of by the watch.
                Outcome::Conflict | Outcome::Gone | Outcome::Fenced => Duration::ZERO,
                Outcome::Failed(_) => WRITE_AGAIN,
            };
            debug!(service = %name, outcome = %finished.outcome, "decided on anew");
            if let Some(rounds) = &mut self.rounds {
                rounds.forget(&name, finished.round);
            }
            let then = Instant::now() + wait;
            again = again.into_iter().chain([then]).min();
        }
        again
    }
    /// Whether somebody is known to have written something else over what was written.
    fn is_overwritten(&mut self, name: &ObjectName, round: u64, version: &str) -> bool {
        // One whose version is no number is confirmed by the watch alone.
        let written = self.rounds.as_mut().zip(version.parse().ok());
        written.is_some_and(|(rounds, version)| rounds.written(name, round, version))
    }
}
