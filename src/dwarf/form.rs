//! Attribute forms: how long a value is, and what it says (DWARF 5, section 7.5.6).

use gimli::constants as dw;

/// What the length of a form can depend on: the encoding of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Encoding {
    pub(crate) version: u16,
    /// Bytes of a target address.
    pub(crate) address_size: u8,
    /// Bytes of a section offset: 4, or 8 in 64-bit DWARF.
    pub(crate) offset_size: u8,
}

/// Bytes of a value of `form` where all values of the form have the same length in a unit.
pub(crate) fn fixed_size(form: dw::DwForm, e: Encoding) -> Option<u8> {
    Some(match form {
        dw::DW_FORM_flag_present | dw::DW_FORM_implicit_const => 0,
        dw::DW_FORM_data1 | dw::DW_FORM_ref1 | dw::DW_FORM_flag | dw::DW_FORM_strx1 | dw::DW_FORM_addrx1 => 1,
        dw::DW_FORM_data2 | dw::DW_FORM_ref2 | dw::DW_FORM_strx2 | dw::DW_FORM_addrx2 => 2,
        dw::DW_FORM_strx3 | dw::DW_FORM_addrx3 => 3,
        dw::DW_FORM_data4
        | dw::DW_FORM_ref4
        | dw::DW_FORM_strx4
        | dw::DW_FORM_addrx4
        | dw::DW_FORM_ref_sup4 => 4,
        dw::DW_FORM_data8 | dw::DW_FORM_ref8 | dw::DW_FORM_ref_sig8 | dw::DW_FORM_ref_sup8 => 8,
        dw::DW_FORM_data16 => 16,
        dw::DW_FORM_addr => e.address_size,
        // DWARF 2 gave DW_FORM_ref_addr the size of an address (DWARF 3, section 7.5.4).
        dw::DW_FORM_ref_addr if e.version <= 2 => e.address_size,
        dw::DW_FORM_ref_addr
        | dw::DW_FORM_strp
        | dw::DW_FORM_line_strp
        | dw::DW_FORM_sec_offset
        | dw::DW_FORM_strp_sup
        | dw::DW_FORM_GNU_ref_alt
        | dw::DW_FORM_GNU_strp_alt => e.offset_size,
        _ => return None,
    })
}

/// An unsigned LEB128 number and its length in bytes; `None` where it is cut or exceeds 64 bits.
#[inline]
pub(crate) fn uleb128(bytes: &[u8]) -> Option<(u64, usize)> {
    match bytes {
        [byte, ..] if *byte < 0x80 => Some((u64::from(*byte), 1)),
        _ => uleb128_long(bytes),
    }
}

fn uleb128_long(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if i == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

/// A signed LEB128 number and its length in bytes; `None` where it is cut or exceeds 64 bits.
#[inline]
pub(crate) fn sleb128(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut value = 0i64;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        if i == 9 && byte != 0 && byte != 0x7f {
            return None;
        }
        value |= i64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            let used = 7 * (i + 1);
            if used < 64 && byte & 0x40 != 0 {
                value |= -1 << used;
            }
            return Some((value, i + 1));
        }
    }
    None
}

/// The length of a string, up to its NUL; `None` if nothing ends it.
#[inline]
pub(crate) fn string_length(bytes: &[u8]) -> Option<usize> {
    // Names are short: eight bytes at a time find the end of nearly all sooner than a search that is made for long texts.
    const STEPS: usize = 4;
    for (i, chunk) in bytes.chunks_exact(8).take(STEPS).enumerate() {
        let word = chunk.first_chunk().map_or(0, |&chunk| u64::from_le_bytes(chunk));
        let zeros = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
        if zeros != 0 {
            return Some(8 * i + zeros.trailing_zeros() as usize / 8);
        }
    }
    let start = bytes.len().min(8 * STEPS) & !7;
    memchr::memchr(0, &bytes[start..]).map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_their_first_nul() {
        for length in 0..60 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(string_length(&bytes), None);
            bytes.extend([0, b'y', 0, 0x80, 0, 0, 0, 0, 0, 1]);
            assert_eq!(string_length(&bytes), Some(length));
        }
    }

    #[test]
    fn leb128_agrees_with_gimli() {
        for value in [0, 1, 63, 64, 127, 128, 300, u64::from(u32::MAX), u64::MAX, i64::MAX as u64] {
            let mut bytes = Vec::new();
            gimli::leb128::write::unsigned(&mut bytes, value).unwrap();
            assert_eq!(uleb128(&bytes), Some((value, bytes.len())));
            let signed = value as i64;
            for signed in [signed, signed.wrapping_neg()] {
                let mut bytes = Vec::new();
                gimli::leb128::write::signed(&mut bytes, signed).unwrap();
                assert_eq!(sleb128(&bytes), Some((signed, bytes.len())), "{signed}");
            }
        }
        assert_eq!(uleb128(&[0x80]), None);
        assert_eq!(uleb128(&[0xff; 10]), None);
        assert_eq!(sleb128(&[0x80; 11]), None);
    }
}
