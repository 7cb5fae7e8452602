//! Languages as DWARF 6 tells them: a name, and the edition by itself.
//!
//! Everywhere else a language is one `DW_LANG` code, as up to DWARF 5. The numbers are those that the DWARF committee
//! registers; compilers write them already.

use gimli::constants as dw;
use gimli::{DwAt, DwLang};

/// The attribute with the name of the language, a `DW_LNAME` code.
pub(super) const DW_AT_LANGUAGE_NAME: DwAt = DwAt(0x90);
/// The attribute with its edition; of C and C++ the value of `__STDC_VERSION__` and `__cplusplus`, of others a year.
pub(super) const DW_AT_LANGUAGE_VERSION: DwAt = DwAt(0x91);

/// `DW_LANG` codes by `DW_LNAME` code, from 1 on; of languages with editions the oldest or only one.
#[rustfmt::skip]
const CODES: [u16; 0x2c] = [
    // Ada, BLISS, C, C++, Cobol, Crystal, D, Dylan
    0x03, 0x25, 0x02, 0x04, 0x05, 0x28, 0x13, 0x20,
    // Fortran, Go, Haskell, Java, Julia, Kotlin, Modula 2 and 3
    0x07, 0x16, 0x18, 0x0b, 0x1f, 0x26, 0x0a, 0x17,
    // Objective C and C++, OCaml, OpenCL C, Pascal, PL/I, Python
    0x10, 0x11, 0x1b, 0x15, 0x09, 0x0f, 0x14,
    // RenderScript, Rust, Swift, UPC, Zig, Assembly, C#, Mojo
    0x24, 0x1c, 0x1e, 0x12, 0x27, 0x31, 0x32, 0x33,
    // GLSL, GLSL ES, HLSL, OpenCL C++, C++ for OpenCL, SYCL
    0x34, 0x35, 0x36, 0x37, 0x38, 0x39,
    // Ruby, Move, Hylo, HIP, Odin, P4, Metal
    0x40, 0x41, 0x42, 0x30, 0x3b, 0x3c, 0x3d,
];

/// Editions by `DW_LNAME` code, each from that version on.
const EDITIONS: [(u64, &[(u64, DwLang)]); 5] = [
    (0x01, &[(1995, dw::DW_LANG_Ada95), (2005, dw::DW_LANG_Ada2005), (2012, dw::DW_LANG_Ada2012)]),
    (
        0x03,
        &[
            (198_912, dw::DW_LANG_C89),
            (199_901, dw::DW_LANG_C99),
            (201_112, dw::DW_LANG_C11),
            (201_710, dw::DW_LANG_C17),
            (202_000, DwLang(0x3e)),
        ],
    ),
    (
        0x04,
        &[
            (200_310, dw::DW_LANG_C_plus_plus_03),
            (201_103, dw::DW_LANG_C_plus_plus_11),
            (201_402, dw::DW_LANG_C_plus_plus_14),
            (201_703, dw::DW_LANG_C_plus_plus_17),
            (202_002, dw::DW_LANG_C_plus_plus_20),
            (202_302, DwLang(0x3a)),
        ],
    ),
    (0x05, &[(1985, dw::DW_LANG_Cobol85)]),
    (
        0x09,
        &[
            (1990, dw::DW_LANG_Fortran90),
            (1995, dw::DW_LANG_Fortran95),
            (2003, dw::DW_LANG_Fortran03),
            (2008, dw::DW_LANG_Fortran08),
            (2018, dw::DW_LANG_Fortran18),
            (2023, DwLang(0x3f)),
        ],
    ),
];

/// The `DW_LANG` code of a language by its `DW_LNAME` code and version; 0 if it is not known.
pub(super) fn code(name: u64, version: u64) -> u16 {
    let editions =
        EDITIONS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, editions)| editions);
    if let Some((_, edition)) = editions.iter().rev().find(|(since, _)| version >= *since) {
        return edition.0;
    }
    let index = usize::try_from(name).ok().and_then(|name| name.checked_sub(1));
    index.and_then(|index| CODES.get(index)).copied().unwrap_or(0)
}

/// True for C, whose compilers write no struct with a member that has no size or reaches beyond it.
pub(crate) fn is_c(code: u16) -> bool {
    let codes =
        [dw::DW_LANG_C, dw::DW_LANG_C89, dw::DW_LANG_C99, dw::DW_LANG_C11, dw::DW_LANG_C17, DwLang(0x3e)];
    codes.contains(&DwLang(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_editions_are_one_code() {
        for (name, version, language) in [
            (0x03, 0, dw::DW_LANG_C),
            (0x03, 199_901, dw::DW_LANG_C99),
            (0x03, 201_710, dw::DW_LANG_C17),
            (0x03, 202_311, DwLang(0x3e)),
            (0x04, 199_711, dw::DW_LANG_C_plus_plus),
            (0x04, 201_402, dw::DW_LANG_C_plus_plus_14),
            (0x09, 1977, dw::DW_LANG_Fortran77),
            (0x11, 0, dw::DW_LANG_ObjC),
            (0x17, 0, dw::DW_LANG_Python),
            (0x19, 0, dw::DW_LANG_Rust),
            (0x1c, 0, dw::DW_LANG_Zig),
            (0x1d, 0, DwLang(0x31)),
            (0x25, 0, DwLang(0x39)),
            (0x2c, 0, DwLang(0x3d)),
            (0, 0, DwLang(0)),
            (0x2d, 0, DwLang(0)),
            (u64::MAX, u64::MAX, DwLang(0)),
        ] {
            assert_eq!(code(name, version), language.0, "{name:#x} {version}");
        }
    }
}
