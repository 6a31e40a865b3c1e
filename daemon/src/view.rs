//! What a round found, for peers and for people.

use std::collections::BTreeSet;
use std::sync::Arc;

use controller::Problem;
use controller::snapshot::Versions;
use plan::{Allocation, Announcements, World};
use tracing::{info, warn};

use crate::links::LinksView;

/// All that a round found.
#[derive(Clone, Debug)]
pub struct View {
    /// This node; of a controller, its own name.
    pub node: Arc<str>,
    /// The World, with what is assigned.
    pub world: World,
    /// What is wrong with the configuration.
    pub problems: Vec<Problem>,
    /// Who has what, and why. A speaker sees what is assigned in the World and knows of no more.
    pub allocation: Allocation,
    /// What this node announces, and why not more; `None` where nothing is announced from here.
    pub announcements: Option<Announcements>,
    /// What it answers for by ARP and NDP, and who else does.
    pub links: LinksView,
    /// In a cluster, which Services these are.
    pub versions: Versions,
    /// Rounds so far; 0 is before the first.
    pub rounds: u64,
    /// Why the latest assignments could not be recorded, so that none of them is in this view.
    pub state_error: Option<String>,
}

impl View {
    /// Before the first round.
    pub fn empty(node: Arc<str>) -> View {
        View {
            announcements: None,
            links: LinksView::default(),
            allocation: Allocation::default(),
            problems: Vec::new(),
            versions: Versions::new(),
            rounds: 0,
            state_error: None,
            world: World::default(),
            node,
        }
    }
}

/// Logs each problem once, when it comes and when it goes.
#[derive(Debug, Default)]
pub struct ProblemLog {
    logged: BTreeSet<String>,
}

impl ProblemLog {
    /// These are the problems now.
    pub fn log(&mut self, problems: &[Problem]) {
        let now: BTreeSet<String> = problems.iter().map(Problem::to_string).collect();
        for problem in now.difference(&self.logged) {
            warn!("{problem}");
        }
        for problem in self.logged.difference(&now) {
            info!("repaired: {problem}");
        }
        self.logged = now;
    }
}
