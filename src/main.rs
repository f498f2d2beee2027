//! The `homonym` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    homonym::cli::main()
}
