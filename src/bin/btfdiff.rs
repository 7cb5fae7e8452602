//! The command `btfdiff`: compares two BTFs, or what a file says in DWARF with what it says in BTF.

#![deny(unsafe_code)]

#[path = "../cli/mod.rs"]
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(Some("btfdiff"))
}
