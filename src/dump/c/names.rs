//! Names that C takes: no keywords, no foreign characters, none twice in one name space.
//!
//! In: a BTF. Out: a name for each tag, typedef and enumerator. The first type of a name, by id, keeps it.

use std::collections::HashMap;

use crate::btf::{Btf, Kind, Type, TypeId};

/// Words of C11, C23 and of GNU that are no names, and what compilers define without being asked.
const RESERVED: &[&str] = &[
    "_Alignas",
    "_Alignof",
    "_Atomic",
    "_BitInt",
    "_Bool",
    "_Complex",
    "_Decimal128",
    "_Decimal32",
    "_Decimal64",
    "_Float128",
    "_Float16",
    "_Float32",
    "_Float32x",
    "_Float64",
    "_Float64x",
    "_Generic",
    "_Imaginary",
    "_Noreturn",
    "_Static_assert",
    "_Thread_local",
    "__alignof",
    "__alignof__",
    "__asm",
    "__asm__",
    "__attribute",
    "__attribute__",
    "__auto_type",
    "__bf16",
    "__btf_attribute",
    "__btf_type_tag",
    "__complex__",
    "__const",
    "__const__",
    "__extension__",
    "__float128",
    "__fp16",
    "__func__",
    "__ibm128",
    "__imag__",
    "__inline",
    "__inline__",
    "__int128",
    "__int128_t",
    "__ksym",
    "__label__",
    "__real__",
    "__restrict",
    "__restrict__",
    "__signed",
    "__signed__",
    "__thread",
    "__typeof",
    "__typeof__",
    "__uint128_t",
    "__volatile",
    "__volatile__",
    "__weak",
    "alignas",
    "alignof",
    "asm",
    "auto",
    "break",
    "case",
    "char",
    "const",
    "constexpr",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extern",
    "float",
    "for",
    "goto",
    "i386",
    "if",
    "inline",
    "int",
    "linux",
    "long",
    "nullptr",
    "register",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "struct",
    "switch",
    "thread_local",
    "typedef",
    "typeof",
    "typeof_unqual",
    "union",
    "unix",
    "unsigned",
    "void",
    "volatile",
    "while",
];

/// Longest name in bytes that is written; compilers tell apart what is longer no more than we do.
const MAX_BYTES: usize = 1024;

/// The names that are taken in one name space, with how often each was wanted.
#[derive(Default)]
pub(super) struct Space(HashMap<String, u32>);

impl Space {
    /// A name that is free, as near to the wanted one as possible, taken from now on.
    pub(super) fn take(&mut self, wanted: &[u8]) -> String {
        let wanted = identifier(wanted);
        let mut n = match self.0.get(&wanted) {
            Some(n) => *n,
            None if !reserved(&wanted) => {
                self.0.insert(wanted.clone(), 1);
                return wanted;
            }
            None => 1,
        };
        loop {
            n += 1;
            let name = format!("{wanted}___{n}");
            if !self.0.contains_key(&name) {
                self.0.insert(wanted, n);
                self.0.insert(name.clone(), 1);
                return name;
            }
        }
    }

    /// Whether a name is taken, or none at all.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.0.contains_key(name) || reserved(name)
    }
}

fn reserved(name: &str) -> bool {
    name.starts_with("__builtin_") || RESERVED.binary_search(&name).is_ok()
}

/// The name with everything replaced that C does not take in one.
pub(super) fn identifier(name: &[u8]) -> String {
    let cut = name.get(..MAX_BYTES).unwrap_or(name);
    let letter = |&b: &u8| if b.is_ascii_alphanumeric() || b == b'_' { char::from(b) } else { '_' };
    let digit = cut.first().is_some_and(u8::is_ascii_digit);
    let start = if digit || cut.is_empty() { "_" } else { "" };
    start.chars().chain(cut.iter().map(letter)).collect()
}

/// Whether the name is one in C as it is.
pub(super) fn is_identifier(name: &[u8]) -> bool {
    identifier(name).as_bytes() == name
}

/// The names of types and enumerators.
pub(super) struct Names {
    types: HashMap<TypeId, String>,
    /// Of enumerators only those that differ from what the BTF says.
    enumerators: HashMap<(TypeId, usize), String>,
    /// Typedefs, enumerators, functions.
    pub(super) ordinary: Space,
    tags: Space,
}

impl Names {
    /// Names all types of the BTF and of its base.
    pub(super) fn new(btf: &Btf<'_>) -> Self {
        let mut names = Names {
            types: HashMap::new(),
            enumerators: HashMap::new(),
            ordinary: Space::default(),
            tags: Space::default(),
        };
        let all = || (1..btf.len()).filter_map(|id| btf.ty(TypeId(id)));
        let mut defined: HashMap<(bool, &[u8]), TypeId> = HashMap::new();
        for ty in all() {
            let name = name_of(btf, ty);
            match ty.kind() {
                Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if !name.is_empty() => {
                    let tag = names.tags.take(name);
                    names.types.insert(ty.id(), tag);
                    if ty.kind().is_composite() {
                        defined.entry((ty.kind() == Kind::Union, name)).or_insert(ty.id());
                    }
                }
                Kind::Typedef => {
                    let taken = names.ordinary.take(name);
                    names.types.insert(ty.id(), taken);
                }
                _ => {}
            }
        }
        // After all typedefs: these are what programs name most.
        for ty in all() {
            let name = name_of(btf, ty);
            match ty.kind() {
                // A declaration beside a definition means one of that name.
                Kind::Fwd => {
                    let known = defined.get(&(ty.kind_flag(), name)).and_then(|id| names.types.get(id));
                    let tag = match known {
                        Some(tag) => tag.clone(),
                        None => {
                            defined.insert((ty.kind_flag(), name), ty.id());
                            names.tags.take(name)
                        }
                    };
                    names.types.insert(ty.id(), tag);
                }
                Kind::Enum | Kind::Enum64 => {
                    for (i, e) in ty.enumerators().enumerate() {
                        let wanted = btf.string_prefix(e.name, MAX_BYTES).unwrap_or_default();
                        let taken = names.ordinary.take(wanted);
                        if taken.as_bytes() != wanted {
                            names.enumerators.insert((ty.id(), i), taken);
                        }
                    }
                }
                _ => {}
            }
        }
        names
    }

    /// The name of a type that has one.
    pub(super) fn of(&self, id: TypeId) -> Option<&str> {
        self.types.get(&id).map(String::as_str)
    }

    /// The name of an enumerator by its place, if it is another than the BTF's.
    pub(super) fn of_enumerator(&self, id: TypeId, place: usize) -> Option<&str> {
        self.enumerators.get(&(id, place)).map(String::as_str)
    }

    /// Makes up a typedef's name for a type.
    pub(super) fn invent_typedef(&mut self, id: TypeId, wanted: &[u8]) -> String {
        let name = self.ordinary.take(wanted);
        self.types.insert(id, name.clone());
        name
    }

    /// Makes up a tag for a type.
    pub(super) fn invent_tag(&mut self, id: TypeId, wanted: &str) {
        let name = self.tags.take(wanted.as_bytes());
        self.types.insert(id, name);
    }
}

/// As much of a type's name as is written.
pub(super) fn name_of<'a>(btf: &Btf<'a>, ty: Type<'_>) -> &'a [u8] {
    btf.string_prefix(ty.name_off(), MAX_BYTES).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_to_be_found() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut space = Space::default();
        assert_eq!(space.take(b"a"), "a");
        assert_eq!(space.take(b"a"), "a___2");
        assert_eq!(space.take(b"a___3"), "a___3");
        assert_eq!(space.take(b"a"), "a___4");
        assert_eq!(space.take(b"int"), "int___2");
        assert_eq!(space.take(b"__builtin_va_list"), "__builtin_va_list___2");
        assert_eq!(space.take(b"Option<&u32>"), "Option__u32_");
        assert_eq!(space.take(b"9p"), "_9p");
    }
}
