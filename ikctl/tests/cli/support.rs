//! A daemon of canned replies, and files of what should be printed.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

/// Longer than anything takes that works.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A directory of its own, which goes when the test ends.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ikctl-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("control")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Serves one caller: reads its call, sends the reply byte for byte, closes.
pub(super) struct Daemon {
    pub(super) directory: Directory,
    pub(super) thread: JoinHandle<String>,
}

impl Daemon {
    pub(super) fn start(name: &str, reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::serving(name, move |stream| {
            let _ = stream.write_all(&reply);
        })
    }

    /// With parameters as a file has them.
    pub(super) fn replying(name: &str, file: &str) -> Self {
        let text = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/replies")
                .join(file),
        )
        .unwrap();
        let parameters: serde_json::Value = serde_json::from_str(&text).unwrap();
        Self::start(
            name,
            format!("{}\0", serde_json::json!({ "parameters": parameters })),
        )
    }

    pub(super) fn refusing(name: &str, error: &str, parameters: serde_json::Value) -> Self {
        Self::start(
            name,
            format!(
                "{}\0",
                serde_json::json!({ "error": error, "parameters": parameters })
            ),
        )
    }

    pub(super) fn serving(
        name: &str,
        serve: impl FnOnce(&mut UnixStream) + Send + 'static,
    ) -> Self {
        let directory = Directory::new(name);
        let listener = UnixListener::bind(directory.socket()).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut call = Vec::new();
            BufReader::new(&stream).read_until(0, &mut call).unwrap();
            serve(&mut stream);
            String::from_utf8(call)
                .unwrap()
                .trim_end_matches('\0')
                .to_owned()
        });
        Self { directory, thread }
    }

    /// Runs `ikctl` against it: the call it got, and the end.
    pub(super) fn run(self, arguments: &[&str]) -> (String, Ended) {
        let ended = ikctl(&self.directory, arguments);
        (self.thread.join().unwrap(), ended)
    }
}

/// How `ikctl` ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

pub(super) fn command(directory: &Directory, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ikctl"));
    command
        .env_clear()
        .arg("--socket")
        .arg(directory.socket())
        .args(arguments);
    command
}

pub(super) fn ikctl(directory: &Directory, arguments: &[&str]) -> Ended {
    end(directory, &mut command(directory, arguments))
}

pub(super) fn end(directory: &Directory, command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| {
        String::from_utf8(bytes)
            .unwrap()
            .replace(directory.0.to_str().unwrap(), "/run/ikd")
    };
    Ended {
        code: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Compares with a file of `tests/expected`, and holds every line of text to 80 columns.
#[track_caller]
pub(super) fn expect(file: &str, text: &str) {
    expect_messages(file, text);
    for line in text.lines().filter(|_| file.ends_with(".txt")) {
        assert!(line.chars().count() <= 80, "more than 80 columns: {line}");
    }
}

/// Compares with a file of `tests/expected`. Messages of one line may be longer than 80 columns: logs keep them whole.
#[track_caller]
pub(super) fn expect_messages(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/expected")
        .join(file);
    let text: String = text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    if std::env::var("IKCTL_EXPECT").is_ok_and(|value| value == "write") {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(
        text,
        fs::read_to_string(&path).unwrap_or_default(),
        "not as in tests/expected/{file}"
    );
}
