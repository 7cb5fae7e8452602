//! Two BTFs compared as collections of types, whatever their ids and order.
//!
//! Every type is rendered one level deep: what it refers to by kind and name, in full where it has no name.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

use btfgen::btf::{Btf, Kind, Type, TypeId};

/// Every type of a BTF, rendered, with the number of types that render so.
pub type Types = BTreeMap<String, usize>;

pub fn render(btf: &Btf<'_>) -> Types {
    let mut renderer = Renderer { btf, known: HashMap::new() };
    let mut types = Types::new();
    for ty in btf.types() {
        let body = renderer.body(ty, 0);
        *types.entry(body).or_default() += 1;
    }
    types
}

/// As [`render`], with a digest of all that the type leads to: of two definitions of a name, a reference
/// means one.
pub fn render_deep(btf: &Btf<'_>) -> Types {
    // Types that differ do so within as many steps.
    const STEPS: usize = 16;
    let mut renderer = Renderer { btf, known: HashMap::new() };
    let bodies: Vec<_> = btf.types().map(|ty| (ty.id(), renderer.body(ty, 0), references(&ty))).collect();
    let digest = |of: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        of(&mut hasher);
        hasher.finish()
    };
    let mut digests: HashMap<TypeId, u64> =
        bodies.iter().map(|(id, body, _)| (*id, digest(&|h| body.hash(h)))).collect();
    for _ in 0..STEPS {
        let next = |(id, _, references): &(TypeId, String, Vec<TypeId>)| {
            let reached: Vec<_> = references.iter().map(|to| digests.get(to)).collect();
            (*id, digest(&|h| (digests[id], &reached).hash(h)))
        };
        digests = bodies.iter().map(next).collect();
    }
    let mut types = Types::new();
    for (id, body, _) in &bodies {
        *types.entry(format!("{body} #{:016x}", digests[id])).or_default() += 1;
    }
    types
}

/// All types that a type refers to, in their order.
pub fn references(ty: &Type<'_>) -> Vec<TypeId> {
    let array = ty.array().map(|a| [a.element, a.index]);
    ty.target()
        .into_iter()
        .chain(array.into_iter().flatten())
        .chain(ty.members().map(|m| m.ty))
        .chain(ty.params().map(|p| p.ty))
        .chain(ty.datasec_entries().map(|e| e.var))
        .collect()
}

/// What is in `a` and not in `b`, each as often as it is missing.
pub fn missing(a: &Types, b: &Types) -> Vec<String> {
    let mut found = Vec::new();
    for (body, &count) in a {
        let other = b.get(body).copied().unwrap_or(0);
        found.extend(std::iter::repeat_n(body.clone(), count.saturating_sub(other)));
    }
    found
}

struct Renderer<'b> {
    btf: &'b Btf<'b>,
    known: HashMap<TypeId, String>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl<'b> Renderer<'b> {
    fn reference(&mut self, id: TypeId, depth: u32) -> String {
        if id == TypeId::VOID {
            return "void".to_owned();
        }
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let ty = self.btf.ty(id).unwrap();
        let name = text(ty.name());
        let target = |this: &mut Self| this.reference(ty.target().unwrap(), depth + 1);
        let rendered = match ty.kind() {
            Kind::Int | Kind::Float | Kind::Typedef => format!("{} {name}", ty.kind()),
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if !name.is_empty() => {
                format!("{} {name}", ty.kind())
            }
            Kind::Fwd => format!("FWD {} {name}", if ty.kind_flag() { "union" } else { "struct" }),
            Kind::Ptr => format!("*{}", target(self)),
            Kind::Volatile | Kind::Const | Kind::Restrict => format!("{}({})", ty.kind(), target(self)),
            Kind::TypeTag => format!("TAG[{name},{}]({})", ty.kind_flag(), target(self)),
            Kind::Array => {
                let array = ty.array().unwrap();
                let index = self.reference(array.index, depth + 1);
                format!("[{} by {index}]{}", array.count, self.reference(array.element, depth + 1))
            }
            _ if depth > 200 => "...".to_owned(),
            _ => self.body(ty, depth + 1),
        };
        self.known.insert(id, rendered.clone());
        rendered
    }

    fn body(&mut self, ty: Type<'b>, depth: u32) -> String {
        let (kind, name, flag) = (ty.kind(), text(ty.name()), ty.kind_flag());
        let size = ty.size_bytes().unwrap_or(0);
        let mut out = format!("{kind} {name}");
        let _ = match kind {
            Kind::Int => write!(out, " size {size} {:?}", ty.int_data().unwrap()),
            Kind::Float => write!(out, " size {size}"),
            Kind::Typedef | Kind::Func => write!(out, " = {}", self.reference(ty.target().unwrap(), depth)),
            Kind::Struct | Kind::Union => {
                let _ = write!(out, " size {size} {{");
                for m in ty.members() {
                    let (offset, bits) = (m.offset_bits(flag), m.bitfield_bits(flag));
                    let member = text(self.btf.name(m.name));
                    let _ = write!(out, "{member}@{offset}:{bits} {}; ", self.reference(m.ty, depth));
                }
                out.write_str("}")
            }
            Kind::Enum | Kind::Enum64 => {
                let _ = write!(out, " size {size} signed {flag} {{");
                for e in ty.enumerators() {
                    let _ = write!(out, "{}={}, ", text(self.btf.name(e.name)), e.value);
                }
                out.write_str("}")
            }
            Kind::FuncProto => {
                let _ = write!(out, "{}(", self.reference(ty.target().unwrap(), depth));
                for p in ty.params() {
                    let _ = write!(out, "{} {}, ", self.reference(p.ty, depth), text(self.btf.name(p.name)));
                }
                out.write_str(")")
            }
            Kind::Var => {
                let linkage = ty.var_linkage();
                write!(out, " {linkage:?} {}", self.reference(ty.target().unwrap(), depth))
            }
            Kind::Datasec => {
                let _ = write!(out, " size {size} {{");
                for e in ty.datasec_entries() {
                    let var = text(self.btf.ty(e.var).unwrap().name());
                    let _ = write!(out, "{var}@{}+{}, ", e.offset_bytes, e.size_bytes);
                }
                out.write_str("}")
            }
            Kind::DeclTag => {
                let target = self.btf.ty(ty.target().unwrap()).unwrap();
                let on = match target.kind() {
                    Kind::Func | Kind::Var => format!("{} {}", target.kind(), text(target.name())),
                    _ => self.reference(target.id(), depth),
                };
                write!(out, " component {:?} {flag} -> {on}", ty.component_idx())
            }
            _ => {
                out = self.reference(ty.id(), depth);
                Ok(())
            }
        };
        out
    }
}
