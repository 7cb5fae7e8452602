//! Keys of a unit's types, in one pass over its graph.
//!
//! A named struct, union or enum is a leaf to whoever refers to it: an *anchor*, hashed by name. In C
//! every cycle of types passes through such a name, so what is left is a forest, hashed from the leaves
//! up. A cycle that passes through none is an error.
//!
//! Two kinds of keys are computed by the same code. *Quick* keys take a name by where it lies and live
//! inside one worker; *content* keys take it by its bytes and are the same everywhere. A type is looked
//! up by its quick key, and only one that was never seen gets a content key. Where units do not share their names,
//! as in object files, the content key is the quick key.

use super::graph::{Graph, Link, Node, NodeId, Shape};
use super::intern::NameUse;
use crate::dwarf::NameId;
use crate::table::{Anchor, AnchorClass, Key, KeyHasher, Variant};

/// The keys of one unit's nodes, and an order in which leaves come first.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// By node: what others hash when they refer to it.
    pub(super) refs: Vec<Key>,
    /// Nodes that are no anchors, each behind those that it refers to.
    pub(super) order: Vec<NodeId>,
    /// Nodes that are anchors and the unit's own, in the order of the unit.
    pub(super) anchors: Vec<NodeId>,
    state: Vec<State>,
    stack: Vec<NodeId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// A type that refers to itself without a name in between; the offset of its DIE in the unit.
#[derive(Debug)]
pub(super) struct Cycle(pub(super) u32);

impl Keys {
    /// Computes what others hash when they refer to a node, for all nodes.
    ///
    /// `name` turns a name into a word.
    pub(super) fn compute(
        &mut self,
        graph: &Graph,
        name: &mut impl FnMut(NameId, NameUse) -> u64,
    ) -> Result<(), Cycle> {
        let count = graph.nodes.len();
        self.refs.clear();
        self.refs.resize(count, Key::VOID);
        self.state.clear();
        self.state.resize(count, State::New);
        self.order.clear();
        self.anchors.clear();
        for (i, node) in graph.nodes.iter().enumerate() {
            match node.shape {
                Shape::Void | Shape::Same => self.state[i] = State::Done,
                _ => {
                    if let Some(class) = class_of(node) {
                        let id = NodeId(i as u32);
                        let word = name(node.name, NameUse::Identifier);
                        self.refs[i] = Anchor::key_of(class, word, Variant::Usual);
                        self.state[i] = State::Done;
                        if !node.is_foreign {
                            self.anchors.push(id);
                        }
                    }
                }
            }
        }
        for i in 0..count as u32 {
            if self.state[i as usize] == State::New {
                self.visit(graph, NodeId(i), name)?;
            }
        }
        Ok(())
    }

    /// Computes the key of a node and of all that it refers to. An explicit stack: inputs may nest as
    /// deep as they like.
    #[inline]
    fn visit(
        &mut self,
        graph: &Graph,
        root: NodeId,
        name: &mut impl FnMut(NameId, NameUse) -> u64,
    ) -> Result<(), Cycle> {
        self.stack.push(root);
        while let Some(&id) = self.stack.last() {
            let i = id.index();
            if self.state[i] == State::Done {
                self.stack.pop();
                continue;
            }
            let node = &graph.nodes[i];
            // Most nodes refer to what is done already: hash first, and look again only if that fails.
            let mut missing = false;
            let (refs, state) = (&self.refs, &self.state);
            let key = node_key(graph, node, name, &mut |link| match graph.resolve(link) {
                Some(target) => {
                    missing |= state[target.index()] != State::Done;
                    refs[target.index()]
                }
                None => Key::VOID,
            });
            if missing {
                self.push_open(graph, id, node)?;
                continue;
            }
            self.refs[i] = key;
            self.state[i] = State::Done;
            self.order.push(id);
            self.stack.pop();
        }
        Ok(())
    }

    /// Puts what a node refers to on the stack, unless it is done.
    fn push_open(&mut self, graph: &Graph, id: NodeId, node: &Node) -> Result<(), Cycle> {
        let mut push = |link: Link| match graph.resolve(link) {
            Some(target) => match self.state[target.index()] {
                State::Done => Ok(()),
                State::Open => Err(Cycle(node.offset)),
                State::New if target == id => Err(Cycle(node.offset)),
                State::New => {
                    self.stack.push(target);
                    Ok(())
                }
            },
            None => Ok(()),
        };
        if node.shape != Shape::Enum {
            push(node.target)?;
            for part in graph.parts(node) {
                push(part.target)?;
            }
        }
        self.state[id.index()] = State::Open;
        Ok(())
    }
}

/// What a node refers to, in the order in which its key has it.
pub(super) fn targets<'g>(graph: &'g Graph, node: &'g Node) -> impl Iterator<Item = Link> + 'g {
    let (own, parts) = match node.shape {
        Shape::Enum => (None, [].as_slice()),
        Shape::Struct | Shape::Union => (None, graph.parts(node)),
        _ => (Some(node.target), graph.parts(node)),
    };
    own.into_iter().chain(parts.iter().map(|part| part.target))
}

/// The name space of a named struct, union or enum.
#[inline(always)]
pub(super) fn class_of(node: &Node) -> Option<AnchorClass> {
    if node.name.is_none() {
        return None;
    }
    let class = match node.shape {
        Shape::Struct | Shape::FwdStruct => AnchorClass::Struct,
        Shape::Union | Shape::FwdUnion => AnchorClass::Union,
        Shape::Enum => AnchorClass::Enum,
        _ => return None,
    };
    Some(if node.is_rust { class.in_rust() } else { class })
}

/// The key of a node's own content: equal exactly where the type written for it would be. Asks for the name of the
/// node, then for those of its parts in their order.
#[inline(always)]
pub(super) fn node_key(
    graph: &Graph,
    node: &Node,
    name: &mut impl FnMut(NameId, NameUse) -> u64,
    target: &mut impl FnMut(Link) -> Key,
) -> Key {
    let kind = node.shape as u64 | u64::from(node.encoding) << 8 | u64::from(node.part_count) << 32;
    // The highest bit of the byte of the shape, which has fewer.
    let mut hasher = KeyHasher::new(kind | u64::from(node.is_rust) << 7);
    hasher.pair(name(node.name, NameUse::of(node.shape)), node.size);
    match node.shape {
        Shape::Enum => {
            hasher.pair(u64::from(is_signed(graph, node)), 0);
            for part in graph.parts(node) {
                hasher.pair(name(part.name, NameUse::Identifier), part.value);
            }
        }
        Shape::Struct | Shape::Union | Shape::FuncProto => {
            if node.shape == Shape::FuncProto {
                hasher.key(target(node.target));
            }
            for part in graph.parts(node) {
                let value = part.value ^ u64::from(part.bits) << 48;
                hash_part(&mut hasher, name(part.name, NameUse::Identifier), value, target(part.target));
            }
        }
        _ => hasher.key(target(node.target)),
    }
    hasher.finish()
}

/// Adds a member or parameter. One step for both of its halves: the key of its type is random in all
/// bits, so that nothing a name or an offset can be undoes it.
#[inline(always)]
pub(super) fn hash_part(hasher: &mut KeyHasher, name: u64, value: u64, target: Key) {
    hasher.pair(name ^ target.lo, value.rotate_left(17) ^ target.hi);
}

/// True for an enum with negative values; one of more than 32 bits says so by its underlying type.
pub(super) fn is_signed(graph: &Graph, node: &Node) -> bool {
    if node.size > 4
        && let Some(underlying) = graph.strip(node.target)
    {
        return graph.node(underlying).encoding == u32::from(crate::btf::IntEncoding::SIGNED.0);
    }
    graph.parts(node).iter().any(|part| (part.value as i64) < 0)
}
