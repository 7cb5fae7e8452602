//! Where a C compiler puts members, and what has to be said to have them where the BTF wants them.
//!
//! In: the types of a BTF. Out: of each type its size and alignment as written, of each struct and union the
//! form to write it in. What is padded is padded explicitly, so an alignment that the source asked for with
//! an attribute need not be known.

use crate::btf::{Btf, Kind, Type, TypeId};
use crate::error::{Error, Result};

/// Deepest nesting of types by value, and longest chain of typedefs. Compilers refuse more, too.
const MAX_DEPTH: u32 = 256;

/// Widest number that a compiler aligns: `__int128`.
const MAX_SCALAR: u64 = 16;

/// How to write a struct or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As the compiler lays it out.
    Plain,
    /// With the attribute `packed`.
    Packed,
    /// As a union of one struct for each member, for members that overlap or do not ascend.
    Overlay,
}

/// A type as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) size_bytes: u64,
    pub(super) align_bytes: u64,
    pub(super) form: Form,
}

/// A member with its bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) offset_bits: u64,
    /// Width of a bitfield.
    pub(super) bitfield_bits: Option<u64>,
    pub(super) layout: Layout,
}

impl Placed {
    pub(super) fn end_bits(&self) -> u64 {
        self.offset_bits + self.bitfield_bits.unwrap_or(8 * self.layout.size_bytes)
    }
}

/// The layouts of a BTF, each computed once.
pub(super) struct Layouts<'a> {
    btf: &'a Btf<'a>,
    pointer: u64,
    /// Alignment in bytes of numbers with 8 and with 16 bytes.
    align_8: u64,
    align_16: u64,
    known: Vec<Option<Layout>>,
}

impl<'a> Layouts<'a> {
    pub(super) fn new(btf: &'a Btf<'a>) -> Self {
        let pointer = u64::from(btf.pointer_bytes().unwrap_or(8));
        let known = vec![None; btf.len() as usize];
        let mut layouts = Layouts { btf, pointer, align_8: 8, align_16: 16, known };
        if pointer == 4 && layouts.is_aligned_to_half(8) {
            layouts.align_8 = 4;
        }
        if layouts.is_aligned_to_half(16) {
            layouts.align_16 = 8;
        }
        layouts
    }

    /// Size of a pointer in bytes.
    pub(super) fn pointer_bytes(&self) -> u64 {
        self.pointer
    }

    /// Whether numbers of this size are aligned to half of it: i386 does so with 8 bytes, s390 with 16. Counts the
    /// structs in which one lies where the whole would not let it, and those with a gap that only the whole
    /// explains; packed structs and attributes make a few of either.
    fn is_aligned_to_half(&self, size: u64) -> bool {
        let (mut half, mut whole) = (0, 0);
        let bits = 8 * size;
        for id in 1..self.btf.len() {
            let Some(ty) = self.btf.ty(TypeId(id)).filter(|ty| ty.kind() == Kind::Struct) else { continue };
            let flag = ty.kind_flag();
            let mut end = None;
            for m in ty.members() {
                let scalar = self.scalar(m.ty);
                let bytes = scalar.and_then(|s| match s.kind() {
                    Kind::Int | Kind::Float | Kind::Enum | Kind::Enum64 => s.size_bytes().map(u64::from),
                    Kind::Ptr => Some(self.pointer),
                    _ => None,
                });
                let bytes = bytes.filter(|_| m.bitfield_bits(flag) == 0);
                let offset = u64::from(m.offset_bits(flag));
                if bytes == Some(size) {
                    half += u64::from(offset % bits == bits / 2);
                    whole += u64::from(offset % bits == 0 && end == offset.checked_sub(bits / 2));
                }
                end = bytes.map(|bytes| offset + 8 * bytes);
            }
        }
        half > whole
    }

    /// What a type is but for qualifiers and names.
    pub(super) fn scalar(&self, mut id: TypeId) -> Option<Type<'_>> {
        for _ in 0..MAX_DEPTH {
            let ty = self.btf.ty(id)?;
            match ty.target().filter(|_| ty.kind().is_modifier()) {
                Some(target) => id = target,
                None => return Some(ty),
            }
        }
        None
    }

    /// Alignment of a number of this size.
    fn natural(&self, size: u64) -> u64 {
        match size {
            8 => self.align_8,
            12 => 4,
            16 => self.align_16,
            n if n <= MAX_SCALAR && n.is_power_of_two() => n,
            _ => 1,
        }
    }

    /// The layout of a type; of what has no size, such as void, an empty one.
    ///
    /// # Errors
    /// It contains itself.
    pub(super) fn of(&mut self, id: TypeId) -> Result<Layout> {
        self.at(id, 0)
    }

    fn at(&mut self, id: TypeId, depth: u32) -> Result<Layout> {
        if let Some(Some(layout)) = self.known.get(id.0 as usize) {
            return Ok(*layout);
        }
        let btf = self.btf;
        let plain = |size_bytes, align_bytes| Layout { size_bytes, align_bytes, form: Form::Plain };
        let Some(ty) = btf.ty(id) else { return Ok(plain(0, 1)) };
        if depth > MAX_DEPTH {
            return Err(contains_itself(ty));
        }
        let size = u64::from(ty.size_bytes().unwrap_or(0));
        let layout = match ty.kind() {
            Kind::Int | Kind::Float | Kind::Enum | Kind::Enum64 => plain(size, self.natural(size)),
            Kind::Ptr => plain(self.pointer, self.pointer),
            Kind::Array => match ty.array() {
                Some(array) => {
                    let element = self.at(array.element, depth + 1)?;
                    plain(element.size_bytes.saturating_mul(u64::from(array.count)), element.align_bytes)
                }
                None => plain(0, 1),
            },
            Kind::Struct | Kind::Union => {
                let members = self.placed(ty, depth)?;
                self.fit(ty, &members)
            }
            kind if kind.is_modifier() => {
                let target = self.at(ty.target().unwrap_or_default(), depth + 1)?;
                plain(target.size_bytes, target.align_bytes)
            }
            _ => plain(0, 1),
        };
        if let Some(known) = self.known.get_mut(id.0 as usize) {
            *known = Some(layout);
        }
        Ok(layout)
    }

    /// The members of a struct or union with their layouts.
    pub(super) fn members(&mut self, ty: Type<'_>) -> Result<Vec<Placed>> {
        self.placed(ty, 0)
    }

    fn placed(&mut self, ty: Type<'_>, depth: u32) -> Result<Vec<Placed>> {
        let flag = ty.kind_flag();
        let mut placed = Vec::with_capacity(ty.members().len());
        for m in ty.members() {
            let layout = self.at(m.ty, depth + 1)?;
            let mut offset_bits = u64::from(m.offset_bits(flag));
            let mut bitfield_bits = Some(u64::from(m.bitfield_bits(flag))).filter(|&bits| bits != 0);
            // The old form: the width is that of the number.
            let old =
                self.scalar(m.ty).filter(|_| !flag).and_then(|ty| Some((ty.int_data()?, ty.size_bytes()?)));
            if let Some((data, size)) = old
                && (u32::from(data.bits) < size.saturating_mul(8) || data.offset_bits != 0)
            {
                offset_bits += u64::from(data.offset_bits);
                bitfield_bits = Some(u64::from(data.bits));
            }
            placed.push(Placed { offset_bits, bitfield_bits, layout });
        }
        Ok(placed)
    }

    /// The form in which a compiler makes it as large and puts the members where they belong.
    fn fit(&self, ty: Type<'_>, members: &[Placed]) -> Layout {
        let size_bytes = u64::from(ty.size_or_type());
        let is_union = ty.kind() == Kind::Union;
        let mut align_bytes = 1;
        let mut natural = true;
        let mut ordered = true;
        let mut end_bits = 0;
        for m in members {
            align_bytes = align_bytes.max(m.layout.align_bytes);
            natural &= match m.bitfield_bits {
                // Never across a boundary of its type.
                Some(bits) => {
                    let unit = 8 * m.layout.size_bytes.max(1);
                    m.offset_bits % unit + bits <= unit
                }
                None => m.offset_bits.is_multiple_of(8 * m.layout.align_bytes),
            };
            let fits = bits_fit(m);
            ordered &= fits && if is_union { m.offset_bits == 0 } else { m.offset_bits >= end_bits };
            end_bits = end_bits.max(m.end_bits());
        }
        natural &= size_bytes.is_multiple_of(align_bytes);
        ordered &= end_bits.div_ceil(8) <= size_bytes;
        match (ordered, natural) {
            (true, true) => Layout { size_bytes, align_bytes, form: Form::Plain },
            (true, false) => Layout { size_bytes, align_bytes: 1, form: Form::Packed },
            (false, _) => Layout { size_bytes, align_bytes: 1, form: Form::Overlay },
        }
    }
}

/// Whether a bitfield is no wider than its type, and anything else begins with a byte.
pub(super) fn bits_fit(m: &Placed) -> bool {
    match m.bitfield_bits {
        Some(bits) => bits <= 8 * m.layout.size_bytes,
        None => m.offset_bits.is_multiple_of(8),
    }
}

/// The error of a type that no compiler can lay out.
pub(super) fn contains_itself(ty: Type<'_>) -> Error {
    let name = ty.name_prefix(100).escape_ascii().to_string();
    Error::input(format!(
        "BTF: type {} ({} '{name}') contains itself or nests too deep for C",
        ty.id(),
        ty.kind()
    ))
}
