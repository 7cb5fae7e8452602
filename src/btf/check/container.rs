//! Header and sections.

use super::{KernelVersion, Level, Levels, Report, Violation};
use crate::btf::kinds::{Kind, MAX_NAME_OFFSET, MAX_TYPE};
use crate::btf::read::{Btf, Section};
use crate::btf::{HEADER_BYTES, HEADER_BYTES_WITH_LAYOUT};

/// Checks the header and the sections of a blob, split from `base` if there is one. What does not parse at
/// all is one violation. Empty is good.
pub fn check_container(data: &[u8], base: Option<&Btf<'_>>) -> Vec<Violation> {
    let mut report = Report::new(Levels::NONE.with(Level::Container), usize::MAX);
    let parsed = match base {
        None => Btf::parse(data),
        Some(base) => Btf::parse_split(data, base),
    };
    match parsed {
        Ok(btf) => container(&btf, None, &mut report),
        Err(e) => {
            // The error begins like the line that the violation prints.
            let text = e.to_string();
            report
                .add_whole(Level::Container, format_args!("{}", text.strip_prefix("BTF: ").unwrap_or(&text)));
        }
    }
    report.found
}

/// What remains to be said of a container that parsed.
pub(super) fn container(btf: &Btf<'_>, target: Option<KernelVersion>, report: &mut Report) {
    let h = btf.header();
    if h.header_bytes != HEADER_BYTES && h.header_bytes != HEADER_BYTES_WITH_LAYOUT {
        report.add_whole(
            Level::Container,
            format_args!("a header of {} bytes, not of 24 or 32", h.header_bytes),
        );
    }

    // The sections fill what follows the header without gap or overlap, in this order: kernels without the
    // layout section want the strings last.
    let mut end = 0u64;
    let sections = [("types", h.types), ("layout", h.layout), ("strings", h.strings)];
    for (name, Section { off, len }) in sections {
        if name == "layout" && len == 0 {
            continue;
        }
        if u64::from(off) != end {
            let reason = format_args!("{name} at offset {off}, after the section before it ends at {end}");
            report.add_whole(Level::Container, reason);
        }
        end = u64::from(off) + u64::from(len);
    }
    let body = (btf.data().len() as u64).saturating_sub(u64::from(h.header_bytes));
    if end != body {
        report.add_whole(Level::Container, format_args!("strings end at {end}, the blob at {body}"));
    }

    if btf.base().is_none() && h.types.len == 0 {
        report.add_whole(Level::Container, format_args!("no types"));
    }
    if btf.len() - 1 > MAX_TYPE {
        report.add_whole(Level::Container, format_args!("{} types, allowed are {MAX_TYPE}", btf.len() - 1));
    }
    // The NUL of the last string counts.
    if btf.string_end().saturating_sub(1) > MAX_NAME_OFFSET {
        let reason =
            format_args!("{} bytes of strings, allowed are {}", btf.string_end(), MAX_NAME_OFFSET + 1);
        report.add_whole(Level::Container, reason);
    }
    if h.layout.len != 0 {
        layout(btf, h, report);
        if let Some(v) = target.filter(|v| *v < KernelVersion::new(7, 1)) {
            report.add_whole(Level::Target, format_args!("a layout section, which kernel {v} refuses"));
        }
    }
}

fn layout(btf: &Btf<'_>, h: &crate::btf::Header, report: &mut Report) {
    if !h.layout.off.is_multiple_of(4) || !h.layout.len.is_multiple_of(4) {
        let reason =
            format_args!("layout of {} bytes at offset {}, no multiples of 4", h.layout.len, h.layout.off);
        report.add_whole(Level::Container, reason);
    }
    // 64 bits: three words of a header that parsed, but hosts may have 32.
    let start = u64::from(h.header_bytes) + u64::from(h.layout.off);
    let range = usize::try_from(start).ok().zip(usize::try_from(start + u64::from(h.layout.len)).ok());
    let bytes = range.and_then(|(from, to)| btf.data().get(from..to)).unwrap_or_default();
    for (number, record) in (0u8..=u8::MAX).zip(bytes.as_chunks::<4>().0) {
        let Some(kind) = Kind::from_u8(number) else { continue };
        let [fixed, element, ..] = *record;
        if (u32::from(fixed), u32::from(element)) != (kind.fixed_bytes(), kind.element_bytes()) {
            let reason = format_args!("layout of {kind}: {fixed} and {element} bytes");
            report.add_whole(Level::Container, reason);
        }
    }
}
