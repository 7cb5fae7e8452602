//! What the children of an open DIE belong to.

use super::annotation::Annotated;
use super::graph::NodeId;

/// The scope of an open DIE. A plain struct of few bytes: one is pushed for every tenth DIE, and copying an
/// enum with fields of many sizes stalls on every copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    pub(super) kind: ScopeKind,
    /// The node, function or variable.
    pub(super) id: u32,
    /// Where its parts or dimensions begin; of a member its number, of a parameter its component index.
    pub(super) start: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScopeKind {
    /// Blocks, namespaces, and whatever else only groups.
    Other,
    /// A compilation unit: its variables are global.
    Root,
    /// A struct, union or class.
    Composite,
    /// Part of the struct that is open at place `start`: a Rust variant.
    Inside,
    /// An enum or the parameters of a function type.
    Parts,
    /// An array.
    Array,
    /// A function with code or an abstract instance.
    Func,
    /// A pointer; it and the rest are open for annotations alone.
    Pointer,
    Typedef,
    Member,
    Param,
    Variable,
}

impl Scope {
    pub(super) const OTHER: Scope = Scope::new(ScopeKind::Other, 0, 0);

    #[inline(always)]
    pub(super) const fn new(kind: ScopeKind, id: u32, start: u32) -> Scope {
        Scope { kind, id, start }
    }

    pub(super) fn node(&self) -> NodeId {
        NodeId(self.id)
    }

    /// What an annotation in this scope is on.
    pub(super) fn annotated(&self) -> Option<Annotated> {
        match self.kind {
            ScopeKind::Pointer => Some(Annotated::Pointer(self.node())),
            ScopeKind::Typedef | ScopeKind::Composite => Some(Annotated::Type(self.node())),
            ScopeKind::Member => Some(Annotated::Member(self.node(), self.start)),
            ScopeKind::Func => Some(Annotated::Func(self.id, -1)),
            ScopeKind::Param => Some(Annotated::Func(self.id, self.start as i32)),
            ScopeKind::Variable => Some(Annotated::Variable(self.id)),
            _ => None,
        }
    }
}
