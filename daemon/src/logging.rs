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
    let filter = filter(&args.log_level)?;
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

/// `all` and `none` are MetalLB's words for the ends.
fn filter(level: &str) -> Result<EnvFilter, String> {
    let wanted = match level {
        "all" => "trace",
        "none" => "off",
        other => other,
    };
    EnvFilter::builder()
        .with_default_directive(Directive::from(Level::INFO))
        .parse(format!("{QUIET},{wanted}"))
        .map_err(|error| format!("--log-level {level:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_metallb_are_understood() {
        let rows = [
            ("all", Some(Level::TRACE)),
            ("debug", Some(Level::DEBUG)),
            ("info", Some(Level::INFO)),
            ("warn", Some(Level::WARN)),
            ("error", Some(Level::ERROR)),
            ("none", None),
        ];
        for (word, level) in rows {
            let hint = filter(word).expect("a filter").max_level_hint();
            let hint = hint.and_then(|hint| hint.into_level());
            assert_eq!(hint, level, "{word}");
        }
        assert!(filter("herald=loud").is_err());
    }
}
