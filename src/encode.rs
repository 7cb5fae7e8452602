//! The pipeline, stage after stage. This is the only place that knows ELF, DWARF and BTF together.

use std::collections::HashMap;

use object::Endianness;
use object::elf as spec;
use rayon::prelude::*;

use crate::btf::{self, Btf, CheckOptions, Distilled, Kind, Level, Levels};
use crate::build::{Builder, Built, Context, Machine, Warning, Warnings, Watch};
use crate::dwarf::{Place, Program, Source, Sources};
use crate::elf::{self, Image, KfuncFlags, SymbolKind};
use crate::files::{DebugSections, Files, Parts};
use crate::merge::base::Base;
use crate::merge::emit;
use crate::merge::exact::Exact;
use crate::merge::functions::{self, KfuncMarks};
use crate::merge::resolve::Resolution;
use crate::merge::shared::Shared;
use crate::merge::variables::{self, VariableSection};
use crate::options::{Features, Jobs, Options};
use crate::pool::{self, Throttle, Workers};
use crate::report::{Outcome, Report};
use crate::symtab::Symtab;
use crate::table::{EntryId, Refined, Site, Skeleton, Tables};
use crate::why::{self, Inquiry, Why};
use crate::{Error, Result};

/// An encode: what it shall do, on how many workers.
///
/// ```no_run
/// use btfgen::{Encoder, Image, Options};
///
/// # fn main() -> btfgen::Result<()> {
/// let image = Image::open("vmlinux")?;
/// let output = Encoder::new(Options::default()).encode(&image)?;
/// println!("{} bytes of BTF, {} functions", output.btf.len(), output.report.functions.encoded);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Encoder<'p> {
    options: Options,
    jobs: Jobs,
    base: Option<&'p Base<'p>>,
    progress: Option<&'p (dyn Fn(usize, usize) + Sync)>,
    throttle: Throttle,
}

/// What an encode gives.
#[derive(Debug)]
pub struct Output {
    /// A BTF in the byte order of the input, checked: one of its own, or split from the base. A split one has no
    /// types if the base has them all.
    pub btf: Vec<u8>,
    /// With [`Features::DISTILLED_BASE`], what `btf` is split from instead of the base: the content of `.BTF.base`.
    pub distilled_base: Option<Vec<u8>>,
    /// What was done.
    pub report: Report,
}

impl<'p> Encoder<'p> {
    /// An encode with these options.
    pub fn new(options: Options) -> Self {
        Encoder { options, ..Encoder::default() }
    }

    /// Sets how many workers it gets; the output is the same for every number.
    #[must_use]
    pub fn jobs(mut self, jobs: Jobs) -> Self {
        self.jobs = jobs;
        self
    }

    /// Has the output continue `base`: it holds only what the base has not.
    #[must_use]
    pub fn base(mut self, base: &'p Base<'p>) -> Self {
        self.base = Some(base);
        self
    }

    /// Has `progress` called with the number of units begun and of all units, from any thread.
    #[must_use]
    pub fn progress(mut self, progress: &'p (dyn Fn(usize, usize) + Sync)) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Has `throttle` say, at any time, how many of the workers go on; the output is the same whatever it says.
    #[must_use]
    pub fn throttle(mut self, throttle: Throttle) -> Self {
        self.throttle = throttle;
        self
    }

    /// Encodes the debugging information of `image`: on threads of its own, or, called on just as many
    /// [`Workers`], on those.
    ///
    /// # Errors
    /// The image has no DWARF or damaged DWARF, or there is more than BTF can hold. The error names the
    /// file, and the unit and DIE where there is one.
    pub fn encode(&self, image: &Image) -> Result<Output> {
        let mut report = Report::default();
        let files = report.phase("open", false, |_| Files::open(image, &self.options.search));
        self.start(&files.map_err(|e| e.in_file(image.path()))?, report, None).map(|(output, _)| output)
    }

    /// The same for files that were opened already.
    ///
    /// # Errors
    /// As there.
    pub fn encode_files(&self, files: &Files<'_>) -> Result<Output> {
        self.start(files, Report::default(), None).map(|(output, _)| output)
    }

    /// Encodes as [`encode_files`](Self::encode_files) does, and says of each name that `asked` accepts why it is in
    /// the output or not. It takes about as long. Ids are those before a base is distilled.
    ///
    /// # Errors
    /// As there.
    pub fn explain(
        &self,
        files: &Files<'_>,
        asked: &(dyn Fn(&[u8]) -> bool + Sync),
    ) -> Result<(Output, Why)> {
        self.start(files, Report::default(), Some(Watch(asked)))
    }

    fn start(&self, files: &Files<'_>, report: Report, watch: Option<Watch<'_>>) -> Result<(Output, Why)> {
        let report = Report { jobs: self.jobs.count(), ..report };
        let is_here = Workers::are_here(report.jobs);
        let run = || self.run(files, report, watch).map_err(|e| e.in_file(files.image().path()));
        if is_here { run() } else { Workers::new(self.jobs)?.run(run) }
    }

    fn run(&self, files: &Files<'_>, mut report: Report, watch: Option<Watch<'_>>) -> Result<(Output, Why)> {
        let (image, jobs) = (files.image(), report.jobs);
        match self.base {
            Some(base) => fits(base.btf(), image)?,
            None if self.options.features.contains(Features::DISTILLED_BASE) => {
                return Err(Error::usage("there is no base to distill").hint("give the BTF of the kernel"));
            }
            None => {}
        }
        let own = report.phase("sections", false, |_| DebugSections::read(files.debug()))?;
        let parts =
            report.phase("parts", false, |_| Parts::open(files.debug(), &own, &self.options.search))?;
        let contents = files.contents(&own, &parts)?;
        let program = &report.phase("units", false, |_| {
            let mut program = contents.program()?;
            if self.options.is_choosy() {
                program.leave_out(|language| self.options.leaves_out(language))?;
            }
            Ok::<_, Error>(program)
        })?;
        report.debug_info_bytes = program.files().iter().map(|file| file.info.len() as u64).sum();
        report.units = program.units().len() as u64;
        let machine = Machine::new(image.machine().0, image.address_size());
        let data_sections = variable_sections(image, self.options.features);
        let wanted = data_sections.iter().filter(|s| s.wanted);
        let wanted: Vec<_> = wanted.map(|s| s.address..s.address.saturating_add(s.size)).collect();
        let context = Context {
            program,
            options: &self.options,
            machine,
            variables: &wanted,
            watch,
            names_by_content: image.is_relocatable(),
            is_again: false,
        };

        // The walk: from here on every type that any unit holds is in some worker's table, once.
        let (built, symbols) = report.phase("walk", true, |report| {
            let (built, symbols) = rayon::join(
                || self.walk(files.debug(), context, report),
                || {
                    let _busy = self.throttle.enter(0, || false);
                    Symbols::read(files, &self.options)
                },
            );
            Ok::<_, Error>((built?, symbols?))
        })?;
        let mut warnings = Warnings::default();
        for worker in &built {
            warnings.add(&worker.warnings);
            report.units_skipped += worker.skipped_units;
        }

        // The join: from here on there is one table. It commutes, so nobody can tell who found what.
        let tables = built.into_iter().map(|b| b.tables).collect::<Vec<_>>();
        let mut tables = report.phase("join", true, |_| self.wide(jobs, || join(tables)));

        // Exactness: from here on equal keys mean equal types, also where a name means several things.
        let variants = report.phase("exact", true, |report| {
            // Who walks a unit again knows what is in the tables, and finds nothing by its content.
            let context = Context { names_by_content: false, is_again: true, ..context };
            let mut exact = Exact::new(&tables);
            loop {
                let units = exact.advance(&tables);
                if units.is_empty() {
                    break;
                }
                for some in units.chunks(SKELETONS) {
                    exact.add(&self.skeletons(context, some)?, &tables);
                }
            }
            let refined = self.refine(context, &mut exact, &tables)?;
            report.units_rewalked = exact.units() as u64;
            if !exact.is_settled() {
                report.warnings.insert("unsettled-names", 1);
            }
            Ok::<_, Error>(exact.finish(&mut tables, refined))
        })?;

        // The choice: from here on the table holds all that is written, and no reference is by name.
        let (mut resolution, inquiry) = report.phase("choose", false, |report| {
            let mut resolution = Resolution::new(&tables, &variants);
            resolution.fold_languages(&mut tables);
            let features = self.options.features;
            let Symbols { functions: symtab, kfuncs } = &symbols;
            let chosen =
                self.wide(jobs, || functions::choose(&mut tables, &mut resolution, symtab, kfuncs, features));
            let (found, encoded, skipped) = chosen.functions();
            report.functions = Outcome { found, encoded, skipped };
            let (encoded, skipped) = chosen.kfuncs();
            report.kfuncs = Outcome { found: symbols.kfuncs.len() as u64, encoded, skipped };
            let variables = variables::choose(&mut tables, &symbols.functions, &data_sections);
            let (encoded, skipped) = variables.counts();
            report.variables = Outcome { found: variables.found, encoded, skipped };
            let inquiry = watch.map(|_| {
                Inquiry::new(&tables, &resolution, &symbols.functions, features, &chosen, &variables)
            });
            resolution.find_index(&mut tables);
            report.split_names.clone_from(&resolution.split_names);
            (resolution, inquiry)
        });
        for warning in Warning::ALL {
            report.warnings.insert(warning.code(), warnings.get(warning));
        }

        let mut written = self.write(image, &tables, &resolution, &mut report)?;
        if report.violations.contains_key(Level::Hygiene.name()) {
            // What told two types apart could not be written, or the base has one type for both: now they are one.
            resolution.fold(&mut tables, written.shared.as_ref());
            written = self.write(image, &tables, &resolution, &mut report)?;
        }
        count_types(&mut report, &tables, &resolution, written.shared.as_ref());
        let why = inquiry.map(|inquiry| {
            let lines = files.debug().debug_section(b".debug_line").ok();
            let sources = Sources::new(program, lines.as_deref());
            inquiry.answer(&why::Outcome {
                tables: &tables,
                resolution: &resolution,
                variants: &variants,
                symtab: &symbols.functions,
                sections: &data_sections,
                id: &written.ids(),
                place: &|site| place(&sources, site),
            })
        });
        let (mut btf, mut distilled_base) = (written.btf, None);
        if self.options.features.contains(Features::DISTILLED_BASE)
            && let Some(base) = self.base
        {
            let distilled = report.phase("distill", false, |_| distill(&btf, base.btf()))?;
            (btf, distilled_base) = (distilled.split, Some(distilled.base));
        }
        report.output_bytes = btf.len() as u64;
        report.distilled_bytes = distilled_base.as_ref().map_or(0, |base| base.len() as u64);
        Ok((Output { btf, distilled_base, report }, why.unwrap_or_default()))
    }

    /// The last stages: from here on there are only bytes, in an order that content decides, which every
    /// kernel accepts.
    fn write(
        &self,
        image: &Image,
        tables: &Tables<'_>,
        resolution: &Resolution,
        report: &mut Report,
    ) -> Result<Written<'p>> {
        let Options { features, order, .. } = self.options;
        let alive = || tables.types.ids().filter(|&id| resolution.is_alive(id));
        let shared = self.base.map(|base| {
            let alive: Vec<_> = alive().collect();
            report.phase("base", false, |_| Shared::find(base, tables, resolution, &alive, features))
        });
        let written = alive().filter(|&id| shared.as_ref().is_none_or(|shared| shared.get(id).is_none()));
        let jobs = report.jobs;
        let order = report.phase("order", true, |_| self.wide(jobs, || emit::order(tables, written, order)));
        if let Some(shared) = &shared {
            report.warnings.insert("base-too-large", u64::from(!shared.is_complete));
        } else if order.is_empty() {
            return Err(Error::input("there is nothing to encode: its units hold no type and no function"));
        }
        let write = |_: &mut Report| {
            emit::write(tables, resolution, &order, shared.as_ref(), &self.options, endian(image))
        };
        let btf = report.phase("write", false, write)?;
        let base = self.base.map(Base::btf);
        report.phase("check", true, |report| self.wide(jobs, || check(&btf, base, report)))?;
        let first = base.map_or(1, Btf::len);
        Ok(Written { btf, shared, first, order })
    }

    fn walk<'a>(&self, image: &Image, context: Context<'a>, report: &mut Report) -> Result<Vec<Built<'a>>> {
        let units = context.program.units();
        let order = self.options.shuffle.map(|seed| shuffled(units.len(), seed));
        let progress = |begun: usize| {
            if let Some(progress) = self.progress {
                progress(begun, units.len());
            }
            if order.is_none() {
                release_behind(image, context.program, begun);
            }
            if self.throttle.wants_memory() {
                image.release();
            }
        };
        let take = |turn| order.as_ref().map_or(turn, |order| order[turn]);
        let step = |builder: &mut Builder<'a>, i: usize| builder.unit(i as u32);
        let done = pool::run(&self.throttle, units.len(), take, progress, || Builder::new(context), step)?;
        report.workers = done.iter().map(|d| d.cpu).collect();
        Ok(done.into_iter().map(|d| d.worker.finish()).collect())
    }

    /// Walks units for their skeletons, in the order of their numbers.
    fn skeletons(&self, context: Context<'_>, numbers: &[u32]) -> Result<Vec<Skeleton>> {
        let new = || (Builder::new(context), Vec::new());
        let step = |(builder, skeletons): &mut (Builder<'_>, Vec<Skeleton>), i: usize| {
            skeletons.push(builder.skeleton(numbers[i])?);
            Ok(())
        };
        let done = pool::run(&self.throttle, numbers.len(), |turn| turn, |_| {}, new, step)?;
        let mut skeletons: Vec<_> = done.into_iter().flat_map(|d| d.worker.1).collect();
        skeletons.sort_unstable_by_key(|skeleton| skeleton.unit);
        Ok(skeletons)
    }

    /// Walks the units again that a name with several definitions makes doubtful.
    fn refine<'a>(
        &self,
        context: Context<'a>,
        exact: &mut Exact,
        tables: &Tables<'_>,
    ) -> Result<Vec<Refined<'a>>> {
        let (meanings, places) = exact.rest();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let new = || (Builder::new(context), Refined::default());
        let step = |(builder, refined): &mut (Builder<'a>, Refined<'a>), i: usize| {
            builder.refine(&exact.meanings(places[i], tables), &meanings, refined)
        };
        let done = pool::run(&self.throttle, places.len(), |turn| turn, |_| {}, new, step)?;
        let finish = |(builder, mut refined): (Builder<'a>, Refined<'a>)| {
            refined.tables = builder.finish().tables;
            refined
        };
        Ok(done.into_iter().map(|d| finish(d.worker)).collect())
    }

    /// A stage for all workers: it runs on as many threads as may work when it begins.
    fn wide<T: Send>(&self, jobs: usize, stage: impl FnOnce() -> T + Send) -> T {
        let (_busy, few) = self.throttle.enter_together(jobs);
        let narrow = (few < jobs).then(|| Workers::new(Jobs::exactly(few)).ok()).flatten();
        match narrow {
            Some(workers) => workers.run(stage),
            None => stage(),
        }
    }
}

/// Skeletons that are there at a time: all that is said twice until the search has taken them in. One of a unit of a
/// kernel has 100 KB.
const SKELETONS: usize = 128;

/// A BTF as it was written last, and what its base has of it.
struct Written<'b> {
    btf: Vec<u8>,
    shared: Option<Shared<'b>>,
    /// The id of the first own type, and the own types.
    first: u32,
    order: Vec<EntryId>,
}

impl Written<'_> {
    /// What tells the id of an entry, and whether it is one of the base.
    fn ids(&self) -> impl Fn(EntryId) -> Option<(u32, bool)> {
        let own: HashMap<EntryId, u32> = self.order.iter().copied().zip(self.first..).collect();
        let shared = self.shared.as_ref();
        move |entry| match shared.and_then(|shared| shared.get(entry)) {
            Some(id) => Some((id.0, true)),
            None => own.get(&entry).map(|&id| (id, false)),
        }
    }
}

/// Where a DIE lies, for people.
fn place(sources: &Sources<'_>, site: Site) -> why::Place {
    let Source { unit, unit_offset, die_offset, file, line } =
        sources.of(Place { unit: site.unit, offset: site.offset });
    why::Place { unit, unit_offset, die_offset, file, line }
}

/// The byte order of an image, and of what is made of it.
fn endian(image: &Image) -> btf::Endian {
    match image.endian() {
        Endianness::Little => btf::Endian::Little,
        Endianness::Big => btf::Endian::Big,
    }
}

/// Refuses a base that was made for another machine.
fn fits(base: &Btf<'_>, image: &Image) -> Result<()> {
    let hint = "the base must be that of the kernel that the file was built for";
    if base.endian() != endian(image) {
        return Err(Error::input("its byte order is not that of the base").hint(hint));
    }
    let (ours, theirs) = (u32::from(image.address_size()), base.pointer_bytes());
    if let Some(theirs) = theirs.filter(|&theirs| theirs != ours) {
        let message = format!("its pointers have {ours} bytes, those of the base have {theirs}");
        return Err(Error::input(message).hint(hint));
    }
    Ok(())
}

/// What the symbol table says.
struct Symbols<'a> {
    functions: Symtab<'a>,
    kfuncs: HashMap<&'a [u8], KfuncMarks>,
}

impl<'a> Symbols<'a> {
    fn read(files: &'a Files<'_>, options: &Options) -> Result<Self> {
        let image = files.symbols();
        let mut functions = Symtab::default();
        // Bit 0 of a function's address tells the instruction set (Thumb, microMIPS).
        let has_modes = matches!(image.machine(), spec::EM_ARM | spec::EM_MIPS);
        let address_mask = if has_modes { !1 } else { !0 };
        let sections = image.sections();
        image.each_symbol(|symbol| match symbol.kind {
            SymbolKind::Function => functions.add_function(symbol.name(), symbol.value & address_mask),
            SymbolKind::Object => {
                let section = sections.get(symbol.section as usize);
                if section.is_some_and(|s| s.address == symbol.value) {
                    functions.add_section_start(symbol.section, symbol.name());
                }
            }
            SymbolKind::Other => {}
        })?;
        let mut kfuncs: HashMap<&[u8], KfuncMarks> = HashMap::new();
        if options.features.contains(Features::DECL_TAG_KFUNCS) {
            for kfunc in elf::kfuncs(image, files.loaded())? {
                // A function may be in several sets: what any of them says holds.
                let marks = kfuncs.entry(kfunc.name).or_default();
                marks.fastcall |= kfunc.flags.has(KfuncFlags::FASTCALL);
                let arena = [KfuncFlags::ARENA_RET, KfuncFlags::ARENA_ARG1, KfuncFlags::ARENA_ARG2];
                for (mark, flag) in marks.arena.iter_mut().zip(arena) {
                    *mark |= kfunc.flags.has(flag);
                }
            }
        }
        Ok(Symbols { functions, kfuncs })
    }
}

/// The loaded sections that hold variables, and which of them are wanted.
fn variable_sections(image: &Image, features: Features) -> Vec<VariableSection> {
    let all = features.contains(Features::GLOBAL_VAR);
    let percpu = features.contains(Features::VAR);
    let loaded = |s: &elf::Section| {
        matches!(s.kind, spec::SHT_PROGBITS | spec::SHT_NOBITS) && s.flags.0 & spec::SHF_ALLOC.0 != 0
    };
    let sections = image.sections().iter().enumerate().filter(|(_, s)| loaded(s));
    let section = |(i, s): (usize, &elf::Section)| VariableSection {
        index: i as u32,
        name: s.name.clone(),
        address: s.address,
        size: s.size,
        wanted: all || percpu && s.name == b".data..percpu",
    };
    sections.map(section).collect()
}

/// Bytes of `.debug_info` after which all pages of the input are given back. What is still needed is found again where
/// the system keeps it: that is 2 % of the time of a kernel, and 40 to 60 MB of 180 are not resident. Smaller steps save
/// no more.
const RELEASE_STEP: u64 = 16 << 20;

/// Whenever the beginning of unit number `begun` passes a step, gives back what was read of the input: units and what
/// belongs to them lie in the same order in all sections, so that nearly all of it is done with.
fn release_behind(image: &Image, program: &Program<'_>, begun: usize) {
    let step = |i: usize| program.units().get(i).map(|unit| (unit.file, unit.offset / RELEASE_STEP));
    // Before the first unit, the headers of all were read.
    if begun == 0 || step(begun) != step(begun - 1) {
        image.release();
    }
}

/// One table of many, in a tree, so that with many workers most of the joins run side by side.
fn join<'a>(tables: Vec<Tables<'a>>) -> Tables<'a> {
    let both = |mut a: Tables<'a>, b: Tables<'a>| {
        a.join(b);
        a
    };
    tables.into_par_iter().reduce_with(both).unwrap_or_default()
}

fn count_types(
    report: &mut Report,
    tables: &Tables<'_>,
    resolution: &Resolution,
    shared: Option<&Shared<'_>>,
) {
    // By kind, whose numbers begin with 1: met, in the base, written.
    let mut counts = [[0_u64; 3]; Kind::ALL.len() + 1];
    for id in tables.types.ids() {
        let [met, in_base, written] = &mut counts[tables.types.get(id).kind as usize];
        *met += u64::from(tables.types.count(id));
        if resolution.is_alive(id) {
            let is_shared = shared.is_some_and(|shared| shared.get(id).is_some());
            *if is_shared { in_base } else { written } += 1;
        }
    }
    for (kind, counts) in Kind::ALL.into_iter().zip(counts.into_iter().skip(1)) {
        let figures = [&mut report.types_in, &mut report.types_in_base, &mut report.types_out];
        for (figures, count) in figures.into_iter().zip(counts).filter(|(_, count)| *count != 0) {
            figures.insert(kind.name(), count);
        }
    }
}

/// The kernel's rules, applied to our own output. What every kernel refuses is an error. What only
/// matters to programs that load such types by themselves is counted: some of it is what the input says.
fn check(btf: &[u8], base: Option<&Btf<'_>>, report: &mut Report) -> Result<()> {
    let own_fault = |message: String| {
        Error::input(format!("the output breaks the rules of BTF: {message}"))
            .hint("this is a defect of btfgen; please report it with the input")
    };
    let parsed = base.map_or_else(|| Btf::parse(btf), |base| Btf::parse_split(btf, base));
    let parsed = parsed.map_err(|e| own_fault(e.to_string()))?;
    let check = |levels| btf::check(&parsed, &CheckOptions { levels, ..CheckOptions::default() });
    let (mut found, resolve) = rayon::join(
        || check(Levels::ALL.without(Level::Resolve)),
        || check(Levels::NONE.with(Level::Resolve)),
    );
    found.extend(resolve);
    report.violations.clear();
    for violation in found {
        if matches!(violation.level, Level::Container | Level::Records) {
            return Err(own_fault(violation.to_string()));
        }
        *report.violations.entry(violation.level.name()).or_default() += 1;
    }
    Ok(())
}

/// Distills the base of a checked output, and checks what comes of it.
fn distill(btf: &[u8], base: &Btf<'_>) -> Result<Distilled> {
    let distilled = btf::distill(&Btf::parse_split(btf, base)?)?;
    let base = Btf::parse(&distilled.base)?;
    check(&distilled.split, Some(&base), &mut Report::default())?;
    Ok(distilled)
}

/// A permutation that depends on the seed alone (Fisher and Yates, with a multiplicative generator).
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = seed | 1;
    for i in (1..count).rev() {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        order.swap(i, (state >> 33) as usize % (i + 1));
    }
    order
}
