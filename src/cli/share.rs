//! What encoding takes of a machine that others use as well: memory, then workers.
//!
//! Asked for when the size of the work is known and before it begins, given back when it is done. It decides
//! how long the encode takes, never what comes of it. Memory comes first: nobody waits for it while holding
//! slots that others could use.

use std::num::NonZeroUsize;
use std::time::Duration;

use btfgen::admission::Root;
use btfgen::admission::forecast::{Features, MOST_UNITS, Units, is_remembered};
use btfgen::admission::gates::Gates;
use btfgen::admission::history::{History, Run};
use btfgen::admission::jobserver::{Jobserver, environment};
use btfgen::admission::ledger::Offer;
use btfgen::admission::limits::Cpus;
use btfgen::admission::margin::Forecast;
use btfgen::admission::size::show_bytes;
use btfgen::{Error, Files, Jobs, Result, Throttle};

use super::admit::Wishes;
use super::source::BaseSize;
use super::watch::{Taken, Watch};

/// How long to wait for slots that make does not give at once. The build has other work for its slots; the
/// encode begins with those that are there.
const TOKEN_WAIT: Duration = Duration::from_millis(10);

/// What an encode was given.
#[derive(Debug)]
pub(crate) struct Share {
    watch: Option<Watch>,
    throttle: Throttle,
    /// Where it is remembered, as what, and how much was expected of it.
    history: Option<(History, &'static str, u64)>,
    /// How many times what is expected is reserved.
    margin: f64,
    jobs: NonZeroUsize,
}

/// What is to be done, as far as sharing asks.
pub(crate) struct Work<'a> {
    /// What others see it called.
    pub(crate) label: &'a str,
    /// The workers that were asked for.
    pub(crate) jobs: Jobs,
    /// How to share the machine.
    pub(crate) wishes: &'a Wishes,
    /// As many as have work.
    pub(crate) most: usize,
    /// What is known of the memory that it will take.
    pub(crate) kind: Kind<'a>,
}

/// What is known of the memory that work takes.
pub(crate) struct Kind<'a> {
    /// What runs of its kind are remembered as.
    pub(crate) class: &'static str,
    /// What is expected of the anonymous memory at its peak, in bytes, on so many workers.
    pub(crate) point: &'a dyn Fn(usize) -> u64,
    /// How many times that is reserved, if nothing is remembered.
    pub(crate) margin: f64,
}

impl<'a> Kind<'a> {
    /// An encode of one file; `point` is [`Features::point`] of its features.
    pub(crate) fn of(features: &Features, point: &'a dyn Fn(usize) -> u64) -> Kind<'a> {
        Kind { class: features.class(), point, margin: features.margin() }
    }

    /// The earlier runs of this kind, if there is a place to remember them and this is worth it.
    pub(crate) fn history(&self) -> Option<(History, Vec<Run>)> {
        let history = History::find(environment).filter(|_| is_remembered((self.point)(1)))?;
        let runs = history.runs(self.class);
        Some((history, runs))
    }

    /// How much memory it will take on so many workers.
    pub(crate) fn forecast(&self, workers: usize, runs: &[Run]) -> Forecast {
        Forecast::new((self.point)(workers), self.margin, runs)
    }
}

impl Share {
    /// Asks for what one encode takes: that of `files`, above a base.
    ///
    /// # Errors
    /// Those of [`take`](Self::take).
    pub(crate) fn for_encode(
        files: &Files<'_>,
        base: BaseSize,
        jobs: Jobs,
        wishes: &Wishes,
    ) -> Result<Share> {
        let features = features(files, base);
        Share::take(&Work {
            label: &files.image().path().file_name().unwrap_or_default().to_string_lossy(),
            jobs,
            wishes,
            most: features.most_workers(),
            kind: Kind::of(&features, &|workers| features.point(workers)),
        })
    }

    /// Asks for workers: as many as were named or as there are CPUs, no more than have work and there is memory
    /// for, and below make no more than it has slots to spare for.
    ///
    /// # Errors
    /// A variable makes no sense; or there is no room, and the user wants to hear of that.
    pub(crate) fn take(work: &Work<'_>) -> Result<Share> {
        let jobs = match work.jobs {
            Jobs::Auto => Cpus::read(&Root::system()).count(),
            Jobs::Exactly(count) => count,
        };
        let jobs = NonZeroUsize::new(work.most).unwrap_or(NonZeroUsize::MIN).min(jobs);
        let server = Jobserver::find(environment)?;
        // All workers, half of them, down to one.
        let counts = std::iter::successors(Some(jobs.get()), |&n| (n > 1).then_some(n / 2));
        let kind = &work.kind;
        let (history, runs) = kind.history().unzip();
        let runs = runs.unwrap_or_default();
        let offer = |n| Offer {
            bytes: kind.forecast(n, &runs).bytes(),
            threads: u32::try_from(n).unwrap_or(u32::MAX),
        };
        let wishes = work.wishes.with_environment()?;
        let mut offers: Vec<Offer> = counts.map(offer).collect();
        if let (Some(most), Some(least)) = (wishes.max_memory, offers.last().copied()) {
            offers.retain(|offer| offer.bytes <= most);
            if offers.is_empty() {
                let (needs, has) = (show_bytes(least.bytes), show_bytes(most));
                let message = format!("it needs {needs} of memory on one worker, and may take {has}");
                return Err(Error::input(message).hint("raise --max-memory"));
            }
        }
        // With nobody to ask, what it may take at most is still a limit.
        let most = offers.first().map_or(1, |offer| offer.threads);
        let reservation = wishes.acquire(offers, work.label, None, Gates::none())?;
        let threads = reservation.as_ref().map_or(most, |reservation| reservation.offer().threads);
        let mut jobs = jobs.min(NonZeroUsize::new(threads as usize).unwrap_or(jobs));
        let mut held = None;
        if let Jobserver::Slots(mut slots) = server {
            let extra = jobs.get() - 1;
            slots.want(extra);
            slots.wait(extra, TOKEN_WAIT);
            // Those that come later would lie idle.
            slots.want(slots.workers() - 1);
            jobs = NonZeroUsize::new(slots.workers()).unwrap_or(NonZeroUsize::MIN);
            held = Some(slots);
        }
        let throttle = Throttle::default();
        let watch = Watch::begin(reservation, held, jobs.get(), throttle.clone());
        let Forecast { point, margin, .. } = kind.forecast(jobs.get(), &runs);
        let history = history.map(|history| (history, kind.class, point));
        Ok(Share { watch, throttle, history, margin, jobs })
    }

    /// The workers that may run.
    pub(crate) fn jobs(&self) -> NonZeroUsize {
        self.jobs
    }

    /// What says how many of them may go on.
    pub(crate) fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// No more than so many bytes are expected to be needed from here on.
    pub(crate) fn needs(&self, bytes: u64) {
        if let Some(watch) = &self.watch {
            // A number that is too large for the type becomes the largest of it.
            watch.needs((bytes as f64 * self.margin) as u64);
        }
    }

    /// Gives everything back: the work is done.
    pub(crate) fn give_back(&mut self) -> Taken {
        self.watch.take().map(Watch::end).unwrap_or_default()
    }

    /// Remembers what a run took that did all that it should: others of its kind will take as much.
    pub(crate) fn remember(&self, peak: u64) {
        if let Some((history, class, point)) = &self.history {
            // What cannot be remembered is no reason to fail, nor to tell: the shipped margin holds.
            let _ = history.add(class, Run::now(0, *point, peak));
        }
    }
}

/// What a forecast needs to know of files and their base. What is damaged counts as nothing: the encode will say so.
pub(crate) fn features(files: &Files<'_>, base: BaseSize) -> Features {
    let (image, debug) = (files.image(), files.debug());
    let is_relocatable = image.is_relocatable();
    let mut features = Features { is_relocatable, base_bytes: base.bytes, ..Features::default() };
    let read = [Some(debug), files.supplementary()].into_iter().flatten();
    for (file, is_own) in read.zip([true, false]) {
        let mut copied = 0_u64;
        for name in DEBUG_SECTIONS.into_iter().chain(INFO_SECTIONS) {
            let (size, of_it) = file.debug_section_size(name).unwrap_or_default();
            copied = copied.saturating_add(of_it);
            // Of a supplementary file only what is referred to is read.
            if is_own && INFO_SECTIONS.contains(&name) {
                features.info_bytes = features.info_bytes.saturating_add(size);
            }
        }
        if copied > 0 {
            copied = copied.saturating_add(file.relocation_memory());
        }
        let held = if std::ptr::eq(file, image) { 0 } else { file.held_bytes() };
        features.copied_bytes = features.copied_bytes.saturating_add(copied).saturating_add(held);
    }
    for held in [image.held_bytes(), base.held_bytes] {
        features.copied_bytes = features.copied_bytes.saturating_add(held);
    }
    let heads = debug.debug_info_units(MOST_UNITS);
    features.units = heads.map(|heads| Units { count: heads.count, largest_bytes: heads.largest_bytes });
    features.has_more = heads.is_some_and(|heads| heads.are_split);
    features
}

/// The sections that hold DIEs; those for split DWARF, too, if they are in the file itself.
const INFO_SECTIONS: [&[u8]; 3] = [b".debug_info", b".debug_types", b".debug_info.dwo"];

/// The others that an encode reads.
const DEBUG_SECTIONS: [&[u8]; 8] = [
    b".debug_abbrev",
    b".debug_str",
    b".debug_line_str",
    b".debug_str_offsets",
    b".debug_addr",
    b".debug_line",
    b".debug_rnglists",
    b".debug_loclists",
];
