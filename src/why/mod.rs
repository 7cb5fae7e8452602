//! Why a name is in the output of an encode, or is not.
//!
//! In come what the workers noted of the names that are asked about, and what the encode decided; out go
//! [`Answer`]s. Nothing is decided here: every reason is the one that the encoder acted on, and its code is that of
//! the [`report`](crate::report).

mod inquiry;
mod reason;
mod shape;

pub use reason::sentence;

pub(crate) use inquiry::{Inquiry, Outcome};

/// What an encode can tell about the names that were asked about.
#[derive(Debug, Default)]
pub struct Why {
    /// One answer for each name that there is, in the order of the names.
    pub answers: Vec<Answer>,
    /// The names of all functions and types, and of the variables that were encoded; sorted.
    names: Vec<String>,
}

/// What there is of one name.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Answer {
    /// The name.
    pub name: String,
    /// The function of that name.
    pub function: Option<Function>,
    /// The variables of that name.
    pub variables: Vec<Variable>,
    /// What the name names as a type: one for each of struct, union, enum, typedef and base type.
    pub types: Vec<Type>,
    /// Where it is in units that are left out because of their language.
    pub left_out: Vec<Place>,
}

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// `kept`, or why not: see [`sentence`].
    pub reason: &'static str,
    /// The id in the output of what it became; below the first own id if the base has it.
    pub id: Option<u32>,
}

/// A function: all of that name are one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Function {
    /// What became of it.
    pub verdict: Verdict,
    /// Why it would have been left out if it were no kfunc.
    pub despite: Option<&'static str>,
    /// It has the tag of kfuncs.
    pub is_kfunc: bool,
    /// What it returns and takes, as C writes it; of a function that was left out, what it would have been.
    pub prototype: Option<String>,
    /// Its symbols: names and addresses.
    pub symbols: Vec<(String, u64)>,
    /// What units say about it, each different thing once; what was chosen comes first.
    pub copies: Vec<Copy>,
}

/// What one or more units say about a function.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Copy {
    /// The prototype is that of the function, or would be.
    pub is_chosen: bool,
    /// What speaks against it: one of the codes of verdicts.
    pub fault: Option<&'static str>,
    /// What was found out about its parameters, whether that matters or not.
    pub findings: Vec<&'static str>,
    /// `code`, `abstract` (what inlined copies have in common) or `declaration`.
    pub role: &'static str,
    /// Where its code begins; 0 for none.
    pub address: u64,
    /// What it returns and takes, as C writes it.
    pub prototype: Option<String>,
    /// Where it stands.
    pub places: Vec<Place>,
}

/// A variable; those of one address and fate are one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Variable {
    /// What became of it; the id is that of its VAR.
    pub verdict: Verdict,
    /// Its address in the target.
    pub address: Option<u64>,
    /// The section that lies there: the name of its DATASEC, if it was kept.
    pub section: Option<String>,
    /// Its type as C writes it, if it was kept.
    pub type_name: Option<String>,
    /// Where it stands.
    pub places: Vec<Place>,
}

/// The types of one name and kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Type {
    /// `struct`, `union`, `enum`, `typedef` or `base type`.
    pub word: &'static str,
    /// The different definitions, the most frequent one first.
    pub definitions: Vec<Definition>,
    /// Where it is only declared.
    pub declarations: Vec<Place>,
    /// What became of the declarations: `declaration` if a definition stands for them.
    pub declared: Option<Verdict>,
}

/// One definition of a type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Definition {
    /// What became of it.
    pub verdict: Verdict,
    /// Its kind in BTF.
    pub kind: &'static str,
    /// Its size in bytes; `None` for what has none.
    pub size_bytes: Option<u32>,
    /// How it differs from the first definition.
    pub difference: Option<String>,
    /// Where it stands.
    pub places: Vec<Place>,
}

/// Where a DIE lies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The name of the unit; empty if it has none.
    pub unit: String,
    /// Offset of the unit in `.debug_info`, in bytes.
    pub unit_offset: u64,
    /// Offset of the DIE in the same section, in bytes.
    pub die_offset: u64,
    /// The file that it was written in, if the debugging information says so.
    pub file: Option<String>,
    /// The line there.
    pub line: Option<u64>,
}

impl Verdict {
    /// It is in the output, or in the base.
    pub fn is_kept(&self) -> bool {
        matches!(self.reason, reason::KEPT | reason::IN_BASE)
    }
}

/// Names that are proposed for one that there is not.
const MAX_SIMILAR: usize = 5;

/// Bytes of a name beyond which no similar ones are looked for.
const MAX_COMPARED: usize = 128;

impl Why {
    /// Names that there are and that look like `name`, the most alike first.
    pub fn similar(&self, name: &str) -> Vec<&str> {
        if name.len() > MAX_COMPARED {
            return Vec::new();
        }
        let most = 1 + name.len() / 4;
        let mut found: Vec<(usize, &str)> = Vec::new();
        for known in &self.names {
            if known.len().abs_diff(name.len()) <= most
                && let distance = distance(name.as_bytes(), known.as_bytes())
                && distance <= most
            {
                found.push((distance, known));
            }
        }
        found.sort_unstable();
        found.into_iter().take(MAX_SIMILAR).map(|(_, known)| known).collect()
    }
}

/// How many bytes must be put in, taken out, or replaced to make one name of the other; upper case is worth nothing.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = *above;
            left = replaced.min(left + 1).min(*above + 1);
            *above = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike() {
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"Task", b"task"), 0);
        let names = ["task_struct", "tas_struct", "mm_struct", "x"].map(str::to_owned).into();
        let why = Why { names, ..Why::default() };
        assert_eq!(why.similar("task_strct"), ["task_struct", "tas_struct"]);
        assert!(why.similar("nothing_like_it").is_empty());
    }
}
