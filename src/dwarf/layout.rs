//! Abbreviations compiled to layouts.
//!
//! 92 % of the DIEs of a kernel have only attributes of fixed size. For those every wanted attribute
//! lies at a known distance from the first byte of the DIE's attributes: a [`Layout`] holds the
//! distance, the width and a constant to add (which is the value where the abbreviation itself holds
//! it), so reading needs no branch. A DIE with an attribute of variable size is decoded attribute by
//! attribute into a scratch window, where each wanted value has a place of its own; its layout
//! describes that window, and so both kinds are read alike.
//!
//! A layout is 64 bytes, one cache line; a unit has 152 of them in the mean.

use gimli::constants as dw;

use super::UnitHeader;
use super::form::{fixed_size, sleb128, uleb128};
use crate::{Error, Result};

/// The wanted attributes that have a place in every layout. Which attribute fills a place depends on
/// the tag; see the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Slot {
    /// `DW_AT_name`
    Name = 0,
    /// `DW_AT_type`
    Type = 1,
    /// `DW_AT_byte_size`
    Size = 2,
    /// `DW_AT_data_member_location`, `DW_AT_const_value` of an enumerator, `DW_AT_upper_bound` of a
    /// subrange, `DW_AT_encoding` of a base type, `DW_AT_sibling` of a call site
    /// or inlined subroutine
    Value = 3,
    /// `DW_AT_bit_size`; of a subrange `DW_AT_count`
    Bits = 4,
    /// `DW_AT_data_bit_offset`
    BitOffset = 5,
}

const SLOTS: usize = 6;

/// Bytes that must be readable from the first attribute of any DIE: the farthest distance that a
/// `u8` holds and a load of eight bytes.
pub(crate) const WINDOW: usize = 264;

/// Attributes whose presence decides something before their value does, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Has(pub u32);

impl Has {
    /// `DW_AT_declaration`
    pub const DECLARATION: Has = Has(1);
    /// `DW_AT_location`
    pub const LOCATION: Has = Has(1 << 1);
    /// `DW_AT_const_value`
    pub const CONST_VALUE: Has = Has(1 << 2);
    /// `DW_AT_bit_offset`, the bitfield of DWARF 2 and 3
    pub const BIT_OFFSET: Has = Has(1 << 3);
    /// `DW_AT_abstract_origin`
    pub const ABSTRACT_ORIGIN: Has = Has(1 << 4);
    /// `DW_AT_specification`
    pub const SPECIFICATION: Has = Has(1 << 5);
    /// `DW_AT_low_pc`
    pub const LOW_PC: Has = Has(1 << 6);
    /// `DW_AT_GNU_annotation`
    pub const GNU_ANNOTATION: Has = Has(1 << 7);
    /// `DW_AT_artificial`
    pub const ARTIFICIAL: Has = Has(1 << 8);
    /// `DW_AT_external`
    pub const EXTERNAL: Has = Has(1 << 9);
    /// `DW_AT_bit_size`
    pub const BIT_SIZE: Has = Has(1 << 10);
    /// `DW_AT_data_bit_offset`
    pub const DATA_BIT_OFFSET: Has = Has(1 << 11);
    /// `DW_AT_upper_bound`
    pub const UPPER_BOUND: Has = Has(1 << 12);
    /// `DW_AT_count`
    pub const COUNT: Has = Has(1 << 13);
    /// `DW_AT_type`
    pub const TYPE: Has = Has(1 << 14);
    /// `DW_AT_byte_size`
    pub const BYTE_SIZE: Has = Has(1 << 15);
    /// `DW_AT_inline`
    pub const INLINE: Has = Has(1 << 16);
    /// `DW_AT_calling_convention`
    pub const CALLING_CONVENTION: Has = Has(1 << 17);
    /// `DW_AT_sibling`
    pub const SIBLING: Has = Has(1 << 18);
    /// `DW_AT_data_member_location`
    pub const DATA_MEMBER_LOCATION: Has = Has(1 << 19);
    /// `DW_AT_signature`
    pub const SIGNATURE: Has = Has(1 << 20);
    /// `DW_AT_name`
    pub const NAME: Has = Has(1 << 21);
    /// `DW_AT_ranges`
    pub const RANGES: Has = Has(1 << 22);

    /// Attributes that count only where their form fits their slot.
    const NEEDS_SLOT: Has = Has::BIT_SIZE.or(Has::DATA_BIT_OFFSET).or(Has::COUNT).or(Has::BYTE_SIZE);

    /// True if any of `other` is there.
    #[inline]
    pub fn any(self, other: Has) -> bool {
        self.0 & other.0 != 0
    }

    /// Both.
    #[inline]
    pub const fn or(self, other: Has) -> Has {
        Has(self.0 | other.0)
    }

    fn of(at: dw::DwAt) -> Has {
        match at {
            dw::DW_AT_declaration => Self::DECLARATION,
            dw::DW_AT_location => Self::LOCATION,
            dw::DW_AT_const_value => Self::CONST_VALUE,
            dw::DW_AT_bit_offset => Self::BIT_OFFSET,
            dw::DW_AT_abstract_origin => Self::ABSTRACT_ORIGIN,
            dw::DW_AT_specification => Self::SPECIFICATION,
            dw::DW_AT_low_pc => Self::LOW_PC,
            GNU_ANNOTATION_AT => Self::GNU_ANNOTATION,
            dw::DW_AT_artificial => Self::ARTIFICIAL,
            dw::DW_AT_external => Self::EXTERNAL,
            dw::DW_AT_bit_size => Self::BIT_SIZE,
            dw::DW_AT_data_bit_offset => Self::DATA_BIT_OFFSET,
            dw::DW_AT_upper_bound => Self::UPPER_BOUND,
            dw::DW_AT_count => Self::COUNT,
            dw::DW_AT_type => Self::TYPE,
            dw::DW_AT_byte_size => Self::BYTE_SIZE,
            dw::DW_AT_inline => Self::INLINE,
            dw::DW_AT_calling_convention => Self::CALLING_CONVENTION,
            dw::DW_AT_sibling => Self::SIBLING,
            dw::DW_AT_data_member_location => Self::DATA_MEMBER_LOCATION,
            dw::DW_AT_signature => Self::SIGNATURE,
            dw::DW_AT_name => Self::NAME,
            dw::DW_AT_ranges => Self::RANGES,
            _ => Has(0),
        }
    }
}

/// `DW_AT_GNU_annotation`: a type or decl tag of gcc 16, by reference.
pub const GNU_ANNOTATION_AT: dw::DwAt = dw::DwAt(0x2139);

/// How the name slot is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum NameForm {
    /// There is no name.
    None,
    /// An offset into `.debug_str`.
    Str,
    /// An offset into `.debug_line_str`.
    LineStr,
    /// The string lies in the DIE; the slot is its offset from the start of the unit.
    Inline,
    /// An index into the unit's part of `.debug_str_offsets`.
    Index,
    /// A string of a supplementary file.
    Supplementary,
    /// Each DIE says for itself; scan for the attribute.
    Indirect,
}

/// How the type slot is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RefForm {
    /// There is no reference.
    None,
    /// An offset from the start of the unit.
    Unit,
    /// An offset into `.debug_info`.
    Info,
    /// The signature of a type unit.
    Signature,
    /// An offset into the `.debug_info` of a supplementary file.
    Supplementary,
    /// Each DIE says for itself; scan for the attribute.
    Indirect,
}

/// How the value slot is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ValueForm {
    /// There is no value.
    None,
    /// A number; in two's complement where the form is signed.
    Constant,
    /// An expression: offset from the start of the unit, and its length in bytes in the upper half.
    Expression,
    /// A reference, a block, or whatever else is no number here.
    Other,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Added to what was loaded; the whole value where the width is 0.
    pub(crate) add: i32,
    pub(crate) distance: u8,
    pub(crate) width: u8,
}

/// One abbreviation, ready for reading.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub struct Layout {
    pub(crate) places: [Place; SLOTS],
    /// Which attributes there are.
    pub has: Has,
    specs: u32,
    /// The tag.
    pub tag: dw::DwTag,
    /// Bytes of all attributes; [`VARIABLE`] if that differs from DIE to DIE.
    pub(crate) size: u16,
    /// How the name is to be read.
    pub name_form: NameForm,
    /// How the type is to be read.
    pub type_form: RefForm,
    /// How the value is to be read.
    pub value_form: ValueForm,
    /// The DIE has children.
    pub has_children: bool,
}

pub(crate) const VARIABLE: u16 = u16::MAX;

/// One attribute of an abbreviation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) at: dw::DwAt,
    pub(crate) form: dw::DwForm,
    /// The slot that the attribute fills, or 255.
    pub(crate) slot: u8,
    /// Bytes of the value, or 255 where that differs from DIE to DIE.
    pub(crate) size: u8,
    /// The value of `DW_FORM_implicit_const`.
    pub(crate) implicit: i64,
}

/// The abbreviation table of a unit as layouts, by code.
#[derive(Debug, Default)]
pub struct Layouts {
    /// Codes count up from 1 in every table that a compiler writes, so a code is an index.
    table: Vec<Layout>,
    specs: Vec<Spec>,
    /// Codes that do not, with their index in `table`, sorted.
    sparse: Vec<(u64, u32)>,
    dense: u64,
}

impl Layouts {
    /// Compiles the abbreviation table of a unit, reusing the memory of `self`.
    ///
    /// # Errors
    /// The table is cut, declares a code twice, or is absurd.
    pub fn compile(&mut self, abbrev: &[u8], unit: &UnitHeader) -> Result<()> {
        let (offset, encoding) = (unit.abbrev_offset, unit.encoding());
        self.table.clear();
        self.specs.clear();
        self.sparse.clear();
        self.dense = 0;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(mut bytes) = abbrev.get(start..) else {
            return Err(Error::input(format!(
                "abbreviation offset {offset:#x} is outside .debug_abbrev ({:#x} bytes)",
                abbrev.len()
            )));
        };
        let cut = || Error::input(format!("the abbreviation table at {offset:#x} is cut short"));
        let next = |bytes: &mut &[u8]| -> Result<u64> {
            let (value, len) = uleb128(bytes).ok_or_else(cut)?;
            *bytes = &bytes[len..];
            Ok(value)
        };
        loop {
            // A table may end with its section instead of a zero.
            if bytes.is_empty() {
                break;
            }
            let code = next(&mut bytes)?;
            if code == 0 {
                break;
            }
            let tag = dw::DwTag(u16::try_from(next(&mut bytes)?).unwrap_or(u16::MAX));
            let (&children, rest) = bytes.split_first().ok_or_else(cut)?;
            bytes = rest;
            let first = self.specs.len();
            loop {
                let at = next(&mut bytes)?;
                let form = next(&mut bytes)?;
                if at == 0 && form == 0 {
                    break;
                }
                let at = dw::DwAt(u16::try_from(at).unwrap_or(u16::MAX));
                let form = dw::DwForm(u16::try_from(form).unwrap_or(u16::MAX));
                let mut implicit = 0;
                if form == dw::DW_FORM_implicit_const {
                    let (value, len) = sleb128(bytes).ok_or_else(cut)?;
                    bytes = &bytes[len..];
                    implicit = value;
                }
                let slot = slot_of(tag, at, form).map_or(NO_SLOT, |s| s as u8);
                let size = fixed_size(form, encoding).unwrap_or(Spec::VARIABLE);
                self.specs.push(Spec { at, form, slot, size, implicit });
            }
            let index = self.table.len();
            self.table.push(Layout::new(tag, children != 0, &self.specs[first..], first)?);
            self.specs.push(Spec::END);
            if code == index as u64 + 1 && self.sparse.is_empty() {
                self.dense = code;
            } else {
                self.sparse.push((code, index as u32));
            }
        }
        self.sparse.sort_unstable();
        let twice = self.sparse.windows(2).find(|w| w[0].0 == w[1].0).map(|w| w[0].0);
        let twice = twice.or_else(|| self.sparse.first().map(|s| s.0).filter(|&c| c <= self.dense));
        match twice {
            Some(code) => Err(Error::input(format!("abbreviation {code} is declared twice"))),
            None => Ok(()),
        }
    }

    /// The layout of `code`.
    #[inline]
    pub fn get(&self, code: u64) -> Option<&Layout> {
        if code.wrapping_sub(1) < self.dense {
            return self.table.get(code as usize - 1);
        }
        self.get_sparse(code)
    }

    #[cold]
    fn get_sparse(&self, code: u64) -> Option<&Layout> {
        let i = self.sparse.binary_search_by_key(&code, |s| s.0).ok()?;
        self.table.get(self.sparse[i].1 as usize)
    }

    /// The attributes of an abbreviation in their order.
    #[inline]
    pub(crate) fn specs(&self, layout: &Layout) -> impl Iterator<Item = &Spec> {
        let from = self.specs.get(layout.specs as usize..).unwrap_or_default();
        from.iter().take_while(|spec| spec.form != Spec::END.form)
    }
}

impl Spec {
    /// The size of values that differ in it.
    pub(crate) const VARIABLE: u8 = 255;

    const END: Spec = Spec { at: dw::DwAt(0), form: dw::DwForm(0), slot: NO_SLOT, size: 0, implicit: 0 };
}

pub(crate) const NO_SLOT: u8 = 255;

/// True for DIEs whose children the walk leaves out where a sibling is told: what is below them describes
/// code, and the types of an inlined function stand in its abstract instance. They are a tenth of all DIEs.
#[inline(always)]
pub(crate) fn hops_over(tag: dw::DwTag) -> bool {
    matches!(tag, dw::DW_TAG_inlined_subroutine | dw::DW_TAG_call_site | dw::DW_TAG_GNU_call_site)
}

/// The slot of an attribute, if its form is one that the slot's readers understand.
fn slot_of(tag: dw::DwTag, at: dw::DwAt, form: dw::DwForm) -> Option<Slot> {
    let number = value_form(form) == ValueForm::Constant;
    Some(match at {
        dw::DW_AT_name => Slot::Name,
        dw::DW_AT_type => Slot::Type,
        dw::DW_AT_data_member_location => Slot::Value,
        dw::DW_AT_upper_bound if tag == dw::DW_TAG_subrange_type => Slot::Value,
        dw::DW_AT_const_value if tag == dw::DW_TAG_enumerator => Slot::Value,
        dw::DW_AT_encoding if tag == dw::DW_TAG_base_type && number => Slot::Value,
        dw::DW_AT_sibling if hops_over(tag) && ref_form(form) == RefForm::Unit => Slot::Value,
        dw::DW_AT_byte_size if number => Slot::Size,
        dw::DW_AT_bit_size if number => Slot::Bits,
        dw::DW_AT_count if number && tag == dw::DW_TAG_subrange_type => Slot::Bits,
        dw::DW_AT_data_bit_offset if number => Slot::BitOffset,
        _ => return None,
    })
}

fn name_form(form: dw::DwForm) -> NameForm {
    match form {
        dw::DW_FORM_strp => NameForm::Str,
        dw::DW_FORM_line_strp => NameForm::LineStr,
        dw::DW_FORM_string => NameForm::Inline,
        dw::DW_FORM_strx
        | dw::DW_FORM_strx1
        | dw::DW_FORM_strx2
        | dw::DW_FORM_strx3
        | dw::DW_FORM_strx4
        | dw::DW_FORM_GNU_str_index => NameForm::Index,
        dw::DW_FORM_strp_sup | dw::DW_FORM_GNU_strp_alt => NameForm::Supplementary,
        dw::DW_FORM_indirect => NameForm::Indirect,
        _ => NameForm::None,
    }
}

fn ref_form(form: dw::DwForm) -> RefForm {
    match form {
        dw::DW_FORM_ref1 | dw::DW_FORM_ref2 | dw::DW_FORM_ref4 | dw::DW_FORM_ref8 | dw::DW_FORM_ref_udata => {
            RefForm::Unit
        }
        dw::DW_FORM_ref_addr => RefForm::Info,
        dw::DW_FORM_ref_sig8 => RefForm::Signature,
        dw::DW_FORM_ref_sup4 | dw::DW_FORM_ref_sup8 | dw::DW_FORM_GNU_ref_alt => RefForm::Supplementary,
        dw::DW_FORM_indirect => RefForm::Indirect,
        _ => RefForm::None,
    }
}

fn value_form(form: dw::DwForm) -> ValueForm {
    match form {
        dw::DW_FORM_data1
        | dw::DW_FORM_data2
        | dw::DW_FORM_data4
        | dw::DW_FORM_data8
        | dw::DW_FORM_sdata
        | dw::DW_FORM_udata
        | dw::DW_FORM_implicit_const
        // What a number's attribute leads to is a number.
        | dw::DW_FORM_indirect => ValueForm::Constant,
        dw::DW_FORM_exprloc
        | dw::DW_FORM_block
        | dw::DW_FORM_block1
        | dw::DW_FORM_block2
        | dw::DW_FORM_block4 => ValueForm::Expression,
        _ => ValueForm::Other,
    }
}

impl Layout {
    fn new(tag: dw::DwTag, has_children: bool, specs: &[Spec], first: usize) -> Result<Layout> {
        let mut layout = Layout {
            places: [Place { add: 0, distance: 0, width: 0 }; SLOTS],
            has: Has::default(),
            specs: u32::try_from(first)
                .map_err(|_| Error::input("the abbreviation table is absurdly large"))?,
            tag,
            size: VARIABLE,
            name_form: NameForm::None,
            type_form: RefForm::None,
            value_form: ValueForm::None,
            has_children,
        };
        let mut distance = Some(0u16);
        for spec in specs {
            let at = Has::of(spec.at);
            if spec.slot != NO_SLOT || !at.any(Has::NEEDS_SLOT) {
                layout.has = layout.has.or(at);
            }
            let width = (spec.size != Spec::VARIABLE).then_some(spec.size);
            if spec.slot != NO_SLOT {
                layout.describe(spec);
                let place = &mut layout.places[usize::from(spec.slot)];
                let far = match (distance, width, i32::try_from(spec.implicit)) {
                    (Some(d), Some(width @ 0..=8), Ok(add)) if d <= 255 => {
                        *place = Place { add, distance: d as u8, width };
                        false
                    }
                    _ => true,
                };
                if far {
                    distance = None;
                }
            }
            distance = match (distance, width) {
                (Some(d), Some(w)) => d.checked_add(u16::from(w)).filter(|&d| d < VARIABLE),
                _ => None,
            };
        }
        match distance {
            Some(size) => layout.size = size,
            None => layout.lie_in_scratch(specs),
        }
        Ok(layout)
    }

    fn describe(&mut self, spec: &Spec) {
        if spec.slot == Slot::Name as u8 {
            self.name_form = name_form(spec.form);
        } else if spec.slot == Slot::Type as u8 {
            self.type_form = ref_form(spec.form);
        } else if spec.slot == Slot::Value as u8 {
            self.value_form = match (spec.at, ref_form(spec.form)) {
                (dw::DW_AT_sibling, RefForm::Unit) => ValueForm::Constant,
                _ => value_form(spec.form),
            };
        }
    }

    /// Places for a DIE that is decoded attribute by attribute: slot i fills bytes 8i to 8i+8.
    fn lie_in_scratch(&mut self, specs: &[Spec]) {
        self.places = [Place { add: 0, distance: 0, width: 0 }; SLOTS];
        for spec in specs.iter().filter(|s| s.slot != NO_SLOT) {
            self.places[usize::from(spec.slot)] = Place { add: 0, distance: 8 * spec.slot, width: 8 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(abbrev_offset: u64) -> UnitHeader {
        UnitHeader {
            offset: 0,
            length: 0,
            header_length: 0,
            abbrev_offset,
            version: 5,
            address_size: 8,
            offset_size: 4,
            file: 0,
            kind: crate::dwarf::UnitKind::Normal,
        }
    }

    fn compile(bytes: &[u8]) -> Result<Layouts> {
        let mut layouts = Layouts::default();
        layouts.compile(bytes, &unit(0)).map(|()| layouts)
    }

    #[test]
    fn a_layout_is_one_cache_line() {
        assert_eq!(size_of::<Layout>(), 64);
    }

    #[test]
    fn fixed_forms_get_distances() {
        // 1: member, no children: name strp, decl_file data1, type ref4, data_member_location
        // implicit_const 24
        let table = [1, 0x0d, 0, 0x03, 0x0e, 0x3a, 0x0b, 0x49, 0x13, 0x38, 0x21, 24, 0, 0, 0];
        let layouts = compile(&table).unwrap();
        let layout = layouts.get(1).unwrap();
        assert_eq!(layout.size, 9);
        let place = |s: Slot| layout.places[s as usize];
        assert_eq!((place(Slot::Name).distance, place(Slot::Name).width), (0, 4));
        assert_eq!((place(Slot::Type).distance, place(Slot::Type).width), (5, 4));
        assert_eq!((place(Slot::Value).add, place(Slot::Value).width), (24, 0));
        assert!(layout.has.any(Has::NAME) && !layout.has.any(Has::BIT_SIZE));
        assert!(layouts.get(2).is_none() && layouts.get(0).is_none());
    }

    #[test]
    fn a_variable_form_sends_all_to_scratch() {
        let layouts = compile(&[1, 0x0d, 0, 0x03, 0x08, 0x49, 0x13, 0, 0, 0]).unwrap();
        let layout = layouts.get(1).unwrap();
        assert_eq!(layout.size, VARIABLE);
        assert_eq!(layout.name_form, NameForm::Inline);
        assert_eq!(layout.places[1].distance, 8);
    }

    #[test]
    fn codes_may_be_sparse_but_not_declared_twice() {
        let layouts = compile(&[1, 0x24, 0, 0, 0, 7, 0x0f, 0, 0, 0, 0]).unwrap();
        assert_eq!(layouts.get(7).unwrap().tag, dw::DW_TAG_pointer_type);
        assert!(layouts.get(2).is_none());
        assert!(compile(&[1, 0x24, 0, 0, 0, 1, 0x0f, 0, 0, 0, 0]).is_err());
        assert!(compile(&[7, 0x24, 0, 0, 0, 7, 0x0f, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn a_cut_table_is_an_error() {
        let table = [1, 0x0d, 0, 0x03, 0x0e, 0x3a, 0x0b, 0, 0, 0];
        for len in 1..table.len() - 1 {
            assert!(compile(&table[..len]).is_err(), "{len}");
        }
        assert!(Layouts::default().compile(&table, &unit(99)).is_err());
    }
}
