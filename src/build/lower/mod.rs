//! From DIEs to the graph: one short function for each tag or family of tags; those of code are in [`code`].
//!
//! In comes the walk, out goes a [`Graph`] whose nodes already obey the limits of BTF: what cannot be
//! expressed is replaced by something that can, and counted in [`Warnings`].

mod code;

use gimli::constants as dw;

use super::Context;
use super::annotation::Annotations;
use super::foreign::{Abroad, Copied, Neighbours};
use super::graph::{Graph, Link, Node, NodeId, OldBitfield, Part, Shape};
use super::scope::{Scope, ScopeKind};
use super::warning::{Warning, Warnings};
use crate::Result;
use crate::btf::{IntEncoding, MAX_VLEN};
use crate::dwarf::{
    Die, Has, Layouts, NameId, RefForm, Slot, Target, Unit, Value, ValueForm, Visitor, is_c, walk,
};
use crate::options::{Features, Options};

const LLVM_ANNOTATION: dw::DwTag = dw::DwTag(0x6000);
const GNU_ANNOTATION: dw::DwTag = dw::DwTag(0x6001);

/// Bytes of an enum whose size is not told.
pub(super) const DEFAULT_ENUM_BYTES: u64 = 4;

/// True for what clang and gcc write for `btf_type_tag` and `btf_decl_tag`.
pub(super) fn is_annotation(tag: dw::DwTag) -> bool {
    matches!(tag, LLVM_ANNOTATION | GNU_ANNOTATION)
}

/// The visitor that fills the graph.
pub(super) struct Lower<'l> {
    pub(super) graph: &'l mut Graph,
    pub(super) annotations: &'l mut Annotations,
    pub(super) warnings: &'l mut Warnings,
    /// The other unit that is copied from now, if one is.
    pub(super) abroad: Option<Abroad>,
    /// Parameters that are passed in registers.
    register_params: u32,
    options: &'l Options,
    variables: &'l [std::ops::Range<u64>],
    /// Names are asked about: what is not wanted must be seen as well.
    is_watching: bool,
    scopes: Vec<Scope>,
    dimensions: Vec<u64>,
}

impl Visitor for Lower<'_> {
    #[inline(always)]
    fn enter(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let open = self.scopes.len();
        // Half of all DIEs are members: they are asked for first.
        if die.layout.tag == dw::DW_TAG_member {
            self.member(die)?;
            if die.layout.has_children && self.scopes.len() == open {
                self.scopes.push(Scope::OTHER);
            }
            return Ok(());
        }
        match die.layout.tag {
            dw::DW_TAG_formal_parameter => self.parameter(die)?,
            dw::DW_TAG_pointer_type
            | dw::DW_TAG_reference_type
            | dw::DW_TAG_rvalue_reference_type
            | dw::DW_TAG_ptr_to_member_type => self.pointer(die)?,
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_interface_type => {
                self.composite(die, Shape::Struct)?;
            }
            dw::DW_TAG_union_type => self.composite(die, Shape::Union)?,
            dw::DW_TAG_enumerator => self.enumerator(die)?,
            dw::DW_TAG_variable => self.variable(die)?,
            dw::DW_TAG_subroutine_type => self.subroutine(die)?,
            dw::DW_TAG_subprogram => self.subprogram(die)?,
            dw::DW_TAG_typedef => self.typedef(die)?,
            dw::DW_TAG_array_type => self.array(die)?,
            dw::DW_TAG_subrange_type => self.subrange(die),
            dw::DW_TAG_const_type => self.simple(die, Shape::Const)?,
            dw::DW_TAG_volatile_type => self.simple(die, Shape::Volatile)?,
            dw::DW_TAG_restrict_type => self.simple(die, Shape::Restrict)?,
            dw::DW_TAG_atomic_type
            | dw::DW_TAG_immutable_type
            | dw::DW_TAG_packed_type
            | dw::DW_TAG_shared_type => self.simple(die, Shape::Same)?,
            dw::DW_TAG_enumeration_type => self.enumeration(die)?,
            dw::DW_TAG_base_type => self.base(die)?,
            dw::DW_TAG_unspecified_type => self.simple(die, Shape::Void)?,
            dw::DW_TAG_unspecified_parameters => self.unspecified_parameters(),
            dw::DW_TAG_inheritance => self.member(die)?,
            dw::DW_TAG_variant_part | dw::DW_TAG_variant => self.push(die, self.inside()),
            dw::DW_TAG_compile_unit | dw::DW_TAG_partial_unit => {
                self.push(die, Scope::new(ScopeKind::Root, 0, 0));
            }
            LLVM_ANNOTATION | GNU_ANNOTATION => self.annotation(die)?,
            dw::DW_TAG_string_type
            | dw::DW_TAG_set_type
            | dw::DW_TAG_file_type
            | dw::DW_TAG_thrown_type
            | dw::DW_TAG_coarray_type
            | dw::DW_TAG_dynamic_type => {
                self.warnings.count(Warning::UnsupportedTag);
                self.simple(die, Shape::Void)?;
            }
            _ => {}
        }
        if die.layout.has_children && self.scopes.len() == open {
            self.scopes.push(Scope::OTHER);
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        let Some(scope) = self.scopes.pop() else { return Ok(()) };
        match scope.kind {
            ScopeKind::Composite => self.close_composite(scope),
            ScopeKind::Parts => self.close_parts(scope.node(), scope.start),
            ScopeKind::Array => self.close_array(scope.node(), scope.start),
            ScopeKind::Pointer => self.annotations.close_pointer(self.graph, scope.node()),
            _ => {}
        }
        Ok(())
    }
}

impl<'l> Lower<'l> {
    pub(super) fn new(
        graph: &'l mut Graph,
        annotations: &'l mut Annotations,
        warnings: &'l mut Warnings,
        context: &Context<'l>,
    ) -> Self {
        let Context { options, variables, machine, watch, .. } = *context;
        let register_params = machine.register_params;
        let (scopes, dimensions) = (Vec::with_capacity(64), Vec::new());
        let abroad = None;
        Lower {
            graph,
            annotations,
            warnings,
            abroad,
            register_params,
            options,
            variables,
            is_watching: watch.is_some(),
            scopes,
            dimensions,
        }
    }

    /// What the DIE being read is a child of.
    #[inline(always)]
    fn scope(&self) -> ScopeKind {
        self.scopes.last().map_or(ScopeKind::Other, |scope| scope.kind)
    }

    /// True while a unit in Rust is read.
    #[inline(always)]
    pub(super) fn is_rust(&self) -> bool {
        self.abroad.map_or(self.graph.is_rust, |abroad| abroad.is_rust)
    }

    fn has(&self, feature: Features) -> bool {
        self.options.features.contains(feature)
    }

    /// A node for a DIE, without parts.
    #[inline(always)]
    fn node(&mut self, die: &Die<'_, '_>, shape: Shape, name: NameId, size: u64, target: Link) -> NodeId {
        let node = Node {
            name,
            size,
            offset: die.offset,
            target,
            parts: 0,
            part_count: 0,
            encoding: 0,
            shape,
            is_foreign: false,
            is_rust: self.is_rust() && shape.is_tagged() && !name.is_none(),
        };
        match self.abroad {
            None => self.graph.push(node),
            Some(abroad) => self.node_abroad(abroad.target(die.offset), node),
        }
    }

    #[cold]
    fn node_abroad(&mut self, target: Target, node: Node) -> NodeId {
        let id = self.graph.push_hidden(Node { offset: 0, ..node });
        self.graph.foreign.set(target, Copied::Node(id));
        id
    }

    /// Where `DW_AT_type` leads.
    #[inline(always)]
    pub(super) fn type_of(&mut self, die: &Die<'_, '_>) -> Result<Link> {
        if die.layout.type_form == RefForm::Unit && self.abroad.is_none() {
            return Ok(Link::die(die.type_in_unit()?));
        }
        if die.layout.type_form == RefForm::None { Ok(Link::VOID) } else { self.far_type_of(die) }
    }

    fn far_type_of(&mut self, die: &Die<'_, '_>) -> Result<Link> {
        Ok(self.link_to(die.type_target()?))
    }

    /// Where a reference leads.
    pub(super) fn link(&mut self, die: &Die<'_, '_>, value: Value) -> Result<Link> {
        Ok(self.link_to(die.target(value)?))
    }

    fn link_to(&mut self, target: Target) -> Link {
        match (target, self.abroad) {
            (Target::Unit(0), _) => Link::VOID,
            (Target::Unit(offset), None) => Link::die(offset),
            (Target::Unit(offset), Some(abroad)) => self.graph.foreign.link(abroad.target(offset)),
            (target, _) => self.graph.foreign.link(target),
        }
    }

    /// Begins with a DIE of another unit, which lies in nothing; variables only count in a unit.
    pub(super) fn begin_copy(&mut self, in_unit: bool) {
        self.scopes.clear();
        if in_unit {
            self.scopes.push(Scope::new(ScopeKind::Root, 0, 0));
        }
    }

    /// Notes the copy of a DIE, if it is one.
    fn copied(&mut self, die: &Die<'_, '_>, copy: Copied) {
        if let Some(abroad) = self.abroad {
            self.graph.foreign.set(abroad.target(die.offset), copy);
        }
    }

    /// Qualifiers and other DIEs that have only a type.
    #[inline(always)]
    fn simple(&mut self, die: &Die<'_, '_>, shape: Shape) -> Result<()> {
        let target = self.type_of(die)?;
        self.node(die, shape, NameId::NONE, 0, target);
        Ok(())
    }

    #[inline(always)]
    fn pointer(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let target = self.type_of(die)?;
        let node = self.node(die, Shape::Ptr, NameId::NONE, 0, target);
        self.open(die, Scope::new(ScopeKind::Pointer, node.0, 0))
    }

    /// Opens the scope of a DIE's children, if it has any.
    #[inline(always)]
    fn push(&mut self, die: &Die<'_, '_>, scope: Scope) {
        if die.layout.has_children {
            self.scopes.push(scope);
        }
    }

    /// Opens the scope of a DIE that annotations may hang on, and notes those that it refers to.
    #[inline(always)]
    fn open(&mut self, die: &Die<'_, '_>, scope: Scope) -> Result<()> {
        self.push(die, scope);
        if die.layout.has.any(Has::GNU_ANNOTATION)
            && let Some(what) = scope.annotated()
        {
            self.annotations.refer(die, what)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn typedef(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let (name, target) = (die.name()?, self.type_of(die)?);
        // A typedef that names nothing adds nothing.
        let shape = if name.is_none() { Shape::Same } else { Shape::Typedef };
        let node = self.node(die, shape, name, 0, target);
        self.open(die, Scope::new(ScopeKind::Typedef, node.0, 0))
    }

    fn base(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let (name, size) = (die.name()?, die.slot(Slot::Size));
        let encoding = dw::DwAte(die.slot(Slot::Value) as u8);
        let offset = if self.abroad.is_some() { 0 } else { die.offset };
        let hidden = |graph: &mut Graph, shape, name, size| {
            let (target, encoding) = (Link::VOID, 0);
            graph.push_hidden(Node {
                name,
                size,
                offset,
                target,
                parts: 0,
                part_count: 0,
                encoding,
                shape,
                is_foreign: false,
                is_rust: false,
            })
        };
        let is_float = |bytes| matches!(bytes, 2 | 4 | 8 | 12 | 16);
        let is_int = |bytes: u64| matches!(bytes, 1 | 2 | 4 | 8 | 16);
        match encoding {
            dw::DW_ATE_float if self.has(Features::FLOAT) && is_float(size) => {
                self.node(die, Shape::Float, name, size, Link::VOID);
            }
            // C lays a complex number out as an array of two (C11 6.2.5).
            dw::DW_ATE_complex_float if self.has(Features::FLOAT) && is_float(size / 2) => {
                let name = match size {
                    8 => NameId::made_up(b"float"),
                    16 => NameId::made_up(b"double"),
                    _ => name,
                };
                let part = hidden(self.graph, Shape::Float, name, size / 2);
                self.node(die, Shape::Array, NameId::NONE, 2, Link::node(part));
            }
            _ if is_int(size) => {
                let flags = match encoding {
                    dw::DW_ATE_signed | dw::DW_ATE_signed_char => IntEncoding::SIGNED,
                    dw::DW_ATE_boolean => IntEncoding::BOOL,
                    _ => IntEncoding::NONE,
                };
                let node = self.node(die, Shape::Int, name, size, Link::VOID);
                self.graph.nodes[node.index()].encoding = u32::from(flags.0);
            }
            _ if size == 0 => {
                self.node(die, Shape::Struct, NameId::NONE, 0, Link::VOID);
            }
            _ => {
                self.warnings.count(Warning::OddBaseType);
                let byte = hidden(self.graph, Shape::Int, NameId::made_up(b"u8"), 1);
                self.node(die, Shape::Array, NameId::NONE, size, Link::node(byte));
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn composite(&mut self, die: &Die<'_, '_>, shape: Shape) -> Result<()> {
        let mut name = die.name()?;
        if die.layout.has.any(Has::DECLARATION.or(Has::SPECIFICATION).or(Has::SIGNATURE)) {
            if self.is_in_type_unit(die)? {
                return Ok(());
            }
            if die.layout.has.any(Has::DECLARATION) && die.flag(dw::DW_AT_declaration)? {
                self.declaration(die, shape, name);
                return Ok(());
            }
            if name.is_none()
                && let Some(value) = die.attribute(dw::DW_AT_specification)?
                && let link = self.link(die, value)?
                && let Some(id) = self.graph.resolve(link)
            {
                name = self.graph.node(id).name;
            }
        }
        let node = self.node(die, shape, name, die.slot(Slot::Size), Link::VOID);
        self.open(die, Scope::new(ScopeKind::Composite, node.0, self.graph.parts.len() as u32))?;
        if !die.layout.has_children {
            self.close_composite(Scope::new(ScopeKind::Composite, node.0, self.graph.parts.len() as u32));
        }
        Ok(())
    }

    /// A DIE that only stands for a type of a type unit, by its signature: it is that type.
    fn is_in_type_unit(&mut self, die: &Die<'_, '_>) -> Result<bool> {
        if die.layout.has.any(Has::SIGNATURE)
            && let Some(value) = die.attribute(dw::DW_AT_signature)?
            && let target @ Target::Signature(_) = die.target(value)?
            && die.unit.program.find(0, target).is_some()
        {
            let target = self.link_to(target);
            self.node(die, Shape::Same, NameId::NONE, 0, target);
            return Ok(true);
        }
        Ok(false)
    }

    /// `struct x;`: of a name that does not exist nothing is known at all.
    #[inline(always)]
    fn declaration(&mut self, die: &Die<'_, '_>, shape: Shape, name: NameId) {
        let shape = match shape {
            _ if name.is_none() => Shape::Void,
            Shape::Union => Shape::FwdUnion,
            _ => Shape::FwdStruct,
        };
        self.node(die, shape, name, 0, Link::VOID);
    }

    #[inline(always)]
    fn member(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let Some(place) = self.open_composite() else { return Ok(()) };
        let has = die.layout.has;
        let (name, target) = (die.name()?, self.type_of(die)?);
        let index = self.graph.parts.len() as u32;
        let (mut offset, mut bits) = (0, 0);
        if die.layout.value_form == ValueForm::Constant {
            offset = die.slot(Slot::Value).saturating_mul(8);
        } else if die.layout.value_form != ValueForm::None {
            let Some(bytes) = die.member_location() else {
                // A virtual base: where it lies is known only at run time.
                self.warnings.count(Warning::MemberLocation);
                return Ok(());
            };
            offset = bytes.saturating_mul(8);
        }
        let rare = Has::BIT_SIZE.or(Has::DATA_BIT_OFFSET).or(Has::EXTERNAL).or(Has::DECLARATION);
        if has.any(rare) {
            // What DWARF 4 and C++ before it write for a static member.
            if has.any(Has::EXTERNAL.or(Has::DECLARATION)) && die.flag(dw::DW_AT_external)? {
                return Ok(());
            }
            bits = die.slot(Slot::Bits) as u32;
            if has.any(Has::DATA_BIT_OFFSET) {
                offset = die.slot(Slot::BitOffset);
            }
            if has.any(Has::BIT_OFFSET) && bits != 0 {
                self.old_bitfield(die, index)?;
            }
        }
        let Scope { id, start, .. } = self.scopes[place];
        self.graph.parts.push(Part { name, value: offset, target, bits });
        if die.layout.has_children || has.any(Has::GNU_ANNOTATION) {
            self.open(die, Scope::new(ScopeKind::Member, id, index - start))?;
        }
        Ok(())
    }

    /// A bitfield as DWARF 2 and 3 place it: counted from the most significant bit of its storage.
    fn old_bitfield(&mut self, die: &Die<'_, '_>, part: u32) -> Result<()> {
        let Some(Value::Constant(bit_offset)) = die.attribute(dw::DW_AT_bit_offset)? else { return Ok(()) };
        // Compilers wrote negative offsets with as few bytes as they would take unsigned.
        let (bit_offset, storage_bytes) = (bit_offset as i64, die.slot(Slot::Size));
        self.graph.old_bitfields.push(OldBitfield { part, bit_offset, storage_bytes });
        Ok(())
    }

    /// The place of the scope that members belong to now.
    #[inline(always)]
    fn open_composite(&self) -> Option<usize> {
        let scope = self.scopes.last()?;
        match scope.kind {
            ScopeKind::Composite => Some(self.scopes.len() - 1),
            ScopeKind::Inside => Some(scope.start as usize),
            _ => None,
        }
    }

    fn inside(&self) -> Scope {
        match self.open_composite() {
            Some(place) => Scope::new(ScopeKind::Inside, 0, place as u32),
            None => Scope::OTHER,
        }
    }

    #[inline(always)]
    fn close_composite(&mut self, scope: Scope) {
        let (node, parts) = (scope.node(), scope.start);
        let graph = &mut *self.graph;
        let size = graph.nodes[node.index()].size;
        let count = graph.parts.len() as u32 - parts;
        let n = &mut graph.nodes[node.index()];
        if count > MAX_VLEN || size > u64::from(u32::MAX) {
            let warning = if count > MAX_VLEN { Warning::TooManyMembers } else { Warning::TooLarge };
            self.warnings.count(warning);
            n.shape = match n.shape {
                _ if n.name.is_none() => Shape::Void,
                Shape::Union => Shape::FwdUnion,
                _ => Shape::FwdStruct,
            };
            n.size = 0;
            graph.parts.truncate(parts as usize);
            return;
        }
        n.parts = parts;
        n.part_count = count;
        self.settle(node, parts);
    }

    /// Moves the parts of a type that is nested in an open one out of its way, so that each has its own in
    /// one piece.
    #[inline(always)]
    fn settle(&mut self, node: NodeId, parts: u32) {
        let open = |s: &Scope| matches!(s.kind, ScopeKind::Composite | ScopeKind::Parts);
        if self.scopes.iter().any(open) {
            self.graph.move_parts(node, parts);
        }
    }

    fn enumeration(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let (name, target) = (die.name()?, self.type_of(die)?);
        let has = die.layout.has;
        if has.any(Has::SIGNATURE) && self.is_in_type_unit(die)? {
            return Ok(());
        }
        let size = if has.any(Has::BYTE_SIZE) { die.slot(Slot::Size) } else { DEFAULT_ENUM_BYTES };
        let shape = if matches!(size, 1 | 2 | 4 | 8) { Shape::Enum } else { Shape::Void };
        if shape == Shape::Void {
            self.warnings.count(Warning::OddBaseType);
        }
        let node = self.node(die, shape, name, size, target);
        self.push(die, Scope::new(ScopeKind::Parts, node.0, self.graph.parts.len() as u32));
        Ok(())
    }

    #[inline(always)]
    fn enumerator(&mut self, die: &Die<'_, '_>) -> Result<()> {
        if self.scope() != ScopeKind::Parts {
            return Ok(());
        }
        let name = die.name()?;
        if name.is_none() || die.layout.value_form != ValueForm::Constant {
            self.warnings.count(Warning::Enumerator);
            return Ok(());
        }
        self.graph.parts.push(Part { name, value: die.slot(Slot::Value), target: Link::VOID, bits: 0 });
        Ok(())
    }

    #[inline(always)]
    fn subroutine(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let target = self.type_of(die)?;
        let node = self.node(die, Shape::FuncProto, NameId::NONE, 0, target);
        self.push(die, Scope::new(ScopeKind::Parts, node.0, self.graph.parts.len() as u32));
        Ok(())
    }

    #[inline(always)]
    fn close_parts(&mut self, node: NodeId, parts: u32) {
        let count = self.graph.parts.len() as u32 - parts;
        let n = &mut self.graph.nodes[node.index()];
        if count > MAX_VLEN {
            self.warnings.count(Warning::TooManyMembers);
            self.graph.parts.truncate(parts as usize);
            if n.shape == Shape::FuncProto {
                n.shape = Shape::Void;
            }
            return;
        }
        n.parts = parts;
        n.part_count = count;
        self.settle(node, parts);
    }

    fn array(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let target = self.type_of(die)?;
        let node = self.node(die, Shape::Array, NameId::NONE, 0, target);
        self.push(die, Scope::new(ScopeKind::Array, node.0, self.dimensions.len() as u32));
        Ok(())
    }

    /// A dimension; 0 where it is flexible, or known only at run time.
    fn subrange(&mut self, die: &Die<'_, '_>) {
        if self.scope() != ScopeKind::Array {
            return;
        }
        let has = die.layout.has;
        let count = if has.any(Has::UPPER_BOUND) && die.layout.value_form == ValueForm::Constant {
            // -1 means empty, and old compilers wrote it in 32 bits.
            match die.slot(Slot::Value) {
                u64::MAX | 0xffff_ffff => 0,
                bound => bound + 1,
            }
        } else if has.any(Has::COUNT) {
            die.slot(Slot::Bits)
        } else {
            0
        };
        self.dimensions.push(count);
    }

    fn close_array(&mut self, node: NodeId, dimensions: u32) {
        let start = dimensions as usize;
        let own = &self.dimensions[start..];
        let product = own.iter().try_fold(1u64, |a, &b| a.checked_mul(b)).unwrap_or(u64::MAX);
        let own = if self.options.flat_arrays && own.len() > 1 { &[product] } else { own };
        let outer = self.graph.nodes[node.index()];
        if own.iter().any(|&d| d > u64::from(u32::MAX)) {
            self.warnings.count(Warning::TooLarge);
            self.graph.nodes[node.index()].shape = Shape::Void;
        } else {
            let mut target = outer.target;
            for &size in own.iter().skip(1).rev() {
                target = Link::node(self.graph.push_hidden(Node { size, target, ..outer }));
            }
            let outer = &mut self.graph.nodes[node.index()];
            outer.size = own.first().copied().unwrap_or(0);
            outer.target = target;
        }
        self.dimensions.truncate(start);
    }
}

/// Reads all that a unit holds into `lower`'s graph, and what it refers to in others.
pub(super) fn lower<'a>(
    unit: &Unit<'a>,
    number: u32,
    layouts: &Layouts,
    neighbours: &mut Neighbours<'a>,
    mut lower: Lower<'_>,
) -> Result<()> {
    lower.graph.clear(unit);
    lower.annotations.clear();
    walk(unit, layouts, &mut lower)?;
    lower.graph.close_own();
    neighbours.copy_all(number, lower.register_params, &mut lower)?;
    lower.annotations.attach(lower.graph, lower.options, lower.warnings);
    place_old_bitfields(lower.graph, unit);
    if !is_c(unit.language) {
        let count = drop_odd_members(lower.graph, unit.header.address_size);
        lower.warnings.count_many(Warning::MemberSize, count);
    }
    Ok(())
}

/// Takes away the members that have no size or reach beyond their struct; returns how many. Kernels take no struct with
/// such a member.
fn drop_odd_members(graph: &mut Graph, pointer_bytes: u8) -> usize {
    let mut count = 0;
    for id in (0..graph.nodes.len() as u32).map(NodeId) {
        let node = *graph.node(id);
        if !matches!(node.shape, Shape::Struct | Shape::Union) {
            continue;
        }
        let is_odd = |member: &Part| {
            let bytes = graph.size_of(member.target, pointer_bytes);
            let bits =
                bytes.map(|bytes| if member.bits > 0 { member.bits.into() } else { bytes.saturating_mul(8) });
            let end = bits.and_then(|bits| member.value.checked_add(bits));
            // Those of type void are left out later.
            graph.resolve(member.target).is_some() && end.is_none_or(|end| end > node.size.saturating_mul(8))
        };
        let odd: Vec<bool> = graph.parts(&node).iter().map(is_odd).collect();
        if odd.contains(&true) {
            count += odd.iter().filter(|is_odd| **is_odd).count();
            graph.drop_parts(id, &odd);
        }
    }
    count
}

/// Places the bitfields of DWARF 2 and 3, whose storage may be that of a type further on (DWARF 3,
/// section 5.6.6). Big-endian targets count from the same end as BTF does.
fn place_old_bitfields(graph: &mut Graph, unit: &Unit<'_>) {
    for i in 0..graph.old_bitfields.len() {
        let OldBitfield { part, bit_offset, storage_bytes } = graph.old_bitfields[i];
        let Some(&mut member) = graph.part_mut(part) else { continue };
        let storage = match storage_bytes {
            0 => graph.size_of(member.target, unit.header.address_size).unwrap_or(0),
            bytes => bytes,
        };
        let big = unit.sections.endian == gimli::RunTimeEndian::Big;
        let shift = if big {
            bit_offset
        } else {
            (storage as i64).wrapping_mul(8).wrapping_sub(bit_offset).wrapping_sub(i64::from(member.bits))
        };
        if let Some(part) = graph.part_mut(part) {
            part.value = member.value.wrapping_add(shift as u64);
        }
    }
}
