//! The command `btfgen`: parse, run, map the error to an exit code.
//!
//! Everything that a user meets is in `cli`; everything that is done is in the library.

#![deny(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(std::env::args_os()) {
        Ok(code) => code,
        Err(error) => {
            cli::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
