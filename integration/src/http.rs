//! An HTTP client on a machine of the lab, for metrics and probes.

use std::net::SocketAddr;
use std::time::Duration;

use ureq::Agent;

use crate::netns::Handle;

/// The longest that one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// GETs a path, such as `/metrics`, from a namespace: the status and the body.
pub fn get(netns: &Handle, server: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(PATIENCE));
    let agent = config.build().new_agent();
    let answer = netns.enter(|| {
        let mut answer = agent.get(format!("http://{server}{path}")).call()?;
        let body = answer.body_mut().read_to_string()?;
        Ok::<_, ureq::Error>((answer.status().as_u16(), body))
    });
    answer.map_err(|error| format!("{server}{path}: {error}"))
}
