//! `btfgen estimate`: what memory an encode will take, by the headers of the file alone.

use std::path::PathBuf;

use btfgen::admission::Root;
use btfgen::admission::limits::Cpus;
use btfgen::admission::margin::Forecast;
use btfgen::admission::size::show_bytes;
use btfgen::{Files, Image, Jobs, Result, Search};
use clap::Args;
use serde_json::json;

use super::options::jobs;
use super::share::Kind;
use super::source::BaseFile;
use super::{output, share};

/// The options of `btfgen estimate`.
#[derive(Debug, Args)]
pub(crate) struct EstimateArgs {
    /// ELF file with DWARF debugging information
    file: PathBuf,

    /// What the output would continue: raw BTF or an ELF file
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,

    /// The most workers to tell of; without it, as many as there are CPUs
    #[arg(short, long, value_name = "N", value_parser = jobs)]
    jobs: Option<Jobs>,

    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Carries it out.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn run(args: &EstimateArgs) -> Result<()> {
    let base = args.base.as_deref().map(BaseFile::open).transpose()?;
    let base_size = base.as_ref().map(BaseFile::size).transpose()?.unwrap_or_default();
    super::signals::expect_of(&args.file);
    let image = Image::open(&args.file)?;
    let files = Files::open(&image, &Search::default()).map_err(|e| e.in_file(&args.file))?;
    let features = share::features(&files, base_size);
    let point = |workers| features.point(workers);
    let kind = Kind::of(&features, &point);
    let runs = kind.history().map(|(_, runs)| runs).unwrap_or_default();
    let most = match args.jobs.unwrap_or_default() {
        Jobs::Auto => Cpus::read(&Root::system()).count().get(),
        Jobs::Exactly(count) => count.get(),
    };
    let counts: Vec<usize> =
        std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|n| *n < most).chain([most]).collect();
    let forecasts = counts.into_iter().map(|n| (n, kind.forecast(n, &runs)));
    let text = if args.json {
        let estimate = |(n, forecast): (usize, Forecast)| {
            json!({
                "jobs": n,
                "anon_bytes": forecast.bytes(),
                "expected_bytes": forecast.point,
                "margin": forecast.margin,
                "learned_from_runs": forecast.learned_from,
            })
        };
        let value = json!({
            "schema_version": 1,
            "features": {
                "info_bytes": features.info_bytes,
                "copied_bytes": features.copied_bytes,
                "units": features.units.map(|units| units.count),
                "largest_unit_bytes": features.units.map(|units| units.largest_bytes),
                "is_relocatable": features.is_relocatable,
                "base_bytes": features.base_bytes,
            },
            "estimates": forecasts.map(estimate).collect::<Vec<_>>(),
            "smallest_budget_bytes": kind.forecast(1, &runs).bytes(),
        });
        format!("{value:#}\n")
    } else {
        let line = |(n, forecast): (usize, Forecast)| {
            let workers = if n == 1 { "worker" } else { "workers" };
            let [bytes, point] = [forecast.bytes(), forecast.point].map(show_bytes);
            format!("{bytes:>10}  on {n} {workers} ({point} expected)\n")
        };
        forecasts.map(line).collect()
    };
    output::print(text.as_bytes()).map(|_| ())
}
