//! A parallel encoder from DWARF to BTF, the type information that BPF programs need from a kernel.
//!
//! ```
//! use btfgen::{Encoder, Image, Options};
//! use btfgen::btf::{Btf, Kind};
//!
//! # fn main() -> btfgen::Result<()> {
//! let image = Image::open("testdata/small/demo.elf")?;
//! let output = Encoder::new(Options::default()).encode(&image)?;
//!
//! let btf = Btf::parse(&output.btf)?;
//! assert!(btf.types().any(|ty| ty.kind() == Kind::Func));
//! assert_eq!(output.report.functions.encoded, output.report.types_out["FUNC"]);
//! # Ok(())
//! # }
//! ```
//!
//! # The design in a page
//!
//! **Workers drop repetition where it is met; only what is new travels on.** A vmlinux holds 4.3 million
//! type DIEs and 39 thousand types: each is repeated 110 times. So no stage after the walk ever sees
//! millions of types. A worker reads one unit into a scratch graph, gives every type a 128-bit *key*,
//! keeps the types whose key is new to it in tables of its own, and forgets the unit. At the end the
//! tables of all workers are joined.
//!
//! **The result does not depend on the number of workers**: joining is commutative and associative, and
//! what decides the place of a type in the output is its content, or its first occurrence kept as a
//! minimum. No worker ever waits for another.
//!
//! The stages, as [`Encoder::encode`] runs them:
//!
//! 1. *open*: an [`Image`] is mapped or read, the other files that hold parts of its debugging information are found
//!    ([`Files`]), their sections decompressed and relocated where need be, the headers of all units listed
//!    ([`dwarf::Program`]).
//! 2. *walk*: every worker takes the next unit, compiles its abbreviations to layouts
//!    ([`dwarf::Layouts`]), walks it ([`dwarf::walk`]), computes keys, and keeps what is new: types,
//!    what is said about functions, variables. What a unit refers to in another is copied from there, down
//!    to names: so units that refer to each other need not be merged, and still go in parallel.
//! 3. *join*: one table.
//! 4. *exact*: a named struct, union or enum is a leaf to whoever refers to it, which makes keys
//!    computable in one pass. That is exact unless a name has several definitions: those names are known
//!    now, and so are the few units that mean another one than most. They hand over which of their names
//!    refer to which; on that it is found out, in memory, which definition each of them means; and what that
//!    changes in them is made once more, with the definition in the key.
//! 5. *choose*: declarations become what they declare; functions are chosen by the symbol table and by
//!    what their units agree on; kfuncs are tagged; variables get their sections.
//! 6. *order* and *write*: a list sorted by content, then bytes. With a [`Base`], what that has already is left
//!    out: the largest set of types of which nothing reachable differs.
//! 7. *check*: the kernel's own rules, applied to the output before anybody gets it.
//!
//! # Who knows whom
//!
//! [`btf`], [`elf`], [`dwarf`] and [`admission`] are leaves that do not know each other; the tables know `btf`; the
//! builder of a worker knows `dwarf`, `btf` and the tables; the merge knows the tables. Only the pipeline
//! knows all. A test keeps it so. [`why`] tells people what the merge decided, and decides nothing.
//!
//! # Errors and panics
//!
//! No input makes this library panic, hang, or allocate without bound. An [`Error`] is one line that names
//! the file, the unit and the DIE. What can be expressed only in part costs that part and is counted in
//! the [`report`]. The library prints nothing.

#![deny(unsafe_code)]

pub mod admission;
pub mod btf;
mod build;
pub mod diff;
pub mod dump;
pub mod dwarf;
pub mod elf;
mod encode;
mod error;
mod files;
mod merge;
mod options;
pub mod plain;
mod pool;
pub mod report;
mod symtab;
mod table;
pub mod why;

pub use elf::Image;
pub use encode::{Encoder, Output};
pub use error::{Error, ErrorKind, Result};
pub use files::{DebugSections, Files, Parts};
pub use merge::base::Base;
pub use merge::union::union;
pub use options::{Features, Jobs, Options, Order, Search};
pub use pool::{Busy, Throttle, Workers};
