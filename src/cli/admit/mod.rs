//! `btfgen admit`: what the machine has, and running commands when there is room for them.

mod status;

use std::path::PathBuf;

use btfgen::Result;
use btfgen::admission::Root;
use clap::{Args, Subcommand};

use super::output;
use status::Status;

/// The options of `btfgen admit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AdmitArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the limits of memory and CPUs that hold here, and which of them binds
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,

        /// A directory that holds proc and sys, instead of those of the system
        #[arg(long, value_name = "DIR", hide = true)]
        root: Option<PathBuf>,
    },
}

/// Carries it out.
///
/// # Errors
/// The system refused.
pub(crate) fn run(args: &AdmitArgs) -> Result<()> {
    match &args.what {
        What::Status { json, root } => {
            let status = Status::read(&root.as_ref().map_or_else(Root::system, Root::at));
            let text = if *json { format!("{:#}\n", status.json()) } else { status.text() };
            output::print(text.as_bytes()).map(|_| ())
        }
    }
}
