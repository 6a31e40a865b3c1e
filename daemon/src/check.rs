//! `herald check DIR`: what is wrong with manifests, before anything runs on them.

use std::path::PathBuf;
use std::process::ExitCode;

use controller::Severity;

use crate::cli::ClassArg;

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
    if args.json {
        println!("{:#}", serde_json::json!(problems));
    } else {
        for problem in &problems {
            println!("{problem}");
        }
        let warnings = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Warning);
        println!("{errors} errors, {} warnings", warnings.count());
    }
    match errors {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(1),
    }
}
