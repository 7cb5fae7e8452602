//! How targets pass parameters, as far as it decides whether a debugger can find them.

/// The parameter passing of a target (its psABI), by the machine number of its ELF files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Parameters that are passed in registers.
    pub register_params: u32,
    /// Their DWARF numbers in order; empty where the calling convention is not known here, and then no
    /// register is unexpected.
    pub registers: &'static [u16],
    /// A value of two words takes two registers.
    pub two_registers: bool,
    /// Registers that a value takes which is too large for registers: one where its address is passed,
    /// none where it lies on the stack.
    pub memory_registers: u32,
    /// Bytes of an address.
    pub address_bytes: u8,
}

const X86_64: &[u16] = &[5, 4, 1, 2, 8, 9];
const AARCH64: &[u16] = &[0, 1, 2, 3, 4, 5, 6, 7];
const ARM: &[u16] = &[0, 1, 2, 3];
const RISCV: &[u16] = &[10, 11, 12, 13, 14, 15, 16, 17];
const S390: &[u16] = &[2, 3, 4, 5, 6];

const EM_SPARC: u16 = 2;
const EM_MIPS: u16 = 8;
const EM_PPC: u16 = 20;
const EM_PPC64: u16 = 21;
const EM_S390: u16 = 22;
const EM_ARM: u16 = 40;
const EM_SPARCV9: u16 = 43;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;
const EM_RISCV: u16 = 243;

impl Machine {
    /// What is known of the machine with that ELF number.
    pub fn new(machine: u16, address_bytes: u8) -> Machine {
        let (register_params, registers, two_registers): (u32, &'static [u16], bool) = match machine {
            EM_X86_64 => (6, X86_64, true),
            EM_AARCH64 => (8, AARCH64, true),
            // AAPCS32 passes four words in registers.
            EM_ARM => (4, ARM, true),
            EM_S390 => (5, S390, false),
            EM_RISCV => (8, RISCV, true),
            EM_SPARC | EM_SPARCV9 => (6, &[], true),
            EM_MIPS | EM_PPC | EM_PPC64 => (8, &[], true),
            _ => (0, &[], true),
        };
        let memory_registers = u32::from(machine != EM_X86_64);
        Machine { register_params, registers, two_registers, memory_registers, address_bytes }
    }

    /// The register of the `index`-th word, if that is known.
    pub(super) fn register(&self, index: u32) -> Option<u16> {
        self.registers.get(index as usize).copied()
    }

    /// Bytes above which a value is passed in memory.
    pub(super) fn memory_above(&self) -> u64 {
        let words = if self.two_registers { 2 } else { 1 };
        words * u64::from(self.address_bytes)
    }
}
