//! Choosing variables: those of the wanted sections, with a DATASEC for each section.

use std::collections::BTreeMap;

use super::functions::add_tag;
use crate::btf::{Kind, MAX_VLEN};
use crate::symtab::Symtab;
use crate::table::{Entry, First, KeyHasher, Part, Ref, StrId, Tables, Variable};

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

/// What became of the variables.
#[derive(Debug, Default)]
pub struct ChosenVariables {
    /// Variables with an address.
    pub found: u64,
    /// VARs in the output.
    pub encoded: u64,
    /// Variables of wanted sections left out, by reason.
    pub skipped: BTreeMap<SkipVariable, u64>,
}

/// Adds the VARs and DATASECs to `tables`.
pub fn choose(tables: &mut Tables<'_>, symtab: &Symtab<'_>, sections: &[VariableSection]) -> ChosenVariables {
    let mut variables = std::mem::take(&mut tables.variables);
    let mut chosen = ChosenVariables { found: variables.len() as u64, ..ChosenVariables::default() };
    // Sections do not overlap, but for those that are not loaded and all begin at 0: the first one counts.
    let section_of = |v: &Variable| {
        let inside = |s: &&VariableSection| v.address >= s.address && v.address - s.address < s.size;
        sections.iter().find(inside).filter(|s| s.wanted)
    };
    let mut wanted: Vec<(&VariableSection, Variable)> = Vec::new();
    for variable in variables.drain(..) {
        if let Some(section) = section_of(&variable) {
            wanted.push((section, variable));
        }
    }
    wanted.sort_by_key(|(section, v)| (section.index, v.address, v.first));
    for run in wanted.chunk_by(|a, b| a.0.index == b.0.index) {
        add_section(tables, symtab, run, &mut chosen);
    }
    chosen
}

fn add_section(
    tables: &mut Tables<'_>,
    symtab: &Symtab<'_>,
    variables: &[(&VariableSection, Variable)],
    chosen: &mut ChosenVariables,
) {
    let Some((section, _)) = variables.first() else { return };
    let mut skip = |reason| *chosen.skipped.entry(reason).or_insert(0) += 1;
    let (mut parts, mut end, mut first) = (Vec::new(), 0u64, First::NEVER);
    for (_, variable) in variables {
        let offset = variable.address - section.address;
        let fits = offset.checked_add(variable.size_bytes).filter(|&e| e <= u64::from(u32::MAX));
        let Some(next_end) = fits.filter(|_| variable.size_bytes > 0) else {
            skip(SkipVariable::NoSize);
            continue;
        };
        // The address of a variable that the linker discarded is 0, which may be a section's first byte.
        if offset == 0 && !symtab.begins_section(section.index, tables.strings.get(variable.name)) {
            skip(SkipVariable::Discarded);
            continue;
        }
        if offset < end {
            skip(SkipVariable::Overlaps);
            continue;
        }
        if parts.len() >= MAX_VLEN as usize {
            skip(SkipVariable::TooMany);
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
        chosen.encoded += 1;
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
