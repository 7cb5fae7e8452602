//! References make sense, sizes fit, nothing contains itself: what kernels check of a program's BTF.
//!
//! Three facts about a type decide nearly every rule: what it is behind its modifiers, what lies behind its
//! arrays too, and its size. They are its [`Shape`], found once per type by following the chain of modifiers
//! and arrays, which has no branches. Two graphs must have no cycle: of what lies inside what by value
//! (members, elements), and of pointers and modifiers that reach themselves without a struct, an array or a
//! function between. The second one has no branches either; the first one is walked with a stack of its own.
//!
//! The kernel's limit of 32 nested levels is left out: it depends on the order in which types are numbered.

use std::collections::HashMap;
use std::fmt;

use super::names::Names;
use super::records::Of;
use super::{Level, Report};
use crate::btf::kinds::{Kind, Member, Param, StrOff, TypeId};
use crate::btf::read::{Btf, Type};

/// What a type is to those who refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Class {
    /// Not asked for yet.
    #[default]
    Unknown,
    /// On the chain that is being followed.
    Open,
    Sized,
    Void,
    Fwd,
    FuncProto,
    Func,
    /// A VAR, DATASEC or DECL_TAG, to which no type may refer.
    Entity,
    /// Broken, which is said elsewhere: nothing more is said of who refers to it.
    Broken,
}

#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    class: Class,
    /// The kind of `base`; `None` unless it is sized.
    kind: Option<Kind>,
    /// Whether `leaf` is a struct or a union.
    leaf_is_composite: bool,
    /// What lies behind the modifiers.
    base: u32,
    /// What lies behind modifiers and arrays.
    leaf: u32,
    size_bytes: u32,
}

/// Runs over the own records.
pub(super) fn resolve(btf: &Btf<'_>, names: &Names<'_>, report: &mut Report) {
    let own = (btf.len() - btf.base_len()) as usize;
    let mut pass = Pass {
        btf,
        names,
        links: vec![0; own],
        // Where nothing tells, the smaller size: it breaks no rule that the larger one keeps.
        pointer_bytes: btf.pointer_bytes().unwrap_or(4),
        shapes: ById::new(btf),
        unnamed: ById::new(btf),
        path: Vec::new(),
        inside: Inside { starts: Vec::with_capacity(own + 1), leaves: Vec::new() },
        report,
    };
    pass.set(0, Shape { class: Class::Void, ..Shape::default() });
    for ty in btf.types() {
        if pass.report.full() {
            return;
        }
        pass.inside.starts.push(pass.inside.leaves.len());
        pass.record(ty);
    }
    let Pass { mut inside, links, report, .. } = pass;
    inside.starts.push(inside.leaves.len());
    inside.find_cycles(btf, report);
    pointer_cycles(btf, &links, report);
}

/// Something known of types by their ids. A base may be a hundred times as large as what is checked, and little of it
/// is asked for.
struct ById<T> {
    /// Of the base's types, those that were asked for.
    base: HashMap<u32, T>,
    /// Of the own ones, all.
    own: Vec<T>,
    first_own: u32,
}

impl<T: Clone + Default> ById<T> {
    fn new(btf: &Btf<'_>) -> Self {
        // Id 0 is void, and everybody's.
        let first_own = if btf.base_len() > 1 { btf.base_len() } else { 0 };
        let own = vec![T::default(); (btf.len() - first_own) as usize];
        ById { base: HashMap::new(), own, first_own }
    }

    #[inline]
    fn get(&self, id: u32) -> Option<&T> {
        match id.checked_sub(self.first_own) {
            Some(index) => self.own.get(index as usize),
            None => self.base.get(&id),
        }
    }

    /// The place of what is known of a type; `None` if there is none with that id.
    fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        match id.checked_sub(self.first_own) {
            Some(index) => self.own.get_mut(index as usize),
            None => Some(self.base.entry(id).or_default()),
        }
    }
}

const ALL_NAMED: u32 = 1;
const FIRST_UNNAMED: u32 = 2;

struct Pass<'r, 'a> {
    btf: &'a Btf<'a>,
    names: &'r Names<'a>,
    pointer_bytes: u32,
    /// By index of the own record, the target of pointers and modifiers, 0 for other kinds.
    links: Vec<u32>,
    shapes: ById<Shape>,
    /// By id of a FUNC_PROTO, whether a parameter has no name: 0 if not asked for yet, [`ALL_NAMED`], or
    /// [`FIRST_UNNAMED`] and its number.
    unnamed: ById<u32>,
    /// The chain being followed; empty in between.
    path: Vec<u32>,
    inside: Inside,
    report: &'r mut Report,
}

impl<'a> Pass<'_, 'a> {
    #[cold]
    fn bad(&mut self, ty: Type<'_>, reason: fmt::Arguments<'_>) {
        self.report.add(Level::Resolve, &ty, reason);
    }

    #[inline]
    fn shape(&mut self, id: TypeId) -> Shape {
        match self.shapes.get(id.0) {
            Some(shape) if !matches!(shape.class, Class::Unknown | Class::Open) => *shape,
            _ => self.follow(id),
        }
    }

    /// Finds the shape of a type and of all on the way to it.
    fn follow(&mut self, start: TypeId) -> Shape {
        let mut at = start.0;
        let mut shape = loop {
            let known = self.shapes.get(at).copied().unwrap_or_default();
            match known.class {
                Class::Unknown => {}
                Class::Open => {
                    if let Some(ty) = self.btf.ty(TypeId(at)) {
                        self.bad(ty, format_args!("contains itself"));
                    }
                    break Shape { class: Class::Broken, ..known };
                }
                _ => break known,
            }
            let Some(ty) = self.btf.ty(TypeId(at)) else {
                break Shape { class: Class::Broken, ..Shape::default() };
            };
            let next = if ty.kind().is_modifier() { ty.target() } else { ty.array().map(|a| a.element) };
            if let Some(next) = next {
                self.set(at, Shape { class: Class::Open, ..Shape::default() });
                self.path.push(at);
                at = next.0;
                continue;
            }
            let (class, size_bytes) = match ty.kind() {
                Kind::Ptr => (Class::Sized, self.pointer_bytes),
                Kind::Fwd => (Class::Fwd, 0),
                Kind::FuncProto => (Class::FuncProto, 0),
                Kind::Func => (Class::Func, 0),
                Kind::Var | Kind::Datasec | Kind::DeclTag => (Class::Entity, 0),
                _ => (Class::Sized, ty.size_or_type()),
            };
            let kind = Some(ty.kind()).filter(|_| class == Class::Sized);
            let leaf_is_composite = ty.kind().is_composite();
            let shape = Shape { class, kind, leaf_is_composite, base: at, leaf: at, size_bytes };
            self.set(at, shape);
            break shape;
        };
        // Back to the start: what a modifier is, its target is.
        while let Some(id) = self.path.pop() {
            match self.btf.ty(TypeId(id)).and_then(|ty| ty.array()) {
                Some(array) => {
                    let size =
                        array.count.checked_mul(shape.size_bytes).filter(|_| shape.class == Class::Sized);
                    let class = if size.is_some() { Class::Sized } else { Class::Broken };
                    let kind = Some(Kind::Array);
                    shape = Shape { class, kind, base: id, size_bytes: size.unwrap_or(0), ..shape };
                }
                None if shape.class == Class::Entity => shape.class = Class::Broken,
                None => {}
            }
            self.set(id, shape);
        }
        shape
    }

    fn set(&mut self, id: u32, shape: Shape) {
        if let Some(place) = self.shapes.get_mut(id) {
            *place = shape;
        }
    }

    /// The shape of what must have a size; `None` if it has none, which is a violation unless one was
    /// reported where the cause is.
    #[inline]
    fn sized(&mut self, ty: Type<'_>, whose: impl fmt::Display, id: TypeId) -> Option<Shape> {
        let shape = self.shape(id);
        let what = match shape.class {
            Class::Sized => return Some(shape),
            Class::Broken | Class::Unknown | Class::Open => return None,
            Class::Void => "void",
            Class::Fwd => "a forward declaration",
            Class::FuncProto => "a FUNC_PROTO",
            Class::Func => "a FUNC",
            Class::Entity => "no type",
        };
        self.bad(ty, format_args!("{whose}type {id} is {what}, which has no size"));
        None
    }

    /// Whether the type is an INT that fills whole bytes; true for other kinds.
    fn regular(&self, base: u32) -> bool {
        self.btf.ty(TypeId(base)).and_then(|ty| ty.int_data()).is_none_or(|data| data.is_regular())
    }

    /// Whether the string is an identifier; true if there is none, which the records' pass reports.
    fn is_identifier(&self, name: StrOff) -> bool {
        self.names.class(name).is_none_or(|class| class.is_identifier())
    }

    fn is_kind(&self, id: TypeId, kind: Kind) -> bool {
        self.btf.ty(id).is_some_and(|ty| ty.kind() == kind)
    }

    #[inline]
    fn record(&mut self, ty: Type<'a>) {
        match ty.kind() {
            kind if kind == Kind::Ptr || kind.is_modifier() => {
                let Some(target) = ty.target() else { return };
                if let Some(link) = self.links.get_mut((ty.id().0 - self.btf.base_len()) as usize) {
                    *link = target.0;
                }
                // Its own shape before the target's: that says of which record a chain without end is.
                if kind != Kind::Ptr {
                    self.shape(ty.id());
                }
                if self.shape(target).class == Class::Entity {
                    self.bad(ty, format_args!("refers to {target}, which is no type"));
                }
            }
            Kind::Array => self.array(ty),
            Kind::Struct | Kind::Union => self.composite(ty),
            Kind::Var => {
                self.sized(ty, "", TypeId(ty.size_or_type()));
            }
            Kind::Func => self.func(ty),
            Kind::FuncProto => self.func_proto(ty),
            Kind::Datasec => self.datasec(ty),
            Kind::DeclTag => self.decl_tag(ty),
            _ => {}
        }
    }

    fn array(&mut self, ty: Type<'a>) {
        let Some(array) = ty.array() else { return };
        self.shape(ty.id());
        let index = self.shape(array.index);
        let base = self.btf.ty(TypeId(index.base));
        let int = base.filter(|_| index.class == Class::Sized).and_then(|ty| ty.int_data());
        if !int.is_some_and(|data| data.is_regular()) && index.class != Class::Broken {
            self.bad(ty, format_args!("the index's type {} is no INT of whole bytes", array.index));
        }
        if let Some(element) = self.sized(ty, "element: ", array.element) {
            if !self.regular(element.base) {
                self.bad(ty, format_args!("the element's INT {} does not fill whole bytes", element.base));
            }
            if array.count.checked_mul(element.size_bytes).is_none() {
                let (n, size) = (array.count, element.size_bytes);
                self.bad(ty, format_args!("{n} elements of {size} bytes exceed 4 GiB"));
            }
        }
    }

    fn composite(&mut self, ty: Type<'a>) {
        for (index, member) in ty.members().enumerate() {
            let whose = Of { what: "member", index, btf: self.btf, name: member.name };
            let Some(shape) = self.sized(ty, &whose, member.ty) else { continue };
            if shape.leaf_is_composite {
                self.inside.add(self.btf, shape.leaf);
            }
            self.member(ty, whose, &member, shape);
        }
    }

    /// A member lies where its type may, and ends inside the composite.
    #[inline]
    fn member(&mut self, ty: Type<'a>, whose: Of<'_>, member: &Member, shape: Shape) {
        let (Some(kind), size_bytes) = (shape.kind, shape.size_bytes) else { return };
        let flag = ty.kind_flag();
        let offset = member.offset_bits(flag);
        let bitfield = u32::from(member.bitfield_bits(flag));
        let is_enum = matches!(kind, Kind::Enum | Kind::Enum64);
        let base = Some(TypeId(shape.base)).filter(|_| kind == Kind::Int);
        let int = base.and_then(|id| self.btf.ty(id)).and_then(|base| base.int_data());
        let aligned = offset.is_multiple_of(8);

        if bitfield != 0 && int.is_none() && !is_enum {
            return self.bad(ty, format_args!("{whose}a bitfield of type {kind}"));
        }
        let mut bits = u64::from(size_bytes) * 8;
        if let Some(data) = int {
            bits = u64::from(data.bits);
            if !flag {
                // A bitfield of the old form has its place in the INT.
                bits += u64::from(data.offset_bits);
            } else if !data.is_regular() {
                return self.bad(ty, format_args!("{whose}its INT {} does not fill whole bytes", shape.base));
            } else if bitfield > u32::from(data.bits) {
                return self.bad(ty, format_args!("{whose}{bitfield} bits of an INT of {}", data.bits));
            }
        }
        if is_enum && flag {
            // The kernel takes every enumeration in a composite with flag for 32 bits wide.
            bits = 32;
            if bitfield > 32 {
                return self
                    .bad(ty, format_args!("{whose}{bitfield} bits of an enumeration, allowed are 32"));
            }
        }
        if bitfield != 0 {
            bits = u64::from(bitfield);
        } else if !aligned && (int.is_none() || flag) {
            return self.bad(ty, format_args!("{whose}offset {offset} bits, inside a byte"));
        }
        if kind == Kind::Float {
            let align = self.pointer_bytes.min(size_bytes).max(1);
            if !(offset / 8).is_multiple_of(align) {
                return self
                    .bad(ty, format_args!("{whose}FLOAT at {} bytes, alignment is {align}", offset / 8));
            }
        }
        let end = (u64::from(offset) + bits).div_ceil(8);
        if end > u64::from(ty.size_or_type()) {
            self.bad(ty, format_args!("{whose}ends at {end}, behind the {} bytes", ty.size_or_type()));
        }
    }

    fn func(&mut self, ty: Type<'a>) {
        let proto = self.btf.ty(TypeId(ty.size_or_type()));
        let Some(proto) = proto.filter(|p| p.kind() == Kind::FuncProto) else {
            return self.bad(ty, format_args!("type {} is no FUNC_PROTO", ty.size_or_type()));
        };
        // Once per proto: functions of one proto may be as many as it has parameters.
        let known = self.unnamed.get(proto.id().0).copied().unwrap_or(0);
        let unnamed = if known != 0 {
            known
        } else {
            let bad = |p: Param| p.name == StrOff::EMPTY && p.ty != TypeId::VOID;
            let found = proto.params().position(bad).map_or(ALL_NAMED, |index| index as u32 + FIRST_UNNAMED);
            if let Some(place) = self.unnamed.get_mut(proto.id().0) {
                *place = found;
            }
            found
        };
        if let Some(index) = unnamed.checked_sub(FIRST_UNNAMED) {
            self.bad(ty, format_args!("parameter {index} has no name"));
        }
    }

    fn func_proto(&mut self, ty: Type<'a>) {
        let returns = TypeId(ty.size_or_type());
        if returns != TypeId::VOID {
            self.sized(ty, "return: ", returns);
        }
        let last = ty.params().len().saturating_sub(1);
        for (index, param) in ty.params().enumerate() {
            let whose = Of { what: "parameter", index, btf: self.btf, name: param.name };
            if param.name != StrOff::EMPTY && !self.is_identifier(param.name) {
                self.bad(ty, format_args!("{whose}the name is no identifier"));
            }
            if param.ty != TypeId::VOID {
                self.sized(ty, whose, param.ty);
            } else if index != last {
                self.bad(ty, format_args!("{whose}void, but not the last"));
            } else if param.name != StrOff::EMPTY {
                self.bad(ty, format_args!("{whose}void, but has a name"));
            }
        }
    }

    fn datasec(&mut self, ty: Type<'a>) {
        for (index, entry) in ty.datasec_entries().enumerate() {
            let Some(var) = self.btf.ty(entry.var).filter(|v| v.kind() == Kind::Var) else {
                self.bad(ty, format_args!("entry {index}: type {} is no VAR", entry.var));
                continue;
            };
            let shape = self.shape(TypeId(var.size_or_type()));
            if shape.class == Class::Sized && shape.size_bytes > entry.size_bytes {
                let whose = Of { what: "entry", index, btf: self.btf, name: var.name_off() };
                let (have, need) = (entry.size_bytes, shape.size_bytes);
                self.bad(ty, format_args!("{whose}{have} bytes, its type has {need}"));
            }
        }
    }

    fn decl_tag(&mut self, ty: Type<'a>) {
        let (Some(target), Some(component)) = (ty.target(), ty.component_idx()) else { return };
        let allowed = self.btf.ty(target).map(|t| (t, t.kind()));
        let components = match allowed {
            Some((t, Kind::Struct | Kind::Union)) => t.vlen(),
            Some((t, Kind::Func)) => {
                let proto = TypeId(t.size_or_type());
                if !self.is_kind(proto, Kind::FuncProto) {
                    return;
                }
                self.btf.ty(proto).map_or(0, |p| p.vlen())
            }
            Some((_, Kind::Var | Kind::Typedef)) => 0,
            _ => {
                let what = allowed.map_or("void", |(_, kind)| kind.name());
                return self.bad(ty, format_args!("on {target}: {what} takes no tags"));
            }
        };
        if component >= 0 && component as u32 >= components {
            self.bad(ty, format_args!("on component {component} of {target}, which has {components}"));
        }
    }
}

/// Which own composites lie by value inside which: for each own record the composites in it, in one list.
struct Inside {
    starts: Vec<usize>,
    leaves: Vec<u32>,
}

impl Inside {
    /// Notes that the record at hand contains the composite, if that is an own one. Those of the base
    /// cannot contain own ones.
    #[inline]
    fn add(&mut self, btf: &Btf<'_>, leaf: u32) {
        if let Some(index) = leaf.checked_sub(btf.base_len()) {
            self.leaves.push(index);
        }
    }

    fn of(&self, index: u32) -> &[u32] {
        let at = index as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&from), Some(&to)) => self.leaves.get(from..to).unwrap_or_default(),
            _ => &[],
        }
    }

    fn find_cycles(&self, btf: &Btf<'_>, report: &mut Report) {
        #[derive(Clone, Copy, PartialEq)]
        enum Colour {
            New,
            Open,
            Done,
        }
        let own = btf.len() - btf.base_len();
        let mut colours = vec![Colour::New; own as usize];
        let mut set = |index: u32, colour| {
            colours.get_mut(index as usize).map_or(Colour::Done, |c| std::mem::replace(c, colour))
        };
        // The chain of composites and how many of what each contains was walked.
        let mut stack: Vec<(u32, usize)> = Vec::new();
        for root in 0..own {
            if self.of(root).is_empty() || report.full() {
                continue;
            }
            match set(root, Colour::Open) {
                Colour::New => stack.push((root, 0)),
                before => {
                    set(root, before);
                    continue;
                }
            }
            while let Some((index, walked)) = stack.last_mut() {
                let Some(&next) = self.of(*index).get(*walked) else {
                    set(*index, Colour::Done);
                    stack.pop();
                    continue;
                };
                *walked += 1;
                match set(next, Colour::Open) {
                    Colour::New => stack.push((next, 0)),
                    Colour::Done => {
                        set(next, Colour::Done);
                    }
                    Colour::Open => {
                        if let Some(ty) = btf.ty(TypeId(btf.base_len() + next)) {
                            report.add(Level::Resolve, &ty, format_args!("contains itself"));
                        }
                    }
                }
            }
        }
    }
}

/// No pointer reaches itself through pointers and modifiers alone, which `links` holds by index of the own
/// record. Cycles of modifiers alone were reported with the shapes.
fn pointer_cycles(btf: &Btf<'_>, links: &[u32], report: &mut Report) {
    // For each own record the walk that came by, from 1 on.
    let mut walks = vec![0u32; links.len()];
    // Void, and the base, where no own type can be met again, end a walk.
    let follow = |index: usize| {
        let target = links.get(index).and_then(|link| link.checked_sub(btf.base_len()))?;
        Some(target as usize)
    };
    for (walk, start) in (1u32..).zip(0..links.len()) {
        let mut at = start;
        while let Some(seen) = walks.get_mut(at) {
            if *seen == walk {
                report_pointer_cycle(btf, at, follow, report);
            }
            if *seen != 0 {
                break;
            }
            *seen = walk;
            match follow(at) {
                Some(target) => at = target,
                None => break,
            }
        }
    }
}

/// Reports one pointer of the cycle that `start` is on.
#[cold]
fn report_pointer_cycle(
    btf: &Btf<'_>,
    start: usize,
    follow: impl Fn(usize) -> Option<usize>,
    report: &mut Report,
) {
    let mut at = start;
    loop {
        // An index of an own record.
        match btf.ty(TypeId(btf.base_len() + at as u32)) {
            Some(ty) if ty.kind() == Kind::Ptr => {
                return report.add(Level::Resolve, &ty, format_args!("points to itself"));
            }
            _ => {}
        }
        match follow(at) {
            Some(target) if target != start => at = target,
            _ => return,
        }
    }
}
