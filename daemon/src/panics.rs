//! A panic of a future as a value, and how long a task that panicked waits before it begins again.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Runs a future; the error is the text of its panic. What the future borrowed may be in any
/// state then, so the caller uses only what stays meaningful: channels, whose own locks recover.
pub async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(text(panic.as_ref()))),
        },
    )
    .await
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no text").to_owned()
}

/// Waits before a task that panicked begins again: each twice as long as the one before, from a
/// second to a minute.
#[derive(Debug, Default)]
pub struct Restarts {
    last: Option<Duration>,
}

impl Restarts {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(60);

    /// The wait after one more panic.
    pub fn wait(&mut self) -> Duration {
        let wait = self.last.map_or(Restarts::FIRST, |last| last * 2);
        *self.last.insert(wait.min(Restarts::LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_its_text_and_a_value_stays_a_value() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let panics = async {
            tokio::task::yield_now().await;
            panic!("there was nothing")
        };
        assert_eq!(caught(panics).await, Err("there was nothing".to_owned()));
    }

    #[test]
    fn waits_double_up_to_a_minute() {
        let mut restarts = Restarts::default();
        let waits: Vec<u64> = (0..8).map(|_| restarts.wait().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
