//! Whether this node has heard from the API server all that others may have heard.

use std::sync::Arc;
use std::time::{Duration, Instant};

use controller::kube::{Hearing, Hearings};
use controller::object::Kind;
use tokio::sync::watch;

/// What elections depend on.
const KINDS: [Kind; 5] = [
    Kind::Node,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::IpAddressPool,
    Kind::L2Advertisement,
];
/// After the API server is heard again, what has changed meanwhile is known after so long.
pub const CATCH_UP: Duration = Duration::from_secs(1);

/// How new it is what this node knows.
#[derive(Debug)]
pub struct Freshness {
    hearings: watch::Receiver<Arc<Hearings>>,
    /// As last looked.
    is_unheard: bool,
    catches_up_until: Option<Instant>,
}

impl Freshness {
    /// Of a node that hears so.
    pub fn new(hearings: watch::Receiver<Arc<Hearings>>) -> Freshness {
        Freshness {
            hearings,
            is_unheard: false,
            catches_up_until: None,
        }
    }

    /// Whether others may have heard what this node has not, at `now`, which never goes back; and
    /// when to ask again, although nothing has changed.
    pub fn is_outdated(&mut self, now: Instant) -> (bool, Option<Instant>) {
        let is_unheard = is_unheard(&self.hearings.borrow());
        if std::mem::replace(&mut self.is_unheard, is_unheard) && !is_unheard {
            self.catches_up_until = Some(now + CATCH_UP);
        }
        let catches_up_until = self.catches_up_until.filter(|until| now < *until);
        self.catches_up_until = catches_up_until;
        (is_unheard || catches_up_until.is_some(), catches_up_until)
    }

    /// Waits until the API server is heard no more, or again. Cancel-safe.
    pub async fn changed(&mut self) {
        let was = self.is_unheard;
        let turned = |hearings: &Arc<Hearings>| is_unheard(hearings) != was;
        if self.hearings.wait_for(turned).await.is_err() {
            // There will be no other word.
            std::future::pending().await
        }
    }
}

fn is_unheard(hearings: &Hearings) -> bool {
    let is_up = |kind| hearings.get(kind).is_some_and(Hearing::is_up);
    !KINDS.iter().all(is_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hearings(failing: Option<Kind>) -> Arc<Hearings> {
        let hearing = |kind: Kind| Hearing {
            listed: true,
            error: (failing == Some(kind)).then(|| "no route".into()),
            ..Hearing::default()
        };
        Arc::new(
            KINDS
                .into_iter()
                .map(|kind| (kind, hearing(kind)))
                .collect(),
        )
    }

    #[test]
    fn a_node_is_outdated_from_the_first_failure_until_it_has_caught_up() {
        let (ears, hears) = watch::channel(hearings(None));
        let mut freshness = Freshness::new(hears);
        let start = Instant::now();
        assert_eq!(freshness.is_outdated(start), (false, None));
        for kind in KINDS {
            ears.send_replace(hearings(Some(kind)));
            assert_eq!(freshness.is_outdated(start), (true, None), "{kind}");
        }
        ears.send_replace(hearings(None));
        let later = start + Duration::from_secs(9);
        let until = later + CATCH_UP;
        assert_eq!(freshness.is_outdated(later), (true, Some(until)));
        let almost = until - Duration::from_millis(1);
        assert_eq!(freshness.is_outdated(almost), (true, Some(until)));
        assert_eq!(freshness.is_outdated(until), (false, None));
    }

    #[test]
    fn one_that_has_heard_nothing_yet_is_outdated() {
        let (_ears, hears) = watch::channel(Arc::default());
        let mut freshness = Freshness::new(hears);
        assert_eq!(freshness.is_outdated(Instant::now()), (true, None));
    }
}
