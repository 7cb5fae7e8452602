//! Functions, their parameters, variables, and the tags on them.

use gimli::constants as dw;

use super::{LLVM_ANNOTATION, Lower};
use crate::Result;
use crate::build::foreign::Copied;
use crate::build::graph::{Func, Link, Param, Part, Variable};
use crate::build::scope::{Scope, ScopeKind};
use crate::dwarf::{Die, Has, NameId, Target, Value, first_address, first_in_ranges};

impl Lower<'_> {
    pub(super) fn subprogram(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let mut func = Func {
            offset: die.offset,
            name: die.name()?,
            returns: None,
            origin: Link::VOID,
            low_pc: 0,
            is_declaration: false,
            is_abstract: false,
            is_nocall: false,
            is_variadic: false,
            params: self.graph.params.len() as u32,
            param_count: 0,
        };
        let has = die.layout.has;
        if has.any(Has::TYPE) {
            func.returns = Some(self.type_of(die)?);
        }
        let rare =
            Has::DECLARATION.or(Has::LOW_PC).or(Has::RANGES).or(Has::ABSTRACT_ORIGIN).or(Has::SPECIFICATION);
        if has.any(rare.or(Has::INLINE).or(Has::CALLING_CONVENTION)) {
            let mut origin = None;
            die.each_attribute(|at, value| match at {
                dw::DW_AT_declaration => func.is_declaration = value != Value::Flag(false),
                dw::DW_AT_low_pc => func.low_pc = die.unit.address_of(value).unwrap_or(0),
                dw::DW_AT_ranges => func.low_pc = first_in_ranges(die.unit, value).unwrap_or(func.low_pc),
                dw::DW_AT_inline => func.is_abstract = value != Value::Constant(0),
                dw::DW_AT_calling_convention => func.is_nocall = value == Value::Constant(3),
                dw::DW_AT_abstract_origin | dw::DW_AT_specification => origin = Some(value),
                _ => {}
            })?;
            if let Some(value) = origin {
                func.origin = self.link(die, value)?;
            }
        }
        let index = self.graph.funcs.len() as u32;
        self.copied(die, Copied::Func(index));
        self.graph.funcs.push(func);
        if !func.is_declaration {
            self.open(die, Scope::new(ScopeKind::Func, index, 0))?;
        }
        Ok(())
    }

    /// A parameter of a function or of a function type.
    #[inline(always)]
    pub(super) fn parameter(&mut self, die: &Die<'_, '_>) -> Result<()> {
        match self.scope() {
            ScopeKind::Parts => {
                let (name, target) = (die.name()?, self.type_of(die)?);
                self.graph.parts.push(Part { name, value: 0, target, bits: 0 });
                Ok(())
            }
            ScopeKind::Func => self.func_parameter(die),
            _ => Ok(()),
        }
    }

    fn func_parameter(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let Some(&Scope { id: func, .. }) = self.scopes.last() else { return Ok(()) };
        let has = die.layout.has;
        let mut param = Param {
            offset: die.offset,
            name: die.name()?,
            target: if has.any(Has::TYPE) { Some(self.type_of(die)?) } else { None },
            origin: Link::VOID,
            location: None,
            has_const: has.any(Has::CONST_VALUE),
        };
        if has.any(Has::LOCATION.or(Has::ABSTRACT_ORIGIN)) {
            let mut origin = None;
            die.each_attribute(|at, value| match at {
                dw::DW_AT_location => param.location = Some(value),
                dw::DW_AT_abstract_origin => origin = Some(value),
                _ => {}
            })?;
            if let Some(value) = origin {
                param.origin = self.link(die, value)?;
            }
        }
        self.copied(die, Copied::Param(self.graph.params.len() as u32));
        self.graph.params.push(param);
        let owner = &mut self.graph.funcs[func as usize];
        let component = owner.param_count;
        owner.param_count += 1;
        self.open(die, Scope::new(ScopeKind::Param, func, component))
    }

    pub(super) fn unspecified_parameters(&mut self) {
        match self.scopes.last() {
            Some(Scope { kind: ScopeKind::Parts, .. }) => {
                self.graph.parts.push(Part { name: NameId::NONE, value: 0, target: Link::VOID, bits: 0 });
            }
            Some(Scope { kind: ScopeKind::Func, id, .. }) => {
                self.graph.funcs[*id as usize].is_variadic = true
            }
            _ => {}
        }
    }

    #[inline(always)]
    pub(super) fn variable(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let is_local = self.scope() != ScopeKind::Root;
        if is_local || self.variables.is_empty() {
            if self.is_watching {
                self.unwanted_variable(die, is_local);
            }
            return Ok(());
        }
        let has = die.layout.has;
        if has.any(Has::ARTIFICIAL) && die.flag(dw::DW_AT_artificial)? {
            return Ok(());
        }
        let mut variable = Variable {
            offset: die.offset,
            name: die.name()?,
            target: if has.any(Has::TYPE) { Some(self.type_of(die)?) } else { None },
            specification: Link::VOID,
            address: None,
            anywhere: None,
            is_local: false,
            external: has.any(Has::EXTERNAL),
            tags: Vec::new(),
        };
        if has.any(Has::LOCATION.or(Has::SPECIFICATION).or(Has::ABSTRACT_ORIGIN)) {
            let mut specification = None;
            die.each_attribute(|at, value| match at {
                dw::DW_AT_location => {
                    let address = first_address(die.unit, value);
                    let wanted = |a: &u64| self.variables.iter().any(|range| range.contains(a));
                    variable.address = address.filter(wanted);
                    variable.anywhere = address;
                }
                // gcc's link-time optimisation refers to the variable that its first pass described.
                dw::DW_AT_specification | dw::DW_AT_abstract_origin => specification = Some(value),
                _ => {}
            })?;
            if let Some(value) = specification {
                variable.specification = self.link(die, value)?;
            }
        }
        let index = self.graph.variables.len() as u32;
        self.copied(die, Copied::Variable(index));
        self.graph.variables.push(variable);
        self.open(die, Scope::new(ScopeKind::Variable, index, 0))
    }

    /// A variable that is seen only because names are asked about: nothing may be taken in because of it, so its
    /// type is not looked at, nor any other unit, and what is damaged is passed over.
    #[cold]
    fn unwanted_variable(&mut self, die: &Die<'_, '_>, is_local: bool) {
        let Ok(name) = die.name() else { return };
        let mut variable = Variable {
            offset: die.offset,
            name,
            target: None,
            specification: Link::VOID,
            address: None,
            anywhere: None,
            external: false,
            is_local,
            tags: Vec::new(),
        };
        let read = die.each_attribute(|at, value| match at {
            dw::DW_AT_location => variable.anywhere = first_address(die.unit, value),
            dw::DW_AT_specification | dw::DW_AT_abstract_origin => {
                if let Ok(Target::Unit(offset)) = die.target(value) {
                    variable.specification = Link::die(offset);
                }
            }
            _ => {}
        });
        if read.is_ok() {
            self.graph.variables.push(variable);
        }
    }

    /// A tag of clang, which is a child of what it tags, or one of gcc, which stands by itself.
    pub(super) fn annotation(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let hangs = die.layout.tag == LLVM_ANNOTATION;
        let what = self.scopes.last().filter(|_| hangs).and_then(Scope::annotated);
        self.annotations.read(die, what)
    }
}
