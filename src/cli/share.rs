//! What an encode takes of a machine that others use as well: its workers.
//!
//! Asked for when the size of the work is known and before it begins, given back when it is done. It decides
//! how long the encode takes, never what comes of it.

use std::num::NonZeroUsize;
use std::time::Duration;

use btfgen::admission::Root;
use btfgen::admission::jobserver::{Jobserver, Slots, environment};
use btfgen::admission::limits::Cpus;
use btfgen::{Image, Jobs, Result};

/// Bytes of debugging information below which another worker costs more than it does.
const BYTES_PER_WORKER: u64 = 1 << 20;

/// How long to wait for slots that make does not give at once. The build has other work for its slots; the
/// encode begins with those that are there.
const TOKEN_WAIT: Duration = Duration::from_millis(10);

/// What an encode was given.
#[derive(Debug)]
pub(crate) struct Share {
    slots: Option<Slots>,
    jobs: Jobs,
}

impl Share {
    /// Asks for workers: as many as were named or as there are CPUs, no more than the work can keep busy, and
    /// below make no more than it has slots to spare.
    ///
    /// # Errors
    /// `BTFGEN_JOBSERVER` makes no sense.
    pub(crate) fn take(jobs: Jobs, image: &Image) -> Result<Share> {
        let most = match jobs {
            Jobs::Auto => Cpus::read(&Root::system()).count(),
            Jobs::Exactly(count) => count,
        };
        let slots = match Jobserver::find(environment)? {
            Jobserver::None => return Ok(Share { slots: None, jobs: Jobs::Exactly(most) }),
            Jobserver::Slots(slots) => slots,
        };
        let mut share = Share { slots: Some(slots), jobs: Jobs::Exactly(NonZeroUsize::MIN) };
        let useful = usize::try_from(debug_info_bytes(image) / BYTES_PER_WORKER).unwrap_or(usize::MAX);
        let extra = useful.min(most.get() - 1);
        if let Some(slots) = share.slots.as_mut().filter(|_| extra > 0) {
            slots.want(extra);
            slots.wait(extra, TOKEN_WAIT);
            // Those that come later would lie idle.
            slots.want(slots.workers() - 1);
            share.jobs = Jobs::Exactly(NonZeroUsize::new(slots.workers()).unwrap_or(NonZeroUsize::MIN));
        }
        Ok(share)
    }

    /// The workers that may run.
    pub(crate) fn jobs(&self) -> Jobs {
        self.jobs
    }

    /// Gives everything back: the work is done.
    pub(crate) fn give_back(&mut self) {
        if let Some(slots) = &mut self.slots {
            slots.finish();
        }
    }
}

/// The size of the debugging information as it is in the file.
fn debug_info_bytes(image: &Image) -> u64 {
    let names: [&[u8]; 4] = [b".debug_info", b".zdebug_info", b".debug_types", b".zdebug_types"];
    image.sections().iter().filter(|s| names.contains(&s.name.as_slice())).map(|s| s.size).sum()
}
