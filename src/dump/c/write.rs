//! The words: declarations, bodies of structs, unions and enumerations, numbers.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::Header;
use super::layout::{Form, Placed, bits_fit};
use super::names::{Space, identifier, name_of};
use crate::btf::{Enumerator, IntEncoding, Kind, Member, Type, TypeId};
use crate::error::{Error, Result};

/// Longest chain of pointers, arrays and qualifiers in one declaration.
const MAX_CHAIN: u32 = 256;

/// Deepest nesting of bodies.
const MAX_NESTING: usize = 64;

/// Where something is written.
pub(super) struct Place {
    /// How many bodies it lies in.
    nesting: usize,
    /// What a test can call it by: a type, the path of members to here, the bits before it.
    measured: Option<Measured>,
}

#[derive(Clone)]
struct Measured {
    ty: String,
    path: String,
    offset_bits: u64,
}

impl Place {
    /// One whose members no test can name.
    pub(super) fn unmeasured(nesting: usize) -> Self {
        Place { nesting, measured: None }
    }

    fn indent(&self) -> String {
        "\t".repeat(self.nesting)
    }
}

/// The names of members that one body has used, those of nested bodies without a name among them.
#[derive(Default)]
struct Scope {
    names: Space,
    pads: u32,
}

/// What C calls numbers of this spelling, with the bytes they have where pointers have `pointer` of them.
fn c_number(name: &[u8], pointer: u64) -> Option<(String, u64)> {
    let text = std::str::from_utf8(name).ok()?;
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for word in text.split(' ') {
        *counts.entry(word).or_default() += 1;
    }
    let count = |word: &str| counts.get(word).copied().unwrap_or(0);
    let words = ["signed", "unsigned", "char", "short", "int", "long", "_Bool", "bool", "__int128"];
    if counts.keys().any(|word| !words.contains(word)) || count("signed") + count("unsigned") > 1 {
        return None;
    }
    let (char, short, int, long) = (count("char"), count("short"), count("int"), count("long"));
    let (bool, wide) = (count("_Bool") + count("bool"), count("__int128"));
    let size = match (char, short, int, long, bool, wide) {
        (1, 0, 0, 0, 0, 0) => 1,
        (0, 1, 0 | 1, 0, 0, 0) => 2,
        (0, 0, 0 | 1, 0, 0, 0) => 4,
        (0, 0, 0 | 1, 1, 0, 0) => pointer,
        (0, 0, 0 | 1, 2, 0, 0) => 8,
        (0, 0, 0, 0, 1, 0) if text.len() <= 5 => 1,
        (0, 0, 0, 0, 0, 1) => 16,
        _ => return None,
    };
    let spelled = if bool == 1 { "_Bool".to_owned() } else { text.to_owned() };
    Some((spelled, size))
}

impl<'a> Header<'a> {
    /// What C calls an INT or FLOAT; `None` if it has no word for it.
    fn number_name(&self, ty: Type<'_>) -> Option<String> {
        let size = u64::from(ty.size_or_type());
        let name = name_of(self.btf, ty);
        if ty.kind() == Kind::Float {
            let pointer = self.layouts.pointer_bytes();
            return match (name, size) {
                (b"float", 4) | (b"double", 8) => Some(String::from_utf8_lossy(name).into_owned()),
                (b"long double", 16) if pointer == 8 => Some("long double".to_owned()),
                _ => None,
            };
        }
        c_number(name, self.layouts.pointer_bytes()).filter(|(_, bytes)| *bytes == size).map(|(name, _)| name)
    }

    /// Defines a typedef for a number that C has no word for.
    pub(super) fn number(&mut self, ty: Type<'a>) -> Result<()> {
        if self.names.of(ty.id()).is_some() || self.number_name(ty).is_some() {
            return Ok(());
        }
        let data = ty.int_data();
        let signed = data.is_some_and(|d| d.encoding == IntEncoding::SIGNED);
        let bool = data.is_some_and(|d| d.encoding == IntEncoding::BOOL);
        let size = ty.size_or_type();
        let word = match (size, signed, ty.kind() == Kind::Float) {
            (4, _, true) => "float",
            (8, _, true) => "double",
            (1, ..) if bool => "_Bool",
            (1, true, _) => "signed char",
            (1, false, _) => "unsigned char",
            (2, true, _) => "short",
            (2, false, _) => "unsigned short",
            (4, true, _) => "int",
            (4, false, _) => "unsigned int",
            (8, true, _) => "long long",
            (8, false, _) => "unsigned long long",
            // Not every machine has `__int128`.
            (16, true, _) if self.layouts.pointer_bytes() == 8 => "__int128",
            (16, false, false) if self.layouts.pointer_bytes() == 8 => "unsigned __int128",
            _ => "",
        };
        let wanted = match name_of(self.btf, ty) {
            b"" => format!("number_of_{size}_bytes").into_bytes(),
            name => name.to_owned(),
        };
        let name = self.names.invent_typedef(ty.id(), &wanted);
        let line = match word {
            "" => format!("typedef struct {{ unsigned char bytes[{size}]; }} {name};\n\n"),
            word => format!("typedef {word} {name};\n\n"),
        };
        self.out.push_str(&line);
        Ok(())
    }

    /// Writes a typedef.
    pub(super) fn typedef(&mut self, ty: Type<'a>) -> Result<()> {
        let name = self.names.of(ty.id()).unwrap_or_default().to_owned();
        let mut text = String::from("typedef ");
        let measured = Measured { ty: name.clone(), path: String::new(), offset_bits: 0 };
        let mut place = Place { nesting: 0, measured: Some(measured) };
        let target = ty.target().unwrap_or_default();
        self.declaration(&mut text, target, &name, &mut place)?;
        if self.btf.ty(target).is_some_and(|t| t.kind().is_composite() && t.name_prefix(1).is_empty()) {
            self.assert_size(target, &name)?;
        }
        text.push_str(";\n\n");
        // A word of the language since C23.
        if name == "bool" {
            text = format!("#if __STDC_VERSION__ < 202311L\n{}\n#endif\n\n", text.trim_end());
        }
        self.out.push_str(&text);
        Ok(())
    }

    /// Writes a struct, union or enumeration that stands for itself.
    pub(super) fn define(&mut self, ty: Type<'a>) -> Result<()> {
        let tag = self.names.of(ty.id()).map(str::to_owned);
        let mut text = String::new();
        if ty.kind().is_composite() {
            let name = format!("{} {}", Self::keyword(ty), tag.unwrap_or_default());
            let measured = Measured { ty: name.clone(), path: String::new(), offset_bits: 0 };
            let mut place = Place { nesting: 0, measured: Some(measured) };
            text.push_str(&name);
            self.body(&mut text, ty, &mut place, &mut Scope::default())?;
            self.assert_size(ty.id(), &name)?;
        } else {
            text.push_str("enum");
            if let Some(tag) = &tag {
                let _ = write!(text, " {tag}");
            }
            self.enumeration(&mut text, ty, 0);
        }
        text.push_str(";\n\n");
        // Words of the language since C23.
        let boolean = |e: Enumerator| matches!(self.btf.name(e.name), b"true" | b"false");
        if ty.kind() == Kind::Enum && ty.vlen() == 2 && ty.enumerators().all(boolean) {
            text = format!("#if __STDC_VERSION__ < 202311L\n{}\n#endif\n\n", text.trim_end());
        }
        self.out.push_str(&text);
        Ok(())
    }

    fn assert_size(&mut self, id: TypeId, name: &str) -> Result<()> {
        let size = self.layouts.of(id)?.size_bytes;
        if let Some(asserts) = &mut self.asserts {
            let _ = writeln!(asserts, "_Static_assert(sizeof({name}) == {size}, \"sizeof({name})\");");
        }
        Ok(())
    }

    /// Writes the declaration of something: the type inside out around its name, which may be empty.
    pub(super) fn declaration(
        &mut self,
        out: &mut String,
        id: TypeId,
        name: &str,
        place: &mut Place,
    ) -> Result<()> {
        let btf = self.btf;
        let mut declarator = name.to_owned();
        // Of what comes next: qualifiers of an array are those of its elements.
        let mut qualifiers: Vec<String> = Vec::new();
        let mut id = id;
        let mut elements = String::new();
        let mut pointed = false;
        for _ in 0..MAX_CHAIN {
            let ty = btf.ty(id);
            let target = ty.and_then(|ty| ty.target()).unwrap_or_default();
            let Some(ty) = ty else {
                self.base(out, &qualifiers, "void", &declarator);
                return Ok(());
            };
            match ty.kind() {
                Kind::Const => qualify(&mut qualifiers, "const"),
                Kind::Volatile => qualify(&mut qualifiers, "volatile"),
                Kind::Restrict => qualify(&mut qualifiers, "restrict"),
                Kind::TypeTag => {
                    let value = name_of(btf, ty);
                    if value.iter().all(|b| b.is_ascii_graphic() && !b"\"\\".contains(b)) {
                        let value = String::from_utf8_lossy(value);
                        let tag = match ty.kind_flag() {
                            true => format!("__btf_attribute({value})"),
                            false => format!("__btf_type_tag(\"{value}\")"),
                        };
                        qualify(&mut qualifiers, &tag);
                    }
                }
                Kind::Ptr => {
                    let mut words = std::mem::take(&mut qualifiers);
                    words.reverse();
                    let space = if words.is_empty() || declarator.is_empty() { "" } else { " " };
                    declarator = format!("*{}{space}{declarator}", words.join(" "));
                    pointed = true;
                }
                Kind::Array => {
                    let count = ty.array().map_or(0, |a| a.count);
                    declarator = format!("{}[{count}]", enclosed(declarator));
                    elements.push_str("[0]");
                }
                Kind::FuncProto => {
                    let mut text = String::new();
                    self.parameters(&mut text, ty, name)?;
                    declarator = format!("{}({text})", enclosed(declarator));
                    qualifiers.clear();
                    pointed = true;
                }
                Kind::Struct | Kind::Union if self.names.of(id).is_none() => {
                    let mut words = qualifiers;
                    words.retain(|w| w != "restrict");
                    for word in words {
                        let _ = write!(out, "{word} ");
                    }
                    out.push_str(Self::keyword(ty));
                    let mut inner = Place { nesting: place.nesting, measured: place.measured.take() };
                    if pointed {
                        inner.measured = None;
                    }
                    if let Some(measured) = &mut inner.measured {
                        measured.path.push_str(&elements);
                        if !measured.path.is_empty() {
                            measured.path.push('.');
                        }
                    }
                    self.body(out, ty, &mut inner, &mut Scope::default())?;
                    if !declarator.is_empty() {
                        let _ = write!(out, " {declarator}");
                    }
                    return Ok(());
                }
                Kind::Enum | Kind::Enum64 if self.names.of(id).is_none() => {
                    out.push_str("enum");
                    self.enumeration(out, ty, place.nesting);
                    let _ = write!(out, " {declarator}");
                    return Ok(());
                }
                _ => {
                    let word = self.word(ty);
                    self.base(out, &qualifiers, &word, &declarator);
                    return Ok(());
                }
            }
            id = match ty.kind() {
                Kind::Array => ty.array().map_or(TypeId::VOID, |a| a.element),
                _ => target,
            };
        }
        Err(Error::input(format!("BTF: type {id} is the end of a chain too long for C")))
    }

    /// The name of a type that has one in C.
    fn word(&self, ty: Type<'_>) -> String {
        match (ty.kind(), self.names.of(ty.id())) {
            (Kind::Struct | Kind::Union | Kind::Fwd | Kind::Enum | Kind::Enum64, Some(tag)) => {
                format!("{} {tag}", Self::keyword(ty))
            }
            (Kind::Int | Kind::Float, None) => self.number_name(ty).unwrap_or_default(),
            (_, Some(name)) => name.to_owned(),
            // Functions, variables, sections and tags are no types.
            (_, None) => "void".to_owned(),
        }
    }

    /// Writes the last part of a declaration.
    fn base(&self, out: &mut String, qualifiers: &[String], word: &str, declarator: &str) {
        // Only pointers can be restricted.
        for qualifier in qualifiers.iter().filter(|q| *q != "restrict") {
            let _ = write!(out, "{qualifier} ");
        }
        out.push_str(word);
        if !declarator.is_empty() {
            let _ = write!(out, " {declarator}");
        }
    }

    /// Writes the parameters of a prototype, with their names if the function has one.
    fn parameters(&mut self, out: &mut String, proto: Type<'a>, function: &str) -> Result<()> {
        let named =
            proto.kind() == Kind::FuncProto && self.names.of(proto.id()).is_none() && !function.is_empty();
        let count = proto.params().len();
        let mut used = Space::default();
        for (i, param) in proto.params().enumerate() {
            let name = self.btf.string_prefix(param.name, 256).unwrap_or_default();
            let variadic = param.ty == TypeId::VOID && name.is_empty() && i + 1 == count;
            if variadic && count == 1 {
                // Any parameters, in the words before C23.
                return Ok(());
            }
            if i > 0 {
                out.push_str(", ");
            }
            if variadic {
                out.push_str("...");
                continue;
            }
            let own = identifier(name);
            let own = if !named || name.is_empty() || self.names.ordinary.is_taken(&own) {
                String::new()
            } else {
                used.take(own.as_bytes())
            };
            if self.nested_deep(out) {
                return Err(Error::input(format!("BTF: type {} is too long for C", proto.id())));
            }
            self.depth += 1;
            let done = match self.depth > 256 {
                true => Err(super::contains_itself(proto)),
                false => self.declaration(out, param.ty, &own, &mut Place::unmeasured(0)),
            };
            self.depth -= 1;
            done?;
        }
        if count == 0 {
            out.push_str("void");
        }
        Ok(())
    }

    fn nested_deep(&self, out: &str) -> bool {
        out.len() > self.limit
    }

    /// Writes `{ ... }` of a struct or union, with its attribute.
    fn body(&mut self, out: &mut String, ty: Type<'a>, place: &mut Place, scope: &mut Scope) -> Result<()> {
        if place.nesting > MAX_NESTING || out.len() > self.limit {
            return Err(super::contains_itself(ty));
        }
        let layout = self.layouts.of(ty.id())?;
        let placed = self.layouts.members(ty)?;
        let indent = place.indent();
        let packed = if layout.form == Form::Plain { "" } else { " __attribute__((packed))" };
        if placed.is_empty() && layout.size_bytes == 0 {
            let _ = write!(out, " {{}}{packed}");
            return Ok(());
        }
        out.push_str(" {\n");
        place.nesting += 1;
        if layout.form == Form::Overlay {
            self.overlay(out, ty, &placed, place, scope, layout.size_bytes)?;
        } else {
            let is_union = ty.kind() == Kind::Union;
            let mut cursor = 0;
            let mut end = 0;
            for (member, at) in ty.members().zip(&placed) {
                if !is_union {
                    pad(out, place, scope, next(cursor, at, layout.form), at.offset_bits, cursor);
                }
                self.member(out, ty, member, at, place, scope)?;
                cursor = if is_union { 0 } else { at.end_bits() };
                end = end.max(at.end_bits());
            }
            let size_bits = 8 * layout.size_bytes;
            let rounded = end.div_ceil(8 * layout.align_bytes) * 8 * layout.align_bytes;
            if rounded < size_bits {
                pad(out, place, scope, 0, size_bits, if is_union { 0 } else { end });
            }
        }
        place.nesting -= 1;
        let _ = write!(out, "{indent}}}{packed}");
        Ok(())
    }

    /// Writes members that overlap: each in a struct of its own, behind the bytes before it.
    fn overlay(
        &mut self,
        out: &mut String,
        ty: Type<'a>,
        placed: &[Placed],
        place: &mut Place,
        scope: &mut Scope,
        size_bytes: u64,
    ) -> Result<()> {
        let indent = place.indent();
        let outer = ty.kind() == Kind::Struct;
        if outer {
            let _ = writeln!(out, "{indent}union {{");
            place.nesting += 1;
        }
        let inner = place.indent();
        for (member, at) in ty.members().zip(placed) {
            if !bits_fit(at) || at.end_bits() > 8 * size_bytes {
                let name = identifier(self.btf.string_prefix(member.name, 256).unwrap_or_default());
                let _ = writeln!(out, "{inner}/* {name}: does not fit */");
                continue;
            }
            let _ = writeln!(out, "{inner}struct {{");
            place.nesting += 1;
            pad(out, place, scope, 0, at.offset_bits, 0);
            self.member(out, ty, member, at, place, scope)?;
            place.nesting -= 1;
            let _ = writeln!(out, "{inner}}} __attribute__((packed));");
        }
        pad(out, place, scope, 0, 8 * size_bytes, 0);
        if outer {
            place.nesting -= 1;
            let _ = writeln!(out, "{indent}}} __attribute__((packed));");
        }
        Ok(())
    }

    /// Writes a member.
    fn member(
        &mut self,
        out: &mut String,
        ty: Type<'a>,
        member: Member,
        at: &Placed,
        place: &mut Place,
        scope: &mut Scope,
    ) -> Result<()> {
        out.push_str(&place.indent());
        let name = self.btf.string_prefix(member.name, 1024).unwrap_or_default();
        let inner =
            self.btf.ty(member.ty).filter(|t| t.kind().is_composite() && self.names.of(t.id()).is_none());
        let below = place.measured.clone().map(|mut m| {
            m.offset_bits += at.offset_bits;
            m
        });
        if let Some(inner) = inner.filter(|_| name.is_empty()) {
            // Its members are in the scope of this one.
            out.push_str(Self::keyword(inner));
            let mut inside = Place { nesting: place.nesting, measured: below };
            self.body(out, inner, &mut inside, scope)?;
            out.push_str(";\n");
            return Ok(());
        }
        let own = if !name.is_empty() {
            scope.names.take(name)
        } else if at.bitfield_bits.is_some() {
            String::new()
        } else {
            scope.names.take(b"___unnamed")
        };
        let mut inside = Place {
            nesting: place.nesting,
            measured: below.map(|mut m| {
                m.path.push_str(&own);
                m
            }),
        };
        if at.bitfield_bits.is_none()
            && let (Some(asserts), Some(m)) = (&mut self.asserts, &inside.measured)
        {
            let (name, path, bytes) = (&m.ty, &m.path, m.offset_bits / 8);
            let what = format!("__builtin_offsetof({name}, {path})");
            let _ = writeln!(asserts, "_Static_assert({what} == {bytes}, \"{name}.{path}\");");
        }
        let sized =
            self.layouts.scalar(member.ty).is_some_and(|t| !matches!(t.kind(), Kind::Fwd | Kind::FuncProto));
        if sized {
            self.declaration(out, member.ty, &own, &mut inside)?;
        } else {
            // Nothing can be of that type.
            let _ = write!(out, "char {own}[0]");
        }
        if let Some(bits) = at.bitfield_bits {
            let _ = write!(out, "{}: {bits}", if own.is_empty() { " " } else { "" });
        }
        out.push_str(";\n");
        let _ = ty;
        Ok(())
    }

    /// Writes `{ ... }` of an enumeration, with the attribute that makes it as large as it shall be.
    fn enumeration(&self, out: &mut String, ty: Type<'_>, nesting: usize) {
        let indent = "\t".repeat(nesting);
        let signed = ty.is_signed();
        out.push_str(" {\n");
        let (mut least, mut most) = (0i128, 0i128);
        for (i, e) in ty.enumerators().enumerate() {
            let name = match self.names.of_enumerator(ty.id(), i) {
                Some(name) => name.to_owned(),
                None => String::from_utf8_lossy(self.btf.name(e.name)).into_owned(),
            };
            let value = if signed { i128::from(e.value as i64) } else { i128::from(e.value) };
            (least, most) = (least.min(value), most.max(value));
            let text = match value {
                // The least number is no constant in C: its positive one is too large.
                v if v == i128::from(i64::MIN) => "(-9223372036854775807LL - 1)".to_owned(),
                v if v > i128::from(i64::MAX) => format!("{v}ULL"),
                v if v > i128::from(u32::MAX) || v < i128::from(i32::MIN) => format!("{v}LL"),
                v if v > i128::from(i32::MAX) => format!("{v}U"),
                v => v.to_string(),
            };
            let _ = writeln!(out, "{indent}\t{name} = {text},");
        }
        if ty.vlen() == 0 {
            // An enumeration without enumerators is not C.
            let tag = self.names.of(ty.id()).unwrap_or("enum");
            let _ = writeln!(out, "{indent}\t___{tag}_{} = 0,", ty.id());
        }
        let _ = write!(out, "{indent}}}");
        let narrow = least >= i128::from(i32::MIN) && most <= i128::from(i32::MAX)
            || least >= 0 && most <= i128::from(u32::MAX);
        let by_itself = if narrow { 4 } else { 8 };
        let mode = match ty.size_or_type() {
            size if size == by_itself => return,
            1 => "QI",
            2 => "HI",
            4 => "SI",
            8 => "DI",
            _ => return,
        };
        let _ = write!(out, " __attribute__((mode({mode})))");
    }
}

fn qualify(qualifiers: &mut Vec<String>, word: &str) {
    if !qualifiers.iter().any(|q| q == word) {
        qualifiers.push(word.to_owned());
    }
}

/// The declarator of a pointer in parentheses, any other as it is.
fn enclosed(declarator: String) -> String {
    if declarator.starts_with('*') { format!("({declarator})") } else { declarator }
}

/// Where a compiler puts a member after `cursor` bits.
fn next(cursor: u64, at: &Placed, form: Form) -> u64 {
    let align = if form == Form::Plain { at.layout.align_bytes } else { 1 };
    match at.bitfield_bits {
        None => cursor.div_ceil(8 * align) * 8 * align,
        Some(_) if form == Form::Packed => cursor,
        Some(bits) => {
            let unit = 8 * at.layout.size_bytes.max(1);
            if cursor % unit + bits <= unit { cursor } else { cursor.div_ceil(8 * align) * 8 * align }
        }
    }
}

/// Writes what lies between `from` and `to` bits, unless the compiler goes there by itself.
fn pad(out: &mut String, place: &Place, scope: &mut Scope, natural: u64, to: u64, from: u64) {
    if natural == to || from >= to {
        return;
    }
    let indent = place.indent();
    let mut at = from;
    let first = (8 - at % 8) % 8;
    if first != 0 {
        let bits = first.min(to - at);
        let _ = writeln!(out, "{indent}unsigned char: {bits};");
        at += bits;
    }
    let bytes = (to - at) / 8;
    if bytes != 0 {
        scope.pads += 1;
        let name = scope.names.take(format!("___pad{}", scope.pads).as_bytes());
        let _ = writeln!(out, "{indent}unsigned char {name}[{bytes}];");
        at += 8 * bytes;
    }
    if at < to {
        let _ = writeln!(out, "{indent}unsigned char: {};", to - at);
    }
}
