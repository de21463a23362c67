//! The daemon: everything is in the library.

use std::process::ExitCode;

// Nobody ships a fault that was made on purpose.
const _: () = assert!(!ike::fault::BUILT_IN);

fn main() -> ExitCode {
    ikd::main()
}
