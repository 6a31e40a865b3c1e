//! Logs: to standard error, as text or as JSON, a line each.

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Flags of logging.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// How log lines look.
    #[arg(long, value_enum, default_value_t, env = "HERALD_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// What is logged: a level (error, warn, info, debug, trace), or filters such as
    /// `info,herald::peer_io=trace`. Session changes are at info, messages at trace.
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "info",
        env = "HERALD_LOG_LEVEL"
    )]
    pub log_level: String,
}

/// Of each request that fails, or connection that ends, the client of the API server says so as an
/// error. What that means for a kind or an object, and that it is well again, is said by whoever asked.
/// `--log-level` may turn it on.
const QUIET: &str = "kube_client=off";

/// Begins logging.
///
/// # Errors
/// The filter cannot be read: what is wrong with it.
pub fn start(args: &LogArgs) -> Result<(), String> {
    let filter = EnvFilter::builder()
        .with_default_directive(Directive::from(Level::INFO))
        .parse(format!("{QUIET},{}", args.log_level))
        .map_err(|error| format!("--log-level {:?}: {error}", args.log_level))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match args.log_format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr())
                && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colours).with_target(false).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| format!("cannot begin logging: {error}"))
}
