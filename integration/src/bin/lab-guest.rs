//! What the lab runs inside its guest. Started by `cargo lab`, never by hand.

use std::path::PathBuf;

use clap::Parser;
use integration::guest;

#[derive(Parser)]
#[command(about = "The guest's side of cargo lab")]
enum Command {
    /// As the first process of a virtual machine.
    Init,
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
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Init => guest::init::virtual_machine(),
        Command::Contain { root, lab, out } => guest::init::contain(&root, &lab, &out),
    }
}
