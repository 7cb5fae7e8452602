//! The command `btfgen`: everything that a user meets is in `cli`; everything that is done is in the library.

#![deny(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(None)
}
