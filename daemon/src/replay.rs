//! `herald replay`: a recording of a session, fed through the pure `bgp::Peer` once more.

mod conversation;
mod step;

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use bgp::record::{self, Recorded};
use conversation::Conversations;
use step::Step;

/// Octets of a recording, at most.
const MAX_FILE: u64 = 256 << 20;

/// Feed a recorded session through the pure BGP peer and print what it does at each step.
///
/// A recording has a JSON object a line: first the configuration, then all that went into the peer,
/// with times. The same recording always gives the same output. Of each step are printed the input,
/// the messages in it, the actions of the peer, the messages it sends, and its state where that
/// changes.
///
/// Exit code 1: the file is no recording.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recording; `-` is standard input.
    file: PathBuf,
    /// How to print.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// A JSON object a line for each step.
    Json,
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    let done = read(&args.file).and_then(|recording| {
        let steps = steps(&recording).map_err(|error| invalid(&args.file, &error))?;
        print(&steps, args.output, io::stdout().lock())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the lines has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do where standard error is closed too.
            let _ = writeln!(io::stderr(), "herald replay: {error}");
            ExitCode::from(1)
        }
    }
}

fn invalid(path: &Path, what: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{}: {what}", path.display()),
    )
}

fn read(path: &Path) -> io::Result<Vec<Recorded>> {
    let input: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => {
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            };
            Box::new(File::open(path).map_err(named)?)
        }
    };
    let mut lines = BufReader::new(input.take(MAX_FILE + 1));
    let (mut recording, mut octets, mut line) = (Vec::new(), 0, String::new());
    loop {
        line.clear();
        let length = lines.read_line(&mut line)?;
        octets += length as u64;
        if octets > MAX_FILE {
            return Err(invalid(path, &format!("over {} MiB", MAX_FILE >> 20)));
        }
        if length == 0 {
            return Ok(recording);
        }
        let number = recording.len() + 1;
        match serde_json::from_str::<Recorded>(&line) {
            Ok(recorded) => {
                // Before lines that this build cannot know.
                let known = recorded.check_version();
                known.map_err(|error| invalid(path, &error))?;
                recording.push(recorded);
            }
            // The recording goes on, or was cut off.
            Err(error) if error.is_eof() && number > 1 && !line.ends_with('\n') => {
                let note = format!("herald replay: line {number} is unfinished: left out");
                // Nothing is left to do where standard error is closed.
                let _ = writeln!(io::stderr(), "{note}");
                return Ok(recording);
            }
            Err(error) => return Err(unreadable(path, number, &error)),
        }
    }
}

fn unreadable(path: &Path, line: usize, error: &serde_json::Error) -> io::Error {
    let text = error.to_string();
    // It counts lines within the line.
    let what = text.split(" at line ").next().unwrap_or_default();
    let column = error.column();
    invalid(path, &format!("line {line}, column {column}: {what}"))
}

/// What the peer does, input by input.
fn steps(recording: &[Recorded]) -> Result<Vec<Step<'_>>, record::ReplayError> {
    // Any time is as good: only differences count.
    let (_, replayed) = record::replay(recording, Instant::now())?;
    let inputs = recording.iter().filter_map(|recorded| match recorded {
        Recorded::Input { input, .. } => Some(input),
        Recorded::Begin { .. } => None,
    });
    let mut conversations = Conversations::default();
    let mut before = None;
    let mut steps = Vec::with_capacity(replayed.len());
    for (input, replayed) in inputs.zip(replayed) {
        let state = replayed.state;
        let step = Step::new(input, replayed, before, &mut conversations);
        before = Some(state);
        steps.push(step);
    }
    Ok(steps)
}

fn print(steps: &[Step<'_>], format: Format, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    for step in steps {
        match format {
            Format::Text => write!(out, "{step}")?,
            Format::Json => {
                serde_json::to_writer(&mut out, step)?;
                out.write_all(b"\n")?;
            }
        }
    }
    out.flush()
}
