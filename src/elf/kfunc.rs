//! The kfunc sets of a kernel or module: what `.BTF_ids` says about its functions.
//!
//! A set is a symbol `__BTF_ID__set8__NAME` over an array of pairs of 32-bit words: first the number of
//! members and the flags of the set, then id and flags of each member. The members are symbols
//! `__BTF_ID__func__NAME__N` (`include/linux/btf_ids.h` of the kernel).

use std::ops::Range;

use super::{Image, Symbol};
use crate::Result;

/// The flags of one member of a kfunc set (`KF_*` in `include/linux/btf.h` of the kernel).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KfuncFlags(pub u32);

impl KfuncFlags {
    /// May be called without saving the registers that it does not use.
    pub const FASTCALL: KfuncFlags = KfuncFlags(1 << 12);
    /// Returns a pointer into an arena.
    pub const ARENA_RET: KfuncFlags = KfuncFlags(1 << 13);
    /// Takes a pointer into an arena as its first argument.
    pub const ARENA_ARG1: KfuncFlags = KfuncFlags(1 << 14);
    /// Takes a pointer into an arena as its second argument.
    pub const ARENA_ARG2: KfuncFlags = KfuncFlags(1 << 15);

    /// True if all of `flags` are set.
    pub fn has(self, flags: KfuncFlags) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// A member of a kfunc set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kfunc<'a> {
    /// The function's name.
    pub name: &'a [u8],
    /// Its flags.
    pub flags: KfuncFlags,
}

/// Flag of a set whose members are kfuncs (`BTF_SET8_KFUNCS`).
const SET_OF_KFUNCS: u32 = 1;

/// All members of all kfunc sets, in the order of their addresses. Empty without `.BTF_ids`. Its content is that
/// in `loaded`, the same file as it was before it was stripped of what is loaded.
///
/// # Errors
/// The section or the symbol table is damaged.
pub fn kfuncs<'a>(image: &'a Image, loaded: &Image) -> Result<Vec<Kfunc<'a>>> {
    let Some(index) = image.sections().iter().position(|s| s.name == b".BTF_ids") else {
        return Ok(Vec::new());
    };
    let section = &image.sections()[index];
    let content = loaded.content_of(&section.name)?;
    let word = |address: u64| {
        let at = usize::try_from(address.checked_sub(section.address)?).ok()?;
        let bytes: [u8; 4] = content.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(object::U32::<object::Endianness>::from_bytes(bytes).get(image.endian()))
    };
    let (mut sets, mut members) = (Vec::new(), Vec::new());
    image.each_symbol(|symbol: Symbol<'_>| {
        if symbol.section as usize != index {
            return;
        }
        if symbol.name().starts_with(b"__BTF_ID__set8__") {
            let flags = symbol.value.checked_add(4).and_then(word);
            if flags.is_some_and(|flags| flags & SET_OF_KFUNCS != 0) {
                sets.push(symbol.value..symbol.value.saturating_add(symbol.size));
            }
        } else if let Some(name) = symbol.name().strip_prefix(b"__BTF_ID__func__")
            && let Some(end) = name.windows(2).rposition(|w| w == b"__")
        {
            members.push((symbol.value, &name[..end]));
        }
    })?;
    members.sort_unstable();
    // Sets do not overlap; of two that do, the one that begins later counts.
    sets.sort_unstable_by_key(|set: &Range<u64>| set.start);
    let member = |&(address, name): &(u64, _)| {
        let set = sets.partition_point(|set| set.start <= address).checked_sub(1)?;
        sets.get(set).filter(|set| set.contains(&address))?;
        let flags = KfuncFlags(address.checked_add(4).and_then(word)?);
        Some(Kfunc { name, flags })
    };
    Ok(members.iter().filter_map(member).collect())
}
