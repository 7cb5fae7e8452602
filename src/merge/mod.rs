//! From the tables of all workers to one list of types, in its final order.
//!
//! In comes one [`Tables`](crate::table::Tables), joined; out go bytes. Between them: names with several definitions are told
//! apart ([`exact`], on its [`net`]), anchors find their definitions ([`resolve`]), what Rust has written again
//! becomes one with what it was written from ([`twins`]), functions and variables are chosen
//! ([`functions`], [`variables`]), everything is put in order and written ([`emit`]). For a split BTF, what the
//! [`base`] has already is left out of that ([`shared`]). BTFs that were written already become one by [`union`].

pub mod base;
pub mod emit;
pub mod exact;
pub mod functions;
mod net;
pub mod resolve;
pub mod shared;
mod twins;
pub mod union;
pub mod variables;
