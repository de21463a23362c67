//! Policy files, and the files they name, read with care: whatever lies at a path, within bounds, and never waiting.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::report::{Code, Severity};
use crate::walk::Draft;

/// Largest policy file that is read, in bytes.
pub const MAX_FILE: u64 = 4 << 20;

/// The text of one policy file.
#[derive(Debug)]
pub struct Source {
    /// Where it was read from; files it names are relative to its directory.
    pub path: PathBuf,
    /// Its text, which may hold secrets.
    pub(crate) text: Zeroizing<String>,
    /// The mode, where others than the owner may read or write it.
    pub(crate) exposed: Option<u32>,
    /// Byte offsets at which the lines start.
    lines: Vec<usize>,
}

impl Source {
    /// A text that is in memory, as if it were a file that only its owner can read.
    #[must_use]
    pub fn from_text(path: &Path, text: &str) -> Self {
        Self::new(path, Zeroizing::new(text.to_owned()), None)
    }

    fn new(path: &Path, text: Zeroizing<String>, exposed: Option<u32>) -> Self {
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            path: path.to_owned(),
            text,
            exposed,
            lines,
        }
    }

    /// Line and column, from 1, of a byte of the text.
    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines[line - 1];
        let before = self
            .text
            .get(start..at)
            .map_or(0, |text| text.chars().count());
        (line, before + 1)
    }

    /// The bytes of the line that a byte is in, without its end.
    pub(crate) fn line_around(&self, at: usize) -> std::ops::Range<usize> {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines[line - 1];
        let end = self
            .lines
            .get(line)
            .map_or(self.text.len(), |next| next - 1);
        start..start + self.text[start..end].trim_end_matches('\r').len()
    }

    /// The byte at which a line and a column in characters, from 1, are; the end of the line where it is shorter.
    pub(crate) fn offset(&self, line: usize, column: usize) -> usize {
        let start = self
            .lines
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(self.text.len());
        let line = self.line_around(start);
        let within = self.text[line.clone()]
            .char_indices()
            .nth(column.saturating_sub(1));
        within.map_or(line.end, |(at, _)| line.start + at)
    }
}

/// Reads all files that the paths stand for; what cannot be read becomes a problem.
pub(crate) fn read_all(paths: &[PathBuf], drafts: &mut Vec<Draft>) -> Vec<Source> {
    let mut sources = Vec::new();
    for path in paths {
        let files = if path.is_dir() {
            list(path, drafts)
        } else {
            vec![path.clone()]
        };
        sources.extend(files.iter().filter_map(|file| read(file, drafts)));
    }
    sources
}

/// The policy files of a directory, sorted by name.
fn list(directory: &Path, drafts: &mut Vec<Draft>) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut entries: Vec<PathBuf> = match entries {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("the directory cannot be read: {}", reason(&error));
            drafts.push(Draft::of_file(
                Code::UnreadableFile,
                Severity::Error,
                directory,
                message,
            ));
            return Vec::new();
        }
    };
    entries.sort();
    let hidden = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    let has = |path: &Path, extension: &str| {
        path.extension().is_some_and(|found| found == extension) && !hidden(path)
    };
    for path in entries.iter().filter(|path| has(path, "yml")) {
        let message = "not read: in a directory, policy files end in .yaml".to_owned();
        let draft = Draft::of_file(Code::IgnoredFile, Severity::Warning, path, message);
        drafts.push(draft.suggest(format!(
            "rename it to {}",
            path.with_extension("yaml").display()
        )));
    }
    entries.retain(|path| has(path, "yaml"));
    if entries.is_empty() {
        let message = "the directory holds no policy file (*.yaml)".to_owned();
        drafts.push(Draft::of_file(
            Code::NoPolicies,
            Severity::Warning,
            directory,
            message,
        ));
    }
    entries
}

fn read(path: &Path, drafts: &mut Vec<Draft>) -> Option<Source> {
    let mut fail = |code, message| {
        drafts.push(Draft::of_file(code, Severity::Error, path, message));
        None
    };
    let (bytes, mode) = match read_bounded(path, MAX_FILE) {
        Ok(Some(read)) => read,
        Ok(None) => {
            return fail(
                Code::FileTooLarge,
                format!("larger than {} MiB", MAX_FILE >> 20),
            );
        }
        Err(error) => {
            return fail(
                Code::UnreadableFile,
                format!("the policy file cannot be read: {}", reason(&error)),
            );
        }
    };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => Zeroizing::new(text.to_owned()),
        Err(error) => {
            let line = bytes[..error.valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count()
                + 1;
            return fail(
                Code::NotUtf8,
                format!(
                    "not UTF-8 text: byte {} on line {line}",
                    error.valid_up_to() + 1
                ),
            );
        }
    };
    if mode & 0o022 != 0 {
        let message = format!("others than its owner may write to it (mode {mode:04o})");
        let draft = Draft::of_file(Code::WritableByOthers, Severity::Warning, path, message);
        drafts.push(draft.suggest(format!("chmod go-w {}", path.display())));
    }
    Some(Source::new(path, text, (mode & 0o077 != 0).then_some(mode)))
}

/// A regular file of at most `limit` bytes (`None`: it has more), with its permission bits. A pipe or a device is an
/// error and is not waited for.
pub(crate) fn read_bounded(
    path: &Path,
    limit: u64,
) -> io::Result<Option<(Zeroizing<Vec<u8>>, u32)>> {
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.len() > limit {
        return Ok(None);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(metadata.len()).unwrap_or(0) + 1,
    ));
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then(|| (bytes, metadata.mode() & 0o7777)))
}

/// An error of the system in its own words, without the number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or(&text)
        .to_lowercase()
}
