//! Type and declaration tags: `btf_type_tag` and `btf_decl_tag` of clang and of gcc.
//!
//! clang hangs a DIE below what it tags; gcc 16 lets what is tagged refer to a chain of DIEs that stand
//! by themselves and may be shared. Both end as nodes or tags of the graph.

use gimli::constants as dw;

use super::graph::{FuncTag, Graph, Link, Node, NodeId, Shape, Tag};
use super::warning::{Warning, Warnings};
use crate::Result;
use crate::dwarf::{Die, GNU_ANNOTATION_AT, NameId, Target};
use crate::options::{Features, Options};

/// What a tag is on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Annotated {
    Pointer(NodeId),
    Type(NodeId),
    Member(NodeId, u32),
    /// A function and the number of a parameter, or -1.
    Func(u32, i32),
    Variable(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TagKind {
    Type,
    Declaration,
    Unknown,
}

#[derive(Debug, Clone, Copy)]
struct Annotation {
    offset: u32,
    kind: TagKind,
    value: NameId,
    /// The next one of gcc's chain, by offset in the unit; 0 ends it.
    next: u32,
}

/// The tags of a unit.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    /// gcc's, in the order of the file.
    standing: Vec<Annotation>,
    /// clang's.
    hanging: Vec<(Annotated, Annotation)>,
    references: Vec<(Annotated, u32)>,
}

impl Annotations {
    pub(super) fn clear(&mut self) {
        self.standing.clear();
        self.hanging.clear();
        self.references.clear();
    }

    /// Notes that a DIE refers to a chain.
    #[cold]
    pub(super) fn refer(&mut self, die: &Die<'_, '_>, what: Annotated) -> Result<()> {
        if let Some(value) = die.attribute(GNU_ANNOTATION_AT)? {
            self.references.push((what, in_unit(die.target(value)?)));
        }
        Ok(())
    }

    /// Reads a tag that hangs on `what`, or stands by itself.
    #[cold]
    pub(super) fn read(&mut self, die: &Die<'_, '_>, what: Option<Annotated>) -> Result<()> {
        let kind = match die.name()?.find(die.unit.program.files()).as_deref() {
            Some(b"btf_type_tag") => TagKind::Type,
            Some(b"btf_decl_tag") => TagKind::Declaration,
            _ => TagKind::Unknown,
        };
        let value = die.attribute(dw::DW_AT_const_value)?;
        let value = value.and_then(|v| die.unit.name_of(v)).unwrap_or(NameId::NONE);
        let next = match die.attribute(GNU_ANNOTATION_AT)? {
            Some(value) => in_unit(die.target(value)?),
            None => 0,
        };
        let annotation = Annotation { offset: die.offset, kind, value, next };
        match what {
            Some(what) => self.hanging.push((what, annotation)),
            None => self.standing.push(annotation),
        }
        Ok(())
    }

    /// The children of a pointer were all seen. clang writes them from the outside in; the type that a
    /// pointer leads to first is the innermost, so that the chain is built in their order.
    pub(super) fn close_pointer(&mut self, graph: &mut Graph, node: NodeId) {
        // They were read last.
        let on_this =
            |(what, _): &(Annotated, Annotation)| matches!(what, Annotated::Pointer(n) if *n == node);
        let first = self.hanging.iter().rposition(|tag| !on_this(tag)).map_or(0, |i| i + 1);
        for (_, tag) in self.hanging.drain(first..).filter(|(_, tag)| tag.kind == TagKind::Type) {
            let target = graph.node(node).target;
            let link = type_tag(graph, tag, target);
            graph.nodes[node.index()].target = link;
        }
    }

    /// The whole unit was seen: attaches every tag to what it is on.
    pub(super) fn attach(&mut self, graph: &mut Graph, options: &Options, warnings: &mut Warnings) {
        if self.hanging.is_empty() && self.references.is_empty() {
            return;
        }
        let mut tags = std::mem::take(&mut self.hanging);
        for &(what, first) in &self.references {
            let chain = self.chain(first);
            if let Annotated::Pointer(node) = what {
                // The walk ends at the first link that is no type tag; the chain leads outwards.
                let chain = chain.take_while(|tag| tag.kind == TagKind::Type).collect::<Vec<_>>();
                for &tag in chain.iter().rev() {
                    let target = graph.node(node).target;
                    let link = type_tag(graph, tag, target);
                    graph.nodes[node.index()].target = link;
                }
            } else {
                tags.extend(chain.map(|tag| (what, tag)));
            }
        }
        let wanted = options.features.contains(Features::DECL_TAG);
        for (what, tag) in tags.into_iter().filter(|(_, tag)| wanted && tag.kind == TagKind::Declaration) {
            let value = tag.value;
            if value.is_none() {
                warnings.count(Warning::EmptyTag);
                continue;
            }
            match what {
                Annotated::Type(node) => graph.tags.push(Tag { node, value, component: -1 }),
                Annotated::Member(node, member) => {
                    graph.tags.push(Tag { node, value, component: member as i32 });
                }
                Annotated::Func(func, component) => graph.func_tags.push(FuncTag { func, value, component }),
                Annotated::Variable(variable) => graph.variables[variable as usize].tags.push(value),
                Annotated::Pointer(_) => {}
            }
        }
        graph.sort_func_tags();
        if !options.features.contains(Features::TYPE_TAG) {
            for node in graph.nodes.iter_mut().filter(|n| n.shape == Shape::TypeTag) {
                node.shape = Shape::Same;
            }
        }
    }

    /// The links of gcc's chain that begins at `offset`.
    fn chain(&self, mut offset: u32) -> impl Iterator<Item = Annotation> {
        // A chain longer than the list is a ring.
        let mut left = self.standing.len();
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let at = self.standing.binary_search_by_key(&offset, |a| a.offset).ok()?;
            offset = self.standing[at].next;
            Some(self.standing[at])
        })
    }
}

fn type_tag(graph: &mut Graph, tag: Annotation, target: Link) -> Link {
    if tag.value.is_none() {
        return target;
    }
    Link::node(graph.push_hidden(Node {
        name: tag.value,
        size: 0,
        offset: tag.offset,
        target,
        parts: 0,
        part_count: 0,
        encoding: 0,
        shape: Shape::TypeTag,
        is_foreign: false,
        is_rust: false,
    }))
}

/// Only tags of the same unit are followed: no compiler lets units share them.
fn in_unit(target: Target) -> u32 {
    match target {
        Target::Unit(offset) => offset,
        _ => 0,
    }
}
