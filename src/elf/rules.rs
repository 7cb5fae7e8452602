//! What the relocation types of every machine do, as far as they occur in debug sections.
//!
//! Nothing is guessed: a type that is not here is an error of the file that uses it.

use object::elf::{self as spec, Machine, RelocationType};

/// What becomes of the bytes at the place of a relocation. S is the symbol's value, A the addend, P the
/// place, V what stands there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    Keep,
    /// S + A, which has to fit.
    Absolute,
    /// S + A - P, which has to fit.
    Relative,
    /// S + A, less what the machine's ABI takes off. S of a thread-local variable is no address.
    ThreadLocal {
        /// Bytes that the ABI takes off.
        bias: u16,
    },
    /// The low bits of S + A: the first half of a difference.
    Set,
    /// The low bits of V + S + A.
    Add,
    /// The low bits of V - (S + A).
    Subtract,
    /// S + A as LEB128 in as many bytes as V has; the next relocation subtracts.
    SetLeb,
    /// V + S + A in the same way.
    AddLeb,
    /// The second half of one of these.
    SubtractLeb,
}

/// An action on that many bits. Of a byte the upper bits stay as they are if it is fewer than 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub action: Action,
    pub bits: u8,
}

/// What a relocation type of a machine does; `None` if it has no place in a debug section.
pub(super) fn rule(machine: Machine, kind: RelocationType) -> Option<Rule> {
    match machine {
        spec::EM_X86_64 => x86_64(kind),
        spec::EM_386 => i386(kind),
        spec::EM_AARCH64 => aarch64(kind),
        spec::EM_ARM => arm(kind),
        spec::EM_RISCV => riscv(kind),
        spec::EM_S390 => s390(kind),
        spec::EM_PPC => ppc(kind),
        spec::EM_PPC64 => ppc64(kind),
        spec::EM_MIPS => mips(kind),
        spec::EM_LOONGARCH => loongarch(kind),
        spec::EM_BPF => bpf(kind),
        _ => None,
    }
}

const KEEP: Option<Rule> = Some(Rule { action: Action::Keep, bits: 8 });

const fn absolute(bits: u8) -> Option<Rule> {
    Some(Rule { action: Action::Absolute, bits })
}

const fn relative(bits: u8) -> Option<Rule> {
    Some(Rule { action: Action::Relative, bits })
}

const fn thread_local(bits: u8, bias: u16) -> Option<Rule> {
    Some(Rule { action: Action::ThreadLocal { bias }, bits })
}

const fn set(bits: u8) -> Option<Rule> {
    Some(Rule { action: Action::Set, bits })
}

const fn add(bits: u8) -> Option<Rule> {
    Some(Rule { action: Action::Add, bits })
}

const fn subtract(bits: u8) -> Option<Rule> {
    Some(Rule { action: Action::Subtract, bits })
}

const SET_LEB: Option<Rule> = Some(Rule { action: Action::SetLeb, bits: 8 });
const ADD_LEB: Option<Rule> = Some(Rule { action: Action::AddLeb, bits: 8 });
const SUBTRACT_LEB: Option<Rule> = Some(Rule { action: Action::SubtractLeb, bits: 8 });

fn x86_64(kind: RelocationType) -> Option<Rule> {
    match kind {
        spec::R_X86_64_NONE => KEEP,
        spec::R_X86_64_64 => absolute(64),
        spec::R_X86_64_32 | spec::R_X86_64_32S => absolute(32),
        spec::R_X86_64_16 => absolute(16),
        spec::R_X86_64_8 => absolute(8),
        spec::R_X86_64_PC64 => relative(64),
        spec::R_X86_64_PC32 => relative(32),
        spec::R_X86_64_DTPOFF64 => thread_local(64, 0),
        spec::R_X86_64_DTPOFF32 => thread_local(32, 0),
        _ => None,
    }
}

fn i386(kind: RelocationType) -> Option<Rule> {
    match kind {
        spec::R_386_NONE => KEEP,
        spec::R_386_32 => absolute(32),
        spec::R_386_16 => absolute(16),
        spec::R_386_8 => absolute(8),
        spec::R_386_PC32 => relative(32),
        spec::R_386_TLS_LDO_32 => thread_local(32, 0),
        _ => None,
    }
}

fn aarch64(kind: RelocationType) -> Option<Rule> {
    // The ABI has two numbers for a relocation that does nothing.
    const WITHDRAWN_NONE: RelocationType = RelocationType(256);
    match kind {
        spec::R_AARCH64_NONE | WITHDRAWN_NONE => KEEP,
        spec::R_AARCH64_ABS64 => absolute(64),
        spec::R_AARCH64_ABS32 => absolute(32),
        spec::R_AARCH64_ABS16 => absolute(16),
        spec::R_AARCH64_PREL64 => relative(64),
        spec::R_AARCH64_PREL32 => relative(32),
        spec::R_AARCH64_TLS_DTPREL => thread_local(64, 0),
        _ => None,
    }
}

fn arm(kind: RelocationType) -> Option<Rule> {
    match kind {
        spec::R_ARM_NONE => KEEP,
        spec::R_ARM_ABS32 => absolute(32),
        spec::R_ARM_ABS16 => absolute(16),
        spec::R_ARM_ABS8 => absolute(8),
        spec::R_ARM_REL32 => relative(32),
        spec::R_ARM_TLS_LDO32 => thread_local(32, 0),
        _ => None,
    }
}

fn riscv(kind: RelocationType) -> Option<Rule> {
    /// What thread pointers point behind the beginning of the block (`TLS_DTV_OFFSET`).
    const BIAS: u16 = 0x800;
    match kind {
        spec::R_RISCV_NONE | spec::R_RISCV_RELAX => KEEP,
        spec::R_RISCV_64 => absolute(64),
        spec::R_RISCV_32 => absolute(32),
        spec::R_RISCV_32_PCREL => relative(32),
        spec::R_RISCV_TLS_DTPREL64 => thread_local(64, BIAS),
        spec::R_RISCV_TLS_DTPREL32 => thread_local(32, BIAS),
        spec::R_RISCV_SET32 => set(32),
        spec::R_RISCV_SET16 => set(16),
        spec::R_RISCV_SET8 => set(8),
        spec::R_RISCV_SET6 => set(6),
        spec::R_RISCV_ADD64 => add(64),
        spec::R_RISCV_ADD32 => add(32),
        spec::R_RISCV_ADD16 => add(16),
        spec::R_RISCV_ADD8 => add(8),
        spec::R_RISCV_SUB64 => subtract(64),
        spec::R_RISCV_SUB32 => subtract(32),
        spec::R_RISCV_SUB16 => subtract(16),
        spec::R_RISCV_SUB8 => subtract(8),
        spec::R_RISCV_SUB6 => subtract(6),
        spec::R_RISCV_SET_ULEB128 => SET_LEB,
        spec::R_RISCV_SUB_ULEB128 => SUBTRACT_LEB,
        _ => None,
    }
}

fn s390(kind: RelocationType) -> Option<Rule> {
    match kind {
        spec::R_390_NONE => KEEP,
        spec::R_390_64 => absolute(64),
        spec::R_390_32 => absolute(32),
        spec::R_390_16 => absolute(16),
        spec::R_390_8 => absolute(8),
        spec::R_390_PC64 => relative(64),
        spec::R_390_PC32 => relative(32),
        spec::R_390_TLS_LDO64 => thread_local(64, 0),
        spec::R_390_TLS_LDO32 => thread_local(32, 0),
        _ => None,
    }
}

/// Where thread-local storage is reached from, on PowerPC and MIPS.
const FAR_BIAS: u16 = 0x8000;

fn ppc(kind: RelocationType) -> Option<Rule> {
    match kind {
        spec::R_PPC_NONE => KEEP,
        spec::R_PPC_ADDR32 | spec::R_PPC_UADDR32 => absolute(32),
        spec::R_PPC_ADDR16 | spec::R_PPC_UADDR16 => absolute(16),
        spec::R_PPC_REL32 => relative(32),
        spec::R_PPC_DTPREL32 => thread_local(32, FAR_BIAS),
        _ => None,
    }
}

fn ppc64(kind: RelocationType) -> Option<Rule> {
    match kind {
        spec::R_PPC64_NONE => KEEP,
        spec::R_PPC64_ADDR64 | spec::R_PPC64_UADDR64 => absolute(64),
        spec::R_PPC64_ADDR32 | spec::R_PPC64_UADDR32 => absolute(32),
        spec::R_PPC64_ADDR16 | spec::R_PPC64_UADDR16 => absolute(16),
        spec::R_PPC64_REL64 => relative(64),
        spec::R_PPC64_REL32 => relative(32),
        spec::R_PPC64_DTPREL64 => thread_local(64, FAR_BIAS),
        _ => None,
    }
}

fn mips(kind: RelocationType) -> Option<Rule> {
    // In 64-bit files three types share the field. Where the second and third do nothing, which is
    // wherever debug sections are concerned, the whole is the first.
    match kind {
        spec::R_MIPS_NONE => KEEP,
        spec::R_MIPS_64 => absolute(64),
        spec::R_MIPS_32 => absolute(32),
        spec::R_MIPS_16 => absolute(16),
        spec::R_MIPS_TLS_DTPREL64 => thread_local(64, FAR_BIAS),
        spec::R_MIPS_TLS_DTPREL32 => thread_local(32, FAR_BIAS),
        _ => None,
    }
}

fn loongarch(kind: RelocationType) -> Option<Rule> {
    match kind {
        spec::R_LARCH_NONE | spec::R_LARCH_RELAX => KEEP,
        spec::R_LARCH_64 => absolute(64),
        spec::R_LARCH_32 => absolute(32),
        spec::R_LARCH_64_PCREL => relative(64),
        spec::R_LARCH_32_PCREL => relative(32),
        spec::R_LARCH_TLS_DTPREL64 => thread_local(64, 0),
        spec::R_LARCH_TLS_DTPREL32 => thread_local(32, 0),
        spec::R_LARCH_ADD64 => add(64),
        spec::R_LARCH_ADD32 => add(32),
        spec::R_LARCH_ADD24 => add(24),
        spec::R_LARCH_ADD16 => add(16),
        spec::R_LARCH_ADD8 => add(8),
        spec::R_LARCH_ADD6 => add(6),
        spec::R_LARCH_SUB64 => subtract(64),
        spec::R_LARCH_SUB32 => subtract(32),
        spec::R_LARCH_SUB24 => subtract(24),
        spec::R_LARCH_SUB16 => subtract(16),
        spec::R_LARCH_SUB8 => subtract(8),
        spec::R_LARCH_SUB6 => subtract(6),
        spec::R_LARCH_ADD_ULEB128 => ADD_LEB,
        spec::R_LARCH_SUB_ULEB128 => SUBTRACT_LEB,
        _ => None,
    }
}

fn bpf(kind: RelocationType) -> Option<Rule> {
    // `R_BPF_64_ABS64`, `R_BPF_64_ABS32` and `R_BPF_64_NODYLD32` of the kernel's documentation.
    match kind.0 {
        0 => KEEP,
        2 => absolute(64),
        3 | 4 => absolute(32),
        _ => None,
    }
}
