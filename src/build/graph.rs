//! The scratch graph of one unit: its types, functions and variables as the walk found them.
//!
//! References are DIE offsets until somebody follows them, because most of them lead forward. The
//! memory is reused from unit to unit.

use gimli::DW_LANG_Rust;

use super::foreign::Foreign;
use crate::dwarf::{NameId, Unit, Value};

/// A reference: to nothing, a DIE by its offset in the unit, a node, or something of another unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Link(u32);

/// Marks a node. Without it a link is an offset; units are shorter.
const NODE: u32 = 1 << 31;

/// Marks, beside `NODE`, something of another unit by its number in [`Foreign`].
const FOREIGN: u32 = 1 << 30;

/// Marks a place among the parts of nested types.
const NESTED: u32 = 1 << 31;

impl Link {
    pub(super) const VOID: Link = Link(0);

    /// The DIE at `offset` bytes into the unit; 0 means void, for a unit begins with its header.
    #[inline]
    pub(super) fn die(offset: u32) -> Link {
        Link(offset)
    }

    #[inline]
    pub(super) fn node(node: NodeId) -> Link {
        Link(node.0 | NODE)
    }

    /// Number `number` of what lies in other units.
    pub(super) fn foreign(number: u32) -> Link {
        Link(number | NODE | FOREIGN)
    }

    fn as_foreign(self) -> Option<u32> {
        (self.0 & (NODE | FOREIGN) == NODE | FOREIGN).then_some(self.0 & !(NODE | FOREIGN))
    }
}

/// Typedefs, qualifiers or dimensions in a row beyond which a type has no size: longer chains are rings, or
/// made to cost time.
const MAX_CHAIN: u32 = 1024;

/// A type of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) u32);

impl NodeId {
    #[inline]
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node will be in BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Shape {
    /// Nothing can be said about it: `DW_TAG_unspecified_type`, tags that C does not have.
    Void,
    /// It is what it refers to: `_Atomic`.
    Same,
    Int,
    Float,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    /// Declared only; struct or union.
    FwdStruct,
    FwdUnion,
    Typedef,
    Volatile,
    Const,
    Restrict,
    FuncProto,
    TypeTag,
}

impl Shape {
    /// True for structs, unions and enums, and declarations of them.
    #[inline(always)]
    pub(super) fn is_tagged(self) -> bool {
        use Shape::*;
        matches!(self, Struct | Union | Enum | FwdStruct | FwdUnion)
    }
}

/// One type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) name: NameId,
    /// Bytes; of an array its elements.
    pub(super) size: u64,
    /// Offset of its DIE in the unit, or of the DIE that it was made up for.
    pub(super) offset: u32,
    /// What it points to, modifies, contains or returns; of an enum its underlying type.
    pub(super) target: Link,
    pub(super) parts: u32,
    pub(super) part_count: u32,
    /// The encoding of an INT.
    pub(super) encoding: u32,
    pub(super) shape: Shape,
    /// A named struct, union or enum of another unit: only its name and size are known here.
    pub(super) is_foreign: bool,
    /// A named struct, union or enum of a unit in Rust.
    pub(super) is_rust: bool,
}

/// A member, enumerator or parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) name: NameId,
    /// Offset of a member from the start of its struct, in bits; value of an enumerator.
    pub(super) value: u64,
    pub(super) target: Link,
    /// Bits of a bitfield; 0 for everything else.
    pub(super) bits: u32,
}

/// A member of DWARF 2 or 3 whose place depends on the size of its type.
#[derive(Debug, Clone, Copy)]
pub(super) struct OldBitfield {
    pub(super) part: u32,
    /// `DW_AT_bit_offset`: bits from the most significant bit of the storage unit.
    pub(super) bit_offset: i64,
    /// Bytes of the storage unit; 0 where the type's size is meant.
    pub(super) storage_bytes: u64,
}

/// A declaration tag of a struct, union or typedef, or of a member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    pub(super) node: NodeId,
    pub(super) value: NameId,
    /// The member, or -1 for the type itself.
    pub(super) component: i32,
}

/// A subprogram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Func {
    pub(super) offset: u32,
    pub(super) name: NameId,
    pub(super) returns: Option<Link>,
    /// Its abstract instance or its declaration; void if it has none.
    pub(super) origin: Link,
    pub(super) low_pc: u64,
    pub(super) is_declaration: bool,
    pub(super) is_abstract: bool,
    /// `DW_CC_nocall`: the compiler changed the signature.
    pub(super) is_nocall: bool,
    pub(super) is_variadic: bool,
    pub(super) params: u32,
    pub(super) param_count: u32,
}

/// A parameter of a subprogram.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Param {
    pub(super) offset: u32,
    pub(super) name: NameId,
    pub(super) target: Option<Link>,
    /// The parameter of the abstract instance; void if it has none.
    pub(super) origin: Link,
    pub(super) location: Option<Value>,
    pub(super) has_const: bool,
}

/// A declaration tag of a function or of one of its parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct FuncTag {
    pub(super) func: u32,
    pub(super) value: NameId,
    pub(super) component: i32,
}

/// A variable outside functions.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) offset: u32,
    pub(super) name: NameId,
    pub(super) target: Option<Link>,
    /// Its declaration; void if it has none.
    pub(super) specification: Link,
    /// Its address, if that is in a wanted section.
    pub(super) address: Option<u64>,
    /// Its address wherever that is.
    pub(super) anywhere: Option<u64>,
    /// It is one of a function. Such are here only if names are asked about.
    pub(super) is_local: bool,
    pub(super) external: bool,
    pub(super) tags: Vec<NameId>,
}

/// All of a unit that matters.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Offset of the unit in `.debug_info`, for errors.
    pub(super) unit_offset: u64,
    /// The unit is in Rust.
    pub(super) is_rust: bool,
    pub(super) nodes: Vec<Node>,
    pub(super) parts: Vec<Part>,
    /// Parts of types that were nested in others.
    nested: Vec<Part>,
    pub(super) old_bitfields: Vec<OldBitfield>,
    pub(super) tags: Vec<Tag>,
    pub(super) funcs: Vec<Func>,
    pub(super) params: Vec<Param>,
    pub(super) func_tags: Vec<FuncTag>,
    pub(super) variables: Vec<Variable>,
    /// What the unit refers to in others. Its nodes, functions, parameters and variables stand behind
    /// those of the unit itself.
    pub(super) foreign: Foreign,
    /// How many functions, parameters and variables are the unit's own.
    own: Own,
    /// Node by DIE offset. Never cleared between units: an entry counts only if the node says that it
    /// lies there.
    by_offset: Vec<u32>,
}

/// How much of a graph is the unit's own.
#[derive(Debug, Clone, Copy, Default)]
struct Own {
    funcs: usize,
    params: usize,
    variables: usize,
}

/// True for a unit in Rust.
pub(super) fn is_rust(unit: &Unit<'_>) -> bool {
    unit.language == DW_LANG_Rust.0
}

impl Graph {
    pub(super) fn clear(&mut self, unit: &Unit<'_>) {
        self.unit_offset = unit.header.offset;
        self.is_rust = is_rust(unit);
        let unit_bytes = unit.header.length;
        self.nodes.clear();
        self.parts.clear();
        self.nested.clear();
        self.old_bitfields.clear();
        self.tags.clear();
        self.funcs.clear();
        self.params.clear();
        self.func_tags.clear();
        self.variables.clear();
        self.foreign.clear();
        if self.by_offset.len() < unit_bytes as usize {
            self.by_offset.resize(unit_bytes as usize, 0);
        }
    }

    /// True if it takes no more than a few megabytes, whatever units it held.
    pub(super) fn is_small(&self) -> bool {
        const UNIT_BYTES: usize = 1 << 20;
        self.by_offset.len() <= UNIT_BYTES
    }

    /// Adds a node that its DIE's offset finds.
    #[inline]
    pub(super) fn push(&mut self, node: Node) -> NodeId {
        let id = self.push_hidden(node);
        self.by_offset[node.offset as usize] = id.0;
        id
    }

    /// Adds a node that only links find.
    #[inline]
    pub(super) fn push_hidden(&mut self, node: Node) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node);
        id
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    #[inline]
    pub(super) fn parts(&self, node: &Node) -> &[Part] {
        let all = if node.parts & NESTED == 0 { &self.parts } else { &self.nested };
        &all[(node.parts & !NESTED) as usize..][..node.part_count as usize]
    }

    /// Moves the parts of a type, which are the last ones, to where those of nested types are.
    pub(super) fn move_parts(&mut self, id: NodeId, parts: u32) {
        let start = self.nested.len() as u32;
        self.nested.extend(self.parts.drain(parts as usize..));
        self.nodes[id.index()].parts = start | NESTED;
        for bitfield in self.old_bitfields.iter_mut().rev() {
            if bitfield.part & NESTED != 0 || bitfield.part < parts {
                break;
            }
            bitfield.part = (bitfield.part - parts + start) | NESTED;
        }
    }

    /// The part that an [`OldBitfield`] is about; `None` if its struct did not keep its members.
    pub(super) fn part_mut(&mut self, part: u32) -> Option<&mut Part> {
        let all = if part & NESTED == 0 { &mut self.parts } else { &mut self.nested };
        all.get_mut((part & !NESTED) as usize)
    }

    /// Takes away the parts of a node that are marked in `gone`, with their tags.
    pub(super) fn drop_parts(&mut self, id: NodeId, gone: &[bool]) {
        let Node { parts, part_count, .. } = *self.node(id);
        let all = if parts & NESTED == 0 { &mut self.parts } else { &mut self.nested };
        let own = &mut all[(parts & !NESTED) as usize..][..part_count as usize];
        let kept: Vec<Part> =
            own.iter().zip(gone).filter(|(_, gone)| !**gone).map(|(part, _)| *part).collect();
        own[..kept.len()].copy_from_slice(&kept);
        self.nodes[id.index()].part_count = kept.len() as u32;
        let is_gone = |component: i32| usize::try_from(component).is_ok_and(|i| gone.get(i) == Some(&true));
        self.tags.retain(|tag| tag.node != id || !is_gone(tag.component));
        for tag in self.tags.iter_mut().filter(|tag| tag.node == id && tag.component > 0) {
            tag.component -= gone.iter().take(tag.component as usize).filter(|gone| **gone).count() as i32;
        }
    }

    /// The node that a link leads to; `None` for void and where it leads to no type.
    #[inline]
    pub(super) fn resolve(&self, link: Link) -> Option<NodeId> {
        let id = self.at(link)?;
        match self.nodes[id.index()].shape {
            Shape::Void | Shape::Same => self.resolve_same(id),
            _ => Some(id),
        }
    }

    fn resolve_same(&self, mut id: NodeId) -> Option<NodeId> {
        for _ in 0..MAX_CHAIN {
            let node = &self.nodes[id.index()];
            match node.shape {
                Shape::Void => return None,
                Shape::Same => id = self.at(node.target)?,
                _ => return Some(id),
            }
        }
        None
    }

    /// The node right behind a link.
    #[inline]
    fn at(&self, link: Link) -> Option<NodeId> {
        if link.0 & NODE != 0 {
            return match link.as_foreign() {
                Some(number) => self.foreign.node(number),
                None => Some(NodeId(link.0 & !NODE)),
            };
        }
        if link == Link::VOID {
            return None;
        }
        let id = *self.by_offset.get(link.0 as usize)?;
        (self.nodes.get(id as usize)?.offset == link.0).then_some(NodeId(id))
    }

    /// True if a link leads to a DIE that is no type.
    pub(super) fn is_dangling(&self, link: Link) -> bool {
        link != Link::VOID && self.at(link).is_none()
    }

    /// The type behind typedefs and qualifiers; `None` for void.
    pub(super) fn strip(&self, link: Link) -> Option<NodeId> {
        let mut id = self.resolve(link)?;
        for _ in 0..MAX_CHAIN {
            let node = &self.nodes[id.index()];
            match node.shape {
                Shape::Typedef | Shape::Const | Shape::Volatile | Shape::Restrict | Shape::TypeTag => {
                    id = self.resolve(node.target)?;
                }
                _ => return Some(id),
            }
        }
        None
    }

    /// Bytes of a type; `None` if it has no size. `pointer_bytes` is the size of an address.
    pub(super) fn size_of(&self, link: Link, pointer_bytes: u8) -> Option<u64> {
        let (mut link, mut elements) = (link, 1u64);
        for _ in 0..MAX_CHAIN {
            let node = self.node(self.strip(link)?);
            let bytes = match node.shape {
                Shape::Ptr => u64::from(pointer_bytes),
                Shape::Array => {
                    elements = elements.checked_mul(node.size)?;
                    link = node.target;
                    continue;
                }
                Shape::FuncProto | Shape::FwdStruct | Shape::FwdUnion => return None,
                _ => node.size,
            };
            return bytes.checked_mul(elements);
        }
        None
    }

    /// The declaration tags of a subprogram, once [`sort_func_tags`](Self::sort_func_tags) was called.
    pub(super) fn func_tags(&self, func: usize) -> &[FuncTag] {
        let start = self.func_tags.partition_point(|tag| (tag.func as usize) < func);
        let rest = &self.func_tags[start..];
        &rest[..rest.partition_point(|tag| tag.func as usize == func)]
    }

    /// Puts the tags of functions in the order of the functions.
    pub(super) fn sort_func_tags(&mut self) {
        self.func_tags.sort_by_key(|tag| tag.func);
    }

    /// Everything of the unit itself was seen; what comes now lies in others.
    pub(super) fn close_own(&mut self) {
        let (funcs, params, variables) = (self.funcs.len(), self.params.len(), self.variables.len());
        self.own = Own { funcs, params, variables };
    }

    /// The unit's own functions.
    pub(super) fn own_funcs(&self) -> &[Func] {
        &self.funcs[..self.own.funcs]
    }

    /// The unit's own variables.
    pub(super) fn own_variables(&self) -> &[Variable] {
        &self.variables[..self.own.variables]
    }

    /// The type of a variable, which its declaration may tell; an array may be declared without its size.
    pub(super) fn variable_type(&self, variable: &Variable) -> Link {
        let declared = || self.variables[self.variable_at(variable.specification)?].target;
        variable.target.or_else(declared).unwrap_or(Link::VOID)
    }

    /// The subprogram that a link leads to.
    pub(super) fn func_at(&self, link: Link) -> Option<usize> {
        match link.as_foreign() {
            Some(number) => self.foreign.func(number),
            // In the order of the file up to nested ones, which follow their parents: sorted.
            None if link == Link::VOID => None,
            None => self.own_funcs().binary_search_by_key(&link.0, |f| f.offset).ok(),
        }
    }

    /// The parameter that a link leads to.
    pub(super) fn param_at(&self, link: Link) -> Option<usize> {
        match link.as_foreign() {
            Some(number) => self.foreign.param(number),
            None if link == Link::VOID => None,
            None => self.params[..self.own.params].binary_search_by_key(&link.0, |p| p.offset).ok(),
        }
    }

    /// The variable that a link leads to.
    pub(super) fn variable_at(&self, link: Link) -> Option<usize> {
        match link.as_foreign() {
            Some(number) => self.foreign.variable(number),
            None if link == Link::VOID => None,
            None => self.own_variables().binary_search_by_key(&link.0, |v| v.offset).ok(),
        }
    }
}
