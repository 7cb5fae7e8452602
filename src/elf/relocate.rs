//! Relocation of one section: what a linker would write into it, with every section where it was placed.
//!
//! One pass over the table. Symbols are values in a list; there is no look-up and no allocation for each
//! relocation, of which a large module has millions.

use std::fmt;

use object::elf::{self as spec, RelocationType};
use object::read::elf::{Crel, CrelIterator};
use object::{Endianness, Pod};

use super::rules::{Action, Rule, rule};
use super::{Image, Section};
use crate::Result;

/// What is wrong with a relocation; the caller knows where it is.
enum Fault {
    Unknown,
    Outside,
    NoSymbol,
    TooLarge(i64),
    Unpaired,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unknown => f.write_str("has no known meaning in a debug section"),
            Fault::Outside => f.write_str("lies outside of the section"),
            Fault::NoSymbol => f.write_str("refers to a symbol that does not exist"),
            Fault::TooLarge(value) => write!(f, "makes the value {value:#x}, which does not fit"),
            Fault::Unpaired => f.write_str("lacks the other half of a difference"),
        }
    }
}

impl Image {
    /// Applies the relocation section `table` to `content`, which is all of `section`.
    pub(super) fn relocate(&self, content: &mut [u8], section: &Section, table: &Section) -> Result<()> {
        let symbols = match self.sections.get(table.link as usize) {
            Some(symbols) if symbols.kind == spec::SHT_SYMTAB => self.symbol_values()?,
            _ => &[],
        };
        let target = Target { content, address: section.address, symbols, image: self };
        let bytes = self.content(table)?;
        let e = self.endian;
        let is_mips64el = self.is_64 && self.machine == spec::EM_MIPS && e == Endianness::Little;
        let done = match (table.kind, self.is_64) {
            (spec::SHT_RELA, true) => target.apply_all(
                true,
                entries::<spec::Rela64<Endianness>>(bytes).map(|r| Ok(Crel::from_rela(r, e, is_mips64el))),
            ),
            (spec::SHT_RELA, false) => target.apply_all(
                true,
                entries::<spec::Rela32<Endianness>>(bytes).map(|r| Ok(Crel::from_rela(r, e, false))),
            ),
            (spec::SHT_REL, true) => target.apply_all(
                false,
                entries::<spec::Rel64<Endianness>>(bytes).map(|r| Ok(Crel::from_rel(r, e))),
            ),
            (spec::SHT_REL, false) => target.apply_all(
                false,
                entries::<spec::Rel32<Endianness>>(bytes).map(|r| Ok(Crel::from_rel(r, e))),
            ),
            _ => match CrelIterator::new(bytes) {
                Ok(entries) => target.apply_all(entries.is_rela(), entries),
                Err(error) => Err(Failure::Table(error)),
            },
        };
        done.map_err(|failure| match failure {
            Failure::Table(error) => table.error(&format!("is damaged: {error}")),
            Failure::At(entry, fault) => {
                let kind = spec::machine_names(self.machine).r.name(entry.r_type);
                let kind = kind.map_or_else(
                    || format!("relocation type {} of machine {}", entry.r_type.0, self.machine.0),
                    |name| format!("relocation {name} ({})", entry.r_type.0),
                );
                section.error(&format!("cannot be relocated: {kind} at offset {:#x} {fault}", entry.r_offset))
            }
        })
    }

    /// Bytes that relocating takes besides the sections: for the values of all symbols.
    pub fn relocation_memory(&self) -> u64 {
        let entry = if self.is_64 {
            size_of::<spec::Sym64<Endianness>>()
        } else {
            size_of::<spec::Sym32<Endianness>>()
        };
        let tables = self.sections.iter().filter(|s| self.is_relocatable() && s.kind == spec::SHT_SYMTAB);
        let symbols = tables.map(|table| table.size / entry as u64).fold(0, u64::saturating_add);
        symbols.saturating_mul(size_of::<u64>() as u64)
    }

    /// The values of all symbols, by number.
    fn symbol_values(&self) -> Result<&[u64]> {
        if let Some(values) = self.values.get() {
            return Ok(values);
        }
        let mut values = Vec::new();
        self.each_symbol(|symbol| values.push(symbol.value))?;
        Ok(self.values.get_or_init(|| values))
    }
}

fn entries<R: Pod>(bytes: &[u8]) -> std::slice::Iter<'_, R> {
    let entries = object::slice_from_bytes::<R>(bytes, bytes.len() / size_of::<R>());
    entries.map_or(&[][..], |(entries, _)| entries).iter()
}

enum Failure {
    Table(object::Error),
    At(Crel, Fault),
}

/// A section while it is relocated.
struct Target<'a> {
    content: &'a mut [u8],
    /// The address of its first byte, or its offset among those of its name.
    address: u64,
    symbols: &'a [u64],
    image: &'a Image,
}

impl Target<'_> {
    /// Applies all relocations of a table; without addends of their own, what stands there is the addend.
    fn apply_all(
        mut self,
        has_addends: bool,
        mut entries: impl Iterator<Item = object::Result<Crel>>,
    ) -> Result<(), Failure> {
        // Two types make up most of every table, and long runs of it.
        let mut last: (RelocationType, Option<Rule>) =
            (RelocationType(0), rule(self.image.machine, RelocationType(0)));
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(Failure::Table)?;
            if entry.r_type != last.0 {
                last = (entry.r_type, rule(self.image.machine, entry.r_type));
            }
            let done = match last.1 {
                None => Err(Fault::Unknown),
                Some(Rule { action: Action::Keep, .. }) => Ok(()),
                Some(Rule { action: action @ (Action::SetLeb | Action::AddLeb), .. }) => {
                    let second = entries.next().transpose().map_err(Failure::Table)?;
                    self.apply_leb(action, &entry, second.as_ref())
                }
                // What nearly all are, with nothing to be found out about their size.
                Some(Rule { action, bits: 32 }) => self.apply(action, 32, &entry, has_addends),
                Some(Rule { action, bits: 64 }) => self.apply(action, 64, &entry, has_addends),
                Some(Rule { action, bits }) => self.apply(action, bits, &entry, has_addends),
            };
            done.map_err(|fault| Failure::At(entry, fault))?;
        }
        Ok(())
    }

    #[inline(always)]
    fn apply(&mut self, action: Action, bits: u8, entry: &Crel, has_addends: bool) -> Result<(), Fault> {
        let symbol = self.symbol(entry)?;
        let endian = self.image.endian;
        let bytes = usize::try_from(entry.r_offset).ok().and_then(|at| self.content.get_mut(at..));
        let bytes = bytes.and_then(|rest| rest.get_mut(..usize::from(bits.div_ceil(8))));
        let bytes = bytes.ok_or(Fault::Outside)?;
        let mask = u64::MAX >> (64 - bits);
        let old = read(bytes, endian);
        let addend = if has_addends { entry.r_addend } else { sign_extended(old & mask, bits) };
        let value = symbol.wrapping_add(addend as u64);
        let fitting = |value: u64| {
            // Addresses of 32 bits wrap around; of values that are shorter than an address, both the
            // signed and the unsigned reading is right.
            let value = if self.image.is_64 { value as i64 } else { i64::from(value as u32 as i32) };
            let fits = matches!(value >> (bits - 1), -1..=1);
            if fits { Ok(value as u64) } else { Err(Fault::TooLarge(value)) }
        };
        let new = match action {
            Action::Absolute => fitting(value)?,
            Action::Relative => fitting(value.wrapping_sub(self.address).wrapping_sub(entry.r_offset))?,
            Action::ThreadLocal { bias } => fitting(value.wrapping_sub(bias.into()))?,
            Action::Set => value,
            Action::Add => old.wrapping_add(value),
            Action::Subtract => old.wrapping_sub(value),
            Action::SubtractLeb => return Err(Fault::Unpaired),
            Action::Keep | Action::SetLeb | Action::AddLeb => return Ok(()),
        };
        write(bytes, endian, old & !mask | new & mask);
        Ok(())
    }

    /// A difference of two symbols as LEB128, which keeps its length. Both halves are applied at once: the
    /// first by itself does not fit.
    fn apply_leb(&mut self, action: Action, entry: &Crel, second: Option<&Crel>) -> Result<(), Fault> {
        let is_other_half = |second: &&Crel| {
            let rule = rule(self.image.machine, second.r_type);
            second.r_offset == entry.r_offset && rule.is_some_and(|r| r.action == Action::SubtractLeb)
        };
        let second = second.filter(is_other_half).ok_or(Fault::Unpaired)?;
        let minuend = self.symbol(entry)?.wrapping_add(entry.r_addend as u64);
        let subtrahend = self.symbol(second)?.wrapping_add(second.r_addend as u64);
        let mut value = minuend.wrapping_sub(subtrahend);
        let bytes = usize::try_from(entry.r_offset).ok().and_then(|at| self.content.get_mut(at..));
        let bytes = bytes.ok_or(Fault::Outside)?;
        let length = bytes.iter().position(|byte| byte & 0x80 == 0).ok_or(Fault::Outside)? + 1;
        let bytes = bytes.get_mut(..length).ok_or(Fault::Outside)?;
        if action == Action::AddLeb {
            let digit = |value: u64, byte: &u8| value << 7 | u64::from(byte & 0x7f);
            value = value.wrapping_add(bytes.iter().rev().fold(0, digit));
        }
        let whole = value;
        for byte in bytes.iter_mut() {
            *byte = *byte & 0x80 | (value & 0x7f) as u8;
            value >>= 7;
        }
        if value == 0 { Ok(()) } else { Err(Fault::TooLarge(whole as i64)) }
    }

    /// The value of the symbol that an entry names; 0 if it names none.
    #[inline]
    fn symbol(&self, entry: &Crel) -> Result<u64, Fault> {
        match self.symbols.get(entry.r_sym as usize) {
            Some(&value) => Ok(value),
            None if entry.r_sym == 0 => Ok(0),
            None => Err(Fault::NoSymbol),
        }
    }
}

#[inline]
fn sign_extended(value: u64, bits: u8) -> i64 {
    let shift = 64 - bits;
    (value << shift) as i64 >> shift
}

#[inline(always)]
fn read(bytes: &[u8], endian: Endianness) -> u64 {
    if let Ok(word) = bytes.try_into() {
        return object::U32::<Endianness>::from_bytes(word).get(endian).into();
    }
    if let Ok(word) = bytes.try_into() {
        return object::U64::<Endianness>::from_bytes(word).get(endian);
    }
    let digit = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    match endian {
        Endianness::Big => bytes.iter().fold(0, digit),
        Endianness::Little => bytes.iter().rev().fold(0, digit),
    }
}

#[inline(always)]
fn write(bytes: &mut [u8], endian: Endianness, value: u64) {
    if let Ok(word) = <&mut [u8; 4]>::try_from(&mut *bytes) {
        *word = match endian {
            Endianness::Big => (value as u32).to_be_bytes(),
            Endianness::Little => (value as u32).to_le_bytes(),
        };
        return;
    }
    let length = bytes.len().min(8);
    match endian {
        Endianness::Big => bytes.copy_from_slice(&value.to_be_bytes()[8 - length..]),
        Endianness::Little => bytes.copy_from_slice(&value.to_le_bytes()[..length]),
    }
}
