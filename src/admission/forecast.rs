//! How much memory an encode will take, from the sizes of sections and units alone.
//!
//! The weights and margins were fitted to runs of the encoder on kernels of nine architectures and on their modules
//! (`benches/forecast`); the margins give way to what is learned from later runs ([`super::margin`]). ThinLTO kernels
//! on many workers, modules of which many types have the name of another one (`outliers.tsv` there), and kernels with
//! Rust that is not left out, whose units in C are looked at again, take more. They are about anonymous memory: what is
//! mapped of the input, the system can drop. What is relocated or decompressed is held once more, and a small file is
//! held whole.

/// What is known of an input before it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// `.debug_info` and `.debug_types`, decompressed, in bytes.
    pub info_bytes: u64,
    /// What of the debug sections is relocated or decompressed, in bytes of the result, what that takes besides, and
    /// the file itself if it is not mapped; and the file of the base likewise.
    pub copied_bytes: u64,
    /// It is an object file, such as a module.
    pub is_relocatable: bool,
    /// The BTF of the base, if there is one, in bytes.
    pub base_bytes: u64,
    /// The units of `.debug_info`, if they can be seen without decompressing.
    pub units: Option<Units>,
}

/// The units of an input, of which no more than [`MOST_UNITS`] need be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// How many there are: no more workers have work.
    pub count: u64,
    /// The largest, in bytes. Units repeat what others say, but a unit does not repeat itself.
    pub largest_bytes: u64,
}

/// Several times as many as kernels have: a bound for the time that looking at them takes.
pub const MOST_UNITS: usize = 1 << 14;

/// What a unit has that was not looked at, in bytes, and what the largest has, if there is so much: few have more.
const USUAL_UNIT: u64 = 64 << 10;
const LARGE_UNIT: u64 = 512 << 10;

/// Weights: bytes, and bytes for a byte. Memory is highest either at the end of the walk, when every worker has a table
/// of its own, or when there is one table and the output is made of it.
struct Weights {
    floor: f64,
    /// For each worker that has work: of all bytes, and of those of the largest unit.
    worker: (f64, f64),
    /// For all workers together, likewise.
    walk: (f64, f64),
    /// The one table: of all bytes, and for each unit. Most of what a unit says, others have said.
    table: (f64, f64),
    /// What joining the tables leaves behind, if there are several.
    join: f64,
    /// How many times what is expected covers all but one of a hundred runs.
    margin: f64,
    /// Where earlier runs are remembered. The number changes with the weights.
    class: &'static str,
}

const LINKED: Weights = Weights {
    floor: 8_622e3,
    worker: (0.01395, 0.0),
    walk: (0.1472, 0.0),
    table: (0.09444, 15_280.0),
    join: 5_021e3,
    margin: 1.181,
    class: "encode-linked-3",
};
const MODULE: Weights = Weights {
    floor: 3_065e3,
    worker: (0.02074, 3.599),
    walk: (0.0, 2.724),
    table: (0.0, 0.0),
    join: 0.0,
    margin: 1.037,
    class: "encode-module-3",
};

/// The class of runs that encode many modules.
pub const BATCH: &str = "encode-modules-3";

/// Room that a worker makes at once: for a type of so many bytes of input each, for no more than so many types; bytes
/// for each, and for each place of the tables that find them, of which there are a power of two.
const BYTES_PER_TYPE: u64 = 80;
const MOST_TYPES: u64 = 1 << 15;
const TYPE: f64 = 90.15;
const PLACE: f64 = 64.79;

/// For each byte of the base.
const BASE: f64 = 2.195;

/// From so many bytes on runs are worth remembering: they are long enough, and others wait for what they reserve.
const REMEMBERED: u64 = 20 << 20;

impl Features {
    /// What is expected of the anonymous memory at its peak, in bytes, on so many workers.
    pub fn point(&self, workers: usize) -> u64 {
        let weights = self.weights();
        let info = self.info_bytes as f64;
        let units = self.units.unwrap_or(Units {
            count: self.info_bytes.div_ceil(USUAL_UNIT),
            largest_bytes: self.info_bytes.min(LARGE_UNIT),
        });
        let largest = units.largest_bytes as f64;
        let of = |(all, one): (f64, f64)| all * info + one * largest;
        let at_work = units.count.min(workers as u64) as f64;
        let walk = at_work * (self.room() + of(weights.worker)) + of(weights.walk);
        let join = if workers > 1 { weights.join } else { 0.0 };
        let table = weights.table.0 * info + weights.table.1 * units.count as f64 + join;
        let bytes =
            weights.floor + walk.max(table) + self.copied_bytes as f64 + base_memory(self.base_bytes) as f64;
        // A number that is too large for the type becomes the largest of it.
        bytes as u64
    }

    /// What a worker takes for types before it has seen any, in bytes.
    fn room(&self) -> f64 {
        let types = (self.info_bytes / BYTES_PER_TYPE).min(MOST_TYPES);
        // Tables are never fuller than seven eighths.
        let places = (types * 8 / 7).next_power_of_two();
        TYPE * types as f64 + PLACE * places as f64
    }

    /// How many times that covers nearly all runs, if nothing is known of earlier ones.
    pub fn margin(&self) -> f64 {
        self.weights().margin
    }

    /// The class of the runs that this is like.
    pub fn class(&self) -> &'static str {
        self.weights().class
    }

    fn weights(&self) -> &'static Weights {
        if self.is_relocatable { &MODULE } else { &LINKED }
    }
}

/// What a base of so many bytes takes, in bytes: the index of its names and types.
pub fn base_memory(bytes: u64) -> u64 {
    // A number that is too large for the type becomes the largest of it.
    (BASE * bytes as f64) as u64
}

/// True for runs that are remembered: by what is expected of them on one worker, in bytes.
pub fn is_remembered(point: u64) -> bool {
    point >= REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_of_anything_takes_more() {
        let units = Some(Units { count: 3, largest_bytes: 1 << 20 });
        for is_relocatable in [false, true] {
            let some = Features { info_bytes: 50 << 20, is_relocatable, units, ..Features::default() };
            assert!(some.point(2) > some.point(1));
            assert_eq!(some.point(5), some.point(3));
            assert!(Features { info_bytes: 200 << 20, ..some }.point(1) > some.point(1));
            assert!(Features { copied_bytes: 9 << 20, ..some }.point(1) >= some.point(1) + (9 << 20) - 1);
            assert!(Features { base_bytes: 5 << 20, ..some }.point(1) > some.point(1));
        }
        let module = Features { info_bytes: 50 << 20, is_relocatable: true, units, ..Features::default() };
        let one = Units { count: 1, largest_bytes: 50 << 20 };
        assert!(Features { units: Some(one), ..module }.point(1) > 2 * module.point(1));
        // Sizes that a header can claim.
        let absurd = Features {
            info_bytes: u64::MAX,
            copied_bytes: u64::MAX,
            is_relocatable: true,
            base_bytes: u64::MAX,
            units: Some(Units { count: u64::MAX, largest_bytes: u64::MAX }),
        };
        assert_eq!(absurd.point(usize::MAX), u64::MAX);
    }
}
