//! How much memory an encode will take, from the sizes of sections alone.
//!
//! The weights and margins were fitted to runs of the encoder on kernels of seven architectures and on their modules
//! (`benches/forecast`); the margins give way to what is learned from later runs ([`super::margin`]). Kernels with
//! link-time optimisation on many workers and modules of hundreds of generated headers take more (`outliers.tsv`
//! there). They are about anonymous memory: what is mapped of the input, the system can drop. What is relocated or
//! decompressed is held once more, and a small file is held whole.

/// What is known of an input before it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// `.debug_info` and `.debug_types`, decompressed, in bytes.
    pub info_bytes: u64,
    /// What of the debug sections is relocated or decompressed, in bytes of the result, what that takes besides, and
    /// the file itself if it is not mapped.
    pub copied_bytes: u64,
    /// It is an object file, such as a module.
    pub is_relocatable: bool,
    /// The BTF of the base, if there is one, in bytes.
    pub base_bytes: u64,
}

/// Weights: bytes, and bytes for a byte. A byte of input counts less the more there are before it, as most of what
/// units say, others have said.
struct Weights {
    floor: f64,
    /// So many bytes of input are the first, and so many the first and the next.
    knees: (u64, u64),
    first: f64,
    next: f64,
    rest: f64,
    /// For each worker but the first: for each of the first and next bytes, and besides.
    worker: (f64, f64),
    step: f64,
    /// How many times what is expected covers all but one of a hundred runs.
    margin: f64,
    /// Where earlier runs are remembered. The number changes with the weights.
    class: &'static str,
}

const LINKED: Weights = Weights {
    floor: 14_090e3,
    knees: (0, 100 << 20),
    first: 0.0,
    next: 0.3788,
    rest: 0.1826,
    worker: (0.0, 0.0309),
    step: 318e3,
    margin: 1.086,
    class: "encode-linked-2",
};
const MODULE: Weights = Weights {
    floor: 3_007e3,
    knees: (640 << 10, 3 << 20),
    first: 4.488,
    next: 2.515,
    rest: 0.004,
    worker: (3.833, 2.602),
    step: 27_640.0,
    margin: 1.013,
    class: "encode-module-2",
};

/// The class of runs that encode many modules.
pub const BATCH: &str = "encode-modules-2";

/// For each byte of the base.
const BASE: f64 = 3.1;

/// From so many bytes on runs are worth remembering: they are long enough, and others wait for what they reserve.
const REMEMBERED: u64 = 20 << 20;

impl Features {
    /// What is expected of the anonymous memory at its peak, in bytes, on so many workers.
    pub fn point(&self, workers: usize) -> u64 {
        let weights = self.weights();
        let (knee, next_knee) = weights.knees;
        let up_to = |knee: u64| self.info_bytes.min(knee);
        let first = up_to(knee) as f64;
        let next = (up_to(next_knee) - up_to(knee)) as f64;
        let rest = (self.info_bytes - up_to(next_knee)) as f64;
        let more = workers.saturating_sub(1) as f64;
        let own = weights.floor + weights.first * first + weights.next * next + weights.rest * rest;
        let (of_first, of_next) = weights.worker;
        let bytes = own
            + more * (of_first * first + of_next * next + weights.step)
            + self.copied_bytes as f64
            + base_memory(self.base_bytes) as f64;
        // A number that is too large for the type becomes the largest of it.
        bytes as u64
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
        let some = Features { info_bytes: 50 << 20, copied_bytes: 0, is_relocatable: false, base_bytes: 0 };
        assert!(some.point(2) > some.point(1));
        assert!(Features { info_bytes: 200 << 20, ..some }.point(1) > some.point(1));
        assert!(Features { copied_bytes: 9 << 20, ..some }.point(1) >= some.point(1) + (9 << 20) - 1);
        assert!(Features { base_bytes: 5 << 20, ..some }.point(1) > some.point(1));
        // Sizes that a header can claim.
        let absurd = Features {
            info_bytes: u64::MAX,
            copied_bytes: u64::MAX,
            is_relocatable: true,
            base_bytes: u64::MAX,
        };
        assert_eq!(absurd.point(usize::MAX), u64::MAX);
    }
}
