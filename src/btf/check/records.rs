//! Each record by itself: what every kernel checks of every BTF, and what kernels before a version add.

use std::fmt;

use super::names::{Class, Names};
use super::{KernelVersion, Level, MAX_SHOWN, Report, Shown};
use crate::btf::kinds::{IntEncoding, Kind, MAX_VLEN, StrOff, TypeId};
use crate::btf::read::{Btf, Type};

/// Longest chain of modifiers that kernels follow.
const MAX_MODIFIERS: u32 = 32;

/// Runs over the own records once.
pub(super) fn records(btf: &Btf<'_>, names: &Names<'_>, target: Option<KernelVersion>, report: &mut Report) {
    for ty in btf.types() {
        if report.full() {
            return;
        }
        let mut record = Record { btf, names, target, ty, report };
        record.common();
        record.own();
        if let Some(version) = target {
            record.target(version);
        }
    }
}

struct Record<'r, 'a> {
    btf: &'a Btf<'a>,
    names: &'r Names<'a>,
    target: Option<KernelVersion>,
    ty: Type<'a>,
    report: &'r mut Report,
}

/// Whether there has to be a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Optional,
    Required,
}

impl Record<'_, '_> {
    #[cold]
    fn bad(&mut self, reason: fmt::Arguments<'_>) {
        self.report.add(Level::Records, &self.ty, reason);
    }

    /// What holds for all kinds alike.
    fn common(&mut self) {
        use Kind::*;
        let ty = self.ty;
        let kind = ty.kind();
        let counts = kind.element_bytes() != 0 || kind == Func;
        if !counts && ty.vlen() != 0 {
            self.bad(format_args!("{} elements, but the kind has none", ty.vlen()));
        }
        let flagged = matches!(kind, Struct | Union | Enum | Enum64 | Fwd | DeclTag | TypeTag);
        if !flagged && ty.kind_flag() {
            self.bad(format_args!("kind_flag is set, but the kind has none"));
        }
        if matches!(kind, Fwd | Array) && ty.size_or_type() != 0 {
            self.bad(format_args!("size or type is {}, not 0", ty.size_or_type()));
        }
        if let Some(target) = ty.target() {
            self.reference("refers to", target);
        }
        match kind {
            Ptr | Const | Volatile | Restrict | Array | FuncProto => {
                if ty.name_off() != StrOff::EMPTY {
                    self.bad(format_args!("has a name, but the kind has none"));
                }
            }
            Struct | Union | Enum | Enum64 => self.identifier("", ty.name_off(), Need::Optional),
            Fwd | Typedef | Func | Var => self.identifier("", ty.name_off(), Need::Required),
            Datasec => {
                let class = self.name("", ty.name_off());
                if class.is_some_and(|c| !c.is_section_name()) {
                    self.bad(format_args!("the name is not of 1 to 512 printable bytes"));
                } else if class.is_some_and(|c| !c.is_identifier())
                    && self.target.is_some_and(|v| v < KernelVersion::new(6, 12))
                {
                    let reason = format_args!("the name is no identifier, as kernels up to 6.1 want it");
                    self.report.add(Level::Target, &ty, reason);
                }
            }
            DeclTag | TypeTag => {
                if self.name("", ty.name_off()).is_some_and(Class::is_empty) {
                    self.bad(format_args!("no value"));
                }
            }
            Int | Float => {
                self.name("", ty.name_off());
            }
        }
    }

    /// What holds for its kind.
    fn own(&mut self) {
        match self.ty.kind() {
            Kind::Int => self.int(),
            Kind::Array => self.array(),
            Kind::Struct | Kind::Union => self.members(),
            Kind::Enum | Kind::Enum64 => self.enumerators(),
            Kind::Func => self.func(),
            Kind::FuncProto => {
                let ty = self.ty;
                for (i, param) in ty.params().enumerate() {
                    // Whether the name is an identifier only the resolving pass asks.
                    self.name(format_args!("parameter {i}: "), param.name);
                    self.reference(format_args!("parameter {i}: type"), param.ty);
                }
            }
            Kind::Var => self.var(),
            Kind::Datasec => self.entries(),
            Kind::Float => {
                let size = self.ty.size_or_type();
                if !matches!(size, 2 | 4 | 8 | 12 | 16) {
                    self.bad(format_args!("size {size} bytes, allowed are 2, 4, 8, 12 and 16"));
                }
            }
            Kind::DeclTag => {
                if let Some(component) = self.ty.component_idx().filter(|c| *c < -1) {
                    self.bad(format_args!("component {component}"));
                }
            }
            kind if kind.is_modifier() => self.modifiers(),
            _ => {}
        }
    }

    /// The class of the name, `None` and a violation if it lies outside the strings.
    #[inline]
    fn name(&mut self, whose: impl fmt::Display, off: StrOff) -> Option<Class> {
        let class = self.names.class(off);
        match class {
            None => self.bad(format_args!("{whose}name at {off}, outside the strings")),
            Some(class) if !class.is_start() => {
                let reason = format_args!("{whose}name at {off}, inside another string");
                self.report.add(Level::Hygiene, &self.ty, reason);
            }
            Some(_) => {}
        }
        class
    }

    #[inline]
    fn identifier(&mut self, whose: impl fmt::Display, off: StrOff, need: Need) {
        if off == StrOff::EMPTY && need == Need::Optional {
            return;
        }
        let Some(class) = self.name(&whose, off) else { return };
        if !class.is_identifier() {
            if class.is_empty() {
                // Only the empty string at 0 counts as no name.
                self.bad(format_args!("{whose}no name"));
            } else {
                self.bad(format_args!("{whose}the name is no identifier"));
            }
        } else if class.is_long() && self.target.is_some_and(|v| v < KernelVersion::new(6, 1)) {
            let reason =
                format_args!("{whose}a name of more than the 128 bytes that kernels before 6.1 take");
            self.report.add(Level::Target, &self.ty, reason);
        }
    }

    #[inline]
    fn reference(&mut self, what: impl fmt::Display, id: TypeId) {
        if id.0 >= self.btf.len() {
            self.bad(format_args!("{what} {id}, but there are {} types", self.btf.len()));
        }
    }

    /// A reference that must not be void.
    #[inline]
    fn reference_not_void(&mut self, what: impl fmt::Display, id: TypeId) {
        if id == TypeId::VOID {
            self.bad(format_args!("{what} is void"));
        }
        self.reference(what, id);
    }

    fn int(&mut self) {
        let (Some(word), Some(data)) = (self.ty.int_word(), self.ty.int_data()) else { return };
        if word >> 28 != 0 {
            self.bad(format_args!("unused bits set in {word:#x}"));
        }
        let bits = u32::from(data.bits) + u32::from(data.offset_bits);
        if bits > 128 {
            self.bad(format_args!("{bits} bits, allowed are 128"));
        } else if bits.div_ceil(8) > self.ty.size_or_type() {
            self.bad(format_args!("{bits} bits in {} bytes", self.ty.size_or_type()));
        }
        let known = [IntEncoding::NONE, IntEncoding::SIGNED, IntEncoding::CHAR, IntEncoding::BOOL];
        if !known.contains(&data.encoding) {
            self.bad(format_args!("encoding {}, allowed are 0, 1, 2 and 4", data.encoding.0));
        }
    }

    fn func(&mut self) {
        if self.ty.vlen() > 1 {
            self.bad(format_args!("linkage {}, allowed are 0 and 1", self.ty.vlen()));
        }
    }

    fn array(&mut self) {
        let Some(array) = self.ty.array() else { return };
        self.reference_not_void("the element's type", array.element);
        self.reference_not_void("the index's type", array.index);
    }

    fn members(&mut self) {
        let ty = self.ty;
        let mut previous = 0;
        for (i, member) in ty.members().enumerate() {
            let whose = Of { what: "member", index: i, btf: self.btf, name: member.name };
            self.identifier(&whose, member.name, Need::Optional);
            self.reference_not_void(format_args!("{whose}type"), member.ty);
            let offset = member.offset_bits(ty.kind_flag());
            if ty.kind() == Kind::Union && offset != 0 {
                self.bad(format_args!("{whose}offset {offset} bits in a union"));
            }
            if offset < previous {
                self.bad(format_args!(
                    "{whose}offset {offset} bits, before that of the previous, {previous}"
                ));
            }
            if offset.div_ceil(8) > ty.size_or_type() {
                self.bad(format_args!("{whose}offset {offset} bits, behind the {} bytes", ty.size_or_type()));
            }
            previous = offset;
        }
    }

    fn enumerators(&mut self) {
        let ty = self.ty;
        if !matches!(ty.size_or_type(), 1 | 2 | 4 | 8) {
            self.bad(format_args!("size {} bytes, allowed are 1, 2, 4 and 8", ty.size_or_type()));
        }
        for (i, value) in ty.enumerators().enumerate() {
            let whose = Of { what: "enumerator", index: i, btf: self.btf, name: value.name };
            self.identifier(whose, value.name, Need::Required);
        }
    }

    fn var(&mut self) {
        let ty = self.ty;
        self.reference_not_void("its type", TypeId(ty.size_or_type()));
        if !matches!(ty.var_linkage().map(|l| l as u32), Some(0 | 1)) {
            self.bad(format_args!("linkage is neither static nor global"));
        }
    }

    fn entries(&mut self) {
        let ty = self.ty;
        let size = ty.size_or_type();
        if size == 0 {
            self.bad(format_args!("size 0"));
        }
        let mut end = 0u64;
        for (i, entry) in ty.datasec_entries().enumerate() {
            let name = self.btf.ty(entry.var).map_or(StrOff::EMPTY, |v| v.name_off());
            let whose = Of { what: "entry", index: i, btf: self.btf, name };
            self.reference_not_void(format_args!("{whose}type"), entry.var);
            let (offset, bytes) = (entry.offset_bytes, entry.size_bytes);
            if u64::from(offset) < end {
                self.bad(format_args!("{whose}offset {offset}, before the end of the previous, {end}"));
            }
            end = u64::from(offset) + u64::from(bytes);
            if bytes == 0 {
                self.bad(format_args!("{whose}size 0"));
            } else if end > u64::from(size) {
                self.bad(format_args!("{whose}ends at {end}, behind the {size} bytes of the section"));
            } else if offset >= size {
                self.bad(format_args!("{whose}offset {offset}, behind the {size} bytes of the section"));
            }
        }
    }

    /// Kernels follow the chain from each modifier on.
    fn modifiers(&mut self) {
        let mut at = self.ty;
        for _ in 0..MAX_MODIFIERS {
            match at.target().and_then(|id| self.btf.ty(id)) {
                Some(next) if next.kind().is_modifier() => at = next,
                _ => return,
            }
        }
        self.bad(format_args!("a chain of more than {MAX_MODIFIERS} modifiers, or one without end"));
    }

    /// What the target does not know yet.
    fn target(&mut self, version: KernelVersion) {
        let ty = self.ty;
        let kind = ty.kind();
        let older = |major, minor| version < KernelVersion::new(major, minor);
        let mut bad = |reason: fmt::Arguments<'_>| self.report.add(Level::Target, &ty, reason);
        let since = match kind {
            Kind::Float => (5, 13),
            Kind::DeclTag => (5, 16),
            Kind::TypeTag => (5, 17),
            Kind::Enum64 => (6, 0),
            _ => (0, 0),
        };
        if older(since.0, since.1) {
            bad(format_args!("the kind is known from kernel {}.{} on", since.0, since.1));
        }
        if ty.kind_flag() {
            if kind == Kind::Enum && older(6, 0) {
                bad(format_args!("signed, which is known from kernel 6.0 on"));
            }
            if matches!(kind, Kind::DeclTag | Kind::TypeTag) && older(6, 15) {
                bad(format_args!("attributes, which are known from kernel 6.15 on"));
            }
        }
        if ty.vlen() > MAX_VLEN && older(7, 2) {
            bad(format_args!("{} elements, kernels before 7.2 take {MAX_VLEN}", ty.vlen()));
        }
        // All tags must come before all other modifiers of a chain. Each modifier is checked, so that it is
        // enough to look at the next link.
        let before_tag = kind.is_modifier() && kind != Kind::TypeTag && older(7, 2);
        if before_tag && ty.target().and_then(|id| self.btf.ty(id)).is_some_and(|t| t.kind() == Kind::TypeTag)
        {
            bad(format_args!("qualifies a TYPE_TAG; kernels before 7.2 want tags first"));
        }
    }
}

/// The part of a record that a reason is about: `member 'x': `, or `member 3: ` when it has no name.
///
/// Holds the offset of the name: it is read only if there is something to say.
pub(super) struct Of<'a> {
    pub(super) what: &'static str,
    pub(super) index: usize,
    pub(super) btf: &'a Btf<'a>,
    pub(super) name: StrOff,
}

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.btf.string_prefix(self.name, MAX_SHOWN + 1).unwrap_or_default() {
            [] => write!(f, "{} {}: ", self.what, self.index),
            name => write!(f, "{} '{}': ", self.what, Shown(name)),
        }
    }
}
