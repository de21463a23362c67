//! `cargo lab`: the demo, the tests, and other people's scripts, on a real kernel.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use integration::guest::demo::{CAPTURE, TABLE};
use integration::guest::peers::Kind;
use integration::host::choose::Way;
use integration::host::docs;
use integration::host::faults;
use integration::host::lives;
use integration::host::mutants;
use integration::host::package;
use integration::host::paths::Paths;
use integration::host::prepare;
use integration::host::run::Luggage;
use integration::host::stages::{self, Options};
use integration::job::Job;

/// The lab: real kernels, real peers, one command.
#[derive(Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab")]
enum Command {
    /// Two gateways and a host behind each, on a real kernel: the tunnel, an attacker, a wrong key.
    Demo {
        /// The daemon at headquarters.
        #[arg(long, value_enum, default_value_t = Kind::Ikd)]
        hq: Kind,
        /// The daemon at the branch.
        #[arg(long, value_enum, default_value_t = Kind::Ikd)]
        branch: Kind,
        /// The kernel to use, instead of the best one found.
        #[arg(long, value_enum)]
        on: Option<Way>,
    },
    /// Every check and every test, the end-to-end tests on a real kernel included; ends with a table and a count.
    Test {
        /// Take the time: more seeds, more of everything that has a number.
        #[arg(long)]
        full: bool,
        /// One stage (fmt, clippy, doc, book, unit, e2e, package, pair, vagrant, deny), or the tests whose names contain this.
        #[arg(long)]
        only: Option<String>,
        /// The kernel to use, instead of the best one found.
        #[arg(long, value_enum)]
        on: Option<Way>,
    },
    /// Lives of SAs drawn from seeds, on a virtual clock: whatever happens, no packet in clear, none lost, nothing left.
    Sim {
        /// How many lives.
        #[arg(long, default_value_t = 2000)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Not to stop at the first that fails.
        #[arg(long)]
        keep_going: bool,
        /// The life of one seed.
        #[arg(long, conflicts_with_all = ["seeds", "from"])]
        seed: Option<u64>,
        /// Print it as a sequence diagram.
        #[arg(long, requires = "seed")]
        trace: bool,
        /// Live them all, run the scripted tests of the simulator, and write down in docs/src/simulation.md which messages met
        /// which situations.
        #[arg(long, conflicts_with = "seed")]
        coverage: bool,
    },
    /// Build the engine with each fault that was made on purpose, and see that the simulator finds it.
    Faults {
        /// Those whose names contain this.
        #[arg(long)]
        only: Option<String>,
    },
    /// Build the engine with small changes at places that a seed draws, and see that the simulator finds them.
    Mutants {
        /// How many.
        #[arg(long, default_value_t = 300)]
        sample: usize,
        /// Which sample.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many lives for each.
        #[arg(long, default_value_t = 300)]
        lives: u64,
        /// How many are tried at a time [default: one for each core].
        #[arg(long)]
        jobs: Option<NonZero<usize>>,
        /// Have the scripted simulations try what survives its lives.
        #[arg(long)]
        scripted: bool,
        /// All of them whose names contain this, instead of a sample.
        #[arg(long, conflicts_with_all = ["sample", "seed"])]
        only: Option<String>,
    },
    /// Write the generated parts of the book and of `ikctl explain`, and build the book's HTML.
    Docs,
    /// Build the Debian package of ikd and ikctl: target/debian/ikd_VERSION_ARCH.deb.
    Deb {
        /// What follows the version; a higher one is an upgrade.
        #[arg(long, default_value = "1")]
        revision: String,
    },
    /// Run a script as root in a guest that has ESP, ikd, ikctl, strongSwan and the usual network tools.
    Exec {
        /// The kernel to use, instead of the best one found.
        #[arg(long, value_enum)]
        on: Option<Way>,
        /// In a plain Debian with systemd, without ikd, strongSwan and tools.
        #[arg(long)]
        plain: bool,
        /// Minutes after which a guest that has not ended is stopped.
        #[arg(long, default_value_t = 60)]
        limit: u64,
        /// The script, a file of this machine; its first line says what runs it.
        script: PathBuf,
        /// The script's arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::from(125)
        }
    }
}

fn run(command: Command) -> Result<u8> {
    let paths = Paths::find()?;
    match command {
        Command::Demo { hq, branch, on } => demo(&paths, hq, branch, on),
        Command::Test { full, only, on } => {
            Ok(u8::from(!stages::run(&paths, &Options { only, full, on })?))
        }
        Command::Sim {
            seeds,
            from,
            keep_going,
            seed,
            trace,
            coverage,
        } => {
            let mut arguments = match seed {
                Some(seed) => vec!["--seed".to_owned(), seed.to_string()],
                None => ["--seeds", &seeds.to_string(), "--from", &from.to_string()]
                    .map(str::to_owned)
                    .to_vec(),
            };
            arguments.extend(keep_going.then(|| "--keep-going".to_owned()));
            arguments.extend(trace.then(|| "--trace".to_owned()));
            if coverage {
                arguments.extend(lives::coverage(&paths)?);
            }
            lives::run(&paths, &arguments)
        }
        Command::Faults { only } => Ok(u8::from(!faults::run(&paths, only.as_deref())?)),
        Command::Mutants {
            sample,
            seed,
            lives,
            jobs,
            scripted,
            only,
        } => {
            let options = mutants::Options {
                sample,
                seed,
                lives,
                jobs,
                scripted,
                only,
            };
            Ok(u8::from(!mutants::run(&paths, &options)?))
        }
        Command::Docs => {
            for file in docs::write(&paths.workspace)? {
                println!("written: {}", file.display());
            }
            match docs::html::mdbook(&paths) {
                Ok(mdbook) => {
                    let to = docs::html::build(&paths, &mdbook)?;
                    println!("the book is at {}", to.join("index.html").display());
                }
                Err(why) => println!("there is no HTML: {why}"),
            }
            Ok(0)
        }
        Command::Deb { revision } => {
            let package = package::build(&paths, &revision)?;
            println!("{}", package.display());
            Ok(0)
        }
        Command::Exec {
            on,
            plain,
            limit,
            script,
            arguments,
        } => {
            let script = script
                .canonicalize()
                .with_context(|| format!("the script {}", script.display()))?;
            let name = script
                .file_name()
                .context("the script has no name")?
                .to_owned();
            let lab = if plain {
                prepare::plain_lab(&paths, on)?
            } else {
                prepare::lab(&paths, on)?
            };
            // Copied, so that it is executable and its directory can be written.
            let prelude = "cp \"/lab/files/$0\" \"/tmp/$0\" && chmod +x \"/tmp/$0\" && cd /tmp && exec \"/tmp/$0\" \"$@\"";
            let mut command = vec![
                "sh".to_owned(),
                "-c".to_owned(),
                prelude.to_owned(),
                name.to_string_lossy().into_owned(),
            ];
            command.extend(arguments);
            let luggage = Luggage {
                files: vec![(script, name.into())],
            };
            let (status, _) = lab.run(
                "exec",
                &Job {
                    command,
                    env: Vec::new(),
                },
                &luggage,
                Duration::from_secs(limit * 60),
            )?;
            Ok(status)
        }
    }
}

fn demo(paths: &Paths, hq: Kind, branch: Kind, on: Option<Way>) -> Result<u8> {
    let lab = prepare::lab(paths, on)?;
    let command = [
        "lab-guest",
        "demo",
        "--hq",
        &hq.to_string(),
        "--branch",
        &branch.to_string(),
    ];
    let job = Job {
        command: command.map(str::to_owned).to_vec(),
        env: Vec::new(),
    };
    let (status, out) = lab.run(
        "demo",
        &job,
        &Luggage::default(),
        Duration::from_secs(20 * 60),
    )?;
    let directory = paths.target.join("demo");
    std::fs::create_dir_all(&directory)?;
    let (capture, table) = (directory.join(CAPTURE), directory.join(TABLE));
    // One of an earlier demo would not fit this capture.
    let _ = std::fs::remove_file(&table);
    if std::fs::copy(out.join(CAPTURE), &capture).is_ok() {
        println!(
            "What passed headquarters' uplink is in {}. Look at it with:\n",
            capture.display()
        );
        println!("    tcpdump -nr {}", capture.display());
        if std::fs::copy(out.join(TABLE), &table).is_ok() {
            println!(
                "    ikctl decode {0} --keys {1}\n    WIRESHARK_CONFIG_DIR={2} wireshark {0}\n\n\
                 The table of keys opens what IKE said after its first two messages. Wireshark wants it as \
                 {TABLE}\nin its configuration directory: the one that is named, or ~/.config/wireshark.",
                capture.display(),
                table.display(),
                directory.display()
            );
        }
    }
    Ok(status)
}
