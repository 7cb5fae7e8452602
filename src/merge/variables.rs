//! Choosing variables: those of the wanted sections, with a DATASEC for each section.

use std::collections::BTreeMap;

use super::functions::add_tag;
use crate::btf::{Kind, MAX_VLEN};
use crate::symtab::Symtab;
use crate::table::{Entry, EntryId, First, KeyHasher, Part, Ref, StrId, Tables, Variable};

/// A section whose variables may be wanted; plain data from ELF.
#[derive(Debug, Clone)]
pub struct VariableSection {
    /// Its index in the file.
    pub index: u32,
    /// Its name.
    pub name: Vec<u8>,
    /// Its address, in bytes.
    pub address: u64,
    /// Its size, in bytes.
    pub size: u64,
    /// Its variables are wanted. The others only keep theirs from being taken for a wanted one's.
    pub wanted: bool,
}

/// Why a variable is not in the output; the codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipVariable {
    /// Its type has no size.
    NoSize,
    /// It lies where another one does: a weak or common definition.
    Overlaps,
    /// The linker discarded it.
    Discarded,
    /// Its section has more than 65535.
    TooMany,
}

impl SkipVariable {
    /// The reason as it stands in reports.
    pub fn code(self) -> &'static str {
        match self {
            SkipVariable::NoSize => "no-size",
            SkipVariable::Overlaps => "overlaps",
            SkipVariable::Discarded => "discarded",
            SkipVariable::TooMany => "too-many",
        }
    }
}

/// What was decided about one variable of a wanted section.
#[derive(Debug, Clone, Copy)]
pub struct VariableVerdict {
    /// Where it was met, which no other variable has.
    pub first: First,
    /// Its VAR, or why there is none.
    pub outcome: Result<EntryId, SkipVariable>,
}

/// What became of the variables.
#[derive(Debug, Default)]
pub struct ChosenVariables {
    /// Variables with an address.
    pub found: u64,
    /// One verdict for each of those in wanted sections.
    pub verdicts: Vec<VariableVerdict>,
}

impl ChosenVariables {
    /// How many are VARs in the output, and how many of wanted sections were left out for each reason.
    pub fn counts(&self) -> (u64, BTreeMap<&'static str, u64>) {
        let mut skipped = BTreeMap::new();
        for skip in self.verdicts.iter().filter_map(|verdict| verdict.outcome.err()) {
            *skipped.entry(skip.code()).or_default() += 1;
        }
        (self.verdicts.len() as u64 - skipped.values().sum::<u64>(), skipped)
    }
}

/// The section that an address lies in. Sections do not overlap, but for those that are not loaded and all begin
/// at 0: the first one counts.
pub fn section_at(sections: &[VariableSection], address: u64) -> Option<&VariableSection> {
    sections.iter().find(|s| address >= s.address && address - s.address < s.size)
}

/// Adds the VARs and DATASECs to `tables`.
pub fn choose(tables: &mut Tables<'_>, symtab: &Symtab<'_>, sections: &[VariableSection]) -> ChosenVariables {
    let variables = std::mem::take(&mut tables.variables);
    let mut chosen = ChosenVariables { found: variables.len() as u64, ..ChosenVariables::default() };
    let mut wanted: Vec<(&VariableSection, Variable)> = Vec::new();
    for variable in variables {
        if let Some(section) = section_at(sections, variable.address).filter(|s| s.wanted) {
            wanted.push((section, variable));
        }
    }
    wanted.sort_by_key(|(section, v)| (section.index, v.address, v.first));
    for run in wanted.chunk_by(|a, b| a.0.index == b.0.index) {
        add_section(tables, symtab, run, &mut chosen.verdicts);
    }
    chosen
}

fn add_section(
    tables: &mut Tables<'_>,
    symtab: &Symtab<'_>,
    variables: &[(&VariableSection, Variable)],
    verdicts: &mut Vec<VariableVerdict>,
) {
    let Some((section, _)) = variables.first() else { return };
    let (mut parts, mut end, mut first) = (Vec::new(), 0u64, First::NEVER);
    for (_, variable) in variables {
        let mut judge = |outcome| verdicts.push(VariableVerdict { first: variable.first, outcome });
        let offset = variable.address - section.address;
        let fits = offset.checked_add(variable.size_bytes).filter(|&e| e <= u64::from(u32::MAX));
        let Some(next_end) = fits.filter(|_| variable.size_bytes > 0) else {
            judge(Err(SkipVariable::NoSize));
            continue;
        };
        // The address of a variable that the linker discarded is 0, which may be a section's first byte.
        if offset == 0 && !symtab.begins_section(section.index, tables.strings.get(variable.name)) {
            judge(Err(SkipVariable::Discarded));
            continue;
        }
        if offset < end {
            judge(Err(SkipVariable::Overlaps));
            continue;
        }
        if parts.len() >= MAX_VLEN as usize {
            judge(Err(SkipVariable::TooMany));
            continue;
        }
        let mut hasher = KeyHasher::new(0x200 + Kind::Var as u64);
        hasher.pair(tables.strings.hash(variable.name), u64::from(variable.external));
        hasher.pair(variable.address, u64::from(section.index));
        hasher.key(tables.types.key(variable.target));
        let mut entry = Entry::new(Kind::Var, hasher.finish());
        (entry.name, entry.target, entry.kind_flag) = (variable.name, variable.target, false);
        entry.encoding = u32::from(variable.external);
        let id = tables.types.insert(entry, []);
        tables.types.occur(id, variable.first, 1);
        for &tag in &variable.tags {
            add_tag(tables, id, tag, -1);
        }
        parts.push(Part {
            name: StrId::EMPTY,
            target: Ref::entry(id),
            value: offset << 32 | variable.size_bytes,
        });
        (end, first) = (next_end, first.min(variable.first));
        judge(Ok(id));
    }
    if parts.is_empty() || !crate::btf::is_section_name(&section.name) {
        return;
    }
    let name = tables.strings.intern(section.name.clone().into());
    let mut hasher = KeyHasher::new(0x200 + Kind::Datasec as u64);
    hasher.pair(tables.strings.hash(name), u64::from(section.index));
    let mut entry = Entry::new(Kind::Datasec, hasher.finish());
    (entry.name, entry.size) = (name, end as u32);
    let id = tables.types.insert(entry, parts);
    tables.types.occur(id, first, 1);
}
