//! How much memory an encode will take, from the sizes of sections and units alone.
//!
//! The weights and margins were fitted to runs of the encoder on kernels of nine architectures and on their modules
//! (`benches/forecast`); the margins give way to what is learned from later runs ([`super::margin`]). ThinLTO kernels
//! on many workers, and modules of which many units are looked at again, as they mean different things by some names
//! (`outliers.tsv` there), take more. They are about anonymous memory: what is mapped of the input, the system can
//! drop. What is relocated or decompressed is held once more, and a small file is held whole.

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
    /// There are parts in other files that nobody looked at.
    pub has_more: bool,
}

/// The units of an input, of which no more than [`MOST_UNITS`] need be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// How many there are.
    pub count: u64,
    /// The largest, in bytes. Units repeat what others say, but a unit does not repeat itself.
    pub largest_bytes: u64,
}

/// Several times as many as kernels have: a bound for the time that looking at them takes.
pub const MOST_UNITS: usize = 1 << 14;

/// What a unit has that was not looked at, in bytes, and what the largest has, if there is so much: few have more.
const USUAL_UNIT: u64 = 64 << 10;
const LARGE_UNIT: u64 = 512 << 10;

/// Bytes of debugging information below which another worker costs more than it does.
pub const BYTES_PER_WORKER: u64 = 1 << 20;

/// Weights: bytes, and bytes for a byte. Memory is highest either at the end of the walk, when every worker has a table
/// of its own, or when there is one table and the output is made of it.
struct Weights {
    floor: f64,
    /// For each worker that has work: of all bytes, of those of the largest unit, and of the first of them, of which
    /// more is new.
    worker: (f64, f64, f64),
    /// For all workers together: of all bytes, and of those of the largest unit.
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
    floor: 6_942e3,
    worker: (0.01282, 0.0, 0.0),
    walk: (0.1407, 0.0),
    table: (0.08936, 14_360.0),
    join: 4_289e3,
    margin: 1.3,
    class: "encode-linked-4",
};
const MODULE: Weights = Weights {
    floor: 1_933e3,
    worker: (0.0211, 0.3644, 5.694),
    walk: (0.0, 5.161),
    table: (0.0, 0.0),
    join: 0.0,
    margin: 1.058,
    class: "encode-module-4",
};

/// The class of runs that encode many modules.
pub const BATCH: &str = "encode-modules-4";

/// Room that a worker makes at once: for a type of so many bytes of input each, for no more than so many types; bytes
/// for each, and for each place of the tables that find them, of which there are a power of two.
const BYTES_PER_TYPE: u64 = 80;
const MOST_TYPES: u64 = 1 << 15;
const TYPE: f64 = 116.0;
const PLACE: f64 = 43.98;

/// The first bytes of the largest unit.
const FIRST: u64 = 256 << 10;

/// For each byte of the base.
const BASE: f64 = 2.13;

/// From so many bytes on runs are worth remembering: they are long enough, and others wait for what they reserve.
const REMEMBERED: u64 = 20 << 20;

impl Features {
    /// How many workers have work. Nobody can help with a unit: while one has the largest, so many can do the others.
    pub fn most_workers(&self) -> usize {
        if self.has_more {
            return usize::MAX;
        }
        let piece = self.known_units().largest_bytes.max(BYTES_PER_WORKER);
        usize::try_from(self.info_bytes.div_ceil(piece)).unwrap_or(usize::MAX).max(1)
    }

    /// The units, as they usually are where they were not looked at.
    fn known_units(&self) -> Units {
        self.units.unwrap_or(Units {
            count: self.info_bytes.div_ceil(USUAL_UNIT),
            largest_bytes: self.info_bytes.min(LARGE_UNIT),
        })
    }

    /// What is expected of the anonymous memory at its peak, in bytes, on so many workers, or on as many of them as
    /// have work.
    pub fn point(&self, workers: usize) -> u64 {
        let weights = self.weights();
        let info = self.info_bytes as f64;
        let units = self.known_units();
        let largest = units.largest_bytes as f64;
        let first = units.largest_bytes.min(FIRST) as f64;
        let (all, one, new) = weights.worker;
        let worker = self.room() + all * info + one * largest + new * first;
        let workers = workers.min(self.most_workers());
        let at_work = units.count.min(workers as u64) as f64;
        let walk = at_work * worker + weights.walk.0 * info + weights.walk.1 * largest;
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
        let units = Some(Units { count: 90, largest_bytes: 15 << 20 });
        for is_relocatable in [false, true] {
            let some = Features { info_bytes: 50 << 20, is_relocatable, units, ..Features::default() };
            assert!(some.point(2) > some.point(1));
            assert!(some.point(4) > some.point(3));
            assert_eq!(some.point(5), some.point(4));
            assert!(Features { info_bytes: 200 << 20, ..some }.point(1) > some.point(1));
            assert!(Features { copied_bytes: 9 << 20, ..some }.point(1) >= some.point(1) + (9 << 20) - 1);
            assert!(Features { base_bytes: 5 << 20, ..some }.point(1) > some.point(1));
        }
        let units = Some(Units { count: 90, largest_bytes: 1 << 20 });
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
            has_more: false,
        };
        assert_eq!(absurd.point(usize::MAX), u64::MAX);
    }

    #[test]
    fn nobody_waits_for_the_largest_unit_in_vain() {
        let of = |info_kib: u64, largest_kib: u64| Features {
            info_bytes: info_kib << 10,
            units: Some(Units { count: 100, largest_bytes: largest_kib << 10 }),
            ..Features::default()
        };
        let most = |info_kib, largest_kib| of(info_kib, largest_kib).most_workers();
        assert_eq!([most(0, 0), most(100, 1), most(1025, 20), most(200 << 10, 800)], [1, 1, 2, 200]);
        assert_eq!([most(9000, 9000), most(9001, 9000), most(9000, 3000)], [1, 2, 3]);
        // What nobody has seen may be anything.
        assert_eq!(Features { has_more: true, ..of(100, 1) }.most_workers(), usize::MAX);
        assert_eq!(Features { info_bytes: 9 << 20, ..Features::default() }.most_workers(), 9);
    }
}
