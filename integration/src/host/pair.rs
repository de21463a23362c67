//! Two plain machines at once, joined by a wire, and what passed on it.
//!
//! ```text
//!   QEMU hq --- uplink, captured ---+--- uplink --- QEMU branch
//!            '--------------- signals ---------------'
//! ```

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::paths::Paths;
use super::prepare::Lab;
use super::run::{Luggage, Wiring};
use super::tally::Tally;
use super::vm::Wire;
use crate::guest::pair::{SIGNALS, UPLINK, WIRE_TEST};
use crate::guest::sites::{BRANCH, HQ};
use crate::guest::sniffer::{Frame, Kind, count, read_capture};
use crate::job::Job;

/// A pair whose tests have not ended by then hangs.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// What passed between the gateways.
const CAPTURE: &str = "uplink.pcap";

/// Runs the tests of both gateways side by side, and one of the wire afterwards.
pub fn run(paths: &Paths, lab: &Lab, luggage: &Luggage, tally: &mut Tally) -> Result<bool> {
    let directory = paths.fresh("pair")?;
    let capture = directory.join(CAPTURE);
    let secret = secret()?;
    let lines = Mutex::new(tally);
    let gateways = [(&HQ, &BRANCH), (&BRANCH, &HQ)];
    let good = std::thread::scope(|scope| -> Result<bool> {
        let runs: Vec<_> = gateways
            .into_iter()
            .enumerate()
            .map(|(number, (site, other))| {
                let (directory, capture, secret, lines) = (&directory, &capture, &secret, &lines);
                scope.spawn(move || -> Result<bool> {
                    let captured = (site.name == HQ.name).then(|| capture.clone());
                    let wires = [
                        wire("uplink", UPLINK[number], (site.name, other.name), captured),
                        wire("signals", SIGNALS[number], (site.name, other.name), None),
                    ];
                    let command = ["lab-guest", "pair", site.name, secret];
                    let job = Job {
                        command: command.map(str::to_owned).to_vec(),
                        env: Vec::new(),
                    };
                    let name = format!("pair-{}", site.name);
                    let wiring = Wiring {
                        wires: &wires,
                        directory,
                    };
                    let mut output = Lines {
                        to: lines,
                        line: Vec::new(),
                    };
                    let (status, _) =
                        lab.run_wired(&name, &job, luggage, LIMIT, &mut output, &wiring)?;
                    Ok(status == 0)
                })
            })
            .collect();
        let mut good = true;
        for run in runs {
            good &= run
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(good)
    })?;
    let outcome = only_esp_crossed(&capture);
    let tally = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
    writeln!(tally, "test {WIRE_TEST} ... {verdict}")?;
    if let Err(error) = &outcome {
        writeln!(tally, "    {error:#}")?;
    }
    let passed = u8::from(outcome.is_ok());
    writeln!(
        tally,
        "test result: {verdict}. {passed} passed; {} failed; 0 ignored",
        1 - passed
    )?;
    Ok(good && outcome.is_ok())
}

fn wire(
    name: &str,
    hardware_address: &'static str,
    (near, far): (&str, &str),
    capture: Option<std::path::PathBuf>,
) -> Wire {
    Wire {
        hardware_address,
        near: format!("{near}-{name}"),
        far: format!("{far}-{name}"),
        capture,
    }
}

/// A secret as an operator makes one.
fn secret() -> Result<String> {
    let mut bytes = [0; 24];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| anyhow::anyhow!("the system has no randomness"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Fails unless ESP crossed, and no packet of the private networks in clear.
fn only_esp_crossed(capture: &Path) -> Result<()> {
    let frames = read_capture(capture)?;
    let counts = count(&frames);
    println!(
        "on the wire: {}",
        counts
            .iter()
            .map(|(kind, number)| format!("{number} {kind}"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    ensure!(
        counts.get(&Kind::Esp).is_some_and(|number| *number >= 4),
        "there was no ESP on the wire"
    );
    let private = |frame: &&Frame| {
        let inside = |address: std::net::Ipv4Addr| address.octets()[0] == 10;
        frame.kind() == Kind::Clear
            && frame
                .addresses()
                .is_some_and(|(from, to)| inside(from) || inside(to))
    };
    let clear = frames.iter().filter(private).count();
    ensure!(
        clear == 0,
        "{clear} packets of the private networks crossed in clear: see {}",
        capture.display()
    );
    Ok(())
}

/// Passes on whole lines, because two machines write at once.
struct Lines<'a, 'tally> {
    to: &'a Mutex<&'tally mut Tally>,
    line: Vec<u8>,
}

impl Write for Lines<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend(bytes);
        if let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') {
            let whole: Vec<u8> = self.line.drain(..=end).collect();
            self.to
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write_all(&whole)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
