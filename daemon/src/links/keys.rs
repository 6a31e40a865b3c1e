//! The keys of the membership, as their file or Secret has them now.

use std::path::{Path, PathBuf};
use std::time::Duration;

use controller::kube::speakers_secret;
use controller::last_known;
use kube::Client;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::membership::Keyring;

/// How often they are read again: a key can be changed while everything runs.
const READ_EVERY: Duration = Duration::from_secs(30);
/// How long the API server is waited for, before the keys of the last run are used.
const API_WITHIN: Duration = Duration::from_secs(3);
/// How soon again if they could not be read.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Where the keys are.
pub enum KeySource {
    /// In a file, one a line.
    File(PathBuf),
    /// In the Secret of the controller.
    Secret(SpeakersSecret),
    /// Nowhere: a node that has no others needs none.
    None,
}

/// The Secret of the controller.
pub struct SpeakersSecret {
    /// Who reads it.
    pub client: Client,
    /// Where it is.
    pub namespace: String,
    /// The file that keeps what was last in it, for a start while it cannot be read.
    pub kept: Option<PathBuf>,
}

/// The keys, or why they are not known.
pub type Keys = Result<Keyring, String>;

/// Begins to read them. Ends with the last receiver.
pub fn read(source: KeySource) -> watch::Receiver<Keys> {
    let (publish, keys) = watch::channel(Err("the key of speakers is being read".to_owned()));
    tokio::spawn(async move {
        tokio::select! {
            () = publish.closed() => {}
            () = read_again(&source, &publish) => {}
        }
    });
    keys
}

async fn read_again(source: &KeySource, publish: &watch::Sender<Keys>) {
    let mut last: Option<Result<Vec<u8>, String>> = None;
    let mut is_heard = false;
    loop {
        let text = match source {
            KeySource::File(path) => of_file(path),
            KeySource::Secret(secret) => secret.read(is_heard).await,
            KeySource::None => random(),
        };
        is_heard |= text.is_ok();
        if last.is_none() && text.is_err() {
            source.recall(publish);
        }
        if last.as_ref() != Some(&text) {
            tell(&text, publish);
            source.keep(&text).await;
        }
        let is_read = is_heard && publish.borrow().is_ok();
        last = Some(text);
        match (source, is_read) {
            (KeySource::None, _) => return std::future::pending().await,
            (_, true) => sleep(READ_EVERY).await,
            (_, false) => sleep(AGAIN_AFTER).await,
        }
    }
}

impl SpeakersSecret {
    /// What is in it. Where there are keys of an earlier run, the first answer is not waited for as
    /// long as others are.
    async fn read(&self, is_heard: bool) -> Result<Vec<u8>, String> {
        let answer = speakers_secret::read(&self.client, &self.namespace);
        match (is_heard, &self.kept) {
            (false, Some(_)) => tokio::time::timeout(API_WITHIN, answer)
                .await
                .unwrap_or_else(|_| Err("the API server does not answer".to_owned())),
            (_, _) => answer.await,
        }
    }
}

impl KeySource {
    fn kept(&self) -> Option<&Path> {
        match self {
            KeySource::Secret(secret) => secret.kept.as_deref(),
            KeySource::File(_) | KeySource::None => None,
        }
    }

    /// Keeps for the next start what has just been read, if it is of use.
    async fn keep(&self, text: &Result<Vec<u8>, String>) {
        let (Some(path), Ok(text)) = (self.kept(), text) else {
            return;
        };
        if Keyring::parse(text).is_err() {
            return;
        }
        let (path, text) = (path.to_owned(), text.clone());
        let kept = move || match last_known::keys::load(&path) {
            Ok(Some(kept)) if kept == text => Ok(()),
            Ok(_) | Err(_) => last_known::keys::save(&path, &text),
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(kept).await {
            warn!(%error, "the keys of speakers cannot be kept for the next start");
        }
    }

    /// Uses what was kept before this start, until something else is known.
    fn recall(&self, publish: &watch::Sender<Keys>) {
        let Some(path) = self.kept() else { return };
        let keys = match last_known::keys::load(path) {
            Ok(None) => return,
            Ok(Some(text)) => Keyring::parse(&text).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match keys {
            Ok(keys) => {
                warn!(?keys, "the keys of speakers that were last known are used");
                publish.send_modify(|known| *known = Ok(keys));
            }
            Err(error) => warn!(%error, "the keys of speakers of the last run are of no use"),
        }
    }
}

/// What was read before stays where nothing can be read.
fn tell(text: &Result<Vec<u8>, String>, publish: &watch::Sender<Keys>) {
    let keys = text.clone().and_then(|text| {
        let keys = Keyring::parse(&text);
        keys.map_err(|error| format!("the key of speakers: {error}"))
    });
    publish.send_if_modified(|known| match (known.is_ok(), keys) {
        (_, Ok(keys)) => {
            info!(?keys, "the keys of speakers are read");
            *known = Ok(keys);
            true
        }
        (true, Err(error)) => {
            warn!(%error, "the keys of before are used");
            false
        }
        (false, Err(error)) => {
            warn!(%error, "no address is answered for by ARP or NDP");
            *known = Err(error);
            true
        }
    });
}

/// Makes the Secret of speakers, unless there is one; tries until that is known.
pub async fn ensure(client: Client, namespace: String) {
    loop {
        let made = match random() {
            Ok(key) => speakers_secret::ensure(&client, &namespace, key).await,
            Err(error) => Err(error),
        };
        match made {
            Ok(true) => return info!(%namespace, "the key of speakers is made"),
            Ok(false) => return,
            Err(error) => warn!(%error, "the key of speakers cannot be made; it is tried again"),
        }
        sleep(READ_EVERY).await;
    }
}

fn of_file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| {
        format!(
            "the key of speakers, {}: {error}; write one with: openssl rand -base64 48",
            path.display()
        )
    })
}

/// A new key.
///
/// # Errors
/// The kernel gives no random octets.
pub fn random() -> Result<Vec<u8>, String> {
    let mut octets = [0; 48];
    let filled = SystemRandom::new().fill(&mut octets);
    filled.map_err(|_| "the kernel gives no random octets".to_owned())?;
    // A line must not end early.
    octets
        .iter_mut()
        .for_each(|octet| *octet = b'A' + *octet % 26);
    Ok(octets.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_of_the_last_run_are_used_while_there_is_no_api_server() {
        let home = tempfile::tempdir().expect("a directory");
        let kept = last_known::keys::beside(&home.path().join("state"));
        let keys = Keyring::parse(KEPT).expect("long enough");
        last_known::keys::save(&kept, KEPT).expect("saved");
        let mut known = read(KeySource::Secret(nobody(Some(kept))));
        let read = known.wait_for(Result::is_ok).await.expect("it reads on");
        // What is shown of keys names them.
        assert_eq!(format!("{:?}", *read), format!("{:?}", Keys::Ok(keys)));
    }

    #[tokio::test]
    async fn without_keys_of_a_run_before_it_is_said_why_there_are_none() {
        let home = tempfile::tempdir().expect("a directory");
        let kept = last_known::keys::beside(&home.path().join("state"));
        let short = b"a short secret";
        last_known::keys::save(&kept, short).expect("saved");
        for kept in [None, Some(home.path().join("nothing")), Some(kept)] {
            let mut known = read(KeySource::Secret(nobody(kept)));
            known.changed().await.expect("it reads on");
            let why = known.borrow().clone().expect_err("no keys");
            assert!(why.contains("herald-speakers"), "{why}");
        }
    }

    #[tokio::test]
    async fn only_keys_of_use_are_kept() {
        let home = tempfile::tempdir().expect("a directory");
        let kept = home.path().join("keys");
        let source = KeySource::Secret(nobody(Some(kept.clone())));
        source.keep(&Ok(KEPT.to_vec())).await;
        source.keep(&Ok(b"a short secret".to_vec())).await;
        source.keep(&Err("the API server is away".to_owned())).await;
        let found = last_known::keys::load(&kept).expect("read");
        assert_eq!(found.as_deref(), Some(KEPT));
    }

    const KEPT: &[u8] = b"a-key-that-is-long-enough-for-speakers\n";

    /// A Secret at an API server that is not there.
    fn nobody(kept: Option<PathBuf>) -> SpeakersSecret {
        // The port of discard: nobody hears there.
        let uri = "http://127.0.0.1:9".parse().expect("a URI");
        let config = kube::Config::new(uri);
        SpeakersSecret {
            client: Client::try_from(config).expect("a client"),
            namespace: "herald-system".to_owned(),
            kept,
        }
    }
}
