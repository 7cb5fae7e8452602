//! Two descriptions of types compared as graphs: what differs, in which way, and what merely follows.
//!
//! In: two [`Catalogue`]s, made of BTF ([`catalogue`]) or of anything else. Out: [`Change`]s, each the cause of
//! itself; what is only larger because of what it contains is counted with its cause. Ids and order do not
//! matter: equal graphs have no change.

mod compare;
mod follow;
mod graph;
pub mod model;
mod render;

use std::fmt;

use crate::btf::Btf;
use crate::error::Result;
use model::{Catalogue, Class, Key, Shape, Symbols};

pub use graph::{Variants, catalogue};

/// In which way something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Category {
    /// A name that the first has not.
    Added,
    /// A name that the second has not.
    Removed,
    /// More or fewer definitions of a name, or copies of one.
    Duplicate,
    /// A struct, union or enumeration is another of these.
    Kind,
    /// Declared here, defined there.
    Declaration,
    /// The size in bytes.
    Size,
    /// A member is new.
    MemberAdded,
    /// A member is gone.
    MemberRemoved,
    /// A member has another name.
    MemberRenamed,
    /// A member lies elsewhere, or in another order.
    MemberMoved,
    /// A member has another type.
    MemberRetyped,
    /// A bitfield is wider or narrower, begins or ends to be one.
    Bitfield,
    /// A value is new.
    EnumeratorAdded,
    /// A value is gone.
    EnumeratorRemoved,
    /// A value, its place, or the sign or width of all.
    EnumeratorChanged,
    /// A number is another one: width, sign, kind.
    Encoding,
    /// A typedef means another type.
    TypedefRetyped,
    /// A function returns or takes something else.
    Prototype,
    /// A parameter has another name.
    ParameterName,
    /// Static, global or extern.
    Linkage,
    /// A variable has another type.
    VariableRetyped,
    /// A variable of a section is new, gone, elsewhere or of another size.
    Section,
    /// A kfunc is none any more, is one now, or has another flag.
    Kfunc,
    /// A declaration tag is new or gone.
    Tag,
}

impl Category {
    /// Every category.
    pub const ALL: [Category; 24] = [
        Category::Added,
        Category::Removed,
        Category::Duplicate,
        Category::Kind,
        Category::Declaration,
        Category::Size,
        Category::MemberAdded,
        Category::MemberRemoved,
        Category::MemberRenamed,
        Category::MemberMoved,
        Category::MemberRetyped,
        Category::Bitfield,
        Category::EnumeratorAdded,
        Category::EnumeratorRemoved,
        Category::EnumeratorChanged,
        Category::Encoding,
        Category::TypedefRetyped,
        Category::Prototype,
        Category::ParameterName,
        Category::Linkage,
        Category::VariableRetyped,
        Category::Section,
        Category::Kfunc,
        Category::Tag,
    ];

    /// Its name in every form of output.
    pub const fn name(self) -> &'static str {
        match self {
            Category::Added => "added",
            Category::Removed => "removed",
            Category::Duplicate => "duplicate",
            Category::Kind => "kind",
            Category::Declaration => "declaration",
            Category::Size => "size",
            Category::MemberAdded => "member-added",
            Category::MemberRemoved => "member-removed",
            Category::MemberRenamed => "member-renamed",
            Category::MemberMoved => "member-moved",
            Category::MemberRetyped => "member-retyped",
            Category::Bitfield => "bitfield",
            Category::EnumeratorAdded => "enumerator-added",
            Category::EnumeratorRemoved => "enumerator-removed",
            Category::EnumeratorChanged => "enumerator-changed",
            Category::Encoding => "encoding",
            Category::TypedefRetyped => "typedef-retyped",
            Category::Prototype => "prototype",
            Category::ParameterName => "parameter-name",
            Category::Linkage => "linkage",
            Category::VariableRetyped => "variable-retyped",
            Category::Section => "section",
            Category::Kfunc => "kfunc",
            Category::Tag => "tag",
        }
    }

    /// Whether programs that were compiled for the first do wrong with the second: not so for names of
    /// parameters, tags, linkage, declarations and copies.
    pub const fn is_abi(self) -> bool {
        !matches!(
            self,
            Category::ParameterName
                | Category::Linkage
                | Category::Declaration
                | Category::Duplicate
                | Category::Kfunc
                | Category::Tag
        )
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// In which way.
    pub category: Category,
    /// What it is about: `struct foo`, `func bar`.
    pub subject: String,
    /// Its name without the word before it; empty for what has none.
    pub name: String,
    /// The member, value, parameter or tag; empty for the whole.
    pub path: String,
    /// What the first says; empty for nothing.
    pub before: String,
    /// What the second says; empty for nothing.
    pub after: String,
    /// How many others differ only because they contain it.
    pub follow: usize,
    /// How many members or values right after it moved just as far.
    pub more: usize,
}

impl fmt::Display for Change {
    /// `PATH: BEFORE -> AFTER`, without the subject.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.category.name())?;
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        match (self.before.as_str(), self.after.as_str()) {
            ("", "") => {}
            (before, "") => write!(f, ": {before}")?,
            ("", after) => write!(f, ": {after}")?,
            (before, after) => write!(f, ": {before} -> {after}")?,
        }
        if self.more > 0 {
            write!(f, ", and {} after it", self.more)?;
        }
        if self.follow > 0 {
            write!(f, " ({} types contain it)", self.follow)?;
        }
        Ok(())
    }
}

/// What is compared, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything in one must be in the other.
    Equal,
    /// The second was made of the first, which may hold more functions and variables, and several versions of
    /// each, one of which will do. `functions` reports those that are not there at all.
    Encoded {
        /// Whether to report functions that were not encoded.
        functions: bool,
    },
}

/// Compares two catalogues over the same symbols. The changes come in the order of names.
pub fn compare(before: &Catalogue, after: &Catalogue, symbols: &Symbols, mode: Mode) -> Vec<Change> {
    let found = compare::compare(before, after, symbols, mode);
    follow::causes(found, before, after)
}

/// Compares two BTFs.
///
/// # Errors
///
/// Those of [`catalogue`].
pub fn diff(before: &Btf<'_>, after: &Btf<'_>) -> Result<Vec<Change>> {
    let mut symbols = Symbols::default();
    let a = catalogue(before, &mut symbols, Variants::Apart)?;
    let b = catalogue(after, &mut symbols, Variants::Apart)?;
    Ok(compare(&a, &b, &symbols, Mode::Equal))
}

/// A type as C declares `name` with it; without a name, the type by itself.
pub(crate) fn declaration(symbols: &Symbols, shape: &Shape, name: &str) -> String {
    render::declared(symbols, shape, name)
}

/// The changes of one definition.
#[derive(Debug)]
struct Found {
    key: Key,
    changes: Vec<Change>,
    /// Whether it takes other room where it is contained.
    resized: bool,
    /// Numbers of moved members in the first, if nothing but sizes and places differ.
    moved: Option<Vec<usize>>,
    /// The definitions compared: their places among those of the key.
    pair: Option<(usize, usize)>,
}

fn class_word(class: Class) -> &'static str {
    match class {
        Class::Tag => "struct",
        Class::Typedef => "typedef",
        Class::Number => "number",
        Class::Function => "func",
        Class::Variable => "var",
        Class::Section => "section",
        Class::Anonymous => "anonymous",
    }
}
