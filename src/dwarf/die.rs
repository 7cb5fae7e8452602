//! One DIE: its wanted attributes by slot, all of its attributes by scan.

use gimli::constants as dw;

use super::form::{fixed_size, sleb128, string_length, uleb128};
use super::layout::{Layout, Layouts, NO_SLOT, NameForm, RefForm, Slot, Spec, VARIABLE, ValueForm, WINDOW};
use super::name::NameId;
use super::program::NO_FILE;
use super::unit::{Unit, read_uint};
use crate::{Error, Result};

/// A debugging information entry, as the walk meets it.
#[derive(Debug, Clone, Copy)]
pub struct Die<'u, 'a> {
    /// Offset from the start of its unit, in bytes.
    pub offset: u32,
    /// Its abbreviation.
    pub layout: &'u Layout,
    /// Its unit.
    pub unit: &'u Unit<'a>,
    layouts: &'u Layouts,
    /// Offset of the first attribute from the start of the unit.
    attributes: u32,
    window: &'u [u8; WINDOW],
}

/// Where a reference leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A DIE of the same unit, by its offset from the unit's start in bytes; 0 is none.
    Unit(u32),
    /// A DIE of another unit, by its offset in the `.debug_info` of a file.
    Info {
        /// The number of the file.
        file: u32,
        /// Offset in bytes.
        offset: u64,
    },
    /// The type with that signature.
    Signature(u64),
}

/// An attribute's value, by the class of its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number; in two's complement where the form is signed.
    Constant(u64),
    /// A flag.
    Flag(bool),
    /// A string of this file.
    Name(NameId),
    /// An index into the unit's part of `.debug_str_offsets`.
    NameIndex(u64),
    /// A DIE of the same unit, by its offset from the unit's start.
    UnitRef(u64),
    /// A DIE by its offset in `.debug_info`.
    InfoRef(u64),
    /// A type unit by its signature.
    Signature(u64),
    /// A DIE of a supplementary file, by its offset in the `.debug_info` of that.
    Supplementary(u64),
    /// An expression or block: offset from the start of the unit, and length.
    Block(u32, u32),
    /// An offset into another section.
    Offset(u64),
    /// An index of a location list.
    ListIndex(u64),
    /// An index of a list of ranges.
    RangeIndex(u64),
    /// An address of the target.
    Address(u64),
    /// An index into the unit's part of `.debug_addr`.
    AddressIndex(u64),
    /// A form that means nothing here.
    Other,
}

impl<'u, 'a> Die<'u, 'a> {
    /// Reads the abbreviation code at `offset` bytes into the unit. Returns its layout and where the
    /// attributes begin, or `None` for the entry of one zero byte that ends a list of siblings.
    ///
    /// # Errors
    /// The code is cut, or not declared.
    #[inline(always)]
    pub(crate) fn abbreviation(
        unit: &Unit<'_>,
        layouts: &'u Layouts,
        offset: u32,
    ) -> Result<Option<(&'u Layout, u32)>> {
        let end = unit.header.length as usize;
        let (code, length) = match unit.bytes[offset as usize..end] {
            [first, ..] if first < 0x80 => (u64::from(first), 1),
            [first, second, ..] if second < 0x80 => (u64::from(first & 0x7f) | u64::from(second) << 7, 2),
            ref rest => uleb128(rest).ok_or_else(|| cut(unit, offset))?,
        };
        if code == 0 {
            return Ok(None);
        }
        match layouts.get(code) {
            Some(layout) => Ok(Some((layout, offset + length as u32))),
            None => Err(undeclared(unit, offset, code)),
        }
    }

    /// The DIE at `offset` bytes into the unit, whose [`abbreviation`](Self::abbreviation) was read, by the
    /// window that [`window`](Self::window) found.
    #[inline(always)]
    pub(crate) fn new(
        unit: &'u Unit<'a>,
        layouts: &'u Layouts,
        offset: u32,
        (layout, attributes): (&'u Layout, u32),
        window: &'u [u8; WINDOW],
    ) -> Self {
        Die { offset, layout, unit, layouts, attributes, window }
    }

    /// The window in which the slots of a DIE lie, and the offset behind its attributes. If their size is
    /// variable they are decoded into `scratch`, which then is the window.
    ///
    /// # Errors
    /// The DIE is cut, or a form is unknown.
    #[inline(always)]
    pub(crate) fn window(
        unit: &'u Unit<'a>,
        layouts: &'u Layouts,
        offset: u32,
        abbreviation: (&'u Layout, u32),
        scratch: &'u mut [u8; WINDOW],
    ) -> Result<(&'u [u8; WINDOW], u32)> {
        let bytes: &'u [u8] = &unit.bytes;
        let (layout, attributes) = abbreviation;
        let (window, next) = if layout.size == VARIABLE {
            let next = Die::new(unit, layouts, offset, abbreviation, &[0; WINDOW]).decode(scratch)?;
            (&*scratch, next)
        } else {
            // `bytes` reaches a window past the end of the unit, so this fails only past the end.
            let window = bytes.get(attributes as usize..).and_then(|b| b.first_chunk::<WINDOW>());
            let Some(window) = window else { return Err(cut(unit, offset)) };
            (window, attributes as usize + usize::from(layout.size))
        };
        if next > unit.header.length as usize {
            return Err(cut(unit, offset));
        }
        Ok((window, next as u32))
    }

    /// The value of a slot: what was loaded plus the constant of the layout. 0 if the DIE lacks it.
    #[inline(always)]
    pub fn slot(&self, slot: Slot) -> u64 {
        let place = self.layout.places[slot as usize];
        let at = usize::from(place.distance);
        let mut word = [0; 8];
        // WINDOW is chosen so that the compiler sees that this cannot fail.
        word.copy_from_slice(&self.window[at..at + 8]);
        let raw = u64::from_le_bytes(word);
        let width = u32::from(place.width & 15);
        let raw = if self.unit.big_endian { raw.swap_bytes().rotate_left(8 * width) } else { raw };
        (raw & MASKS[width as usize]).wrapping_add(i64::from(place.add) as u64)
    }

    /// `DW_AT_name`.
    ///
    /// # Errors
    /// Its index is outside the string offsets table.
    #[inline(always)]
    pub fn name(&self) -> Result<NameId> {
        match self.layout.name_form {
            NameForm::Str => Ok(NameId::in_str(self.unit.names, self.slot(Slot::Name))),
            NameForm::None => Ok(NameId::NONE),
            _ => self.odd_name(),
        }
    }

    fn odd_name(&self) -> Result<NameId> {
        let value = self.slot(Slot::Name);
        match self.layout.name_form {
            NameForm::None => Ok(NameId::NONE),
            NameForm::Str => Ok(NameId::in_str(self.unit.names, value)),
            NameForm::LineStr => Ok(NameId::in_line_str(self.unit.names, value)),
            NameForm::Inline => {
                let at = value as usize;
                let bytes = self.unit.bytes.get(at..self.unit.header.length as usize).unwrap_or_default();
                let length = string_length(bytes).unwrap_or(0);
                let header = &self.unit.header;
                Ok(NameId::inline_in(bytes, length, header.file, header.offset + value))
            }
            NameForm::Index => self
                .unit
                .indexed_name(value)
                .ok_or_else(|| self.error(format!("string index {value} is outside .debug_str_offsets"))),
            NameForm::Indirect => {
                let value = self.attribute(dw::DW_AT_name)?;
                Ok(value.and_then(|v| self.unit.name_of(v)).unwrap_or(NameId::NONE))
            }
            NameForm::Supplementary => Ok(NameId::in_str(self.supplementary()?, value)),
        }
    }

    /// `DW_AT_type` of a DIE whose [`type_form`](Layout::type_form) is [`RefForm::Unit`], as an offset from the
    /// start of the unit.
    ///
    /// # Errors
    /// It leads out of the unit.
    #[inline(always)]
    pub fn type_in_unit(&self) -> Result<u32> {
        let target = self.slot(Slot::Type);
        if target < u64::from(self.unit.header.length) {
            return Ok(target as u32);
        }
        Err(self.outside(target))
    }

    /// Where `DW_AT_type` leads; `Target::Unit(0)` where there is none.
    ///
    /// # Errors
    /// It leads out of the unit or the file, or into a supplementary file that is not there.
    pub fn type_target(&self) -> Result<Target> {
        let value = self.slot(Slot::Type);
        self.target(match self.layout.type_form {
            RefForm::None => return Ok(Target::Unit(0)),
            RefForm::Unit => Value::UnitRef(value),
            RefForm::Info => Value::InfoRef(value),
            RefForm::Signature => Value::Signature(value),
            RefForm::Supplementary => Value::Supplementary(value),
            RefForm::Indirect => self.attribute(dw::DW_AT_type)?.unwrap_or(Value::UnitRef(0)),
        })
    }

    /// Where a reference leads.
    ///
    /// # Errors
    /// As in [`type_target`](Self::type_target); or the value is no reference.
    pub fn target(&self, value: Value) -> Result<Target> {
        let header = &self.unit.header;
        let length = u64::from(header.length);
        match value {
            Value::UnitRef(target) if target < length => Ok(Target::Unit(target as u32)),
            Value::UnitRef(target) => Err(self.outside(target)),
            Value::InfoRef(target) => match target.checked_sub(header.offset) {
                Some(local) if local < length => Ok(Target::Unit(local as u32)),
                _ if target >= self.unit.sections.info.len() as u64 => Err(self.outside(target)),
                _ => Ok(Target::Info { file: header.file, offset: target }),
            },
            Value::Signature(signature) => Ok(Target::Signature(signature)),
            Value::Supplementary(offset) => Ok(Target::Info { file: self.supplementary()?, offset }),
            _ => Err(self.error("a reference has a form that is none")),
        }
    }

    /// The number of the supplementary file.
    fn supplementary(&self) -> Result<u32> {
        match self.unit.sections.supplementary {
            NO_FILE => Err(self
                .error("it refers to a supplementary file, and none is known")
                .hint("name the file that dwz made beside this one with --alt")),
            file => Ok(file),
        }
    }

    #[cold]
    fn outside(&self, target: u64) -> Error {
        self.error(format!("a reference to {target:#x} leads out of the unit"))
    }

    /// The offset in bytes that a member location is: a constant, or an expression that begins with
    /// `DW_OP_plus_uconst` or `DW_OP_constu`, as DWARF 2 compilers wrote it. `None` if it is neither.
    #[inline]
    pub fn member_location(&self) -> Option<u64> {
        match self.layout.value_form {
            ValueForm::None => Some(0),
            ValueForm::Constant => Some(self.slot(Slot::Value)),
            ValueForm::Expression => {
                let value = self.slot(Slot::Value);
                match self.unit.block(value as u32, (value >> 32) as u32) {
                    [op, operand @ ..] if *op == dw::DW_OP_plus_uconst.0 || *op == dw::DW_OP_constu.0 => {
                        uleb128(operand).map(|(offset, _)| offset)
                    }
                    _ => None,
                }
            }
            ValueForm::Other => None,
        }
    }

    /// A flag attribute that the layout says is there: false if the flag says so itself.
    pub fn flag(&self, at: dw::DwAt) -> Result<bool> {
        Ok(!matches!(self.attribute(at)?, None | Some(Value::Flag(false))))
    }

    /// The value of one attribute, found by scanning; for what is rare.
    ///
    /// # Errors
    /// The DIE is cut or a form is unknown.
    pub fn attribute(&self, at: dw::DwAt) -> Result<Option<Value>> {
        let mut found = None;
        self.each_attribute(|name, value| {
            if name == at && found.is_none() {
                found = Some(value);
            }
        })?;
        Ok(found)
    }

    /// Calls `visit` for every attribute in its order.
    ///
    /// # Errors
    /// The DIE is cut or a form is unknown.
    pub fn each_attribute(&self, mut visit: impl FnMut(dw::DwAt, Value)) -> Result<()> {
        let mut at = self.attributes as usize;
        for spec in self.layouts.specs(self.layout) {
            let value = match spec.size {
                Spec::VARIABLE => self.value(spec.form, spec.implicit, &mut at)?,
                size => {
                    let bytes = self.unit.bytes.get(at..at + usize::from(size));
                    let bytes = bytes.ok_or_else(|| cut(self.unit, self.offset))?;
                    at += usize::from(size);
                    let word = if size <= 8 { read_uint(bytes, self.unit.big_endian) } else { 0 };
                    classify(self.unit, spec.form, word, spec.implicit)
                }
            };
            visit(spec.at, value);
        }
        if at > self.unit.header.length as usize {
            return Err(cut(self.unit, self.offset));
        }
        Ok(())
    }

    /// Decodes a DIE of variable size; returns the offset behind it.
    fn decode(&self, scratch: &mut [u8; WINDOW]) -> Result<usize> {
        let mut at = self.attributes as usize;
        let big_endian = self.unit.big_endian;
        for spec in self.layouts.specs(self.layout) {
            let word = if spec.size != Spec::VARIABLE {
                let before = at;
                at += usize::from(spec.size);
                if spec.slot == NO_SLOT {
                    continue;
                }
                match spec.size {
                    0 => spec.implicit as u64,
                    _ => {
                        let bytes =
                            self.unit.bytes.get(before..at).ok_or_else(|| cut(self.unit, self.offset))?;
                        read_uint(bytes.get(..8).unwrap_or(bytes), big_endian)
                    }
                }
            } else if spec.form == dw::DW_FORM_string {
                // Inline strings are kept as their offset.
                let before = at;
                let rest = self.unit.bytes.get(at..self.unit.header.length as usize).unwrap_or_default();
                let length = string_length(rest).ok_or_else(|| cut(self.unit, self.offset))?;
                at += length + 1;
                before as u64
            } else {
                match self.value(spec.form, spec.implicit, &mut at)? {
                    Value::Constant(v)
                    | Value::NameIndex(v)
                    | Value::UnitRef(v)
                    | Value::InfoRef(v)
                    | Value::Signature(v)
                    | Value::Supplementary(v) => v,
                    Value::Block(offset, length) => u64::from(offset) | u64::from(length) << 32,
                    _ => 0,
                }
            };
            if spec.slot != NO_SLOT {
                let word = if big_endian { word.to_be_bytes() } else { word.to_le_bytes() };
                let place = 8 * usize::from(spec.slot);
                scratch[place..place + 8].copy_from_slice(&word);
            }
        }
        Ok(at)
    }

    /// Reads the value of `form` at `at` bytes into the unit, and moves `at` behind it.
    fn value(&self, form: dw::DwForm, implicit: i64, at: &mut usize) -> Result<Value> {
        let unit = self.unit;
        let end = unit.header.length as usize;
        let rest = unit.bytes.get(*at..end).ok_or_else(|| cut(unit, self.offset))?;
        if let Some(size) = fixed_size(form, unit.header.encoding()) {
            let bytes = rest.get(..usize::from(size)).ok_or_else(|| cut(unit, self.offset))?;
            *at += usize::from(size);
            let word = if size <= 8 { read_uint(bytes, unit.big_endian) } else { 0 };
            return Ok(classify(unit, form, word, implicit));
        }
        let number = |bytes: &[u8]| uleb128(bytes).ok_or_else(|| cut(unit, self.offset));
        let (value, length) = match form {
            dw::DW_FORM_string => {
                let length = string_length(rest).ok_or_else(|| cut(unit, self.offset))?;
                let offset = unit.header.offset + *at as u64;
                (Value::Name(NameId::inline(&rest[..length], unit.header.file, offset)), length + 1)
            }
            dw::DW_FORM_sdata => {
                let (value, length) = sleb128(rest).ok_or_else(|| cut(unit, self.offset))?;
                (Value::Constant(value as u64), length)
            }
            dw::DW_FORM_block1 | dw::DW_FORM_block2 | dw::DW_FORM_block4 => {
                let prefix = match form {
                    dw::DW_FORM_block1 => 1,
                    dw::DW_FORM_block2 => 2,
                    _ => 4,
                };
                let bytes = rest.get(..prefix).ok_or_else(|| cut(unit, self.offset))?;
                self.block(*at, prefix, read_uint(bytes, unit.big_endian), rest.len())?
            }
            dw::DW_FORM_exprloc | dw::DW_FORM_block => {
                let (length, prefix) = number(rest)?;
                self.block(*at, prefix, length, rest.len())?
            }
            dw::DW_FORM_indirect => {
                let (actual, length) = number(rest)?;
                let actual = dw::DwForm(u16::try_from(actual).unwrap_or(u16::MAX));
                // The value of an implicit constant has no place here, and a chain would have no end.
                if matches!(actual, dw::DW_FORM_indirect | dw::DW_FORM_implicit_const) {
                    return Err(self.error(format!("DW_FORM_indirect leads to {actual}")));
                }
                *at += length;
                return self.value(actual, 0, at);
            }
            dw::DW_FORM_udata
            | dw::DW_FORM_ref_udata
            | dw::DW_FORM_strx
            | dw::DW_FORM_GNU_str_index
            | dw::DW_FORM_addrx
            | dw::DW_FORM_GNU_addr_index
            | dw::DW_FORM_loclistx
            | dw::DW_FORM_rnglistx => {
                let (value, length) = number(rest)?;
                (classify(unit, form, value, implicit), length)
            }
            _ => return Err(self.error(format!("unknown attribute form {:#x}", form.0))),
        };
        *at += length;
        Ok(value)
    }

    /// A block of `length` bytes whose length took `prefix` bytes at `at`.
    fn block(&self, at: usize, prefix: usize, length: u64, rest: usize) -> Result<(Value, usize)> {
        let total = usize::try_from(length).ok().and_then(|l| l.checked_add(prefix));
        match total {
            Some(total) if total <= rest => Ok((Value::Block((at + prefix) as u32, length as u32), total)),
            _ => Err(cut(self.unit, self.offset)),
        }
    }

    /// Offset in `.debug_info`.
    pub fn info_offset(&self) -> u64 {
        self.unit.header.offset + u64::from(self.offset)
    }

    /// An error that names this DIE.
    #[cold]
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::input(message).in_unit(self.unit.header.offset).at_die(self.info_offset())
    }
}

/// The class of a value of up to eight bytes.
#[inline]
fn classify(unit: &Unit<'_>, form: dw::DwForm, word: u64, implicit: i64) -> Value {
    match form {
        dw::DW_FORM_implicit_const => Value::Constant(implicit as u64),
        dw::DW_FORM_flag_present => Value::Flag(true),
        dw::DW_FORM_flag => Value::Flag(word != 0),
        // Up to DWARF 3 numbers of 4 and 8 bytes were section offsets as well: the attribute has to tell.
        dw::DW_FORM_data1 | dw::DW_FORM_data2 | dw::DW_FORM_data4 | dw::DW_FORM_data8 | dw::DW_FORM_udata => {
            Value::Constant(word)
        }
        dw::DW_FORM_strp => Value::Name(NameId::in_str(unit.names, word)),
        dw::DW_FORM_line_strp => Value::Name(NameId::in_line_str(unit.names, word)),
        dw::DW_FORM_strp_sup | dw::DW_FORM_GNU_strp_alt => match unit.sections.supplementary {
            NO_FILE => Value::Other,
            file => Value::Name(NameId::in_str(file, word)),
        },
        dw::DW_FORM_strx
        | dw::DW_FORM_strx1
        | dw::DW_FORM_strx2
        | dw::DW_FORM_strx3
        | dw::DW_FORM_strx4
        | dw::DW_FORM_GNU_str_index => Value::NameIndex(word),
        dw::DW_FORM_ref1 | dw::DW_FORM_ref2 | dw::DW_FORM_ref4 | dw::DW_FORM_ref8 | dw::DW_FORM_ref_udata => {
            Value::UnitRef(word)
        }
        dw::DW_FORM_ref_addr => Value::InfoRef(word),
        dw::DW_FORM_ref_sig8 => Value::Signature(word),
        dw::DW_FORM_ref_sup4 | dw::DW_FORM_ref_sup8 | dw::DW_FORM_GNU_ref_alt => Value::Supplementary(word),
        dw::DW_FORM_sec_offset => Value::Offset(word),
        dw::DW_FORM_loclistx => Value::ListIndex(word),
        dw::DW_FORM_rnglistx => Value::RangeIndex(word),
        dw::DW_FORM_addr => Value::Address(word),
        dw::DW_FORM_addrx
        | dw::DW_FORM_addrx1
        | dw::DW_FORM_addrx2
        | dw::DW_FORM_addrx3
        | dw::DW_FORM_addrx4
        | dw::DW_FORM_GNU_addr_index => Value::AddressIndex(word),
        _ => Value::Other,
    }
}

/// The low `width` bytes of a word; widths are 0 to 8, the table is longer to spare a bounds check.
const MASKS: [u64; 16] = {
    let mut masks = [u64::MAX; 16];
    let mut width = 0;
    while width < 8 {
        masks[width] = (1 << (8 * width)) - 1;
        width += 1;
    }
    masks
};

#[cold]
fn cut(unit: &Unit<'_>, offset: u32) -> Error {
    Error::input("the DIE reaches beyond its unit")
        .in_unit(unit.header.offset)
        .at_die(unit.header.offset + u64::from(offset))
}

#[cold]
fn undeclared(unit: &Unit<'_>, offset: u32, code: u64) -> Error {
    Error::input(format!("abbreviation {code} is not declared"))
        .in_unit(unit.header.offset)
        .at_die(unit.header.offset + u64::from(offset))
}
