//! What was met in the input and could not be expressed: counted by reason, never printed here.

/// Why something of the input is missing from the output, or differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Warning {
    /// A type of a language other than C became void.
    UnsupportedTag,
    /// A base type or enum of a size that BTF has no number for became an array of bytes, or void.
    OddBaseType,
    /// A member whose place is known only at run time was left out.
    MemberLocation,
    /// A member too far from the start of its struct for BTF was left out.
    MemberOffset,
    /// A member of type void was left out.
    MemberVoid,
    /// A member whose type has no size in its unit, or that reaches beyond its struct, was left out. Base classes in C++
    /// may be declared only; of structs that end with a slice, rustc writes one element.
    MemberSize,
    /// A struct, union, enum or prototype with more than 65535 parts became a declaration, or void.
    TooManyMembers,
    /// A struct or array of 4 GiB or more became a declaration, or void.
    TooLarge,
    /// An enumerator without name or value was left out.
    Enumerator,
    /// An array of void, or a declaration or typedef without a name, became void.
    NoType,
    /// A reference to something that is no type became void.
    DanglingReference,
    /// A tag without text was left out.
    EmptyTag,
    /// Characters that no kernel accepts in a name were replaced.
    NameReplaced,
    /// A list of locations is damaged; its parameter counts as not located.
    DamagedLocation,
}

impl Warning {
    /// All reasons.
    pub const ALL: [Warning; 14] = [
        Warning::UnsupportedTag,
        Warning::OddBaseType,
        Warning::MemberLocation,
        Warning::MemberOffset,
        Warning::MemberVoid,
        Warning::MemberSize,
        Warning::TooManyMembers,
        Warning::TooLarge,
        Warning::Enumerator,
        Warning::NoType,
        Warning::DanglingReference,
        Warning::EmptyTag,
        Warning::NameReplaced,
        Warning::DamagedLocation,
    ];

    /// The reason as it stands in reports; stable.
    pub fn code(self) -> &'static str {
        match self {
            Warning::UnsupportedTag => "unsupported-tag",
            Warning::OddBaseType => "odd-base-type",
            Warning::MemberLocation => "member-location",
            Warning::MemberOffset => "member-offset",
            Warning::MemberVoid => "member-void",
            Warning::MemberSize => "member-size",
            Warning::TooManyMembers => "too-many-members",
            Warning::TooLarge => "too-large",
            Warning::Enumerator => "enumerator",
            Warning::NoType => "no-type",
            Warning::DanglingReference => "dangling-reference",
            Warning::EmptyTag => "empty-tag",
            Warning::NameReplaced => "name-replaced",
            Warning::DamagedLocation => "damaged-location",
        }
    }
}

/// Counts by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Warnings([u64; Warning::ALL.len()]);

impl Warnings {
    #[cold]
    pub(super) fn count(&mut self, warning: Warning) {
        self.count_many(warning, 1);
    }

    pub(super) fn count_many(&mut self, warning: Warning, times: usize) {
        self.0[warning as usize] += times as u64;
    }

    /// How often that was met.
    pub fn get(&self, warning: Warning) -> u64 {
        self.0[warning as usize]
    }

    /// Adds the counts of another worker.
    pub fn add(&mut self, other: &Warnings) {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a += b;
        }
    }
}
