//! `ikctl decode`: what a capture says, for people and for scripts, without a daemon.
//!
//! ```text
//! capture/   pcap, pcapng    -> frames
//! network/   link, IP, UDP   -> datagrams, IP fragments put together
//! messages   ports, markers  -> IKE messages, IKE fragments put together; ike::wire::describe makes the trees
//! nat        whether addresses were changed on the way
//! keys/      the key table, and the ciphers that open SK and SKF payloads
//! render/    text, one line for each message, JSON lines
//! ```
//!
//! It works in a stream: a message is printed before the next frame is read, so that captures of any size, and live ones
//! through a pipe, take the same memory. All that is remembered across messages is bounded ([`bounded`]).

mod bounded;
mod capture;
mod counts;
mod keys;
mod messages;
mod nat;
mod network;
mod render;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use capture::{Capture, Damage};
use clap::Args;
use counts::Counts;
use keys::{BadLine, Keys};
use messages::{Found, Open, Reader};
use network::{Lost, Pool};
pub(crate) use render::Look;
use render::Output;

use crate::Exit;

/// What to decode, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// A pcap or pcapng file; - for standard input
    #[arg(value_name = "CAPTURE")]
    capture: PathBuf,

    /// Decrypt with the keys of this table
    ///
    /// The format is that of Wireshark's ikev2_decryption_table, which
    /// `ikd --keylog` writes. Lines that cannot be used are told.
    #[arg(long, value_name = "TABLE", verbatim_doc_comment)]
    keys: Option<PathBuf>,

    /// One line for each message
    #[arg(long, conflicts_with = "full")]
    summary: bool,

    /// Every field, and retransmissions in full
    #[arg(long)]
    full: bool,

    /// Look for IKE on this UDP port as well as on 500 and 4500
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<u16>,
}

/// All that is said after the last message.
struct Ending {
    counts: Counts,
    open: Open,
    lost: Vec<Lost>,
    /// Why the file could not be read to its end.
    damage: Option<Damage>,
    /// Whether there were any keys.
    keys: bool,
}

/// Decodes to standard output. What keeps it from beginning goes to standard error.
pub(crate) fn run(options: &Options, json: bool, look: Look) -> Exit {
    let mut stderr = io::stderr();
    let mut complain = |message: String| {
        let _ = writeln!(stderr, "ikctl: {}", crate::text::clean_lines(&message));
    };
    let mut bad_lines = Vec::new();
    let keys = match options.keys.as_deref().map(|path| (path, Keys::read(path))) {
        None => Keys::default(),
        Some((_, Ok((keys, bad)))) => {
            bad_lines = bad;
            keys
        }
        Some((path, Err(error))) => {
            complain(format!(
                "cannot read the keys in {}: {error}",
                path.display()
            ));
            return Exit::Failed;
        }
    };
    for BadLine { line, reason } in &bad_lines {
        let path = options.keys.as_deref().unwrap_or_else(|| Path::new(""));
        complain(format!(
            "{}, line {line}: {reason}; the line is not used",
            path.display()
        ));
    }
    let name = options.capture.display().to_string();
    let input: Box<dyn BufRead> = if name == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        match File::open(&options.capture) {
            Ok(file) => Box::new(BufReader::with_capacity(1 << 16, file)),
            Err(error) => {
                complain(format!("cannot read {name}: {error}"));
                return Exit::Failed;
            }
        }
    };
    let look = Look {
        summary: options.summary,
        full: options.full,
        ..look
    };
    let stdout = io::BufWriter::new(io::stdout().lock());
    let mut output = render::output(stdout, json, look);
    let reader = Reader::new(keys, options.ports.clone());
    match decode(input, reader, output.as_mut(), name == "-") {
        Ok(None) if bad_lines.is_empty() => Exit::Done,
        Ok(None) => Exit::Damaged,
        Ok(Some(damage)) => {
            complain(format!("{name}: {damage}"));
            if damage.before_the_first() {
                Exit::Failed
            } else {
                Exit::Damaged
            }
        }
        // `ikctl decode ... | head` has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            complain(format!("cannot write to standard output: {error}"));
            Exit::Failed
        }
    }
}

/// Prints message after message, and then the end; returns why the file could not be read to its end. `live`: somebody
/// may be waiting for each message.
fn decode(
    input: impl BufRead,
    mut reader: Reader,
    output: &mut dyn Output,
    live: bool,
) -> io::Result<Option<Damage>> {
    let keys = reader.has_keys();
    let mut counts = Counts::default();
    let mut pool = Pool::default();
    let mut damage = None;
    match Capture::open(input) {
        Err(what) => damage = Some(what),
        Ok(mut capture) => loop {
            match capture.next() {
                Ok(None) => break,
                Err(what) => {
                    damage = Some(what);
                    break;
                }
                Ok(Some(packet)) => {
                    let datagram = network::datagram(&packet, &mut pool);
                    counts.frame(&datagram);
                    let Ok(datagram) = datagram else { continue };
                    let found = reader.read(datagram);
                    counts.count(&found);
                    if let Found::Ike(message) = found {
                        output.message(&message)?;
                        if live {
                            output.flush()?;
                        }
                    }
                }
            }
        },
    }
    let ending = Ending {
        counts,
        open: reader.finish(),
        lost: pool.finish(),
        damage,
        keys,
    };
    if !ending.damage.as_ref().is_some_and(Damage::before_the_first) {
        output.end(&ending)?;
    }
    output.flush()?;
    Ok(ending.damage)
}

/// Decodes bytes that may be anything, for the fuzzer and for tests: what is printed in all three ways.
pub fn decode_bytes(capture: &[u8], table: &[u8]) -> [Vec<u8>; 3] {
    let ways = [(false, false), (false, true), (true, false)];
    ways.map(|(json, summary)| {
        let look = Look {
            colour: false,
            width: crate::text::WIDTH,
            summary,
            full: !summary,
        };
        let mut printed = Vec::new();
        let reader = Reader::new(Keys::parse(table).0, vec![5000]);
        let mut output = render::output(&mut printed, json, look);
        decode(capture, reader, output.as_mut(), false).expect("memory takes what is written");
        drop(output);
        printed
    })
}
