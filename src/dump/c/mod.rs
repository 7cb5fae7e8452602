//! A C header of all types: each after what it needs, nothing twice.
//!
//! In: a BTF with its base. Out: a header that a compiler for the same machine takes. Types are written in the
//! order of their ids; what one contains comes before it, what it only points to is declared. What has no name
//! is written where it is used.

mod layout;
mod names;
mod write;

use crate::btf::{Btf, Kind, Type, TypeId};
use crate::error::{Error, Result};
use layout::{Layouts, contains_itself};
use names::{Names, name_of};

/// What to put into a header.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct COptions {
    /// A `_Static_assert` for the size of each struct and for the offset of each member that has one.
    pub asserts: bool,
}

/// Deepest chain of definitions that need each other.
const MAX_DEPTH: u32 = 512;

/// How far a type is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Unseen,
    Declared,
    /// What it needs is being written.
    Begun,
    Defined,
}

/// The header as it grows.
struct Header<'a> {
    btf: &'a Btf<'a>,
    names: Names,
    layouts: Layouts<'a>,
    states: Vec<State>,
    /// How often each type is referred to, 2 for more, and whether from a place that is written once.
    uses: Vec<Use>,
    out: String,
    asserts: Option<String>,
    /// Most bytes that this BTF may become.
    limit: usize,
    depth: u32,
    /// The definition that is being prepared: within itself a tag is declared.
    current: TypeId,
}

/// Who refers to a type.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    count: u8,
    /// By a typedef or by a member of a struct with a name.
    directly: bool,
}

const HEAD: &str = "\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

#ifndef __btf_type_tag
#if defined(__has_attribute)
#if __has_attribute(btf_type_tag)
#define __btf_type_tag(value) __attribute__((btf_type_tag(value)))
#endif
#endif
#endif
#ifndef __btf_type_tag
#define __btf_type_tag(value)
#endif
#ifndef __btf_attribute
#ifdef __bpf__
#define __btf_attribute(value) __attribute__((value))
#else
#define __btf_attribute(value)
#endif
#endif

";

const TAIL: &str = "
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
";

/// The header of all types.
pub(super) fn dump(btf: &Btf<'_>, options: &COptions) -> Result<Vec<u8>> {
    let mut bytes = btf.data().len();
    let mut base = btf.base();
    while let Some(b) = base {
        bytes += b.data().len();
        base = b.base();
    }
    let mut header = Header {
        btf,
        names: Names::new(btf),
        layouts: Layouts::new(btf),
        states: vec![State::Unseen; btf.len() as usize],
        uses: uses(btf),
        out: HEAD.to_owned(),
        asserts: options.asserts.then(String::new),
        limit: bytes.saturating_mul(64).saturating_add(1 << 20),
        depth: 0,
        current: TypeId::VOID,
    };
    header.name_enums();
    for id in (1..btf.len()).map(TypeId) {
        header.top(id)?;
    }
    header.kfuncs()?;
    header.out.push_str(header.asserts.as_deref().unwrap_or_default());
    header.out.push_str(TAIL);
    Ok(header.out.into_bytes())
}

/// Who refers to each type.
fn uses(btf: &Btf<'_>) -> Vec<Use> {
    let mut uses = vec![Use::default(); btf.len() as usize];
    for ty in (1..btf.len()).filter_map(|id| btf.ty(TypeId(id))) {
        if ty.kind() == Kind::DeclTag {
            continue;
        }
        let named = !ty.name_prefix(1).is_empty();
        let directly = ty.kind() == Kind::Typedef || (ty.kind().is_composite() && named);
        for target in ty.references() {
            if let Some(to) = uses.get_mut(target.0 as usize) {
                *to = Use { count: (to.count + 1).min(2), directly };
            }
        }
    }
    uses
}

impl<'a> Header<'a> {
    /// Gives a tag to each enumeration without one that is used where it might be written twice: its
    /// enumerators must not be.
    fn name_enums(&mut self) {
        for id in 1..self.btf.len() {
            let Some(ty) = self.btf.ty(TypeId(id)) else { continue };
            let usage = self.uses.get(id as usize).copied().unwrap_or_default();
            let once = usage.count == 0 || (usage.count == 1 && usage.directly);
            if !matches!(ty.kind(), Kind::Enum | Kind::Enum64) || self.names.of(ty.id()).is_some() || once {
                continue;
            }
            let first =
                ty.enumerators().next().map(|e| self.btf.string_prefix(e.name, 256).unwrap_or_default());
            let first = names::identifier(first.unwrap_or_default());
            self.names.invent_tag(ty.id(), &format!("enum_of_{first}"));
        }
    }

    fn state(&self, id: TypeId) -> State {
        self.states.get(id.0 as usize).copied().unwrap_or(State::Defined)
    }

    fn set(&mut self, id: TypeId, state: State) {
        if let Some(at) = self.states.get_mut(id.0 as usize) {
            *at = state;
        }
    }

    /// Writes a type if it stands for itself.
    fn top(&mut self, id: TypeId) -> Result<()> {
        let Some(ty) = self.btf.ty(id) else { return Ok(()) };
        let unused = self.uses.get(id.0 as usize).is_none_or(|u| u.count == 0);
        let alone = match ty.kind() {
            Kind::Typedef | Kind::Fwd => true,
            Kind::Struct | Kind::Union => self.names.of(id).is_some(),
            Kind::Enum | Kind::Enum64 => self.names.of(id).is_some() || unused,
            _ => false,
        };
        if alone { self.need(id, true) } else { Ok(()) }
    }

    /// Writes what must come before a use of a type: its definition if it is used by value, a declaration if
    /// it is pointed to.
    fn need(&mut self, id: TypeId, by_value: bool) -> Result<()> {
        let btf = self.btf;
        let Some(ty) = btf.ty(id) else { return Ok(()) };
        if self.depth > MAX_DEPTH {
            return Err(contains_itself(ty));
        }
        self.depth += 1;
        let done = self.need_of(ty, by_value);
        self.depth -= 1;
        done
    }

    fn need_of(&mut self, ty: Type<'a>, by_value: bool) -> Result<()> {
        let id = ty.id();
        let target = ty.target().unwrap_or_default();
        match ty.kind() {
            Kind::Int | Kind::Float => self.number(ty),
            Kind::Ptr => self.need(target, false),
            Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => self.need(target, by_value),
            Kind::Array => ty.array().map_or(Ok(()), |array| self.need(array.element, true)),
            Kind::FuncProto => {
                // Completed before a call, not before the prototype.
                self.need(target, false)?;
                ty.params().try_for_each(|p| self.need(p.ty, false))
            }
            Kind::Fwd => {
                self.declare(ty);
                Ok(())
            }
            Kind::Struct | Kind::Union if self.names.of(id).is_some() && !by_value => {
                self.declare(ty);
                Ok(())
            }
            Kind::Struct | Kind::Union => self.once(ty, |header| {
                ty.members().try_for_each(|m| header.need(m.ty, true))?;
                if header.names.of(id).is_some() { header.define(ty) } else { Ok(()) }
            }),
            Kind::Enum | Kind::Enum64 => {
                let usage = self.uses.get(id.0 as usize).copied().unwrap_or_default();
                let inline = self.names.of(id).is_none() && usage.count != 0;
                if !by_value && ty.vlen() == 0 && !inline {
                    self.declare(ty);
                    return Ok(());
                }
                self.once(ty, |header| if inline { Ok(()) } else { header.define(ty) })
            }
            Kind::Typedef => {
                self.once(ty, |header| {
                    header.need(target, false)?;
                    header.typedef(ty)
                })?;
                if by_value { self.need(target, true) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Does what defines a type, unless that was done.
    fn once(&mut self, ty: Type<'a>, define: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        match self.state(ty.id()) {
            State::Defined => return Ok(()),
            State::Begun => return Err(contains_itself(ty)),
            State::Unseen | State::Declared => {}
        }
        let outer = self.current;
        // What has no name is written within what surrounds it.
        if self.names.of(ty.id()).is_some() {
            self.current = ty.id();
        }
        self.set(ty.id(), State::Begun);
        define(self)?;
        self.current = outer;
        self.set(ty.id(), State::Defined);
        if self.out.len() > self.limit {
            return Err(Error::input(format!(
                "BTF: more than {} bytes of C, from nested types without names",
                self.limit
            )));
        }
        Ok(())
    }

    /// The word before a tag.
    fn keyword(ty: Type<'_>) -> &'static str {
        match ty.kind() {
            Kind::Union => "union",
            Kind::Fwd if ty.kind_flag() => "union",
            Kind::Enum | Kind::Enum64 => "enum",
            _ => "struct",
        }
    }

    /// Declares a tag, unless it was.
    fn declare(&mut self, ty: Type<'_>) {
        match self.state(ty.id()) {
            State::Unseen => self.set(ty.id(), State::Declared),
            // Something else comes before it and names it.
            State::Begun if ty.id() != self.current => {}
            _ => return,
        }
        let tag = self.names.of(ty.id()).unwrap_or_default();
        let line = format!("{} {tag};\n\n", Self::keyword(ty));
        self.out.push_str(&line);
    }

    /// Writes the prototypes of kfuncs, which programs call by name.
    fn kfuncs(&mut self) -> Result<()> {
        let btf = self.btf;
        let mut functions: Vec<Type<'a>> = (1..btf.len())
            .filter_map(|id| btf.ty(TypeId(id)))
            .filter(|tag| tag.kind() == Kind::DeclTag && tag.name_prefix(10) == b"bpf_kfunc")
            .filter_map(|tag| btf.ty(tag.target()?))
            .filter(|ty| ty.kind() == Kind::Func)
            .collect();
        functions.sort_by_key(|ty| (name_of(btf, *ty), ty.id()));
        functions.dedup_by_key(|ty| name_of(btf, *ty));
        let mut lines = String::new();
        for func in functions {
            let name = name_of(btf, func);
            let text = String::from_utf8_lossy(name).into_owned();
            if !names::is_identifier(name) || self.names.ordinary.is_taken(&text) {
                continue;
            }
            let Some(proto) = func.target() else { continue };
            self.need(proto, false)?;
            let mut line = String::new();
            self.declaration(&mut line, proto, &text, &mut write::Place::unmeasured(0))?;
            lines.push_str(&format!("extern {line} __weak __ksym;\n"));
        }
        if !lines.is_empty() {
            self.out.push_str(
                "#ifndef BPF_NO_KFUNC_PROTOTYPES\n#ifndef __ksym\n#define __ksym __attribute__((section(\".ksyms\")))\n\
                 #endif\n#ifndef __weak\n#define __weak __attribute__((weak))\n#endif\n\n",
            );
            self.out.push_str(&lines);
            self.out.push_str("#endif\n\n");
        }
        Ok(())
    }
}
