//! `herald run` in a namespace.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::output;
use crate::lab::Lab;
use crate::netns::Netns;
use crate::process::{Process, await_file};
use crate::setup::profile_folder;

/// A running `herald run`, on one node.
#[derive(Debug)]
pub struct Herald {
    node: String,
    folder: PathBuf,
    config: PathBuf,
    /// What the command line has besides the usual.
    arguments: Vec<String>,
    /// A program, with its arguments, that runs it.
    runner: Vec<String>,
    log: PathBuf,
    /// Its sessions, to be replayed when a test fails.
    recordings: PathBuf,
    daemon: Option<Process>,
}

impl Herald {
    /// Starts it for a node, with these objects in its directory, a file each.
    pub fn start(lab: &Lab, netns: &Netns, node: &str, objects: &[Value]) -> Herald {
        let mut herald = Herald::prepare(lab, node, objects);
        herald.launch(netns);
        herald
    }

    /// As [`Herald::start`], not yet running.
    pub fn prepare(lab: &Lab, node: &str, objects: &[Value]) -> Herald {
        let herald = Herald::sharing(lab, node, &lab.folder(node).join("config"));
        for object in objects {
            herald.write(object);
        }
        herald
    }

    /// One that is not yet running, with a directory that several may have.
    pub fn sharing(lab: &Lab, node: &str, config: &Path) -> Herald {
        std::fs::create_dir_all(config).unwrap_or_else(|error| panic!("{error}"));
        Herald {
            node: node.to_owned(),
            folder: lab.folder(node),
            config: config.to_path_buf(),
            arguments: Vec::new(),
            runner: Vec::new(),
            log: lab.log(&format!("herald-{node}")),
            recordings: lab.log(&format!("herald-{node}")).with_extension("record"),
            daemon: None,
        }
    }

    /// What the command line has from the next start on, besides the usual and what was added.
    pub fn add_arguments(&mut self, arguments: &[&str]) {
        let words = arguments.iter().map(|word| (*word).to_owned());
        self.arguments.extend(words);
    }

    /// A program, with its arguments, that runs it from the next start on, such as `setpriv`.
    pub fn set_runner(&mut self, runner: &[&str]) {
        self.runner = runner.iter().map(|word| (*word).to_owned()).collect();
    }

    /// Runs the prepared, or the stopped, daemon.
    pub fn launch(&mut self, netns: &Netns) {
        let socket = self.socket();
        // There is none at the first start.
        let _ = std::fs::remove_file(&socket);
        let mut command = match self.runner.split_first() {
            None => Command::new(binary()),
            Some((runner, arguments)) => {
                let mut command = Command::new(runner);
                command.args(arguments).arg(binary());
                command
            }
        };
        command.arg("run").arg("--config").arg(&self.config);
        command.args(&self.arguments);
        command.arg("--state").arg(self.folder.join("state.json"));
        command.arg("--socket").arg(&socket);
        command.arg("--record").arg(&self.recordings);
        command.args(["--metrics", "off", "--node", &self.node]);
        let mut daemon = Process::spawn(netns, &self.log, command);
        await_file(&socket, &mut daemon);
        self.daemon = Some(daemon);
    }

    /// The watched directory.
    pub fn config(&self) -> PathBuf {
        self.config.clone()
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("herald.sock")
    }

    /// Writes an object to its file, `KIND-NAME.yaml`, at once as a whole: JSON is YAML.
    pub fn write(&self, object: &Value) {
        self.write_text(&file_name(object), &format!("{object:#}\n"));
    }

    /// Writes a file of the watched directory, at once as a whole.
    pub fn write_text(&self, name: &str, text: &str) {
        let half = self.folder.join("half-written");
        let whole = self.config().join(name);
        std::fs::write(&half, text)
            .and_then(|()| std::fs::rename(&half, &whole))
            .unwrap_or_else(|error| panic!("{}: {error}", whole.display()));
    }

    /// Deletes an object's file.
    pub fn remove(&self, object: &Value) {
        let path = self.config().join(file_name(object));
        std::fs::remove_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// `herald status -o json`: everything in short.
    pub fn overview(&self) -> Result<Value, String> {
        self.ask(&["status"])
    }

    /// `herald status SUBJECT -o json`.
    pub fn status(&self, subject: &str) -> Result<Value, String> {
        self.ask(&["status", subject])
    }

    /// A Service's entry in `herald status services`.
    pub fn service_status(&self, name: &str) -> Result<Value, String> {
        let status = self.status("services")?;
        let mut services = status["services"].as_array().into_iter().flatten();
        let is_meant = |service: &&Value| {
            let known = service["service"].as_str().or(service["name"].as_str());
            known.is_some_and(|known| known == name || known.ends_with(&format!("/{name}")))
        };
        let found = services.find(is_meant);
        found
            .cloned()
            .ok_or_else(|| format!("no Service {name}: {status}"))
    }

    /// `herald explain NAME`: what people read.
    pub fn explain(&self, name: &str) -> Result<String, String> {
        let socket = self.socket();
        let arguments = ["explain", name, "--socket", &socket.to_string_lossy()];
        output(&binary().to_string_lossy(), &arguments)
    }

    fn ask(&self, words: &[&str]) -> Result<Value, String> {
        let socket = self.socket();
        let socket = socket.to_string_lossy();
        let arguments = [words, &["-o", "json", "--socket", &socket]].concat();
        let text = output(&binary().to_string_lossy(), &arguments)?;
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
    }

    /// A peer's entry in `herald status peers`.
    pub fn peer_status(&self, name: &str) -> Result<Value, String> {
        let status = self.status("peers")?;
        let peers = status["peers"].as_array().or(status.as_array());
        let mut peers = peers.into_iter().flatten();
        let found = peers.find(|peer| peer["name"] == name);
        found
            .cloned()
            .ok_or_else(|| format!("no peer {name}: {status}"))
    }

    /// `herald replay` of the latest session with a peer: its steps.
    pub fn replay(&self, peer: &str) -> Vec<Value> {
        let file = self.recordings.join(format!("{peer}.jsonl"));
        let arguments = ["replay", "-o", "json", &file.to_string_lossy()];
        let text = output(&binary().to_string_lossy(), &arguments);
        let text = text.unwrap_or_else(|error| panic!("{error}"));
        let step = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}"));
        text.lines().map(step).collect()
    }

    /// SIGTERM, and waits for its end.
    pub fn terminate(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.terminate();
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.daemon = None;
    }

    /// Whether it runs, neither stopped nor crashed.
    pub fn is_running(&mut self) -> bool {
        self.daemon.as_mut().is_some_and(Process::is_running)
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        let daemon = self.daemon.as_ref();
        daemon.unwrap_or_else(|| panic!("herald is stopped"))
    }

    /// Its log.
    pub fn log(&self) -> String {
        crate::process::read_log(&self.log)
    }
}

/// The binary under test: `HERALD_BIN`, or the one that cargo built beside the tests.
pub fn binary() -> PathBuf {
    let built = || profile_folder().join("herald");
    let path = std::env::var_os("HERALD_BIN").map_or_else(built, PathBuf::from);
    assert!(
        Path::exists(&path),
        "{} is not there: run `cargo build --package daemon` first",
        path.display()
    );
    path
}

fn file_name(object: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("unnamed").to_lowercase();
    format!(
        "{}-{}.yaml",
        word(&object["kind"]),
        word(&object["metadata"]["name"])
    )
}
