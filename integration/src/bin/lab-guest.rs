//! What the lab runs inside its guest. Started by `cargo lab`, never by hand.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use integration::guest;
use integration::guest::peers::Kind;

#[derive(Parser)]
#[command(about = "The guest's side of cargo lab")]
enum Command {
    /// As the first process of a virtual machine.
    Init,
    /// As a unit of systemd's in a virtual machine.
    Serve,
    /// As the first process of fresh namespaces.
    Contain {
        /// The guest's root file system.
        #[arg(long)]
        root: PathBuf,
        /// The job's files.
        #[arg(long)]
        lab: PathBuf,
        /// Where the job's results go.
        #[arg(long)]
        out: PathBuf,
    },
    /// The story in three acts.
    Demo {
        /// The daemon at headquarters.
        #[arg(long, value_enum)]
        hq: Kind,
        /// The daemon at the branch.
        #[arg(long, value_enum)]
        branch: Kind,
    },
    /// The life of the package.
    Package,
    /// One gateway of the pair.
    Pair {
        /// `hq` or `branch`.
        site: String,
        /// The secret of both.
        secret: String,
    },
    /// The end-to-end tests.
    Test {
        /// Only those whose names contain this.
        #[arg(long, default_value = "")]
        only: String,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let good = match Command::parse() {
        Command::Init => guest::init::virtual_machine().map(|()| true),
        Command::Serve => guest::init::serve().map(|()| true),
        Command::Contain { root, lab, out } => {
            guest::init::contain(&root, &lab, &out).map(|()| true)
        }
        Command::Demo { hq, branch } => guest::demo::run(hq, branch),
        Command::Package => guest::package::run(),
        Command::Pair { site, secret } => guest::pair::run_tests(&site, &secret),
        Command::Test { only } => guest::tests::run(&only),
    };
    Ok(if good? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
