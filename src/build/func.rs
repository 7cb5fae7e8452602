//! Functions: what a unit says about each, and whether its parameters are where they should be.
//!
//! Every subprogram with code, and every abstract instance, is one *state* of the function of its name.
//! Which states become functions of the output is decided at the end, when all units and the symbol
//! table are known. Here it is decided what a state says: its prototype, and findings about its
//! parameters, because tracers read parameters from the registers that the calling convention names.

use gimli::Operation;

use super::graph::{Graph, Link, NodeId, Shape};
use super::intern::{Interner, NameUse};
use super::registers::Machine;
use super::warning::{Warning, Warnings};
use super::{Builder, key};
use crate::Result;
use crate::dwarf::{NameId, Unit, Value, location_entries};
use crate::options::Features;
use crate::table::{First, FuncFlags, FuncId, FuncState, FuncTag, Key, KeyHasher, Part, Ref, StrId, Variant};

/// Where a parameter lies, as far as its location tells.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    has_location: bool,
    has_const: bool,
    /// The DWARF number of the register that holds it on entry.
    register: Option<u16>,
    on_stack: bool,
    constant: bool,
    pieces: Pieces,
}

/// Which bytes of a parameter of two words exist, by half.
#[derive(Debug, Clone, Copy, Default)]
struct Pieces {
    halves: [Half; 2],
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Half {
    #[default]
    Nothing,
    /// One piece, at that byte of the parameter.
    One(u64),
    Several,
}

/// What is found out about one parameter.
#[derive(Debug, Clone, Copy, Default)]
struct Finding {
    optimized: bool,
    unexpected: bool,
    /// Only this member of the struct is passed: its name and type.
    member: Option<(NameId, Link)>,
}

/// A parameter as its state has it.
pub(super) struct Resolved {
    name: NameId,
    /// The member of it that alone is passed.
    member: Option<NameId>,
    target: Link,
}

impl Builder<'_> {
    /// Takes in the functions of a unit whose types are interned.
    pub(super) fn functions(&mut self, unit: &Unit<'_>, number: u32) -> Result<()> {
        let places = places(&self.graph, unit, &self.context.machine, &mut self.warnings);
        let features = self.context.options.features;
        // Most functions were seen in another unit: nothing is allocated for those.
        let mut room = Vec::new();
        for i in 0..self.graph.own_funcs().len() {
            let (graph, machine) = (&self.graph, &self.context.machine);
            let Some(state) = State::new(graph, machine, unit, i, &places, features, &mut room) else {
                continue;
            };
            let key = self.quick_key(&state);
            let place = First::new(number, i as u32);
            match self.seen_funcs.get(&key) {
                Some(&known) => self.interner.tables.funcs.occur(known, place),
                None => {
                    let new = state.insert(self, place, &mut |_| Variant::Usual)?;
                    self.seen_funcs.insert(key, new);
                }
            }
            room = state.params;
        }
        Ok(())
    }

    /// The key by which this worker knows a state of the unit.
    pub(super) fn quick_key(&self, state: &State) -> Key {
        let (graph, refs) = (&self.graph, &self.keys.refs);
        let mut quick = |link| graph.resolve(link).map_or(Key::VOID, |id| refs[id.index()]);
        state.key(&mut |name, _| name.0, &mut quick)
    }
}

/// What one unit says about one function.
pub(super) struct State {
    name: NameId,
    returns: Link,
    address: u64,
    flags: FuncFlags,
    params: Vec<Resolved>,
    variadic: bool,
    /// Decl tags: value and component.
    tags: Vec<(NameId, i32)>,
}

impl State {
    /// The state that function number `index` of the unit is; `None` if it is none: a declaration, or
    /// one without a name or with a parameter without one. Its parameters take the place of those in `room`.
    pub(super) fn new(
        graph: &Graph,
        machine: &Machine,
        unit: &Unit<'_>,
        index: usize,
        places: &[Place],
        features: Features,
        room: &mut Vec<Resolved>,
    ) -> Option<State> {
        let func = &graph.funcs[index];
        if func.is_declaration {
            return None;
        }
        let origin = graph.func_at(func.origin).map(|i| (i, &graph.funcs[i]));
        // A concrete instance without children of its own says nothing: link-time optimisation of gcc
        // leaves such beside the real one.
        let is_empty = func.param_count == 0 && !func.is_variadic;
        if let Some((_, origin)) = origin
            && is_empty
            && func.low_pc == 0
            && (origin.param_count > 0 || origin.is_variadic)
        {
            return None;
        }
        let name = [Some(func), origin.map(|(_, f)| f)].into_iter().flatten().map(|f| f.name);
        let name = name.into_iter().find(|name| !name.is_none())?;
        let returns = func.returns.or(origin.and_then(|(_, f)| f.returns)).unwrap_or(Link::VOID);
        let start = func.params as usize;
        let range = start..start + func.param_count as usize;
        let mut params = std::mem::take(room);
        params.clear();
        params.reserve(range.len());
        let mut reordered = false;
        for (place, param) in graph.params[range.clone()].iter().enumerate() {
            let known = graph.param_at(param.origin);
            let origin_param = known.map(|i| &graph.params[i]);
            let name = if param.name.is_none() { origin_param.map(|p| p.name)? } else { param.name };
            if name.is_none() {
                return None;
            }
            let target = param.target.or(origin_param.and_then(|p| p.target)).unwrap_or(Link::VOID);
            if let (Some(i), Some((_, f))) = (known, origin) {
                reordered |= i.checked_sub(f.params as usize) != Some(place);
            }
            params.push(Resolved { name, member: None, target });
        }
        let nocall = func.is_nocall || origin.is_some_and(|(_, f)| f.is_nocall);
        let changed = unit.is_clang && !func.is_abstract && nocall;
        let true_signature = features.contains(Features::TRUE_SIGNATURE);
        let places = &places[range];
        let mut flags = FuncFlags::default();
        // An abstract instance whose parameters lie nowhere needs no further look.
        let located = places.iter().any(|place| place.has_location || place.has_const);
        let mut findings = Vec::new();
        if located {
            let analysis = Analysis { graph, machine, places, params: &params };
            findings = if unit.is_clang && !changed {
                analysis.plain()
            } else {
                analysis.optimised(true_signature && changed, unit.is_clang)
            };
        }
        let nowhere =
            |i: usize| !places[i].has_location || findings.get(i).is_some_and(|f: &Finding| f.optimized);
        if (0..params.len()).any(nowhere) {
            flags.set(FuncFlags::OPTIMIZED);
        }
        if findings.iter().any(|f| f.unexpected) && !params.iter().any(|p| is_struct(graph, p.target)) {
            flags.set(FuncFlags::UNEXPECTED_REGISTER);
        }
        if reordered {
            flags.set(FuncFlags::REORDERED);
        }
        if changed {
            flags.set(FuncFlags::SIGNATURE_CHANGED);
        }
        if uncertain_location(graph, machine, &params) {
            flags.set(FuncFlags::UNCERTAIN_LOCATION);
        }
        let tag = |tag: &super::graph::FuncTag| (tag.value, tag.component);
        let mut tags: Vec<_> = graph.func_tags(index).iter().map(tag).collect();
        // clang writes them on the abstract instance only.
        if tags.is_empty()
            && let Some((origin, _)) = origin
        {
            tags.extend(graph.func_tags(origin).iter().map(tag));
        }
        if true_signature && changed {
            for (param, finding) in params.iter_mut().zip(&findings) {
                if let Some((name, target)) = finding.member {
                    (param.member, param.target) = (Some(name), target);
                }
            }
        }
        let dropped = |i: usize| {
            reordered && nowhere(i)
                || true_signature && changed && findings.get(i).is_some_and(|f| f.optimized)
        };
        drop_params(&mut params, &mut tags, dropped);
        let variadic = func.is_variadic || is_empty && origin.is_some_and(|(_, f)| f.is_variadic);
        Some(State { name, returns, address: func.low_pc, flags, params, variadic, tags })
    }

    /// The types that it uses.
    pub(super) fn links(&self) -> impl Iterator<Item = Link> + '_ {
        std::iter::once(self.returns).chain(self.params.iter().map(|param| param.target))
    }

    /// The key of the state.
    pub(super) fn key(
        &self,
        name: &mut impl FnMut(NameId, NameUse) -> u64,
        target: &mut impl FnMut(Link) -> Key,
    ) -> Key {
        let prototype = self.prototype(name, target);
        self.key_with(prototype, name)
    }

    fn key_with(&self, prototype: Key, name: &mut impl FnMut(NameId, NameUse) -> u64) -> Key {
        let mut hasher = KeyHasher::new(0x300 | u64::from(self.flags.0));
        hasher.pair(name(self.name, NameUse::Identifier), self.address);
        hasher.key(prototype);
        for &(value, component) in &self.tags {
            hasher.pair(name(value, NameUse::Text), u64::from(component as u32));
        }
        hasher.finish()
    }

    /// The key of the prototype as a type, the same as that of a subroutine type.
    fn prototype(
        &self,
        name: &mut impl FnMut(NameId, NameUse) -> u64,
        target: &mut impl FnMut(Link) -> Key,
    ) -> Key {
        let count = self.params.len() as u64 + u64::from(self.variadic);
        let mut hasher = KeyHasher::new(Shape::FuncProto as u64 | count << 32);
        hasher.pair(name(NameId::NONE, NameUse::Identifier), 0);
        hasher.key(target(self.returns));
        for param in &self.params {
            let mut word = name(param.name, NameUse::Identifier);
            if let Some(member) = param.member {
                word ^= name(member, NameUse::Identifier).rotate_left(32);
            }
            key::hash_part(&mut hasher, word, 0, target(param.target));
        }
        if self.variadic {
            key::hash_part(&mut hasher, name(NameId::NONE, NameUse::Identifier), 0, target(Link::VOID));
        }
        hasher.finish()
    }

    /// Interns all names of the state, but not those of the types that it refers to.
    pub(super) fn intern_names(&self, interner: &mut Interner<'_>, warnings: &mut Warnings) -> Result<()> {
        interner.intern(self.name, NameUse::Identifier, warnings)?;
        for param in &self.params {
            interner.intern(param.name, NameUse::Identifier, warnings)?;
            if let Some(member) = param.member {
                interner.intern(member, NameUse::Identifier, warnings)?;
            }
        }
        for &(value, _) in &self.tags {
            interner.intern(value, NameUse::Text, warnings)?;
        }
        Ok(())
    }

    /// The content key of a state whose names are interned.
    pub(super) fn content_key(&self, interner: &Interner<'_>, target: &mut impl FnMut(Link) -> Key) -> Key {
        self.key(&mut |name, used| interner.name_hash(name, used), target)
    }

    /// Interns the state.
    pub(super) fn insert(
        &self,
        builder: &mut Builder<'_>,
        place: First,
        variant: &mut impl FnMut(NodeId) -> Variant,
    ) -> Result<FuncId> {
        let Builder { graph, interner, warnings, .. } = builder;
        self.intern_names(interner, warnings)?;
        let mut refer = |interner: &mut Interner<'_>, link: Link| -> Result<Ref> {
            interner.intern_referred(graph, link, warnings)?;
            Ok(interner.reference(graph, link, variant, warnings))
        };
        let returns = refer(interner, self.returns)?;
        let mut params = Vec::with_capacity(self.params.len() + 1);
        for param in &self.params {
            let target = refer(interner, param.target)?;
            let mut name = interner.string(param.name, NameUse::Identifier);
            if let Some(member) = param.member {
                let member = interner.string(member, NameUse::Identifier);
                let strings = &mut interner.tables.strings;
                let both = [strings.get(name), b"__", strings.get(member)].concat();
                name = strings.intern(both.into());
            }
            params.push(Part { name, target, value: 0 });
        }
        if self.variadic {
            params.push(Part { name: StrId::EMPTY, target: Ref::VOID, value: 0 });
        }
        let (prototype, content) = {
            // The references in the order in which the key asks for them.
            let mut next = std::iter::once(returns)
                .chain(params.iter().map(|p| p.target))
                .map(|reference| interner.tables.types.key(reference));
            let names = &mut |name, used| interner.name_hash(name, used);
            let prototype = self.prototype(names, &mut |_| next.next().unwrap_or(Key::VOID));
            (prototype, self.key_with(prototype, names))
        };
        let string = |&(value, component): &(NameId, i32)| FuncTag {
            value: interner.string(value, NameUse::Text),
            component,
        };
        let tags: Vec<FuncTag> =
            self.tags.iter().map(string).filter(|tag| tag.value != StrId::EMPTY).collect();
        let name = interner.string(self.name, NameUse::Identifier);
        let state = FuncState::new(content, prototype, name, returns, self.address, self.flags);
        Ok(interner.tables.funcs.insert(state, params, tags, place))
    }
}

/// Drops parameters. A tag of one follows it to its new place, or goes with it.
fn drop_params(
    params: &mut Vec<Resolved>,
    tags: &mut Vec<(NameId, i32)>,
    dropped: impl Fn(usize) -> bool + Copy,
) {
    if !(0..params.len()).any(dropped) {
        return;
    }
    tags.retain_mut(|(_, component)| match usize::try_from(*component) {
        Ok(i) => {
            *component -= (0..i).filter(|&i| dropped(i)).count() as i32;
            !dropped(i)
        }
        Err(_) => true,
    });
    let mut i = 0;
    params.retain(|_| {
        i += 1;
        !dropped(i - 1)
    });
}

/// The places of all parameters of a unit. What a concrete parameter says also counts for the parameter
/// of the abstract instance that it comes from.
pub(super) fn places(
    graph: &Graph,
    unit: &Unit<'_>,
    machine: &Machine,
    warnings: &mut Warnings,
) -> Vec<Place> {
    let mut places = vec![Place::default(); graph.params.len()];
    for (i, param) in graph.params.iter().enumerate() {
        let place = &mut places[i];
        place.has_const = param.has_const;
        if let Some(location) = param.location {
            place.has_location = true;
            let is_wide = || {
                let origin = || graph.param_at(param.origin).and_then(|i| graph.params[i].target);
                let target = param.target.or_else(origin).unwrap_or(Link::VOID);
                let bytes = graph.size_of(target, machine.address_bytes).unwrap_or(0);
                machine.two_registers && bytes > u64::from(machine.address_bytes)
            };
            if !place.read(unit, location, is_wide) {
                warnings.count(Warning::DamagedLocation);
            }
        }
    }
    for (i, param) in graph.params.iter().enumerate() {
        if param.target.is_none()
            && let Some(origin) = graph.param_at(param.origin)
        {
            let found = places[i];
            let place = &mut places[origin];
            place.has_location |= found.has_location;
            place.has_const |= found.has_const;
            place.on_stack |= found.on_stack;
            place.constant |= found.constant;
            place.register = place.register.or(found.register);
        }
    }
    places
}

impl Place {
    /// Reads the expressions of a location. Returns false where they are damaged.
    ///
    /// Only what takes two registers is looked at piece by piece; anything smaller lies where its first piece
    /// does, or nobody knows where.
    fn read(&mut self, unit: &Unit<'_>, location: Value, is_wide: impl Fn() -> bool) -> bool {
        let encoding = unit.gimli_encoding();
        let (mut sound, mut wide) = (true, None);
        let listed = location_entries(unit, location, |entry, expression| {
            let mut operations = expression.operations(encoding);
            let mut first = None;
            let (mut count, mut stack_value, mut offset) = (0, false, 0u64);
            let mut register = None;
            loop {
                let operation = match operations.next() {
                    Ok(Some(operation)) => operation,
                    Ok(None) => break,
                    Err(_) => {
                        sound = false;
                        break;
                    }
                };
                count += 1;
                match &operation {
                    Operation::StackValue => stack_value = true,
                    Operation::Register { register: r } => register = Some(r.0),
                    Operation::EntryValue { expression } => self.entry_value(unit, *expression),
                    Operation::Piece { size_in_bits, .. } if *wide.get_or_insert_with(&is_wide) => {
                        self.piece(unit, register.take(), offset);
                        offset += size_in_bits / 8;
                    }
                    _ => register = None,
                }
                if first.is_none() {
                    first = Some(operation);
                }
            }
            if entry > 0 {
                return;
            }
            let alone = count == 1 || count == 2 && stack_value;
            match first {
                Some(Operation::Register { register }) if alone => self.see(register.0),
                Some(Operation::RegisterOffset { register, .. }) if stack_value && alone => {
                    self.see(register.0)
                }
                Some(Operation::FrameOffset { .. }) if alone => self.on_stack = true,
                Some(Operation::UnsignedConstant { .. } | Operation::SignedConstant { .. }) => {
                    self.constant = true;
                }
                Some(Operation::Register { register }) if offset == 0 => self.see(register.0),
                Some(Operation::RegisterOffset { register, .. }) if stack_value && offset == 0 => {
                    self.see(register.0);
                }
                _ => {}
            }
        });
        listed && sound
    }

    fn see(&mut self, register: u16) {
        self.register.get_or_insert(register);
    }

    /// `DW_OP_entry_value` of a single register: what that register held on entry.
    fn entry_value(&mut self, unit: &Unit<'_>, inner: gimli::EndianSlice<'_, gimli::RunTimeEndian>) {
        let mut operations = gimli::Expression(inner).operations(unit.gimli_encoding());
        if let (Ok(Some(Operation::Register { register })), Ok(None)) = (operations.next(), operations.next())
        {
            self.see(register.0);
        }
    }

    /// A piece of the parameter, at byte `offset` of it.
    fn piece(&mut self, unit: &Unit<'_>, register: Option<u16>, offset: u64) {
        let Some(register) = register else { return };
        let word = u64::from(unit.header.address_size);
        let Some(half) = self.pieces.halves.get_mut((offset / word.max(1)) as usize) else { return };
        *half = match *half {
            Half::Nothing => Half::One(offset),
            Half::One(known) if known == offset => Half::One(offset),
            _ => Half::Several,
        };
        self.see(register);
    }
}

/// The check of one state's parameters against the calling convention.
struct Analysis<'s> {
    graph: &'s Graph,
    machine: &'s Machine,
    places: &'s [Place],
    params: &'s [Resolved],
}

impl Analysis<'_> {
    /// How many registers a parameter takes, or `None` if it is passed in memory.
    fn registers(&self, index: usize) -> Option<u32> {
        let word = u64::from(self.machine.address_bytes);
        let bytes = self.graph.size_of(self.params[index].target, self.machine.address_bytes).unwrap_or(0);
        if bytes > self.machine.memory_above() {
            None
        } else if bytes <= word || !self.machine.two_registers {
            Some(1)
        } else {
            Some(bytes.div_ceil(word) as u32)
        }
    }

    /// Floating point parameters travel in registers of their own.
    fn is_float(&self, index: usize) -> bool {
        let target = self.graph.strip(self.params[index].target);
        target.is_some_and(|id| self.graph.node(id).shape == Shape::Float)
    }

    /// True if the parameter's register is known, and is none of the `slots` from `first` on.
    fn is_elsewhere(&self, index: usize, first: u32, slots: u32) -> bool {
        let Some(register) = self.places[index].register else { return false };
        let mut expected = (first..first + slots).map(|r| self.machine.register(r));
        !expected.any(|r| r.is_none_or(|r| r == register))
    }

    /// Code of clang whose signature it left alone.
    fn plain(&self) -> Vec<Finding> {
        let mut findings = vec![Finding::default(); self.params.len()];
        let mut next = 0;
        for (i, finding) in findings.iter_mut().enumerate() {
            if self.is_float(i) {
                continue;
            }
            let Some(slots) = self.registers(i) else {
                next += self.machine.memory_registers;
                continue;
            };
            if next >= self.machine.register_params {
                break;
            }
            finding.unexpected = self.is_elsewhere(i, next, slots);
            next += slots;
        }
        findings
    }

    /// Code of gcc, or of clang where it says that it changed the signature.
    ///
    /// `exact` asks for the signature as it was changed.
    fn optimised(&self, exact: bool, is_clang: bool) -> Vec<Finding> {
        let mut findings = vec![Finding::default(); self.params.len()];
        let mut next = 0;
        for (i, finding) in findings.iter_mut().enumerate() {
            let place = &self.places[i];
            if self.is_float(i) {
                continue;
            }
            let slots = self.registers(i);
            let takes = slots.unwrap_or(self.machine.memory_registers);
            if !place.has_location {
                if place.has_const && !is_clang {
                    finding.optimized = true;
                    next += takes;
                } else if !exact || self.is_at(i + 1, next + takes) {
                    next += takes;
                } else {
                    finding.optimized = true;
                }
                continue;
            }
            if exact && place.constant {
                finding.optimized = true;
                continue;
            }
            if next >= self.machine.register_params {
                continue;
            }
            if exact && place.on_stack {
                if slots.is_some() {
                    finding.unexpected = true;
                    next += takes;
                }
                continue;
            }
            if place.register.is_none() {
                finding.unexpected = exact;
                finding.optimized = !exact;
            } else if self.is_elsewhere(i, next, 1) {
                finding.unexpected = true;
            } else if exact && self.takes_one_member(i, next + takes, finding) {
                next += 1;
                continue;
            }
            next += takes;
        }
        findings
    }

    /// True if parameter `index` exists and lies in the register of the word `word`.
    fn is_at(&self, index: usize, word: u32) -> bool {
        let register = self.places.get(index).and_then(|p| p.register);
        register.is_some() && register == self.machine.register(word)
    }

    /// A struct of which only one member is still passed: finds the member.
    fn takes_one_member(&self, index: usize, next: u32, finding: &mut Finding) -> bool {
        let offset = match self.places[index].pieces.halves {
            [Half::One(offset), Half::Nothing] | [Half::Nothing, Half::One(offset)] => offset,
            _ => return false,
        };
        if self.is_at(index + 1, next) {
            return false;
        }
        let Some(id) = self.graph.strip(self.params[index].target) else { return false };
        let node = self.graph.node(id);
        if node.shape != Shape::Struct {
            return false;
        }
        let member = self.graph.parts(node).iter().find(|m| m.value == offset * 8);
        finding.member = member.map(|m| (m.name, m.target));
        finding.member.is_some()
    }
}

/// True for a struct behind typedefs and `const`.
fn is_struct(graph: &Graph, link: Link) -> bool {
    let mut link = link;
    for _ in 0..64 {
        let Some(id) = graph.resolve(link) else { return false };
        match graph.node(id).shape {
            Shape::Typedef | Shape::Const => link = graph.node(id).target,
            shape => return shape == Shape::Struct,
        }
    }
    false
}

/// True if a packed struct is passed behind the last register: nothing tells how it is aligned there.
fn uncertain_location(graph: &Graph, machine: &Machine, params: &[Resolved]) -> bool {
    let behind = params.iter().skip(machine.register_params as usize);
    behind.into_iter().any(|param| {
        let Some(id) = graph.resolve(param.target) else { return false };
        let node = graph.node(id);
        node.shape == Shape::Struct && !node.name.is_none() && is_packed(graph, id, machine.address_bytes)
    })
}

/// True if a struct has a member off its natural alignment, and no hole.
fn is_packed(graph: &Graph, id: NodeId, address_bytes: u8) -> bool {
    let node = graph.node(id);
    let (mut end, mut largest, mut misplaced) = (0u64, 1u64, false);
    let mut budget = ALIGNMENT_BUDGET;
    for member in graph.parts(node) {
        let bytes = graph.size_of(member.target, address_bytes).unwrap_or(0);
        let bits = if member.bits != 0 { u64::from(member.bits) } else { bytes.saturating_mul(8) };
        if member.bits == 0 && member.value > end {
            return false;
        }
        end = end.max(member.value.saturating_add(bits));
        let natural = alignment(graph, member.target, address_bytes, &mut budget);
        largest = largest.max(natural);
        misplaced |= natural != 1 && member.bits == 0 && (member.value / 8) % natural != 0;
    }
    if end.div_ceil(8) < node.size {
        return false;
    }
    misplaced || !node.size.is_multiple_of(largest)
}

/// Types that one struct is asked through for its alignment. By value types nest as deep as programmers
/// write them; damaged input may nest for ever. A stack takes ten times as deep a recursion.
const ALIGNMENT_BUDGET: u32 = 1000;

/// The natural alignment of a type in bytes.
fn alignment(graph: &Graph, link: Link, address_bytes: u8, budget: &mut u32) -> u64 {
    let Some(id) = graph.strip(link) else { return 1 };
    let node = graph.node(id);
    let Some(left) = budget.checked_sub(1) else { return 1 };
    *budget = left;
    match node.shape {
        Shape::Ptr => u64::from(address_bytes),
        Shape::Array => alignment(graph, node.target, address_bytes, budget),
        Shape::Struct | Shape::Union => {
            let parts = graph.parts(node).iter();
            parts.map(|m| alignment(graph, m.target, address_bytes, budget)).max().unwrap_or(1)
        }
        Shape::Int | Shape::Float | Shape::Enum => node.size.max(1),
        _ => 1,
    }
}
