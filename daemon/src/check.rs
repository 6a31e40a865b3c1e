//! `herald check DIR`: what is wrong with manifests, before anything runs on them.

use std::path::PathBuf;
use std::process::ExitCode;

use controller::{Problem, Severity};

use crate::answer;
use crate::options::ClassArg;

/// Validates a directory of manifests: file, object, field, what is wrong, what would be right.
/// Exit code 1 if there is an error.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    classes: ClassArg,
    /// Print the problems as one JSON array.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn main(args: &Args) -> ExitCode {
    let problems = controller::check(&args.directory, &args.classes.options());
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    match args.json {
        true => answer::say(format_args!("{:#}\n", serde_json::json!(problems))),
        false => answer::say(text(&problems, errors)),
    }
    match errors {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(1),
    }
}

/// A line a problem, and a sum.
fn text(problems: &[Problem], errors: usize) -> String {
    let warnings = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Warning)
        .count();
    let lines: String = problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect();
    format!("{lines}{errors} errors, {warnings} warnings\n")
}
