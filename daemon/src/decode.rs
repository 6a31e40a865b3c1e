//! `herald decode`: BGP messages as hexadecimal digits, or out of an MRT file, to a JSON line each.
//!
//! Everything streams: whatever the length of the input or of one of its lines, no more is held
//! than one chunk, one message or one MRT record.

mod hex;
mod input;
mod mrt;
mod verdict;

use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bgp::codec::Rules;
use bgp::family::FamilySet;
use hex::Lines;
use verdict::Verdict;

/// Decode BGP messages and print a JSON line for each.
///
/// Each line is {"result": R, "message": {…}}, R being one of:
/// `ok`, the message is right;
/// `treat-as-withdraw` or `attribute-discard`, it has errors that keep the session up (RFC 7606),
/// listed in "errors";
/// `notification`, it ends the session: "code" and "subcode" are what a speaker answers, and
/// "message" is that answer.
///
/// Exit code 1: some input is no hexadecimal digit, or ends inside a message.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Messages in hexadecimal digits, each argument like a line; white space and `:` are
    /// ignored, `#` begins a comment, and a line may hold several messages. With none, standard
    /// input is read.
    #[arg(value_name = "HEX", conflicts_with = "mrt")]
    messages: Vec<String>,
    /// Read an MRT file (RFC 6396) instead, plain or compressed by gzip or bzip2; `-` is standard
    /// input. Each line then has "mrt" with the record's time and session. Records say by
    /// themselves which AS numbers they hold; the flags below overrule them.
    #[arg(long, value_name = "FILE")]
    mrt: Option<PathBuf>,
    #[command(flatten)]
    session: Session,
}

/// What a session would have agreed on.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Session {
    /// Both sides speak four-octet AS numbers, RFC 6793 (default).
    #[arg(long, overrides_with = "no_as4")]
    as4: bool,
    /// AS_PATH and AGGREGATOR have two-octet AS numbers.
    #[arg(long, overrides_with = "as4")]
    no_as4: bool,
    /// NLRI have Path Identifiers (RFC 7911), in both families.
    #[arg(long)]
    addpath: bool,
    /// Messages may have up to 65,535 octets (RFC 8654) instead of 4,096.
    #[arg(long)]
    extended: bool,
    /// The session is internal: LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST are expected.
    #[arg(long)]
    ibgp: bool,
}

impl Session {
    fn rules(&self) -> Rules {
        Rules {
            four_octet_as: !self.no_as4,
            internal: self.ibgp,
            receive_extended: self.extended,
            send_extended: self.extended,
            receive_add_path: match self.addpath {
                true => FamilySet::ALL,
                false => FamilySet::EMPTY,
            },
            // A lone ROUTE-REFRESH of a wrong length is most useful when it is named as such.
            enhanced_route_refresh: true,
            extended_next_hop: true,
            families: FamilySet::ALL,
        }
    }

    /// `recorded`, overruled by the flags that were given; `None` where none was.
    fn overrule(&self, recorded: Rules) -> Option<Rules> {
        if !(self.as4 || self.no_as4 || self.addpath || self.ibgp) {
            return None;
        }
        Some(Rules {
            four_octet_as: match (self.as4, self.no_as4) {
                (false, false) => recorded.four_octet_as,
                (as4, _) => as4,
            },
            internal: self.ibgp || recorded.internal,
            receive_add_path: match self.addpath {
                true => FamilySet::ALL,
                false => recorded.receive_add_path,
            },
            ..recorded
        })
    }
}

/// Octets read at a time.
const CHUNK: usize = 32 * 1024;

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    let mut out = Output::new(io::stdout().lock(), io::stderr().lock());
    let done = match &args.mrt {
        Some(file) => mrt::run(file, &args.session, &mut out),
        None if args.messages.is_empty() => read_lines(io::stdin().lock(), args, &mut out),
        None => read_arguments(args, &mut out),
    };
    match done.and_then(|()| out.flush()) {
        Ok(()) if out.wrong == 0 => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(1),
        // Whoever read the lines has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do where standard error is closed too.
            let _ = writeln!(io::stderr(), "herald decode: {error}");
            ExitCode::from(1)
        }
    }
}

fn read_arguments<O: Write, E: Write>(args: &Args, out: &mut Output<O, E>) -> io::Result<()> {
    for (index, text) in args.messages.iter().enumerate() {
        let mut lines = Lines::new("argument", index + 1, args.session.rules());
        lines.push(text.as_bytes(), out)?;
        lines.finish(out)?;
    }
    Ok(())
}

fn read_lines<O: Write, E: Write>(
    mut input: impl Read,
    args: &Args,
    out: &mut Output<O, E>,
) -> io::Result<()> {
    let mut lines = Lines::new("line", 1, args.session.rules());
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = input::read(&mut input, &mut chunk)?;
        if length == 0 {
            return lines.finish(out);
        }
        lines.push(chunk.get(..length).unwrap_or_default(), out)?;
        // Whoever feeds us line by line sees an answer line by line.
        out.flush()?;
    }
}

/// Where results and complaints go.
struct Output<O: Write, E: Write> {
    results: BufWriter<O>,
    complaints: E,
    /// How often the input was no message at all.
    wrong: u64,
}

impl<O: Write, E: Write> Output<O, E> {
    fn new(results: O, complaints: E) -> Output<O, E> {
        Output {
            results: BufWriter::new(results),
            complaints,
            wrong: 0,
        }
    }

    fn verdict(&mut self, verdict: &Verdict<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.results, verdict)?;
        self.results.write_all(b"\n")
    }

    /// The input is no message: the exit code says so.
    fn wrong(&mut self, what: &str) -> io::Result<()> {
        self.wrong += 1;
        self.note(what)
    }

    /// Something worth knowing, in its place among the results. That standard error is closed
    /// does not stop the results.
    fn note(&mut self, what: &str) -> io::Result<()> {
        self.results.flush()?;
        let _ = writeln!(self.complaints, "herald decode: {what}");
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.results.flush()
    }
}
