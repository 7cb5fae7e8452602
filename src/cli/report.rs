//! The figures of a run, as a tree to read and as JSON to process.
//!
//! # The JSON
//!
//! One object. Within one `schema_version` keys are added, never removed or given another meaning. Times are
//! in seconds (`*_seconds`, fractions), sizes in bytes (`*_bytes`, integers).
//!
//! ```text
//! schema_version   1
//! btfgen_version   "0.1.0"
//! input            path, debug_info_bytes, units, units_skipped (by language), units_rewalked; of many files in place of
//!                  the path: modules, modules_empty (nothing to encode), modules_failed
//! output           path (null of many in place), base (null without one), output_bytes, distilled_bytes (0 without)
//! options          features [NAME...], order "name" or "first", flat_arrays, lang_exclude [CODE...]
//! jobs             number of workers
//! total            wall_seconds, cpu_seconds
//! phases           [{name, wall_seconds, cpu_seconds, parallel}...] in their order; of many files the sums
//! workers          [{cpu_seconds}...]
//! types_in         {KIND: occurrences in the input}, kinds in lower case
//! types_out        {KIND: types in the output}
//! types_in_base    {KIND: types left out because the base has them}
//! functions        found, encoded, skipped {REASON: count}
//! variables        found, encoded, skipped {REASON: count}
//! kfuncs           found, tagged, skipped {REASON: count}
//! split_names      [names with several definitions]
//! warnings         {REASON: count} of what could not be expressed
//! memory           peak_rss_bytes, anon_bytes, file_bytes; at the end of the run rss_bytes, pss_bytes and
//!                  uss_bytes (resident, the same with what is shared divided, own), null where unknown
//! pressure         how scarce memory was: level (the highest, 0 to 3), narrowed (how often fewer workers went on
//!                  than before), fewest_workers (the fewest that did)
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use btfgen::admission::footprint::Footprint;
use btfgen::report::{Outcome, Report, SCHEMA_VERSION};
use btfgen::{Features, Options, Order};
use serde_json::{Value, json};

use super::one_line;
use super::watch::Pressure;

/// What was encoded.
pub(crate) enum Input<'a> {
    /// One file.
    File(&'a Path),
    /// Many, of which some had nothing to encode and some failed.
    Modules { all: usize, empty: usize, failed: usize },
}

/// A run that came to its end.
pub(crate) struct Run<'a> {
    /// What was encoded.
    pub(crate) input: Input<'a>,
    /// Where the output is; many files have none in common.
    pub(crate) output: Option<&'a Path>,
    /// What the output continues.
    pub(crate) base: Option<&'a Path>,
    /// What was asked for.
    pub(crate) options: &'a Options,
    /// What the library says of it.
    pub(crate) report: &'a Report,
    /// Time since the start.
    pub(crate) wall: Duration,
    /// CPU time of the process.
    pub(crate) cpu: Duration,
    /// Its memory now, if the system tells.
    pub(crate) footprint: Option<Footprint>,
    /// How scarce memory was.
    pub(crate) pressure: Pressure,
}

/// The figures as JSON, ending with a newline.
pub(crate) fn json(run: &Run<'_>) -> Vec<u8> {
    let Run { input, output, base, options, report, wall, cpu, footprint, pressure } = run;
    let seconds = Duration::as_secs_f64;
    let phases = report.phases.iter().map(|p| {
        json!({
            "name": p.name,
            "wall_seconds": seconds(&p.wall),
            "cpu_seconds": seconds(&p.cpu),
            "parallel": p.parallel,
        })
    });
    let workers = report.workers.iter().map(|w| json!({ "cpu_seconds": seconds(w) }));
    let features = Features::NAMES.iter().filter(|(_, f)| options.features.contains(*f));
    let order = match options.order {
        Order::Name => "name",
        Order::First => "first",
    };
    let mut of_what = json!({
        "debug_info_bytes": report.debug_info_bytes,
        "units": report.units,
        "units_skipped": report.units_skipped,
        "units_rewalked": report.units_rewalked,
    });
    match input {
        Input::File(path) => of_what["path"] = json!(path.to_string_lossy()),
        Input::Modules { all, empty, failed } => {
            of_what["modules"] = json!(all);
            of_what["modules_empty"] = json!(empty);
            of_what["modules_failed"] = json!(failed);
        }
    }
    let value = json!({
        "schema_version": SCHEMA_VERSION,
        "btfgen_version": env!("CARGO_PKG_VERSION"),
        "input": of_what,
        "output": {
            "path": output.map(Path::to_string_lossy),
            "base": base.map(Path::to_string_lossy),
            "output_bytes": report.output_bytes,
            "distilled_bytes": report.distilled_bytes,
        },
        "options": {
            "features": features.map(|(name, _)| *name).collect::<Vec<_>>(),
            "order": order,
            "flat_arrays": options.flat_arrays,
            "lang_exclude": options.lang_exclude,
        },
        "jobs": report.jobs,
        "total": { "wall_seconds": seconds(wall), "cpu_seconds": seconds(cpu) },
        "phases": phases.collect::<Vec<_>>(),
        "workers": workers.collect::<Vec<_>>(),
        "types_in": by_kind(&report.types_in),
        "types_out": by_kind(&report.types_out),
        "types_in_base": by_kind(&report.types_in_base),
        "functions": outcome_json(&report.functions, "encoded"),
        "variables": outcome_json(&report.variables, "encoded"),
        "kfuncs": outcome_json(&report.kfuncs, "tagged"),
        "split_names": report.split_names,
        "warnings": report.warnings,
        "memory": {
            "peak_rss_bytes": report.memory.peak_rss_bytes,
            "anon_bytes": report.memory.anon_bytes,
            "file_bytes": report.memory.file_bytes,
            "rss_bytes": footprint.map(|footprint| footprint.rss),
            "pss_bytes": footprint.map(|footprint| footprint.pss),
            "uss_bytes": footprint.map(|footprint| footprint.uss),
        },
        "pressure": {
            "level": pressure.level,
            "narrowed": pressure.narrowed,
            "fewest_workers": pressure.fewest_workers,
        },
    });
    format!("{value:#}\n").into_bytes()
}

fn by_kind(counts: &BTreeMap<&'static str, u64>) -> Value {
    counts.iter().map(|(kind, n)| (kind.to_lowercase(), Value::from(*n))).collect()
}

fn outcome_json(outcome: &Outcome, encoded: &str) -> Value {
    json!({ "found": outcome.found, encoded: outcome.encoded, "skipped": outcome.skipped })
}

/// Names with several definitions that are shown; JSON has them all.
const NAMES_SHOWN: usize = 20;

/// The figures as a tree.
pub(crate) fn tree(run: &Run<'_>) -> String {
    let Run { input, base, report, wall, cpu, footprint, pressure, .. } = run;
    let r = *report;
    let title = match input {
        Input::File(path) => one_line(&path.to_string_lossy()),
        Input::Modules { all, .. } => plural(*all as u64, "module"),
    };
    let mut root = Node::new(title, "    wall s     CPU s");
    let mut phases = Node::new("total", times(*wall, *cpu));
    for phase in &r.phases {
        let name = if phase.parallel { format!("{}, parallel", phase.name) } else { phase.name.to_owned() };
        let mut node = Node::new(name, times(phase.wall, phase.cpu));
        if phase.name == "walk"
            && let (Some(least), Some(most)) = (r.workers.iter().min(), r.workers.iter().max())
        {
            let (least, most) = (least.as_secs_f64(), most.as_secs_f64());
            node.add(Node::new(
                plural(r.jobs as u64, "worker"),
                format!("          {least:.3} to {most:.3}"),
            ));
        }
        phases.add(node);
    }
    root.add(phases);

    let mut units = Node::new("units", r.units);
    units.add(Node::new(".debug_info", bytes(r.debug_info_bytes)));
    units.add_unless_zero("left out by language", r.units_skipped);
    units.add_unless_zero("walked twice", r.units_rewalked);
    if let Input::Modules { empty, failed, .. } = input {
        units.add_unless_zero("modules with nothing to encode", *empty as u64);
        units.add_unless_zero("modules that failed", *failed as u64);
    }
    root.add(units);

    let figures = |met: u64, written: u64, in_base: u64| match base {
        Some(_) => format!("{met} met, {in_base} in the base, {written} written"),
        None => format!("{met} met, {written} written"),
    };
    let sum = |counts: &BTreeMap<_, u64>| counts.values().sum::<u64>();
    let all = figures(sum(&r.types_in), sum(&r.types_out), sum(&r.types_in_base));
    let mut types = Node::new("types", all);
    for (kind, met) in &r.types_in {
        let of_kind = |counts: &BTreeMap<_, u64>| counts.get(kind).copied().unwrap_or(0);
        types.add(Node::new(*kind, figures(*met, of_kind(&r.types_out), of_kind(&r.types_in_base))));
    }
    root.add(types);
    root.add(outcome("functions", &r.functions, "written"));
    root.add(outcome("variables", &r.variables, "written"));
    root.add(outcome("kfuncs", &r.kfuncs, "tagged"));

    if !r.split_names.is_empty() {
        let mut names = Node::new("names with several definitions", r.split_names.len());
        for name in r.split_names.iter().take(NAMES_SHOWN) {
            names.add(Node::new(one_line(name), ""));
        }
        if let Some(more @ 1..) = r.split_names.len().checked_sub(NAMES_SHOWN) {
            names.add(Node::new(format!("and {more} more"), ""));
        }
        root.add(names);
    }
    let warnings = r.warnings.values().sum::<u64>();
    if warnings > 0 {
        let mut node = Node::new("could not be expressed", warnings);
        for (reason, n) in &r.warnings {
            node.add_unless_zero(reason, *n);
        }
        root.add(node);
    }
    let nothing = if sum(&r.types_out) == 0 { ", nothing that the base has not" } else { "" };
    let mut output = Node::new("output", bytes(r.output_bytes) + nothing);
    if r.distilled_bytes > 0 {
        output.add(Node::new("distilled base", bytes(r.distilled_bytes)));
    }
    root.add(output);
    let mut memory = Node::new("peak memory", bytes(r.memory.peak_rss_bytes));
    memory.add(Node::new("anonymous (RssAnon)", bytes(r.memory.anon_bytes)));
    memory.add(Node::new("mapped files (RssFile)", bytes(r.memory.file_bytes)));
    if let Some(Footprint { rss, pss, uss }) = *footprint {
        let figures = format!("{}, PSS {}, USS {}", bytes(rss), bytes(pss), bytes(uss));
        memory.add(Node::new("at the end (RSS)", figures));
    }
    if pressure.level > 0 {
        memory.add(Node::new("was scarce", format!("level {} of 3", pressure.level)));
        let workers = plural(pressure.fewest_workers as u64, "worker");
        memory.add_unless_zero(&format!("narrowed, to {workers} at least"), u64::from(pressure.narrowed));
    }
    root.add(memory);
    root.draw()
}

fn outcome(name: &str, outcome: &Outcome, encoded: &str) -> Node {
    let mut node = Node::new(name, format!("{} found, {} {encoded}", outcome.found, outcome.encoded));
    for (reason, n) in &outcome.skipped {
        node.add_unless_zero(reason, *n);
    }
    node
}

fn times(wall: Duration, cpu: Duration) -> String {
    format!("{:10.3}{:10.3}", wall.as_secs_f64(), cpu.as_secs_f64())
}

fn plural(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A size for people: three digits and more, in powers of ten.
fn bytes(n: u64) -> String {
    let mut n = n as f64;
    for unit in ["bytes", "kB", "MB"] {
        if n < 1000.0 {
            let digits = usize::from(unit != "bytes");
            return format!("{n:.digits$} {unit}");
        }
        n /= 1000.0;
    }
    format!("{n:.1} GB")
}

/// A line of the tree, and those below it.
struct Node {
    name: String,
    figures: String,
    below: Vec<Node>,
}

/// Where figures begin: names of phases, kinds and reasons fit before it.
const FIGURES_AT: usize = 36;

impl Node {
    fn new(name: impl Into<String>, figures: impl ToString) -> Self {
        Node { name: name.into(), figures: figures.to_string(), below: Vec::new() }
    }

    fn add(&mut self, node: Node) {
        self.below.push(node);
    }

    fn add_unless_zero(&mut self, name: &str, n: u64) {
        if n > 0 {
            self.add(Node::new(name, n));
        }
    }

    fn draw(&self) -> String {
        let mut text = String::new();
        self.draw_below("", "", &mut text);
        text
    }

    /// `first` stands before the own line, `rest` before those below it.
    fn draw_below(&self, first: &str, rest: &str, text: &mut String) {
        let line = format!("{first}{}", self.name);
        let line = format!("{line:FIGURES_AT$} {}", self.figures);
        text.push_str(line.trim_end());
        text.push('\n');
        for (i, node) in self.below.iter().enumerate() {
            let last = i + 1 == self.below.len();
            let (own, deeper) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            node.draw_below(&format!("{rest}{own}"), &format!("{rest}{deeper}"), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_drawn_with_its_branches() {
        let mut root = Node::new("a", "");
        let mut b = Node::new("b", 7);
        b.add(Node::new("c", ""));
        root.add(b);
        root.add(Node::new("d", ""));
        let expected = format!("a\n{:FIGURES_AT$} 7\n│  └─ c\n└─ d\n", "├─ b");
        assert_eq!(root.draw(), expected);
    }

    #[test]
    fn sizes_for_people() {
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(210_531_112), "210.5 MB");
        assert_eq!(bytes(4_000_000_000_000), "4000.0 GB");
    }
}
