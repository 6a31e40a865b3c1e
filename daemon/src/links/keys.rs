//! The keys of the membership, as their file or Secret has them now.

use std::path::{Path, PathBuf};
use std::time::Duration;

use controller::kube::speakers_secret;
use kube::Client;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::membership::Keyring;

/// How often they are read again: a key can be changed while everything runs.
const READ_EVERY: Duration = Duration::from_secs(30);
/// How soon again if they could not be read.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Where the keys are.
pub enum KeySource {
    /// In a file, one a line.
    File(PathBuf),
    /// In the Secret of the controller, in this namespace.
    Secret(Client, String),
    /// Nowhere: a node that has no others needs none.
    None,
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
    loop {
        let text = match source {
            KeySource::File(path) => of_file(path),
            KeySource::Secret(client, namespace) => speakers_secret::read(client, namespace).await,
            KeySource::None => random(),
        };
        if last.as_ref() != Some(&text) {
            tell(&text, publish);
        }
        let is_read = publish.borrow().is_ok();
        last = Some(text);
        match (source, is_read) {
            (KeySource::None, _) => return std::future::pending().await,
            (_, true) => sleep(READ_EVERY).await,
            (_, false) => sleep(AGAIN_AFTER).await,
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
