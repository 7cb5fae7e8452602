//! Split BTFs as tests want them: joined with their base, compared with what they stand for, and relocated from
//! a distilled base to a whole one as a loader does it.

use std::collections::{HashMap, HashSet};

use btfgen::btf::{Btf, Endian, Kind, Type, TypeId};

/// A base and what is split from it as one BTF: ids and string offsets continue.
pub fn joined(base: &[u8], split: &[u8]) -> Vec<u8> {
    let base = Btf::parse(base).unwrap();
    let split = Btf::parse_split(split, &base).unwrap();
    let endian = base.endian();
    let parts = |btf: &Btf<'_>| {
        let (header, body) = (*btf.header(), btf.data()[btf.header().header_bytes as usize..].to_vec());
        let section = |s: btfgen::btf::Section| body[s.off as usize..][..s.len as usize].to_vec();
        (section(header.types), section(header.strings))
    };
    let ((mut types, mut strings), (more_types, more_strings)) = (parts(&base), parts(&split));
    types.extend(more_types);
    strings.extend(more_strings);
    blob(endian, &types, &strings)
}

/// A BTF with these sections.
fn blob(endian: Endian, types: &[u8], strings: &[u8]) -> Vec<u8> {
    let mut out = base_magic(endian).to_vec();
    out.extend([1, 0]);
    let (types_len, strings_len) = (types.len() as u32, strings.len() as u32);
    for word in [24, 0, types_len, types_len, strings_len] {
        out.extend(endian.bytes(word));
    }
    out.extend(types);
    out.extend(strings);
    out
}

fn base_magic(endian: Endian) -> [u8; 2] {
    match endian {
        Endian::Little => btfgen::btf::MAGIC.to_le_bytes(),
        Endian::Big => btfgen::btf::MAGIC.to_be_bytes(),
    }
}

/// Where a declaration may stand for a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    InEither,
    InFirst,
    Nowhere,
}

/// Two BTFs whose types are compared as far as they reach.
pub struct Compare<'c, 'a, 'b> {
    pub a: &'c Btf<'a>,
    pub b: &'c Btf<'b>,
    pub declared: Declared,
}

impl Compare<'_, '_, '_> {
    /// True if two types are the same in everything that can be reached from them.
    pub fn same(&self, a: TypeId, b: TypeId) -> bool {
        let (mut stack, mut assumed) = (vec![(a, b)], HashSet::new());
        while let Some((a, b)) = stack.pop() {
            if a == TypeId::VOID && b == TypeId::VOID || !assumed.insert((a, b)) {
                continue;
            }
            let (Some(x), Some(y)) = (self.a.ty(a), self.b.ty(b)) else { return false };
            let lenient = match self.declared {
                Declared::InEither => is_declaration(&x) || is_declaration(&y),
                Declared::InFirst => is_declaration(&x),
                Declared::Nowhere => false,
            };
            if lenient {
                if space(&x) != space(&y) || x.name() != y.name() {
                    return false;
                }
                continue;
            }
            if !self.alike(&x, &y) {
                return false;
            }
            stack.extend(x.references().zip(y.references()));
        }
        true
    }

    /// True if two types are the same but for what they refer to.
    pub fn alike(&self, x: &Type<'_>, y: &Type<'_>) -> bool {
        let heads = |t: &Type<'_>| {
            let count = t.array().map(|array| array.count);
            let int = t.int_data();
            (
                t.kind(),
                t.name().to_vec(),
                t.kind_flag(),
                t.vlen(),
                t.size_bytes(),
                count,
                int,
                t.component_idx(),
            )
        };
        let parts = |btf: &Btf<'_>, t: &Type<'_>| -> Vec<(Vec<u8>, u64)> {
            let name = |off| btf.name(off).to_vec();
            let members = t.members().map(|m| (name(m.name), u64::from(m.offset_word)));
            let params = t.params().map(|p| (name(p.name), 0));
            let values = t.enumerators().map(|e| (name(e.name), e.value));
            let variables = t.datasec_entries();
            let variables =
                variables.map(|v| (Vec::new(), u64::from(v.offset_bytes) << 32 | u64::from(v.size_bytes)));
            members.chain(params).chain(values).chain(variables).collect()
        };
        heads(x) == heads(y) && x.var_linkage() == y.var_linkage() && parts(self.a, x) == parts(self.b, y)
    }
}

/// True for a declaration of a struct, union or enum.
pub fn is_declaration(ty: &Type<'_>) -> bool {
    match ty.kind() {
        Kind::Fwd => true,
        Kind::Enum | Kind::Enum64 => ty.vlen() == 0 && !ty.name().is_empty(),
        _ => false,
    }
}

/// True for a definition of a named struct, union or enum.
pub fn is_definition(ty: &Type<'_>) -> bool {
    space(ty) != "other" && !is_declaration(ty) && !ty.name().is_empty()
}

/// The name space of a type.
fn space(ty: &Type<'_>) -> &'static str {
    match ty.kind() {
        Kind::Struct => "struct",
        Kind::Union => "union",
        Kind::Fwd if ty.kind_flag() => "union",
        Kind::Fwd => "struct",
        Kind::Enum | Kind::Enum64 => "enum",
        _ => "other",
    }
}

/// Finds for every type of a distilled base the one that it stands for in a whole one: exactly one.
pub fn relocate(distilled: &Btf<'_>, target: &Btf<'_>) -> HashMap<TypeId, TypeId> {
    let family = |t: &Type<'_>| match t.kind() {
        Kind::Enum | Kind::Enum64 => Kind::Enum,
        Kind::Struct | Kind::Union | Kind::Fwd => Kind::Struct,
        kind => kind,
    };
    let encoding = |t: &Type<'_>| t.int_data().map(|data| data.encoding);
    let mut by_name: HashMap<(Kind, Vec<u8>), Vec<TypeId>> = HashMap::new();
    for ty in target.types() {
        by_name.entry((family(&ty), ty.name().to_vec())).or_default().push(ty.id());
    }
    let mut map = HashMap::from([(TypeId::VOID, TypeId::VOID)]);
    for ty in distilled.types() {
        assert!(!ty.name().is_empty(), "[{}] {} without a name", ty.id(), ty.kind());
        let allowed = [Kind::Int, Kind::Float, Kind::Enum, Kind::Struct, Kind::Union, Kind::Fwd];
        assert!(allowed.contains(&ty.kind()), "{}", ty.kind());
        assert!(ty.references().next().is_none() && !matches!(ty.kind(), Kind::Struct if ty.vlen() > 0));
        let candidates = by_name.get(&(family(&ty), ty.name().to_vec())).cloned().unwrap_or_default();
        let fits = |id: &TypeId| {
            let other = target.ty(*id).unwrap();
            match (ty.kind(), other.kind()) {
                (Kind::Fwd, Kind::Fwd) => ty.kind_flag() == other.kind_flag(),
                (Kind::Fwd, _) | (_, Kind::Fwd) => false,
                (a @ (Kind::Struct | Kind::Union), b) => a == b && ty.size_bytes() == other.size_bytes(),
                _ => ty.size_bytes() == other.size_bytes() && encoding(&ty) == encoding(&other),
            }
        };
        let found: Vec<_> = candidates.into_iter().filter(fits).collect();
        let name = String::from_utf8_lossy(ty.name()).into_owned();
        assert_eq!(found.len(), 1, "{} '{name}' is found {} times", ty.kind(), found.len());
        map.insert(ty.id(), found[0]);
    }
    map
}

/// Asserts that a distilled BTF, its base found again in `target`, is what it was made from.
#[track_caller]
pub fn distilled_means(distilled: &[u8], split: &[u8], original: &Btf<'_>) {
    let target = original.base().unwrap();
    let small = Btf::parse(distilled).unwrap();
    let split = Btf::parse_split(split, &small).unwrap();
    let map = relocate(&small, target);
    let compare = Compare { a: &split, b: original, declared: Declared::Nowhere };
    let own = original.types().count();
    let mut stack: Vec<_> = split.types().map(|t| t.id()).zip(original.types().map(|t| t.id())).collect();
    assert_eq!(stack.len(), own, "the own types are no longer the first ones");
    let mut seen = HashSet::new();
    while let Some((new, old)) = stack.pop() {
        if new.0 < small.len() {
            assert_eq!(map[&new], old, "distilled type {new}");
        } else if seen.insert((new, old)) {
            let (x, y) = (split.ty(new).unwrap(), original.ty(old).unwrap());
            assert!(compare.alike(&x, &y), "type {new} is not type {old}, {} {:?}", y.kind(), y.name());
            stack.extend(x.references().zip(y.references()));
        }
    }
    // Nothing is there that is not needed, and nothing twice.
    assert_eq!(seen.len(), split.types().count());
    assert_eq!(map.values().collect::<HashSet<_>>().len(), map.len());
}
