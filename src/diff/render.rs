//! Types in words.

use super::model::{Class, Composite, Key, Modifier, Proto, Shape, Symbols, Word};

/// Longest description of a type, in bytes.
const MAX_BYTES: usize = 400;

/// A type as C writes it, cut if it is long.
pub(super) fn shape(symbols: &Symbols, shape: &Shape) -> String {
    declared(symbols, shape, "")
}

/// The declaration of a name as C writes it, cut if it is long.
pub(super) fn declared(symbols: &Symbols, shape: &Shape, name: &str) -> String {
    let mut text = declaration(symbols, shape, name.to_owned(), 0);
    if text.len() > MAX_BYTES {
        let mut end = MAX_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// A definition's kind and name.
pub(super) fn key(symbols: &Symbols, key: Key, word: &str) -> String {
    match key.0 {
        Class::Anonymous => word.to_owned(),
        _ => format!("{word} {}", symbols.text(key.1)),
    }
}

fn word(word: Word) -> &'static str {
    match word {
        Word::Struct => "struct ",
        Word::Union => "union ",
        Word::Enum => "enum ",
        Word::None => "",
    }
}

fn joined(base: &str, inner: &str) -> String {
    if inner.is_empty() { base.to_owned() } else { format!("{base} {inner}") }
}

fn declaration(symbols: &Symbols, shape: &Shape, inner: String, depth: u32) -> String {
    if depth > 32 || inner.len() > 4 * MAX_BYTES {
        return joined("...", &inner);
    }
    let enclosed = |inner: String| if inner.starts_with('*') { format!("({inner})") } else { inner };
    match shape {
        Shape::Void => joined("void", &inner),
        Shape::Named { key, word: w, .. } => joined(&format!("{}{}", word(*w), symbols.text(key.1)), &inner),
        Shape::Modified(modifier, target) => {
            let q = match modifier {
                Modifier::Pointer => return declaration(symbols, target, format!("*{inner}"), depth + 1),
                Modifier::Const => "const".to_owned(),
                Modifier::Volatile => "volatile".to_owned(),
                Modifier::Restrict => "restrict".to_owned(),
                Modifier::TypeTag(value, false) => format!("btf_type_tag({})", symbols.text(*value)),
                Modifier::TypeTag(value, true) => format!("attribute({})", symbols.text(*value)),
            };
            match **target {
                // Behind the star of the pointer that it qualifies.
                Shape::Modified(Modifier::Pointer, _) => {
                    declaration(symbols, target, joined(&format!(" {q}"), &inner), depth + 1)
                }
                _ => format!("{q} {}", declaration(symbols, target, inner, depth + 1)),
            }
        }
        Shape::Array(element, count) => {
            declaration(symbols, element, format!("{}[{count}]", enclosed(inner)), depth + 1)
        }
        Shape::Proto(p) => {
            let params = parameters(symbols, p, depth + 1);
            declaration(symbols, &p.returns, format!("{}({params})", enclosed(inner)), depth + 1)
        }
        Shape::Composite(c) => joined(&composite(symbols, c, depth + 1), &inner),
        Shape::Enumeration(e) => {
            let names = e.values.iter().take(4).map(|(name, _)| symbols.text(*name)).collect::<Vec<_>>();
            let more = if e.values.len() > 4 { ", ..." } else { "" };
            joined(&format!("enum {{{}{more}}}", names.join(", ")), &inner)
        }
    }
}

fn composite(symbols: &Symbols, c: &Composite, depth: u32) -> String {
    let mut text = String::from(if c.is_union { "union {" } else { "struct {" });
    for m in c.members.iter().take(16) {
        text.push_str(&declaration(symbols, &m.shape, symbols.text(m.name), depth));
        text.push_str("; ");
        if text.len() > MAX_BYTES {
            break;
        }
    }
    text.trim_end().to_owned() + "}"
}

fn parameters(symbols: &Symbols, proto: &Proto, depth: u32) -> String {
    let param = |(name, shape): &(_, Shape)| declaration(symbols, shape, symbols.text(*name), depth);
    let mut list: Vec<String> = proto.params.iter().take(32).map(param).collect();
    if proto.variadic {
        list.push("...".to_owned());
    }
    if list.is_empty() { "void".to_owned() } else { list.join(", ") }
}

/// A prototype.
pub(super) fn proto(symbols: &Symbols, p: &Proto) -> String {
    shape(symbols, &Shape::Proto(Box::new(p.clone())))
}
