//! Names of languages, as `--lang-exclude` takes them: one name, all `DW_LANG` codes that it means.

use gimli::{self as dw, DwLang};

// What was registered since DWARF 5; the committee gives each language of DWARF 6 a code for DWARF 5 as well.
const ASSEMBLY: DwLang = DwLang(0x31);
const C_PLUS_PLUS_23: DwLang = DwLang(0x3a);
const C23: DwLang = DwLang(0x3e);
const FORTRAN23: DwLang = DwLang(0x3f);

/// Names, in lower case, with their codes. A name without a year means every edition of the language.
const NAMES: [(&str, &[DwLang]); 67] = [
    ("ada", &[dw::DW_LANG_Ada83, dw::DW_LANG_Ada95, dw::DW_LANG_Ada2005, dw::DW_LANG_Ada2012]),
    ("ada83", &[dw::DW_LANG_Ada83]),
    ("ada95", &[dw::DW_LANG_Ada95]),
    ("ada2005", &[dw::DW_LANG_Ada2005]),
    ("ada2012", &[dw::DW_LANG_Ada2012]),
    ("asm", &[ASSEMBLY, dw::DW_LANG_Mips_Assembler]),
    ("bliss", &[dw::DW_LANG_BLISS]),
    ("c", &[dw::DW_LANG_C, dw::DW_LANG_C89, dw::DW_LANG_C99, dw::DW_LANG_C11, dw::DW_LANG_C17, C23]),
    ("c#", &[DwLang(0x32)]),
    ("c89", &[dw::DW_LANG_C89]),
    ("c99", &[dw::DW_LANG_C99]),
    ("c11", &[dw::DW_LANG_C11]),
    ("c17", &[dw::DW_LANG_C17]),
    ("c23", &[C23]),
    (
        "c++",
        &[
            dw::DW_LANG_C_plus_plus,
            dw::DW_LANG_C_plus_plus_03,
            dw::DW_LANG_C_plus_plus_11,
            dw::DW_LANG_C_plus_plus_14,
            dw::DW_LANG_C_plus_plus_17,
            dw::DW_LANG_C_plus_plus_20,
            C_PLUS_PLUS_23,
        ],
    ),
    ("c++03", &[dw::DW_LANG_C_plus_plus_03]),
    ("c++11", &[dw::DW_LANG_C_plus_plus_11]),
    ("c++14", &[dw::DW_LANG_C_plus_plus_14]),
    ("c++17", &[dw::DW_LANG_C_plus_plus_17]),
    ("c++20", &[dw::DW_LANG_C_plus_plus_20]),
    ("c++23", &[C_PLUS_PLUS_23]),
    ("cobol", &[dw::DW_LANG_Cobol74, dw::DW_LANG_Cobol85]),
    ("cobol74", &[dw::DW_LANG_Cobol74]),
    ("cobol85", &[dw::DW_LANG_Cobol85]),
    ("crystal", &[dw::DW_LANG_Crystal]),
    ("d", &[dw::DW_LANG_D]),
    ("dylan", &[dw::DW_LANG_Dylan]),
    (
        "fortran",
        &[
            dw::DW_LANG_Fortran77,
            dw::DW_LANG_Fortran90,
            dw::DW_LANG_Fortran95,
            dw::DW_LANG_Fortran03,
            dw::DW_LANG_Fortran08,
            dw::DW_LANG_Fortran18,
            FORTRAN23,
        ],
    ),
    ("fortran77", &[dw::DW_LANG_Fortran77]),
    ("fortran90", &[dw::DW_LANG_Fortran90]),
    ("fortran95", &[dw::DW_LANG_Fortran95]),
    ("fortran03", &[dw::DW_LANG_Fortran03]),
    ("fortran08", &[dw::DW_LANG_Fortran08]),
    ("fortran18", &[dw::DW_LANG_Fortran18]),
    ("fortran23", &[FORTRAN23]),
    ("glsl", &[DwLang(0x34)]),
    ("glsl_es", &[DwLang(0x35)]),
    ("go", &[dw::DW_LANG_Go]),
    ("haskell", &[dw::DW_LANG_Haskell]),
    ("hip", &[DwLang(0x30)]),
    ("hlsl", &[DwLang(0x36)]),
    ("hylo", &[DwLang(0x42)]),
    ("java", &[dw::DW_LANG_Java]),
    ("julia", &[dw::DW_LANG_Julia]),
    ("kotlin", &[dw::DW_LANG_Kotlin]),
    ("metal", &[DwLang(0x3d)]),
    ("modula2", &[dw::DW_LANG_Modula2]),
    ("modula3", &[dw::DW_LANG_Modula3]),
    ("mojo", &[DwLang(0x33)]),
    ("move", &[DwLang(0x41)]),
    ("objc", &[dw::DW_LANG_ObjC]),
    ("objc++", &[dw::DW_LANG_ObjC_plus_plus]),
    ("ocaml", &[dw::DW_LANG_OCaml]),
    ("odin", &[DwLang(0x3b)]),
    ("opencl", &[dw::DW_LANG_OpenCL]),
    ("opencl++", &[DwLang(0x37), DwLang(0x38)]),
    ("p4", &[DwLang(0x3c)]),
    ("pascal83", &[dw::DW_LANG_Pascal83]),
    ("pli", &[dw::DW_LANG_PLI]),
    ("python", &[dw::DW_LANG_Python]),
    ("renderscript", &[dw::DW_LANG_RenderScript, dw::DW_LANG_GOOGLE_RenderScript]),
    ("ruby", &[DwLang(0x40)]),
    ("rust", &[dw::DW_LANG_Rust]),
    ("swift", &[dw::DW_LANG_Swift]),
    ("sycl", &[DwLang(0x39)]),
    ("upc", &[dw::DW_LANG_UPC]),
    ("zig", &[dw::DW_LANG_Zig]),
];

/// The codes of a list of names and numbers with commas between them, each once, in ascending order.
///
/// # Errors
/// The first entry that is neither, with the names there are.
pub(crate) fn codes(list: &str) -> Result<Vec<u16>, String> {
    let mut codes = Vec::new();
    for entry in list.split(',').map(str::trim) {
        let name = entry.to_ascii_lowercase();
        if let Some((_, known)) = NAMES.iter().find(|(n, _)| *n == name) {
            codes.extend(known.iter().map(|language| language.0));
        } else if let Some(code) = number(&name) {
            codes.push(code);
        } else {
            let names: Vec<_> = NAMES.iter().map(|(n, _)| *n).collect();
            return Err(format!("unknown language '{entry}'; known are {}, and numbers", names.join(", ")));
        }
    }
    codes.sort_unstable();
    codes.dedup();
    Ok(codes)
}

/// A `DW_LANG` code, decimal or with `0x`.
fn number(text: &str) -> Option<u16> {
    match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_every_edition_and_numbers_themselves() {
        assert_eq!(codes("rust"), Ok(vec![0x1c]));
        assert_eq!(codes("Rust,ASM"), Ok(vec![0x1c, 0x31, 0x8001]));
        assert_eq!(codes("c++"), Ok(vec![0x04, 0x19, 0x1a, 0x21, 0x2a, 0x2b, 0x3a]));
        assert_eq!(codes("0x1c, 28,c11"), Ok(vec![0x1c, 0x1d]));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for list in ["", "klingon", "rust,", "0x10000", "-1", "0x"] {
            assert!(codes(list).is_err_and(|e| e.contains("known are")), "{list:?}");
        }
    }
}
