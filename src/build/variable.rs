//! Variables with an address.

use super::Builder;
use super::graph::{self, Graph, NodeId};
use super::intern::NameUse;
use crate::Result;
use crate::btf::is_identifier;
use crate::dwarf::{NameId, Program, Unit};
use crate::table::{First, Ref, StrId, Unwanted, Variable, Variant};

/// Prefixes of names that the kernel's own macros make up; no program asks for them.
const MADE_UP: [&[u8]; 5] = [
    b"__UNIQUE_ID",
    b"__tpstrtab_",
    b"__exitcall_",
    b"__gendwarfksyms_ptr_",
    b"__func_stack_frame_non_standard_",
];

impl Builder<'_> {
    /// Takes in the variables of a unit whose types are interned. Which sections are wanted is decided at
    /// the end.
    pub(super) fn variables(&mut self, unit: &Unit<'_>, number: u32) -> Result<()> {
        self.variables_with(unit, number, &|_| true, &mut |_| Variant::Usual)
    }

    /// Takes in the variables whose types `wanted` accepts. `variant` tells which definition a named node is.
    pub(super) fn variables_with(
        &mut self,
        unit: &Unit<'_>,
        number: u32,
        wanted: &impl Fn(NodeId) -> bool,
        variant: &mut impl FnMut(NodeId) -> Variant,
    ) -> Result<()> {
        let Builder { graph, interner, warnings, .. } = self;
        for (i, variable) in graph.own_variables().iter().enumerate() {
            let Some(address) = variable.address else { continue };
            let declared = graph.variable_at(variable.specification).map(|i| &graph.variables[i]);
            let target = graph.variable_type(variable);
            let is_changed = graph.resolve(target).is_some_and(wanted);
            if !is_changed || unwanted(graph, unit.program, variable).is_some() {
                continue;
            }
            let name = name(graph, variable);
            interner.intern_referred(graph, target, warnings)?;
            let mut tags = Vec::new();
            for &tag in variable.tags.iter().chain(declared.iter().flat_map(|v| &v.tags)) {
                tags.push(interner.intern(tag, NameUse::Text, warnings)?);
            }
            tags.retain(|&tag| tag != StrId::EMPTY);
            let name = interner.intern(name, NameUse::Identifier, warnings)?;
            let target_ref = interner.reference(graph, target, variant, warnings);
            if target_ref == Ref::VOID {
                continue;
            }
            interner.tables.variables.push(Variable {
                name,
                target: target_ref,
                size_bytes: graph.size_of(target, unit.header.address_size).unwrap_or(0),
                address,
                external: declared.is_some_and(|declared| declared.external) || variable.external,
                tags,
                first: First::new(number, i as u32),
            });
        }
        Ok(())
    }
}

/// The name of a variable, which its declaration may tell.
pub(super) fn name(graph: &Graph, variable: &graph::Variable) -> NameId {
    let declared = graph.variable_at(variable.specification).map(|i| graph.variables[i].name);
    declared.filter(|name| !name.is_none()).unwrap_or(variable.name)
}

/// Why a variable is not taken in.
pub(super) fn unwanted(graph: &Graph, program: &Program<'_>, variable: &graph::Variable) -> Option<Unwanted> {
    if variable.is_local {
        return Some(Unwanted::Local);
    }
    if variable.anywhere.is_none() {
        return Some(Unwanted::NoAddress);
    }
    if variable.address.is_none() {
        return Some(Unwanted::OtherSection);
    }
    if graph.resolve(graph.variable_type(variable)).is_none() {
        return Some(Unwanted::NoType);
    }
    match name(graph, variable).find(program.files()) {
        Some(name) if MADE_UP.iter().any(|prefix| name.starts_with(prefix)) => Some(Unwanted::MadeUpName),
        Some(name) if is_identifier(&name) => None,
        _ => Some(Unwanted::InvalidName),
    }
}
