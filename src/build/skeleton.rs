//! The skeleton of a unit: which of its named structs, unions and enums refer to which.
//!
//! In comes a unit in which a name is doubtful, out goes its [`Skeleton`]: small enough to be kept, and all that
//! the search for names with several definitions needs to know of the unit, however often it looks.

use super::graph::{Graph, Node};
use super::key::{Cycle, Keys, targets};
use super::{Builder, cycle_error};
use crate::Result;
use crate::table::{Site, Skeleton, SkeletonRef};

/// References of an unnamed type beyond which it becomes a knot. Most have one.
const MAX_REFS: usize = 4;

impl Builder<'_> {
    /// Walks unit number `number` for its skeleton.
    ///
    /// # Errors
    /// As in [`Builder::unit`]; a unit that passed there passes here.
    pub fn skeleton(&mut self, number: u32) -> Result<Skeleton> {
        let header = self.context.program.units()[number as usize];
        if self.read(header, number)?.is_none() {
            return Ok(Skeleton { unit: number, ..Skeleton::default() });
        }
        self.quick_keys().map_err(|Cycle(offset)| cycle_error(header, offset))?;
        Ok(skeleton(&self.graph, &self.keys, number))
    }
}

/// The skeleton of the unit in `graph`, whose keys are computed.
fn skeleton(graph: &Graph, keys: &Keys, unit: u32) -> Skeleton {
    let count = graph.nodes.len();
    let mut lists = Lists { graph, named: vec![None; count], spans: vec![(0, 0); count], refs: Vec::new() };
    for (i, &id) in keys.anchors.iter().enumerate() {
        lists.named[id.index()] = Some(SkeletonRef::Named(i as u32));
    }
    for &(id, place) in graph.foreign.named() {
        let site = Site { unit: place.unit, offset: place.offset };
        lists.named[id.index()] = Some(SkeletonRef::Foreign(site));
    }
    let mut skeleton = Skeleton { unit, ..Skeleton::default() };
    let mut list = Vec::new();
    for &id in &keys.order {
        lists.append(graph.node(id), &mut list);
        let start = lists.refs.len();
        if list.len() > MAX_REFS {
            lists.refs.push(SkeletonRef::Knot(skeleton.knots.len() as u32));
            skeleton.refs.append(&mut list);
            skeleton.knots.push(skeleton.refs.len() as u32);
        } else {
            lists.refs.append(&mut list);
        }
        lists.spans[id.index()] = (start as u32, lists.refs.len() as u32);
    }
    for &id in &keys.anchors {
        let node = graph.node(id);
        lists.append(node, &mut skeleton.refs);
        skeleton.named.push((node.offset, skeleton.refs.len() as u32));
    }
    skeleton
}

/// What the nodes of a unit refer to.
struct Lists<'g> {
    graph: &'g Graph,
    /// By named node, the reference to it.
    named: Vec<Option<SkeletonRef>>,
    /// By unnamed node, where its list is in `refs`.
    spans: Vec<(u32, u32)>,
    refs: Vec<SkeletonRef>,
}

impl Lists<'_> {
    /// Adds to `list` what `node` refers to, in the order in which its key has it. The lists of unnamed nodes
    /// that it refers to are there.
    fn append(&self, node: &Node, list: &mut Vec<SkeletonRef>) {
        for target in targets(self.graph, node).filter_map(|link| self.graph.resolve(link)) {
            match self.named[target.index()] {
                Some(named) => list.push(named),
                None => {
                    let (start, end) = self.spans[target.index()];
                    list.extend_from_slice(&self.refs[start as usize..end as usize]);
                }
            }
        }
    }
}
