//! A BTF as assertions want it: types by kind and name, declarations as C writes them.

use std::collections::HashMap;

use btfgen::btf::{Btf, FuncLinkage, Kind, Type, TypeId, VarLinkage};

pub struct Model<'a> {
    pub btf: Btf<'a>,
    by_name: HashMap<(Kind, String), Vec<TypeId>>,
    by_spelling: HashMap<String, Vec<TypeId>>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl<'a> Model<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let btf = Btf::parse(bytes).unwrap();
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for ty in btf.types() {
            by_name.entry((ty.kind(), text(ty.name()))).or_default().push(ty.id());
        }
        let mut model = Model { btf, by_name, by_spelling: HashMap::new() };
        let mut by_spelling: HashMap<_, Vec<_>> = HashMap::new();
        for ty in model.btf.types().filter(|t| t.name().is_empty()) {
            by_spelling.entry(model.spell(ty.id())).or_default().push(ty.id());
        }
        model.by_spelling = by_spelling;
        model
    }

    pub fn ty(&self, id: TypeId) -> Type<'_> {
        self.btf.ty(id).unwrap_or_else(|| panic!("no type {id}"))
    }

    /// All types of a kind and name.
    pub fn all(&self, kind: Kind, name: &str) -> Vec<Type<'_>> {
        let ids = self.by_name.get(&(kind, name.to_owned()));
        ids.into_iter().flatten().map(|&id| self.ty(id)).collect()
    }

    /// How many types there are of a kind and name.
    pub fn count(&self, kind: Kind, name: &str) -> usize {
        self.all(kind, name).len()
    }

    /// The only type of a kind and name.
    #[track_caller]
    pub fn one(&self, kind: Kind, name: &str) -> Type<'_> {
        let all = self.all(kind, name);
        assert_eq!(all.len(), 1, "number of {kind} '{name}'");
        all[0]
    }

    /// How many types without a name are spelled so.
    pub fn spelled(&self, spelling: &str) -> usize {
        self.by_spelling.get(spelling).map_or(0, Vec::len)
    }

    /// The names of all types of a kind, sorted.
    pub fn names(&self, kind: Kind) -> Vec<String> {
        let mut names: Vec<_> =
            self.by_name.keys().filter(|(k, _)| *k == kind).map(|(_, n)| n.clone()).collect();
        names.sort();
        names
    }

    /// How many types of each kind there are.
    pub fn counts(&self) -> Vec<(Kind, usize)> {
        let count = |kind| self.btf.types().filter(|t| t.kind() == kind).count();
        Kind::ALL.iter().map(|&kind| (kind, count(kind))).collect()
    }

    /// A type as C spells it, without a name.
    pub fn spell(&self, id: TypeId) -> String {
        self.declare(id, "")
    }

    /// The declaration of `name` with the type `id`, as C writes it. Qualifiers come in one order, integers
    /// have the names that clang gives them, tags are `tag(NAME)`.
    pub fn declare(&self, id: TypeId, name: &str) -> String {
        self.declare_in(id, name, Vec::new(), 0)
    }

    fn declare_in(&self, mut id: TypeId, name: &str, outer: Vec<String>, depth: u32) -> String {
        if depth > 50 {
            return "...".to_owned();
        }
        let (mut qualifiers, mut tags) = (outer, Vec::new());
        let base = loop {
            if id == TypeId::VOID {
                break None;
            }
            let ty = self.ty(id);
            match ty.kind() {
                Kind::Const => qualifiers.push("const".to_owned()),
                Kind::Volatile => qualifiers.push("volatile".to_owned()),
                Kind::Restrict => qualifiers.push("restrict".to_owned()),
                Kind::TypeTag if ty.kind_flag() => tags.push(format!("attribute({})", text(ty.name()))),
                Kind::TypeTag => tags.push(format!("tag({})", text(ty.name()))),
                _ => break Some(ty),
            }
            id = ty.target().unwrap();
        };
        qualifiers.sort();
        qualifiers.dedup();
        if let Some(array) = base.and_then(|ty| ty.array()) {
            // A const array is an array of what is const.
            let inner = format!("{}[{}]", parenthesise(name), array.count);
            return self.declare_in(array.element, &inner, qualifiers, depth + 1);
        }
        qualifiers.extend(tags);
        let words =
            |parts: &[&str]| parts.iter().copied().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ");
        let qualifiers = qualifiers.join(" ");
        let Some(ty) = base else { return words(&[&qualifiers, "void", name]) };
        let own = text(ty.name());
        let spelled = match ty.kind() {
            Kind::Ptr => {
                let pointer = format!("*{}", words(&[&qualifiers, name]));
                return self.declare_in(ty.target().unwrap(), &pointer, Vec::new(), depth + 1);
            }
            Kind::FuncProto => {
                let params: Vec<_> = ty
                    .params()
                    .map(|p| match p.ty {
                        TypeId::VOID if p.name.0 == 0 => "...".to_owned(),
                        ty => self.declare_in(ty, &text(self.btf.name(p.name)), Vec::new(), depth + 1),
                    })
                    .collect();
                let params = if params.is_empty() { "void".to_owned() } else { params.join(", ") };
                let inner = format!("{}({params})", parenthesise(name));
                let declared = self.declare_in(ty.target().unwrap(), &inner, Vec::new(), depth + 1);
                return words(&[&qualifiers, &declared]);
            }
            Kind::Int | Kind::Float => plain_integer(&own),
            Kind::Struct if own.is_empty() => format!("struct {{{}}}", self.body(ty, depth)),
            Kind::Union if own.is_empty() => format!("union {{{}}}", self.body(ty, depth)),
            Kind::Enum | Kind::Enum64 if own.is_empty() => {
                format!("enum {{{}}}", self.enumerators(ty).join(", "))
            }
            Kind::Struct => format!("struct {own}"),
            Kind::Union => format!("union {own}"),
            Kind::Enum | Kind::Enum64 => format!("enum {own}"),
            Kind::Fwd if ty.kind_flag() => format!("union {own}"),
            Kind::Fwd => format!("struct {own}"),
            Kind::Typedef => own,
            kind => format!("{kind} {own}"),
        };
        words(&[&qualifiers, &spelled, name])
    }

    fn body(&self, ty: Type<'_>, depth: u32) -> String {
        let member = |m: btfgen::btf::Member| {
            let declared = self.declare_in(m.ty, &text(self.btf.name(m.name)), Vec::new(), depth + 1);
            match m.bitfield_bits(ty.kind_flag()) {
                0 => format!("{declared};"),
                bits => format!("{declared} : {bits};"),
            }
        };
        ty.members().map(member).collect::<Vec<_>>().join(" ")
    }

    /// The members with their offsets in bits: `32 int b`, of bitfields `3:5 int b`.
    pub fn members(&self, ty: Type<'_>) -> Vec<String> {
        let line = |m: btfgen::btf::Member| {
            let declared = self.declare(m.ty, &text(self.btf.name(m.name)));
            let offset = m.offset_bits(ty.kind_flag());
            match m.bitfield_bits(ty.kind_flag()) {
                0 => format!("{offset} {declared}"),
                bits => format!("{offset}:{bits} {declared}"),
            }
        };
        ty.members().map(line).collect()
    }

    /// Asserts size and members of the only struct or union of a name (`struct NAME`, `union NAME`).
    #[track_caller]
    pub fn expect_members(&self, name: &str, size_bytes: u32, members: &[&str]) {
        let ty = match name.split_once(' ') {
            Some(("union", name)) => self.one(Kind::Union, name),
            Some(("struct", name)) => self.one(Kind::Struct, name),
            _ => panic!("struct or union?"),
        };
        assert_eq!(self.members(ty), members, "members of {name}");
        assert_eq!(ty.size_bytes(), Some(size_bytes), "size of {name}");
    }

    /// The values of an enumeration: `A=1`.
    pub fn enumerators(&self, ty: Type<'_>) -> Vec<String> {
        let value = |e: btfgen::btf::Enumerator| {
            let name = text(self.btf.name(e.name));
            if ty.is_signed() { format!("{name}={}", e.value as i64) } else { format!("{name}={}", e.value) }
        };
        ty.enumerators().map(value).collect()
    }

    /// The prototype of the only function of a name, `None` if there is no function.
    #[track_caller]
    pub fn prototype(&self, name: &str) -> Option<String> {
        if self.count(Kind::Func, name) == 0 {
            return None;
        }
        let func = self.one(Kind::Func, name);
        assert_eq!(func.func_linkage(), Some(FuncLinkage::Static), "linkage of {name}");
        Some(self.declare(func.target().unwrap(), name))
    }

    /// The declaration of the only variable of a name.
    #[track_caller]
    pub fn variable(&self, name: &str) -> String {
        self.declare(self.one(Kind::Var, name).target().unwrap(), name)
    }

    /// What the only typedef of a name stands for, as a declaration of that name.
    #[track_caller]
    pub fn typedef(&self, name: &str) -> String {
        self.declare(self.one(Kind::Typedef, name).target().unwrap(), name)
    }

    /// The declaration tags on a type, with their component, sorted.
    pub fn tags_on(&self, id: TypeId) -> Vec<(i32, String)> {
        let tags = self.btf.types().filter(|t| t.kind() == Kind::DeclTag && t.target() == Some(id));
        let mut tags: Vec<_> = tags.map(|t| (t.component_idx().unwrap(), text(t.name()))).collect();
        tags.sort();
        tags
    }

    /// The entries of the only section of a name: offset, size, name, global.
    #[track_caller]
    pub fn datasec(&self, name: &str) -> Vec<(u32, u32, String, bool)> {
        let entries = self.one(Kind::Datasec, name).datasec_entries();
        entries
            .map(|e| {
                let var = self.ty(e.var);
                assert_eq!(var.kind(), Kind::Var);
                let global = var.var_linkage() == Some(VarLinkage::Global);
                (e.offset_bytes, e.size_bytes, text(var.name()), global)
            })
            .collect()
    }
}

fn parenthesise(name: &str) -> String {
    if name.starts_with('*') { format!("({name})") } else { name.to_owned() }
}

/// gcc says `long unsigned int` where clang says `unsigned long`.
fn plain_integer(name: &str) -> String {
    let words: Vec<_> = name.split(' ').collect();
    let known = ["long", "short", "int", "unsigned", "signed", "char", "__int128"];
    if words.len() < 2 || !words.iter().all(|w| known.contains(w)) {
        return name.to_owned();
    }
    let count = |word: &str| words.iter().filter(|w| **w == word).count();
    let mut plain = Vec::new();
    if count("unsigned") > 0 {
        plain.push("unsigned");
    }
    if count("char") > 0 && count("signed") > 0 {
        plain.push("signed");
    }
    plain.extend(std::iter::repeat_n("long", count("long")));
    plain.extend(["short", "char", "__int128"].iter().filter(|w| count(w) > 0));
    if count("long") + count("short") + count("char") + count("__int128") == 0 {
        plain.push("int");
    }
    plain.join(" ")
}
