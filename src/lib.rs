//! btfgen
pub mod btf;
mod build;
pub mod dwarf;
pub mod elf;
mod encode;
mod error;
mod merge;
mod options;
mod pool;
pub mod report;
mod symtab;
mod table;

pub use elf::Image;
pub use encode::{Encoder, Output};
pub use error::{Error, ErrorKind, Result};
pub use options::{Features, Jobs, Options, Order};
