//! The tool: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ikctl::main()
}
