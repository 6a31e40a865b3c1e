//! `herald explain NAMESPACE/NAME`: why a Service has (not) an address, and why each node does
//! (not) announce it.

use std::path::PathBuf;
use std::process::ExitCode;

use plan::world::ObjectName;

use crate::answer;
use crate::observe::client;
use crate::options::{ClassArg, SocketArg};

/// Why a Service has (not) an address, and why each node does (not) announce it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The Service; in namespace `default` if only its name is given.
    #[arg(value_name = "NAMESPACE/NAME", value_parser = object_name)]
    service: ObjectName,
    /// Explain by these manifests instead of asking the daemon.
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// A node to explain even if no Node manifest describes it; with --config.
    #[arg(long, value_name = "NAME", env = "HERALD_NODE")]
    node: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    classes: ClassArg,
    #[command(flatten)]
    socket: SocketArg,
}

/// `NAMESPACE/NAME`, or `NAME` in the namespace `default`.
fn object_name(text: &str) -> Result<ObjectName, String> {
    let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
    if namespace.is_empty() || name.is_empty() || name.contains('/') {
        return Err("expected NAMESPACE/NAME".to_owned());
    }
    Ok(ObjectName {
        namespace: namespace.into(),
        name: name.into(),
    })
}

/// Runs the command.
pub fn main(args: &Args) -> ExitCode {
    let explained = match &args.config {
        Some(directory) => offline(args, directory),
        None => ask(args),
    };
    match explained {
        Ok(text) => {
            answer::say(text);
            ExitCode::SUCCESS
        }
        Err(reason) => answer::fail(reason),
    }
}

fn offline(args: &Args, directory: &std::path::Path) -> Result<String, String> {
    let snapshot = controller::file::read(directory, &args.classes.options());
    let snapshot = snapshot.map_err(|problem| problem.to_string())?;
    let options = plan::health::Options::default();
    let me = args.node.as_deref();
    let explained = plan::explain(&snapshot.world, &args.service, me, options);
    let explanation = explained.ok_or_else(|| unknown(&args.service))?;
    Ok(match args.json {
        true => format!("{:#}\n", serde_json::json!(explanation)),
        false => explanation.to_string(),
    })
}

fn ask(args: &Args) -> Result<String, String> {
    let ObjectName { namespace, name } = &args.service;
    let form = if args.json { "json" } else { "text" };
    let path = format!("/explain/{form}/{namespace}/{name}");
    let (found, text) = client::get(&args.socket.socket, &path)?;
    match found {
        true => Ok(text),
        false => Err(unknown(&args.service)),
    }
}

fn unknown(service: &ObjectName) -> String {
    format!(
        "there is no LoadBalancer Service {service} of ours: look at its spec.type and \
         loadBalancerClass, and that its manifest is valid (herald check)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_namespace_is_in_default() {
        let name = object_name("web").expect("a name");
        assert_eq!(name.to_string(), "default/web");
        let name = object_name("shop/web").expect("a name");
        assert_eq!(name.to_string(), "shop/web");
        for wrong in ["", "/web", "shop/", "a/b/c"] {
            assert!(object_name(wrong).is_err(), "{wrong}");
        }
    }
}
