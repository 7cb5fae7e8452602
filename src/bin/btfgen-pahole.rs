//! The command `btfgen-pahole`: `btfgen` called as kernel builds call `pahole`, whatever its file is named.

#![deny(unsafe_code)]

#[path = "../cli/mod.rs"]
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(Some("pahole"))
}
