//! How much memory an encode will take, from the sizes of sections alone.
//!
//! The weights were fitted to runs of the encoder on kernels of seven architectures and on modules
//! (`benches/forecast`), so that every run is covered with 5 % to spare. They are about anonymous memory: what is
//! mapped of the input, the system can drop. What is relocated or decompressed is held once more.

/// What is known of an input before it is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// `.debug_info` and `.debug_types`, decompressed, in bytes.
    pub info_bytes: u64,
    /// What of the debug sections is relocated or decompressed, in bytes of the result.
    pub copied_bytes: u64,
    /// It is an object file, such as a module.
    pub is_relocatable: bool,
    /// The BTF of the base, if there is one, in bytes.
    pub base_bytes: u64,
}

/// Weights: bytes, and bytes for a byte.
struct Weights {
    floor: f64,
    /// Up to so many bytes of input a byte counts for `low`, beyond that for `high`.
    knee: u64,
    low: f64,
    high: f64,
    /// For each worker but the first: for each byte below the knee, and besides.
    worker: f64,
    step: f64,
}

const LINKED: Weights =
    Weights { floor: 8_273e3, knee: 100 << 20, low: 0.5396, high: 0.1415, worker: 0.0589, step: 442e3 };
const MODULE: Weights =
    Weights { floor: 2_862e3, knee: 3 << 20, low: 0.6183, high: 0.3055, worker: 1.338, step: 248e3 };

/// For each byte of the base: the index of its names and types.
const BASE: f64 = 3.3;

impl Features {
    /// Anonymous memory at its peak, in bytes, on so many workers.
    pub fn peak(&self, workers: usize) -> u64 {
        let weights = if self.is_relocatable { &MODULE } else { &LINKED };
        let low = self.info_bytes.min(weights.knee) as f64;
        let high = self.info_bytes.saturating_sub(weights.knee) as f64;
        let more = workers.saturating_sub(1) as f64;
        let own = weights.floor + weights.low * low + weights.high * high;
        let bytes = own
            + more * (weights.worker * low + weights.step)
            + self.copied_bytes as f64
            + BASE * self.base_bytes as f64;
        // A number that is too large for the type becomes the largest of it.
        bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_of_anything_takes_more() {
        let some = Features { info_bytes: 50 << 20, copied_bytes: 0, is_relocatable: false, base_bytes: 0 };
        assert!(some.peak(2) > some.peak(1));
        assert!(Features { info_bytes: 200 << 20, ..some }.peak(1) > some.peak(1));
        assert!(Features { copied_bytes: 9 << 20, ..some }.peak(1) >= some.peak(1) + (9 << 20) - 1);
        assert!(Features { base_bytes: 5 << 20, ..some }.peak(1) > some.peak(1));
        // Sizes that a header can claim.
        let absurd = Features {
            info_bytes: u64::MAX,
            copied_bytes: u64::MAX,
            is_relocatable: true,
            base_bytes: u64::MAX,
        };
        assert_eq!(absurd.peak(usize::MAX), u64::MAX);
    }
}
